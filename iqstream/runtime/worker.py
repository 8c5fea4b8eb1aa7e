"""One worker process: its arguments, its signals, and its end with whoever started it."""

import argparse
import asyncio
import ctypes
import io
import json
import logging
import os
import signal
import socket
import stat
import sys
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import FrameType

import uvloop
from aiokafka.errors import KafkaError

from iqstream.runtime.errors import IqstreamError, Unreachable, UserError
from iqstream.runtime.health import Pulse
from iqstream.runtime.heap import keep_freed_memory
from iqstream.runtime.logs import configure_logs
from iqstream.runtime.metrics import Metrics
from iqstream.runtime.own_faults import own_fault
from iqstream.runtime.settings import Settings, load_settings, secrets_of
from iqstream.runtime.terminal import occupy_closed_streams, shown_lines

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
        return instance_id(self.settings, group, self.slot)


def instance_id(settings: Settings, group: str, slot: int) -> str:
    """`{group}-{host}-{slot}`."""
    return f"{group}-{settings.host_name or socket.gethostname()}-{slot}"


def run_worker(stage: str, serve: Serve, rehearse: Callable[[], object] | None = None) -> None:
    """Runs a service until SIGTERM, in a process that the supervisor started; ends the process.

    The reason of a failure that needs a person goes to standard output, where the supervisor reads it. A process that
    stands by calls `rehearse` first: the stage's computation once, so that kernels are loaded when they are needed.
    """
    occupy_closed_streams()
    arguments = _arguments(stage)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")  # as the supervisor reads it
    if arguments.standby:
        if rehearse is not None:
            rehearse()
        _take_place(stage, arguments)
    _name_process(f"{stage}-{arguments.slot}")
    _end_with_parent()
    keep_freed_memory()
    try:
        settings = load_settings(warn=False)  # the service has said it
        configure_logs(settings.log_format, level=settings.log_level, secrets=secrets_of(settings))
        uvloop.run(_run(stage, serve, settings, arguments))
    except IqstreamError as error:
        print(shown_lines(str(error)), flush=True)  # the supervisor's channel
        os._exit(error.exit_code)
    except (KafkaError, OSError, TimeoutError) as error:  # at the start: later the shell tries again by itself
        if (fault := own_fault(error)) is not None:
            print(fault, flush=True)
            os._exit(fault.exit_code)
        if isinstance(error, KafkaError) and not error.retriable:
            log.exception("worker ends")
            os._exit(70)
        print(shown_lines(f"a server does not answer: {type(error).__name__} {error}"), flush=True)
        os._exit(Unreachable.exit_code)
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
    parser.add_argument("--standby", action="store_true", help="wait for the slot and its lock on the input, a socket")
    return parser.parse_args()


def _take_place(stage: str, arguments: argparse.Namespace) -> None:
    """Waits until the supervisor needs another worker; everything is imported, so that one is there at once.

    It sends the slot's lock too, which is held as long as we live.
    """
    _name_process(f"{stage}-next")
    try:
        with socket.socket(fileno=os.dup(0)) as supervisor:
            message, _lock, _flags, _address = socket.recv_fds(supervisor, 4096, 1)
    except OSError:
        print(f"--standby: standard input is no socket; `iqstream {stage}` starts workers that stand by", flush=True)
        os._exit(UserError.exit_code)
    if not message:
        os._exit(0)
    place = json.loads(message)
    arguments.slot, arguments.metrics_port = place["slot"], place["metrics_port"]


def _name_process(name: str) -> None:
    """What `ps` and `top` call us, where the system has a way to say it."""
    if sys.platform == "linux":
        pr_set_name = 15
        ctypes.CDLL(None).prctl(pr_set_name, name.encode()[:15], 0, 0, 0)


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
    """Ends this process when the pipe on its standard input closes: an orphan would keep its partitions.

    Anything else there, as a terminal or /dev/null, is nobody's who could end.
    """
    try:
        mode = os.fstat(0).st_mode
    except OSError:  # there is none
        return
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        return

    def watch() -> None:
        while os.read(0, 4096):
            pass
        log.warning("worker ends: whoever started it has closed its standard input")
        os._exit(1)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()
