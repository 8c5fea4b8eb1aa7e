"""Ports are free, distinct, and stay clear of each other's partners."""

import socket

import pytest

from iqstream.embedded import ports


def listen(port: int) -> socket.socket:
    holder = socket.socket()
    holder.bind(("127.0.0.1", port))
    holder.listen()
    return holder


def test_a_port_is_free_until_somebody_listens_on_it() -> None:
    [port] = ports.choose_ports(["a"]).values()
    assert ports.is_free(port)
    with listen(port):
        assert not ports.is_free(port)
        assert ports.occupied({"a": port}) == [port]
    assert ports.occupied({"a": port}) == []


def test_a_listener_on_all_addresses_occupies_the_loopback_port() -> None:
    with socket.socket() as holder:
        holder.bind(("", 0))
        holder.listen()
        assert not ports.is_free(holder.getsockname()[1])


def test_chosen_ports_and_the_partners_of_paired_ones_are_all_different() -> None:
    names = [f"n{number}" for number in range(40)]
    chosen = ports.choose_ports(names, paired=names[:20])
    everything = [*chosen.values(), *(chosen[name] + ports.PAIR_DISTANCE for name in names[:20])]
    assert list(chosen) == names
    assert len(set(everything)) == len(everything)
    assert all(1024 < port < 32_768 for port in everything)


def test_taken_ports_are_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter([5, 5, 6])
    monkeypatch.setattr("iqstream.embedded.ports.secrets.randbelow", lambda _: next(drawn))
    monkeypatch.setattr(ports, "is_free", lambda _: True)
    assert ports.choose_ports(["a", "b"], taken=[]) == {"a": 12_005, "b": 12_006}


def test_an_occupied_partner_makes_a_paired_port_occupied() -> None:
    [port] = ports.choose_ports(["a"], paired=["a"]).values()
    with listen(port + ports.PAIR_DISTANCE):
        assert ports.occupied({"a": port}) == []
        assert ports.occupied({"a": port}, paired=["a"]) == [port + ports.PAIR_DISTANCE]


def test_no_free_port_is_an_error_and_not_an_endless_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "is_free", lambda _: False)
    with pytest.raises(OSError, match="no free port"):
        ports.choose_ports(["a"])
