"""`iqstream up | down | status | init`: the embedded servers, and what the stages stand on."""

import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import click
import msgspec
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table

from iqstream.cli.console import Console, say, say_json
from iqstream.cli.door import with_client
from iqstream.cli.tables import print_whole
from iqstream.client.asynchronous import AsyncClient
from iqstream.embedded import stack
from iqstream.embedded.report import LogReport
from iqstream.initialise import Initialised
from iqstream.runtime.errors import Failed, Unreachable
from iqstream.runtime.settings import DEFAULT_STATE_DIR, STATE_DIR_VARIABLE, load_settings, only_embedded

state_dir_option = click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    envvar=STATE_DIR_VARIABLE,
    default=DEFAULT_STATE_DIR,
    show_default=True,
    show_envvar=True,
    help="Where data, logs and credentials of the embedded servers live.",
)


class ConsoleReport:
    """Tells of the servers' start on a terminal: a line a step, a bar while jars come."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lines = LogReport()
        self._bar: Progress | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def step(self, message: str) -> None:
        """A line."""
        self._console.print(f"  {message}", soft_wrap=True)

    def downloaded(self, done_bytes: int, total_bytes: int) -> None:
        """Moves the bar, or says a figure now and then where there is no terminal."""
        if not self._console.is_terminal:
            self._lines.downloaded(done_bytes, total_bytes)
            return
        if self._bar is None:
            columns = (TextColumn("  {task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
            self._bar = Progress(*columns, console=self._console)
            self._bar.add_task("Kafka's jars", total=total_bytes)
            self._bar.start()
        self._bar.update(self._bar.task_ids[0], completed=done_bytes, total=total_bytes)


def start_stack(console: Console, state_dir: Path, needed_bytes: int) -> stack.StackInfo:
    """Brings the embedded servers up, telling of it."""
    with ConsoleReport(console) as report:
        return stack.up(state_dir, report=report, needed_bytes=needed_bytes)


@click.command(epilog="Example: iqstream up && iqstream status")
@state_dir_option
def up(state_dir: Path) -> None:
    """Start the embedded Kafka, PostgreSQL and S3 servers, and make topics, tables and bucket.

    Loopback only, on free ports, with generated credentials, which `.iqstream/env` holds; every command here reads
    that file. Running it again changes nothing.
    """
    console = Console(stderr=True)
    info = start_stack(console, state_dir, stack.DEFAULT_NEEDED_BYTES)
    made = with_client(AsyncClient.initialise, load_settings(only_embedded(state_dir)))
    state = "were up already" if info.was_up else f"up in {info.seconds:.1f} s"
    say(f"Embedded servers {state}:")
    for name, endpoint in info.endpoints.items():
        say(f"  {name:<9} {endpoint}  log {info.log_paths[name]}")
    _tell(made)
    say(f"Settings are in {info.env_file}. `iqstream down` stops the servers and keeps their data.")


@click.command(epilog="Example: iqstream down")
@state_dir_option
def down(state_dir: Path) -> None:
    """Stop the embedded servers. Their data stays; `iqstream up` uses it again."""
    ended = stack.down(state_dir)
    say(f"Stopped: {', '.join(ended)}." if ended else "No embedded server was running.")


@click.command(epilog="Example: iqstream status --json")
@state_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(state_dir: Path, as_json: bool) -> None:  # noqa: FBT001
    """Show the embedded servers: whether they run, where, and what they take.

    Ends with exit code 3 if one is dead: it was started, not taken down, and no longer runs.
    """
    servers = stack.status(state_dir)
    dead = [server for server in servers if server.condition == "dead"]
    if as_json:
        say_json(msgspec.to_builtins(servers, enc_hook=str))
    else:
        _show(servers)
        for server in dead:
            say(f"{server.name} is dead. `iqstream up` starts it again; its log is {server.log_path}.", err=True)
    if dead:
        sys.exit(Unreachable.exit_code)


def _show(servers: Sequence[stack.ServerStatus]) -> None:
    if not servers:
        say("There are no embedded servers here: `iqstream up` starts them.")
        return
    table = Table(box=None, pad_edge=False)
    for column, justify in (
        ("server", "left"), ("state", "left"), ("address", "left"), ("pid", "right"),
        ("memory", "right"), ("disk", "right"),
    ):  # fmt: skip
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    for server in servers:
        table.add_row(
            server.name,
            server.condition,
            server.endpoint or "-",
            str(server.pid or "-"),
            f"{server.memory_mib:.0f} MiB",
            f"{server.disk_mib:.0f} MiB",
        )
    print_whole(Console(), table)


@click.command(epilog="Example: IQSTREAM_KAFKA_BOOTSTRAP=kafka:9092 ... iqstream init")
@click.option("--sink-role", "sink_roles", multiple=True, metavar="ROLE", help="Grant a role what a sink needs.")
@click.option(
    "--stage-role",
    "stage_roles",
    multiple=True,
    metavar="ROLE",
    help="Grant a role what producer and extractor need.",
)
@click.option(
    "--dashboard-role",
    "dashboard_roles",
    multiple=True,
    metavar="ROLE",
    help="Grant a role what the dashboard needs.",
)
def init(sink_roles: tuple[str, ...], stage_roles: tuple[str, ...], dashboard_roles: tuple[str, ...]) -> None:
    """Make topics, first offsets, tables and bucket on the servers that the settings name.

    Safe to run again: what is there is compared with the settings and left as it is. Where a stage has no position on
    a partition it gets its first one if that can do no harm; else the command that sets it is named, and the exit
    code is 1. With --sink-role, --stage-role and --dashboard-role an existing role of PostgreSQL gets the rights on our
    tables that it needs, and only those.
    """
    made = with_client(
        lambda client: client.initialise(
            sink_roles=sink_roles, stage_roles=stage_roles, dashboard_roles=dashboard_roles
        )
    )
    _tell(made)
    if made.positions.missing:
        raise Failed(f"{len(made.positions.missing)} stages have partitions without a position, listed above")
    if not (made.topics_created or made.bucket_created or made.positions.set or made.mismatches):
        say("Everything is in place.")


def _tell(made: Initialised) -> None:
    if made.topics_created:
        say(f"Made topics {', '.join(made.topics_created)}.")
    if made.bucket_created:
        say("Made the bucket.")
    for stage in made.positions.set:
        say(f"Set the first positions of {stage}.")
    for stage in made.positions.missing:
        say(f"{stage[0].upper()}{stage[1:]}.", err=True)
    for mismatch in made.mismatches:
        say(f"Differs from the settings and was left as it is: {mismatch}.", err=True)
