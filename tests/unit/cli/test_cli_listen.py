"""What `iqstream listen` understands of its options, and what it says of what it cannot take."""

import asyncio
import contextlib
import socket
import urllib.request
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from iqstream.cli.listen import _asked, _duration
from iqstream.cli.listen import listen as command
from iqstream.client.asynchronous import AsyncClient
from iqstream.ingest.live.given import AskedLive, Heard, Listened, Source
from iqstream.ingest.live.listen import _connected, listen
from iqstream.ingest.live.tuning import Tuning
from iqstream.runtime.errors import Failed, Unreachable, UserError
from tests.rtl_tcp_server import WELL, Behaviour, RtlTcpServer

OPTIONS = {
    "name": "Live", "frequency": "433.92M", "sample_rate": "250k", "gains": ("28",), "agc": False, "ppms": (),
    "record": None, "calibrations": (), "receivers": None, "places": ("roof=45,7",), "transmitter": None, "track": None,
    "window_ms": None, "chunk_ms": None, "to_rate": None, "min_snr": None, "min_receivers": None, "iq_samples": None,
    "description": "",
}  # fmt: skip


def test_gain_and_ppm_are_of_all_receivers_or_of_one():
    asked = _asked(
        ("roof=rtl_tcp://a", "rtl_tcp://b.example:99"), OPTIONS | {"gains": ("28", "roof=auto"), "ppms": ("roof=-3",)}
    )
    roof, other = asked.sources
    assert (roof.rx_id, str(roof.address), roof.tuning.gain_db, roof.tuning.ppm) == ("roof", "a:1234", None, -3)
    assert (other.rx_id, other.tuning.gain_db, other.tuning.ppm) == ("b.example-99", 28.0, 0)
    assert (roof.tuning.automatic, other.tuning.automatic) == (True, False)
    assert roof.tuning.center_frequency_hz == 433_920_000


@pytest.mark.parametrize(
    ("receivers", "changes", "problem"),
    [
        (("roof=http://a",), {}, "is no receiver: write rtl_tcp://HOST:PORT"),
        (("roof",), {}, "is no receiver"),
        (("auf dem Dach=rtl_tcp://a",), {}, "as auf-dem-Dach"),
        (("x=rtl_tcp://a", "x=rtl_tcp://b"), {}, "two receivers are called x"),
        (("rtl_tcp://a",), {"gains": ("hill=3",)}, "there is no receiver hill"),
        (("rtl_tcp://a",), {"gains": ("loud",)}, "'loud' cannot be read"),
        (("rtl_tcp://a",), {"gains": ("1", "2")}, "said twice"),
        (("x=rtl_tcp://a", "y=rtl_tcp://b"), {"gains": ("x=1",)}, "--gain of y is missing"),
        (("rtl_tcp://a",), {"gains": ("inf",)}, "cannot be read"),
        (("rtl_tcp://a",), {"ppms": ("0.5",)}, "cannot be read"),
        (("rtl_tcp://a",), {"sample_rate": "500k"}, "an RTL2832 has"),
        (("rtl_tcp://a",), {"frequency": "10GHz"}, "center_frequency_hz"),
        (("rtl_tcp://a",), {"frequency": "1e400"}, "no frequency that there is"),
        (("rtl_tcp://a",), {"frequency": ""}, "--frequency"),
        (("rtl_tcp://a",), {"calibrations": ("500",)}, "allowed are -200 to 100 dBm"),
    ],
)
def test_what_is_wrong_is_said_with_the_option(receivers, changes, problem):
    with pytest.raises(UserError) as error:
        _asked(receivers, OPTIONS | changes)
    assert problem in str(error.value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("10min", 600), ("2h", 7200), ("0", None), ("x", None), ("1e400", None)],
)
def test_a_duration_is_read_or_refused(text, seconds):
    if seconds is None:
        with pytest.raises(UserError, match="--duration"):
            _duration(text)
    else:
        assert _duration(text) == seconds


