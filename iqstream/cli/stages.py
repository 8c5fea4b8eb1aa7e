"""`iqstream STAGE`: a stage's worker processes on this machine."""

import asyncio
import os
import signal

import click

from iqstream.cli.console import say
from iqstream.cli.numbers import WholeNumber
from iqstream.runtime.kafka import admin_client
from iqstream.runtime.logs import configure_logs
from iqstream.runtime.settings import Settings, load_settings, secrets_of
from iqstream.runtime.stages import STAGES, Stage
from iqstream.runtime.workers import supervise


def _command(stage: Stage) -> click.Command:
    @click.command(
        name=stage.name,
        help=f"{stage.work}\n\nExample: iqstream {stage.name} --workers 2",
        short_help=stage.work,
    )
    @click.option(
        "--workers",
        type=WholeNumber(1, 1024),
        help="Worker processes.  [default: the smaller of cores and partitions]",
    )
    @click.option(
        "--metrics-port",
        type=WholeNumber(0, 64_000),
        default=0,
        show_default=True,
        help="Prometheus metrics: worker N listens on this port + N; 0: any free port, named in the log.",
    )
    def command(workers: int | None, metrics_port: int) -> None:
        settings = load_settings()
        configure_logs(settings.log_format, level=settings.log_level, secrets=secrets_of(settings))
        asyncio.run(_run(stage, settings, workers, metrics_port))

    return command


async def _run(stage: Stage, settings: Settings, workers: int | None, metrics_port: int) -> None:
    """Supervises until SIGTERM or Ctrl-C; the second one ends the workers at once."""
    stop, kill = asyncio.Event(), asyncio.Event()

    def on_signal() -> None:
        (kill if stop.is_set() else stop).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, on_signal)
    async with admin_client(settings):
        pass  # nobody needs workers that only say, one after the other, that there is no broker
    count = workers or min(os.cpu_count() or 1, settings.partitions)
    if count > settings.partitions:
        say(
            f"{count - settings.partitions} of {count} workers will stand by: the topics have "
            f"{settings.partitions} partitions (IQSTREAM_PARTITIONS, before `iqstream init`).",
            err=True,
        )
    await supervise(
        stage.name,
        group=stage.group,
        workers=count,
        settings=settings,
        stop=stop,
        kill=kill,
        metrics_port=metrics_port,
    )


COMMANDS = {name: _command(stage) for name, stage in STAGES.items()}
