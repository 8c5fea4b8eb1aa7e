"""Starting a server: a port that was taken meanwhile, a server that dies, one that never answers."""

import asyncio
import signal
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import pytest

from iqstream.embedded import ports as port_numbers
from iqstream.embedded.server import Launch, NotReadyError, Server, bring_up
from iqstream.embedded.state import new_state
from iqstream.runtime.errors import Unreachable

LISTENS = """
import socket, sys, time
with socket.socket() as s:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", int(sys.argv[1])))
    s.listen()
    time.sleep(60)
"""


class Listener(Server):
    """A server in a few lines, which answers by accepting a connection."""

    name: ClassVar[str] = "listener"
    port_names: ClassVar[tuple[str, ...]] = ("client",)
    stop_steps: ClassVar[Sequence[tuple[signal.Signals, float]]] = ((signal.SIGTERM, 10.0),)
    program = LISTENS
    answers = True
    prepared = 0

    def version(self) -> str:
        return "1"

    def endpoint(self, ports: Mapping[str, int]) -> str:
        return f"127.0.0.1:{ports['client']}"

    def prepare(self, ports: Mapping[str, int]) -> None:
        self.prepared += 1
        self.home.mkdir(exist_ok=True)

    def launch(self, ports: Mapping[str, int]) -> Launch:
        command = (sys.executable, "-c", self.program, str(ports["client"]), str(self.home))
        return Launch(command=command, cwd=self.home, environment={})

    def owns(self, command: Sequence[str]) -> bool:
        return bool(command) and command[-1] == str(self.home)

    async def probe(self, ports: Mapping[str, int]) -> None:
        if not self.answers:
            raise NotReadyError("still silent")
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", ports["client"])
        except OSError as error:
            raise NotReadyError(str(error)) from error
        writer.close()
        await writer.wait_closed()


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    (tmp_path / "logs").mkdir()
    server = Listener(tmp_path, new_state())
    yield server
    server.stop()


async def start(server: Server, deadline_s: float = 20.0) -> bool:
    return await bring_up(server, save=lambda: None, deadline_s=deadline_s)


async def test_a_running_server_is_left_alone(listener: Listener) -> None:
    assert await start(listener) is True
    record = listener.state.processes["listener"]
    assert await start(listener) is False
    assert listener.state.processes["listener"] == record


async def test_after_a_stop_it_comes_back_on_its_port(listener: Listener) -> None:
    await start(listener)
    port = listener.state.ports["listener"]
    assert listener.stop() is True
    assert listener.stop() is False
    await start(listener)
    assert listener.state.ports["listener"] == port


async def test_a_port_that_was_taken_after_it_was_chosen_is_replaced(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        taken = stranger.getsockname()[1]
        choose = port_numbers.choose_ports
        first = iter([{"client": taken}])
        monkeypatch.setattr(port_numbers, "choose_ports", lambda *a, **k: next(first, None) or choose(*a, **k))
        # the stranger does not accept our question, as another protocol would not
        listener.answers = False
        probe = listener.probe

        async def only_ours(ports: Mapping[str, int]) -> None:
            listener.answers = ports["client"] != taken
            await probe(ports)

        monkeypatch.setattr(listener, "probe", only_ours)
        assert await start(listener)
        assert listener.state.ports["listener"]["client"] != taken
        assert listener.prepared == 2


async def test_a_server_that_ends_is_reported_with_its_last_words(listener: Listener) -> None:
    listener.program = "import sys; sys.exit('no more ink')"
    with pytest.raises(Unreachable, match=r"(?s)ended while it started.*no more ink"):
        await start(listener)
    assert listener.state.processes == {}


async def test_a_server_whose_first_start_ends_is_started_once_more(
    listener: Listener, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    seen = tmp_path / "seen"
    ends_once = f"import pathlib, sys\nif not (seen := pathlib.Path({str(seen)!r})).exists():\n"
    listener.program = f"{ends_once}    seen.touch()\n    sys.exit('out of memory')\n{LISTENS}"
    assert await start(listener)
    assert listener.prepared == 2
    assert "out of memory" in listener.log_path.with_name(f"{listener.log_path.name}.1").read_text()
    assert [record.levelname for record in caplog.records] == ["WARNING"]


async def test_a_server_that_never_answers_is_ended_at_the_deadline(listener: Listener) -> None:
    listener.answers = False
    with pytest.raises(Unreachable, match=r"did not answer .* \(still silent\)"):
        await start(listener, deadline_s=0.2)
    assert listener.stop() is False
    assert listener.state.processes == {}


async def test_a_cancelled_start_ends_the_server(listener: Listener) -> None:
    listener.answers = False
    recorded = asyncio.Event()
    task = asyncio.create_task(bring_up(listener, save=recorded.set, deadline_s=20.0))
    await recorded.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert listener.stop() is False
