"""The supervisor of a stage: starts its worker processes, restarts those that die, stops them all in time."""

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from iqstream.runtime.errors import Failed, IqstreamError, Unreachable, UserError
from iqstream.runtime.kafka import admin_client
from iqstream.runtime.kafka_protocol import leave_group
from iqstream.runtime.own_faults import own_fault
from iqstream.runtime.settings import Settings
from iqstream.runtime.worker import instance_id

log = logging.getLogger(__name__)

STOP_DEADLINE_S = 30.0
SHORT_LIFE_S = 10.0
SHORT_LIVES_ALLOWED = 5
BACKOFF_MOST_S = 10.0
STANDBY_AFTER_START_S = 3.0
"""How long the workers' first start has the machine for itself before another process is made ready."""
STANDBY_AFTER_PROMOTION_S = 0.5
"""How long a take-over has the machine for itself: longer than it lasts, when the next one is ready."""
WAIT_S = 1.0
"""Between two attempts while a server is away."""
MAX_SLOTS = 1024
_NEEDS_A_PERSON = frozenset({Failed.exit_code, UserError.exit_code})

OnStart = Callable[[int, asyncio.subprocess.Process], None]
"""Told of every worker that starts: its slot and its process."""


@dataclass(slots=True)
class Slot:
    """A place for one worker: its lock is held by supervisor and worker, until neither lives."""

    number: int
    lock_fd: int
    process: asyncio.subprocess.Process | None = None
    short_lives: int = 0


async def supervise(
    stage: str,
    *,
    group: str,
    workers: int,
    settings: Settings,
    stop: asyncio.Event,
    kill: asyncio.Event,
    metrics_port: int = 0,
    log_file: IO[Any] | None = None,
    environ: Mapping[str, str] = os.environ,
    on_start: OnStart | None = None,
) -> None:
    """Keeps `workers` processes of `python -m {stage}` running until `stop` is set, then ends them.

    They log to our standard error, or to `log_file`. Setting `kill` as well ends them at once, without a
    last commit. `environ` is theirs, which their settings come from. `on_start` is called with the slot and the
    process of every worker, the replacements included.

    Raises:
        Failed: a worker keeps dying, or says that it cannot go on.
        UserError: a worker says that its settings are wrong.
        Unreachable: no broker.
    """
    async with admin_client(settings) as admin:
        cluster = (await admin.describe_cluster())["cluster_id"]
    slots = take_slots(f"{cluster}-{group}", workers)
    fleet = Fleet(stage, metrics_port, log_file, environ)
    try:
        async with asyncio.TaskGroup() as keepers:
            if settings.standby:
                keepers.create_task(fleet.keep_standby(stop))
            for slot in slots:
                keepers.create_task(_keep(fleet, slot, stop, kill, on_start))
    except* IqstreamError as group_error:
        raise group_error.exceptions[0] from None
    finally:
        for slot in slots:
            os.close(slot.lock_fd)
    await _leave(group, slots, settings)


def take_slots(scope: str, count: int) -> list[Slot]:
    """The `count` lowest slots of this host that no other service holds.

    Raises:
        Failed: there are none, or the disk is full.
        UserError: the directory of their locks cannot be used.
    """
    folder = Path(tempfile.gettempdir()) / f"iqstream-{os.getuid()}"
    slots: list[Slot] = []
    for number in range(MAX_SLOTS):
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(folder / f"{scope}-{number}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise (own_fault(error) or error) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            continue
        slots.append(Slot(number, descriptor))
        if len(slots) == count:
            return slots
    raise Failed(f"all {MAX_SLOTS} worker slots of {scope} on this host are taken")


class Fleet:
    """Starts a service's worker processes; `keep_standby` has one more ready for the next that dies.

    That one has imported everything and waits for a slot: a start takes a second or more of computing, and a killed
    worker's partitions would stand still for that long.
    """

    def __init__(
        self,
        stage: str,
        metrics_port: int,
        log_file: IO[Any] | None,
        environ: Mapping[str, str],
    ) -> None:
        self.stage = stage
        self._metrics_port = metrics_port
        self._log_file = log_file
        self._environ = environ
        self._standby: _Tied | None = None
        self._standby_gone = asyncio.Event()

    @contextlib.asynccontextmanager
    async def worker(self, slot: Slot) -> AsyncIterator[asyncio.subprocess.Process]:
        """A running worker in a slot, killed at the end if it still runs: the one that stood by, or a new one."""
        tied = await self._promoted(slot)
        if tied is None:
            arguments = ("--slot", str(slot.number), "--metrics-port", str(self._port(slot)))
            tied = await self._start(arguments, (slot.lock_fd,))
        slot.process = tied.process
        try:
            yield tied.process
        finally:
            await tied.kill()

    async def keep_standby(self, stop: asyncio.Event) -> None:
        """Has a process stand by until `stop` is set; begins once the workers have started."""
        stopped = asyncio.create_task(stop.wait())
        delay_s = STANDBY_AFTER_START_S
        try:
            while not stopped.done():
                await asyncio.wait({stopped}, timeout=delay_s)
                if stopped.done():
                    return
                self._standby = standby = await self._start(("--standby",), ())
                self._standby_gone.clear()
                gone = [asyncio.create_task(self._standby_gone.wait()), asyncio.create_task(standby.process.wait())]
                await asyncio.wait({stopped, *gone}, return_when=asyncio.FIRST_COMPLETED)
                for task in gone:
                    task.cancel()
                delay_s = STANDBY_AFTER_PROMOTION_S if self._standby_gone.is_set() else STANDBY_AFTER_START_S
        finally:
            stopped.cancel()
            if self._standby is not None:
                await self._standby.kill()

    async def _promoted(self, slot: Slot) -> "_Tied | None":
        standby, self._standby = self._standby, None
        self._standby_gone.set()
        if standby is None:
            return None
        place = json.dumps({"slot": slot.number, "metrics_port": self._port(slot)}).encode()
        try:
            socket.send_fds(standby.tie, [place], [slot.lock_fd])
        except OSError:  # it has died
            await standby.kill()
            return None
        return standby

    def _port(self, slot: Slot) -> int:
        return self._metrics_port and self._metrics_port + slot.number

    async def _start(self, arguments: Sequence[str], descriptors: Sequence[int]) -> "_Tied":
        """A process in a session of its own, which keeps Ctrl-C off."""
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", self.stage, *arguments,
                stdin=theirs.fileno(),
                stdout=asyncio.subprocess.PIPE,
                stderr=self._log_file,
                env=self._environ,
                pass_fds=descriptors,
                start_new_session=True,
            )  # fmt: skip
        return _Tied(process, ours)


