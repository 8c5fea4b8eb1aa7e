"""The services of all stages as an operator runs them: processes of the command line, started again when they end."""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Self

import psutil

from iqstream.embedded.server_log import tail
from iqstream.runtime.errors import Failed, Unreachable
from iqstream.runtime.settings import PREFIX, Settings

COMMAND: tuple[str, ...] = (sys.executable, "-m", "iqstream")
RESTART_AFTER_S = 1.0
STOP_DEADLINE_S = 60.0


def environment_of(settings: Settings) -> dict[str, str]:
    """Our environment with these settings in it."""
    given = {
        f"{PREFIX}{name.upper()}": str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in asdict(settings).items()
        if value != ""
    }
    others = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return others | given


@dataclass(slots=True, kw_only=True)
class Service:
    """One `iqstream STAGE --workers N`."""

    stage: str
    workers: int
    process: subprocess.Popen[bytes]
    wanted: bool = True
    killed: bool = False
    """By a fault, which has started the next one."""

    def worker_processes(self) -> dict[int, psutil.Process]:
        """The living workers by slot."""
        found = {}
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.process.pid).children():
                with contextlib.suppress(psutil.NoSuchProcess):
                    slot = re.fullmatch(r"[a-z]+-(\d+)", child.name())
                    if slot and child.status() != psutil.STATUS_ZOMBIE:
                        found[int(slot[1])] = child
        return found


class Stages:
    """One service per stage, and more while a stage is scaled up.

    A service that ends because something is unreachable (exit 3) is started again after a second, as systemd or a
    container's restart policy would; any other end that nobody asked for is a failure of the run.
    """

    def __init__(
        self,
        settings: Settings,
        log_path: Path,
        workers: Mapping[str, int],
        command: Sequence[str] = COMMAND,
    ) -> None:
        self.log_path = log_path
        self.unasked: list[str] = []
        """Services that ended by themselves: stage and exit code."""
        self._environment = environment_of(settings)
        self._workers = workers
        self._command = command
        self._log: IO[bytes] | None = None
        self._services: list[Service] = []
        self._keeping: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._log = self.log_path.open("ab")
        for stage in self._workers:
            self.start(stage)
        self._keeping = asyncio.create_task(self._keep())
        return self

    async def __aexit__(self, *_error: object) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
        for service in self._services:
            for worker in service.worker_processes().values():
                with contextlib.suppress(psutil.NoSuchProcess):
                    worker.send_signal(signal.SIGCONT)
        try:
            await asyncio.gather(*(self.stop(service) for service in list(self._services)), return_exceptions=True)
        finally:
            for service in self._services:
                _kill_family(service.process.pid)
                service.process.wait()
            if self._log is not None:
                self._log.close()

    def start(self, stage: str, workers: int | None = None) -> Service:
        """Another service of a stage, with the stage's usual number of workers unless another is given."""
        count = workers or self._workers[stage]
        service = Service(stage=stage, workers=count, process=self._spawn(stage, count))
        self._services.append(service)
        return service

    async def stop(self, service: Service) -> int:
        """SIGTERM; its exit code, -9 if it was killed before it had ended.

        Raises:
            Failed: it does not end.
        """
        service.wanted = False
        service.process.send_signal(signal.SIGTERM)
        try:
            code = await asyncio.to_thread(service.process.wait, STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            _kill_family(service.process.pid)
            raise Failed(f"the {service.stage} did not stop within {STOP_DEADLINE_S:.0f} s of SIGTERM") from None
        if not service.killed:
            self._services.remove(service)
        return code

    @property
    def names(self) -> tuple[str, ...]:
        """The stages that there is a service of."""
        return tuple(self._workers)

    def of(self, stage: str) -> Service:
        """The stage's first service."""
        return next(service for service in self._services if service.stage == stage)

    def kill_service(self, stage: str) -> Service:
        """Kill -9 of a stage's service and all its workers at once, and a new one."""
        service = self.of(stage)
        service.wanted, service.killed = False, True
        _kill_family(service.process.pid)
        service.process.wait()
        self._services.remove(service)
        return self.start(stage)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(RESTART_AFTER_S)
            for service in self._services:
                code = service.process.poll()
                if code is None or not service.wanted:
                    continue
                if code == Unreachable.exit_code:
                    service.process = self._spawn(service.stage, service.workers)
                else:
                    service.wanted = False
                    self.unasked.append(f"the {service.stage} ended with exit code {code}")

    def _spawn(self, stage: str, workers: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*self._command, stage, "--workers", str(workers)],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,  # Ctrl-C is ours to pass on
        )

    def last_words(self) -> str:
        """The end of the stages' common log."""
        return tail(self.log_path)


def _kill_family(pid: int) -> None:
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    psutil.wait_procs(family[1:], timeout=10)
