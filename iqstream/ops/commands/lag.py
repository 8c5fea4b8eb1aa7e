"""`iqstream lag`: how far each stage is behind."""

import asyncio
import json
from collections.abc import Sequence

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from iqstream.ops.lag.document import lag_document
from iqstream.ops.lag.figures import ClusterLag
from iqstream.ops.lag.read import read_lag
from iqstream.ops.lag.table import lag_line, lag_tables, lag_view
from iqstream.runtime.errors import Unreachable, UserError
from iqstream.runtime.settings import Settings, load_settings

DEFAULT_INTERVAL_S = 2.0


EXAMPLES = """\b
Examples:
  iqstream lag --watch
  iqstream lag --group my-training --topic iq.features --json
"""  # \b is click's mark for text that is not to be rewrapped


@click.command(epilog=EXAMPLES)
@click.option("--group", "groups", multiple=True, metavar="GROUP", help="A consumer group, ours or any other.")
@click.option("--topic", "topics", multiple=True, metavar="TOPIC", help="Only this topic.")
@click.option("--watch", is_flag=True, help="Go on until Ctrl-C; a line each time where this is no terminal.")
@click.option("--interval", type=click.FloatRange(min=0.2), metavar="S", help="Seconds between readings, 2 by default.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: one document, with --watch one a line.")
def lag(
    groups: tuple[str, ...],
    topics: tuple[str, ...],
    watch: bool,  # noqa: FBT001
    interval: float | None,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Show committed offset, end and backlog of every partition, and how old the first unread record is.

    Without --group: the producer on iq.jobs, the extractor on iq.frames and the sink on iq.features. --group and
    --topic may be given several times. The backlog ends at the last stable offset; what is in open transactions
    is shown beside it. Transaction markers and aborted records are no backlog where nothing else is left.
    """
    if interval is not None and not watch:
        raise UserError("--interval is of use with --watch only: leave it out, or add --watch")
    settings = load_settings()
    if not watch:
        _show(asyncio.run(read_lag(settings, groups=groups, topics=topics)), as_json=as_json)
        return
    try:
        asyncio.run(_watch(settings, groups, topics, interval or DEFAULT_INTERVAL_S, as_json=as_json))
    except KeyboardInterrupt:
        return  # this is how watching ends


def _show(reading: ClusterLag, *, as_json: bool) -> None:
    if as_json:
        _print_json(reading)
        return
    console = Console(highlight=False)
    console.print(lag_tables(reading, console.width))


async def _watch(
    settings: Settings, groups: Sequence[str], topics: Sequence[str], interval_s: float, *, as_json: bool
) -> None:
    console = Console(highlight=False)
    if console.is_terminal and not as_json:
        with Live(console=console, auto_refresh=False) as live:
            await _read_again_and_again(settings, groups, topics, interval_s, _Screen(live))
    else:
        await _read_again_and_again(settings, groups, topics, interval_s, _Lines(as_json=as_json))


class _Screen:
    """Refreshes in place."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def show(self, reading: ClusterLag) -> None:
        self._live.update(lag_view(reading, self._live.console), refresh=True)

    def trouble(self, error: Unreachable) -> None:
        self._live.update(Text(f"{error} Trying again."), refresh=True)


class _Lines:
    """One line per reading."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def show(self, reading: ClusterLag) -> None:
        if self._as_json:
            _print_json(reading)
        else:
            click.echo(lag_line(reading))

    def trouble(self, error: Unreachable) -> None:
        click.echo(f"{error} Trying again.", err=True)


async def _read_again_and_again(
    settings: Settings,
    groups: Sequence[str],
    topics: Sequence[str],
    interval_s: float,
    display: _Screen | _Lines,
) -> None:
    """The first reading must succeed; later on a broker may be away for a while."""
    display.show(await read_lag(settings, groups=groups, topics=topics))
    while True:
        await asyncio.sleep(interval_s)
        try:
            display.show(await read_lag(settings, groups=groups, topics=topics))
        except Unreachable as error:
            display.trouble(error)


def _print_json(reading: ClusterLag) -> None:
    click.echo(json.dumps(lag_document(reading), allow_nan=False))
