"""What the stack needs of a server, and how each is started and stopped."""

import asyncio
import contextlib
import logging
import secrets
import shutil
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import msgspec
import psutil

from iqstream.embedded import ports as port_numbers
from iqstream.embedded import processes
from iqstream.embedded.processes import Account, ProcessRecord
from iqstream.embedded.server_log import begin_log, tail
from iqstream.embedded.state import StackState
from iqstream.runtime.errors import Unreachable

_log = logging.getLogger(__name__)
_START_ATTEMPTS = 3
_POLL_S = 0.05
_UNFINISHED = "data.new-"


class NotReadyError(Exception):
    """The server does not answer as it should yet; the message says what was seen."""


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """How to start a server's process."""

    command: tuple[str, ...]
    cwd: Path
    environment: Mapping[str, str]
    account: Account | None = None


class Server(ABC):
    """One of the stack's servers under `home`, where its data and its generated configuration are."""

    name: ClassVar[str]
    port_names: ClassVar[tuple[str, ...]]
    paired_ports: ClassVar[tuple[str, ...]] = ()
    tools: ClassVar[tuple[str, ...]] = ()  # programs that make the data directory
    stop_steps: ClassVar[Sequence[tuple[signal.Signals, float]]]

    def __init__(self, state_dir: Path, state: StackState) -> None:
        self.home = state_dir / self.name
        self.log_path = state_dir / "logs" / f"{self.name}.log"
        self.state = state

    @abstractmethod
    def version(self) -> str:
        """The server's own version."""

    @abstractmethod
    def endpoint(self, ports: Mapping[str, int]) -> str:
        """Where clients reach it, without credentials."""

    @abstractmethod
    def prepare(self, ports: Mapping[str, int]) -> None:
        """Write the configuration; make the data directory if there is none, whole or not at all. Blocks."""

    @abstractmethod
    def launch(self, ports: Mapping[str, int]) -> Launch:
        """The command that serves in the foreground."""

    @abstractmethod
    def owns(self, command: Sequence[str]) -> bool:
        """Whether a command line is this server's, of this directory."""

    @abstractmethod
    async def probe(self, ports: Mapping[str, int]) -> None:
        """Ask something over the server's own protocol, with our credentials.

        Raises:
            NotReadyError: no answer, or not the answer of our server.
        """

    def clean_up(self, ports: Mapping[str, int]) -> None:
        """Remove what a killed server leaves outside its home; only called while it does not run."""
        del ports  # most leave nothing

    def belongs(self, process: psutil.Process) -> bool:
        """Whether a process is part of this server of this directory, or makes its data directory."""
        command = process.cmdline()
        return self.owns(command) or self._makes_data(command)

    def _makes_data(self, command: Sequence[str]) -> bool:
        unfinished = f"{self.home}/{_UNFINISHED}"
        return (
            bool(command)
            and Path(command[0]).name in self.tools
            and any(part.startswith(unfinished) for part in command[1:])
        )

    def running(self) -> psutil.Process | None:
        """The recorded process if it is alive and ours."""
        record = self.state.processes.get(self.name)
        return processes.find(record, self.owns) if record else None

    def stop(self) -> bool:
        """Stops the server, recorded or left over; returns whether there was anything to stop. Blocks."""
        recorded = self.running()
        found = [recorded] if recorded else []
        found += [other for other in processes.leftovers(self.belongs) if other not in found]
        for process in found:
            processes.stop(process, self.stop_steps)
        self.clean_up(self.state.ports.get(self.name, {}))
        return bool(found)


def fresh_directory(home: Path) -> Path:
    """A name, not yet taken, under which to make a data directory; the unfinished ones of killed starts are removed.

    A killed start's tool may still be writing into one of those for a moment: hence a new name each time.
    """
    for unfinished in home.glob(f"{_UNFINISHED}*"):
        if unfinished.is_dir():
            shutil.rmtree(unfinished, ignore_errors=True)
        else:
            unfinished.unlink(missing_ok=True)
    return home / f"{_UNFINISHED}{secrets.token_hex(4)}"


async def bring_up(server: Server, *, save: Callable[[], None], deadline_s: float) -> bool:
    """Starts the server unless it runs, and waits until it answers; returns whether this call started it.

    A server that ends while it starts is started again, twice at most: a port that somebody took since it was
    chosen is replaced by another one, and what was short for a moment (memory, a file's reading) comes back.

    Raises:
        Unreachable: it ended each time or did not answer in time; the message quotes its log.
    """
    if server.running() is not None:
        ports = server.state.ports[server.name]
        await _answer(server, ports, server.state.processes[server.name], deadline_s)
        return False
    await asyncio.to_thread(server.stop)  # an unrecorded one, of a start that was killed
    for attempt in range(1, _START_ATTEMPTS + 1):
        ports = _ports_for(server)
        server.state.ports[server.name] = ports
        await asyncio.to_thread(begin_log, server.log_path)
        await asyncio.to_thread(server.prepare, ports)
        launch = server.launch(ports)
        record = processes.spawn(
            launch.command,
            cwd=launch.cwd,
            environment=launch.environment,
            log_path=server.log_path,
            account=launch.account,
        )
        server.state.processes[server.name] = record
        save()
        try:
            await _answer(server, ports, record, deadline_s)
        except BaseException as error:
            ended = isinstance(error, Unreachable) and not processes.is_alive(record)
            await asyncio.to_thread(_end, server, record)
            save()
            if ended and attempt < _START_ATTEMPTS:
                _log.warning("%s ended during its start (log: %s.1): starting it again", server.name, server.log_path)
                continue
            raise
        return True
    raise AssertionError  # the last attempt returns or raises


def _end(server: Server, record: ProcessRecord) -> None:
    """End what was started a moment ago, even while it still carries the command of a wrapper."""
    if processes.is_alive(record):
        with contextlib.suppress(psutil.NoSuchProcess):
            processes.stop(psutil.Process(record.pid), server.stop_steps)
    server.clean_up(server.state.ports[server.name])
    server.state.processes.pop(server.name, None)


def _occupied(server: Server, ports: Mapping[str, int]) -> list[int]:
    return port_numbers.occupied(ports, paired=server.paired_ports)


def _ports_for(server: Server) -> dict[str, int]:
    """The ports of last time if they are free, so that what others remember stays true; else new ones."""
    last = server.state.ports.get(server.name, {})
    if set(last) == set(server.port_names) and not _occupied(server, last):
        return last
    taken = [port for ports in server.state.ports.values() for port in ports.values()]
    return port_numbers.choose_ports(server.port_names, paired=server.paired_ports, taken=taken)


async def _answer(server: Server, ports: Mapping[str, int], record: ProcessRecord, deadline_s: float) -> None:
    until_s = time.monotonic() + deadline_s
    while True:
        try:
            await server.probe(ports)
        except NotReadyError as error:
            seen = str(error)
        else:
            return
        if not processes.is_alive(record):
            problem = f"{server.name} ended while it started"
        elif time.monotonic() >= until_s:
            problem = f"{server.name} did not answer on {server.endpoint(ports)} within {deadline_s:.0f} s ({seen})"
        else:
            await asyncio.sleep(_POLL_S)
            continue
        raise Unreachable(
            f"{problem}. The end of its log, {server.log_path}:\n{tail(server.log_path)}\n"
            "`iqstream down`, then `iqstream up` restarts the servers; the data stays."
        )