async def test_how_it_stands_is_served_to_prometheus_as_it_is_told(monkeypatch):
    heard = {"roof": Heard(windows=7, gaps=2, lost_s=1.5, outages=1), "hill": Heard()}
    now = Listened(
        dataset_id="d", name="Live", samples=9, published=5, waiting=2, receivers=heard, problems=("hill: given up",)
    )
    served, pages = [], []

    async def listened(_settings, _pool, _asked, *, on_tick, **_more):
        pages.append(await asyncio.to_thread(read, served[0]))  # nothing is known yet: no figure
        on_tick(now)
        pages.append(await asyncio.to_thread(read, served[0]))
        return now

    monkeypatch.setattr("iqstream.ingest.live.listen.listen", listened)
    monkeypatch.setattr("iqstream.client.ingesting.find_dataset", ended)
    client = AsyncClient(SimpleNamespace(metrics_host="127.0.0.1"))
    monkeypatch.setattr(client, "_postgres", contextlib.nullcontext)
    told = []
    asked = AskedLive(name="Live", sources=())
    await client.listen(asked, stop=asyncio.Event(), on_tick=told.append, port=0, on_served=served.append)
    assert told == [now]
    assert {name for name in pages[0] if name.startswith("iqstream")} == set()
    assert pages[1] == {
        "iqstream_listen_samples_total": 5, "iqstream_listen_waiting_samples": 2, "iqstream_listen_problems": 1,
        'iqstream_listen_windows_total{receiver="roof"}': 7, 'iqstream_listen_windows_total{receiver="hill"}': 0,
        'iqstream_listen_gaps_total{receiver="roof"}': 2, 'iqstream_listen_gaps_total{receiver="hill"}': 0,
        'iqstream_listen_lost_seconds_total{receiver="roof"}': 1.5,
        'iqstream_listen_lost_seconds_total{receiver="hill"}': 0,
        'iqstream_listen_outages_total{receiver="roof"}': 1, 'iqstream_listen_outages_total{receiver="hill"}': 0,
    }  # fmt: skip
    port = int(served[0].rsplit(":", 1)[1].split("/")[0])
    await client.listen(asked, stop=asyncio.Event(), port=port, on_served=served.append)
    assert served[-1] == served[0], "it is free again when listening ends"
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(UserError, match=f"cannot listen on .*:{port}"):
            await client.listen(asked, stop=asyncio.Event(), port=port)


async def ended(*_arguments, **_more):
    return SimpleNamespace(is_growing=False)


def read(address):
    """Every series with its value."""
    with urllib.request.urlopen(address, timeout=10) as answer:
        lines = [line for line in answer.read().decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


async def test_time_differences_are_refused_since_arrival_is_not_exact_enough():
    outcome = CliRunner().invoke(
        command, ["--name", "Live", "--frequency", "1M", "--gain", "1", "--pairs", "rtl_tcp://a"]
    )
    assert (outcome.exit_code, "No such option '--pairs'" in outcome.output) == (2, True)
    asked = AskedLive(name="Live", sources=(), pairs=True)
    with pytest.raises(UserError, match="no time stamps"):
        await listen(None, None, asked, stop=asyncio.Event(), on_dataset=print, on_tick=print, on_event=print)


async def test_a_receiver_that_is_away_and_one_that_is_none_end_with_their_exit_codes(monkeypatch):
    monkeypatch.setattr("iqstream.ingest.live.rtl_tcp.ANSWER_WITHIN_S", 0.2)
    tuning = Tuning(center_frequency_hz=1, sample_rate_hz=250_000, gain_db=1.0)

    def source(server):
        return Source(rx_id="a", address=server.address, tuning=tuning)

    silent, other = Behaviour(greeting=None, then="stall"), Behaviour(greeting=b"220 mail.example ESMTP")
    async with (
        RtlTcpServer([WELL], 250_000).running() as well,
        RtlTcpServer([silent], 250_000).running() as busy,
        RtlTcpServer([other], 250_000).running() as mail,
    ):
        for connection in await _connected([source(well)]):
            connection.close()
        with pytest.raises(Unreachable, match="another client") as away:
            await _connected([source(well), source(busy)])
        with pytest.raises(Failed, match="220 mail") as wrong:
            await _connected([source(busy), source(mail)])
        await asyncio.sleep(0)
    assert (away.value.exit_code, wrong.value.exit_code) == (3, 1)