@dataclass(frozen=True, slots=True)
class _Tied:
    """A process whose standard input is a socket that closes with us, and it ends by that."""

    process: asyncio.subprocess.Process
    tie: socket.socket

    async def kill(self) -> None:
        """Ends it if it still runs."""
        self.tie.close()
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()


async def _keep(fleet: Fleet, slot: Slot, stop: asyncio.Event, kill: asyncio.Event, on_start: OnStart | None) -> None:
    """One slot's life: a worker, and another when it dies, later and later while they die young."""
    stage = fleet.stage
    loop = asyncio.get_running_loop()
    waits_for = ""
    while not stop.is_set():
        started_at = loop.time()
        async with fleet.worker(slot) as process:
            if on_start is not None:
                on_start(slot.number, process)
            reason = await _until_end(process, stop, kill)
        if stop.is_set():
            return
        if process.returncode in _NEEDS_A_PERSON and reason:
            kind = UserError if process.returncode == UserError.exit_code else Failed
            raise kind(f"{stage} worker {slot.number} has stopped: {reason}")
        code = process.returncode or 0
        if code == Unreachable.exit_code:  # nothing is wrong with the worker: it waits for as long as it takes
            if reason != waits_for:
                log.warning("%s worker %d waits, and tries every %.0f s: %s", stage, slot.number, WAIT_S, reason)
            waits_for = reason
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WAIT_S):
                    await stop.wait()
            continue
        waits_for = ""
        slot.short_lives = slot.short_lives + 1 if loop.time() - started_at < SHORT_LIFE_S else 0
        how = f"signal {-code}" if code < 0 else f"exit {code}"
        if slot.short_lives > SHORT_LIVES_ALLOWED:
            raise Failed(
                f"{stage} worker {slot.number} keeps dying ({how}, {slot.short_lives} times within "
                f"{SHORT_LIFE_S:.0f} s of its start); its log says why. {reason}"
            )
        delay_s = min(BACKOFF_MOST_S, 0.25 * 2**slot.short_lives) if slot.short_lives > 1 else 0.0
        log.warning("%s worker %d ended (%s); the next starts", stage, slot.number, f"{how} {reason}".strip())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await stop.wait()


async def _until_end(process: asyncio.subprocess.Process, stop: asyncio.Event, kill: asyncio.Event) -> str:
    """Waits for a worker's end, which it is told when `stop` is set; returns what it said on its output."""
    assert process.stdout is not None  # noqa: S101  # it is a pipe
    output = asyncio.create_task(process.stdout.read())
    stopped = asyncio.create_task(stop.wait())
    killed = asyncio.create_task(kill.wait())
    try:
        await asyncio.wait({output, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not output.done():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            done, _ = await asyncio.wait({output, killed}, timeout=STOP_DEADLINE_S, return_when=asyncio.FIRST_COMPLETED)
            if output not in done:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
        said = (await output).decode(errors="replace").strip()
        await process.wait()
        return said
    finally:
        for task in (output, stopped, killed):
            task.cancel()


async def _leave(group: str, slots: list[Slot], settings: Settings) -> None:
    """Takes the stopped members out of the group: static members do not leave by themselves."""
    try:
        async with asyncio.timeout(10), admin_client(settings) as admin:
            await leave_group(admin, group, [instance_id(settings, group, slot.number) for slot in slots])
    except Exception as error:  # noqa: BLE001  # the session timeout does the same, later
        log.warning("members of %s stay until their session times out: %s", group, error)
