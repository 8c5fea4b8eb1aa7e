"""One worker process: its arguments, its signals, and its end with whoever started it."""

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import FrameType

import uvloop

from iqstream.runtime.errors import IqstreamError
from iqstream.runtime.health import Pulse
from iqstream.runtime.heap import keep_freed_memory
from iqstream.runtime.logs import configure_logs
from iqstream.runtime.metrics import Metrics
from iqstream.runtime.settings import Settings, load_settings, secrets_of

log = logging.getLogger(__name__)

Serve = Callable[["Worker"], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """What a stage's service needs of its process."""

    stage: str
    slot: int
    settings: Settings
    metrics: Metrics
    stop: asyncio.Event

    def instance_id(self, group: str) -> str:
        """The static member that this slot of this host is, through restarts."""
        return instance_id(group, self.slot)


def instance_id(group: str, slot: int) -> str:
    """`{group}-{host}-{slot}`."""
    return f"{group}-{socket.gethostname()}-{slot}"


def run_worker(stage: str, serve: Serve) -> None:
    """Runs a service until SIGTERM, in a process that the supervisor started; ends the process.

    The reason of a failure that needs a person goes to standard output, where the supervisor reads it.
    """
    arguments = _arguments(stage)
    _end_with_parent()
    keep_freed_memory()
    try:
        settings = load_settings()
        configure_logs(settings.log_format, secrets=secrets_of(settings))
        uvloop.run(_run(stage, serve, settings, arguments))
    except IqstreamError as error:
        print(error, flush=True)  # the supervisor's channel
        os._exit(error.exit_code)
    except Exception:
        log.exception("worker ends")
        os._exit(70)
    os._exit(0)


def _arguments(stage: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m {stage}", description=f"One {stage} worker; `iqstream {stage}` starts several."
    )
    parser.add_argument("--slot", type=int, default=0, help="which of this host's workers this is")
    parser.add_argument("--metrics-port", type=int, default=0, help="0: any free port")
    return parser.parse_args()


async def _run(stage: str, serve: Serve, settings: Settings, arguments: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            os._exit(1)  # asked twice: now
        loop.call_soon_threadsafe(stop.set)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    metrics = Metrics(stage)
    pulse = Pulse()
    port = metrics.serve(settings.metrics_host, arguments.metrics_port, pulse)
    worker = Worker(stage=stage, slot=arguments.slot, settings=settings, metrics=metrics, stop=stop)
    log.info("%s worker %d starts", stage, worker.slot, extra={"pid": os.getpid(), "metrics_port": port})
    async with pulse.beating():
        await serve(worker)
    log.info("%s worker %d has stopped", stage, worker.slot)


def _end_with_parent() -> None:
    """Ends this process when the pipe on its standard input closes: an orphan would keep its partitions."""
    if sys.stdin is None or sys.stdin.isatty():
        return

    def watch() -> None:
        while os.read(0, 4096):
            pass
        os._exit(1)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()
