"""`iqstream lag`: how far each stage is behind."""

import sys
from collections.abc import Iterator
from contextlib import aclosing, contextmanager

import click
from rich.live import Live

from iqstream.cli.console import Console, say, say_json
from iqstream.cli.door import with_client
from iqstream.cli.lag_advice import MAX_SAMPLES_PER_S, print_advice
from iqstream.cli.lag_table import lag_line, lag_tables, lag_view
from iqstream.cli.numbers import Number, WholeNumber
from iqstream.cli.rate import Rate
from iqstream.client.asynchronous import AsyncClient
from iqstream.lag.document import lag_document
from iqstream.lag.figures import ClusterLag
from iqstream.lag.status import ALLOWED_BACKLOG
from iqstream.lag.verdict import exit_code
from iqstream.runtime.errors import UserError
from iqstream.runtime.settings import load_settings

DEFAULT_INTERVAL_S = 2.0
SERVED_INTERVAL_S = 10.0
UNLIMITED_WIDTH = 1_000_000


EXAMPLES = """\b
Examples:
  iqstream lag --watch
  iqstream lag --group my-training --topic iq.features --json
  iqstream lag > /dev/null || echo "a stage does not keep up"
  iqstream lag --serve 9308
  iqstream lag --advise 20/s --metrics http://127.0.0.1:9401/metrics > extractors.yaml
"""  # \b is click's mark for text that is not to be rewrapped


@click.command(epilog=EXAMPLES)
@click.option("--group", "groups", multiple=True, metavar="GROUP", help="A consumer group, ours or any other.")
@click.option("--topic", "topics", multiple=True, metavar="TOPIC", help="Only this topic.")
@click.option("--watch", is_flag=True, help="Repeat until Ctrl-C; a line each time where this is not a terminal.")
@click.option(
    "--serve",
    "port",
    type=WholeNumber(0, 65535),
    metavar="PORT",
    help="Serve the figures to Prometheus until Ctrl-C; 0 takes any free port and names it.",
)
@click.option(
    "--interval",
    type=Number(),
    metavar="S",
    help="Seconds between readings, 0.2 to 86400; 2 with --watch, 10 with --serve by default.",
)
@click.option(
    "--allow",
    type=WholeNumber(min=0),
    default=ALLOWED_BACKLOG,
    show_default=True,
    metavar="N",
    help="Backlog of a partition, in offsets, up to which its status is OK.",
)
@click.option(
    "--advise",
    "advised_rate",
    type=Rate(MAX_SAMPLES_PER_S),
    metavar="RATE",
    help="Print how many workers hold RATE (samples/s, as 20/s), and YAML that scales them; with --json one document.",
)
@click.option(
    "--metrics",
    "pages",
    multiple=True,
    metavar="URL",
    help="With --advise: metrics of a worker that has worked, to measure its CPU by.",
)
@click.option(
    "--scaler",
    type=click.Choice(["keda", "hpa"]),
    default="keda",
    show_default=True,
    help="With --advise: what the YAML is for.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON: one document, with --watch one a line.")
def lag(
    groups: tuple[str, ...],
    topics: tuple[str, ...],
    watch: bool,  # noqa: FBT001
    port: int | None,
    interval: float | None,
    allow: int,
    advised_rate: float | None,
    pages: tuple[str, ...],
    scaler: str,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Show how far groups are behind: offsets, time, recordings, rates, time to drain, status and retention risk.

    Without --group: the producer on iq.jobs, the extractor on iq.frames and the sink on iq.features. --group and
    --topic may be given several times. With --advise, --group is that of a stage.
    The backlog ends at the last stable offset; what is in open transactions
    is shown beside it. Transaction markers and aborted records are no backlog where nothing else is left.

    Exit code by the worst status (not with --watch or --serve): 0 OK; 1 WARN, lag never fell, or a high retention
    risk; 2 STOP, STALL or REWIND, or records lost to retention; 3 unknown, or Kafka does not answer.
    """
    _refuse_idle_options(click.get_current_context(), advising=advised_rate is not None)
    if advised_rate is not None and not pages:
        raise UserError(
            "--advise needs --metrics http://host:port/metrics of a worker that has processed recordings, to measure "
            "what one costs; the worker's log names the port"
        )
    if interval is not None and not watch and port is None:
        raise UserError("--interval needs --watch or --serve: add one of them, or leave it out")
    if port is not None and (watch or as_json):
        raise UserError("--serve cannot be combined with --watch or --json: run a second command beside it")
    settings = load_settings()
    if advised_rate is not None:
        print_advice(settings, advised_rate, groups=groups, pages=pages, scaler=scaler, as_json=as_json)
        return
    if not watch and port is None:
        reading = with_client(lambda client: client.lag(groups=groups, topics=topics, allowed_backlog=allow), settings)
        _show(reading, as_json=as_json)
        sys.exit(exit_code(reading))

    async def go_on(client: AsyncClient) -> None:
        if port is not None:
            every_s = SERVED_INTERVAL_S if interval is None else interval
            await client.serve_lag(
                port,
                groups=groups,
                topics=topics,
                allowed_backlog=allow,
                interval_s=every_s,
                on_served=lambda address: say(f"Lag is served at {address}, read every {every_s:g} s."),
            )
        else:
            with _watch_display(as_json=as_json) as display:
                readings = client.follow_lag(
                    groups=groups,
                    topics=topics,
                    allowed_backlog=allow,
                    interval_s=DEFAULT_INTERVAL_S if interval is None else interval,
                    on_outage=display.outage,
                )
                async with aclosing(readings):
                    async for reading in readings:
                        display.show(reading)

    try:
        with_client(go_on, settings)
    except KeyboardInterrupt:
        return  # this is how watching and serving end


_WITH_ADVICE = {"pages": "--metrics", "scaler": "--scaler"}
_WITHOUT_ADVICE = {
    "topics": "--topic", "watch": "--watch", "port": "--serve", "interval": "--interval", "allow": "--allow",
}  # fmt: skip


def _refuse_idle_options(context: click.Context, *, advising: bool) -> None:
    """An option that would do nothing is an error."""
    given = {
        name for name in context.params if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    }
    for name, flag in (_WITHOUT_ADVICE if advising else _WITH_ADVICE).items():
        if name in given:
            raise UserError(f"{flag} goes {'without' if advising else 'with'} --advise")


def _show(reading: ClusterLag, *, as_json: bool) -> None:
    if as_json:
        _print_json(reading)
        return
    if sys.stdout.isatty():
        console = Console()
        console.print(lag_tables(reading, console.width))
    else:  # whoever reads it finds a line in one piece, and every column
        console = Console(width=UNLIMITED_WIDTH)
        with console.capture() as captured:
            console.print(lag_tables(reading, UNLIMITED_WIDTH))
        say(*(line.rstrip() for line in captured.get().splitlines()))


@contextmanager
def _watch_display(*, as_json: bool) -> Iterator["_Screen | _Lines"]:
    console = Console()
    if console.is_terminal and not as_json:
        with Live(console=console, auto_refresh=False) as live:
            yield _Screen(live, console)
    else:
        yield _Lines(as_json=as_json)


class _Screen:
    """Refreshes in place."""

    def __init__(self, live: Live, console: Console) -> None:
        self._live = live
        self._console = console

    def show(self, reading: ClusterLag) -> None:
        self._live.update(lag_view(reading, self._console), refresh=True)

    def outage(self, problem: str) -> None:
        self._live.update(f"{problem} Trying again.", refresh=True)


class _Lines:
    """One line per reading."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def show(self, reading: ClusterLag) -> None:
        if self._as_json:
            _print_json(reading)
        else:
            say(lag_line(reading))

    def outage(self, problem: str) -> None:
        say(f"{problem} Trying again.", err=True)


def _print_json(reading: ClusterLag) -> None:
    say_json(lag_document(reading))
