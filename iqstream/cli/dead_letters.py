"""`iqstream dead-letters`: records that could not be processed."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click

from iqstream.catalogue.datasets import Dataset
from iqstream.catalogue.dead_letter_retries import Retry, retries_by_origin
from iqstream.catalogue.postgres import Pool
from iqstream.catalogue.replays import Replay
from iqstream.cli.console import Console, say, say_json
from iqstream.cli.dead_letters_report import letter_document, letter_lines, listing_document, print_listing
from iqstream.cli.replay_report import result_document, result_lines
from iqstream.dead_letters.letter import DeadLetter, named_origins, parse_origin
from iqstream.dead_letters.listing import Listing
from iqstream.dead_letters.purge import (
    Removal,
    plan_removal,
    removal_document,
    removal_lines,
    remove_letters,
    state_of,
)
from iqstream.dead_letters.read import Filter, find_letter, read_letters
from iqstream.dead_letters.retry import Refused, Retried, retry_letters
from iqstream.positions.target import parse_instant
from iqstream.reach import postgres_pool
from iqstream.replay.job import feature_partitions
from iqstream.replay.lane import LaneResult
from iqstream.replay.run import replay_and_show
from iqstream.runtime.errors import Failed, UserError
from iqstream.runtime.settings import Settings, load_settings
from iqstream.runtime.stages import STAGES

T = TypeVar("T")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def filter_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say which letters are meant."""
    for option in reversed(
        (
            click.option("--stage", type=click.Choice(list(STAGES)), help="Kept by this stage."),
            click.option("--topic", metavar="NAME", help="Records of this topic."),
            click.option("--error", metavar="CLASS", help="Of this error, as the list names it."),
            click.option("--since", metavar="T", help="Kept at this time or later: 2026-11-25T14:30:00Z."),
            click.option("--until", metavar="T", help="Kept before this time."),
        )
    ):
        command = option(command)
    return command


@click.group("dead-letters", epilog="Example: iqstream dead-letters list --stage extractor")
def dead_letters() -> None:
    """List, show, retry and remove records that could not be processed."""


@dead_letters.command("list", epilog="Example: iqstream dead-letters list --since 2026-11-25T00:00:00Z")
@filter_options
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Letters to show, newest first."
)
@json_option
def list_command(*, limit: int, as_json: bool, **named: str | None) -> None:
    """Count the dead letters by stage, topic and error, and list the newest."""
    wanted = _filter(named)
    listing = _with_pool(lambda settings, pool: _listing(settings, pool, wanted))
    if as_json:
        say_json(listing_document(listing))
    else:
        print_listing(Console(), listing, limit)


@dead_letters.command("show", epilog="Example: iqstream dead-letters show iq.frames:3:128 --raw frame.bin")
@click.argument("origin", metavar="TOPIC:PARTITION:OFFSET")
@click.option("--raw", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write the bytes there.")
@json_option
def show(*, origin: str, raw: Path | None, as_json: bool) -> None:
    """Show a dead letter: what was wrong, whose it is, and its fields or its first bytes."""
    wanted = parse_origin(origin)

    async def find(settings: Settings, pool: Pool) -> tuple[DeadLetter, list[Retry]]:
        found = await find_letter(settings, pool, wanted)
        return found, (await retries_by_origin(pool)).get(found.origin, [])

    letter, retries = _with_pool(find)
    if raw is not None:
        _write_new(raw, letter.value)
    if as_json:
        say_json(letter_document(letter, retries))
    else:
        say(*letter_lines(letter, retries))


@dead_letters.command(
    "retry",
    epilog="""\b
Examples:
  iqstream dead-letters retry iq.frames:3:128
  iqstream dead-letters retry --all --error Malformed
""",
)
@click.argument("origins", metavar="[TOPIC:PARTITION:OFFSET]...", nargs=-1)
@click.option("--all", "every", is_flag=True, help="All that match the options and were not retried yet.")
@filter_options
@click.option("--workers", type=click.IntRange(min=1), metavar="N", help="Processes.  [default: the number of cores]")
@json_option
def retry(*, origins: tuple[str, ...], every: bool, workers: int | None, as_json: bool, **named: str | None) -> None:
    """Process the samples of dead letters again, each as a whole, after what was wrong is mended."""
    if bool(origins) == every:
        raise UserError("name the dead letters to retry, or add --all")
    wanted = [parse_origin(origin) for origin in origins]
    chosen = _filter(named)

    async def run(settings: Settings, pool: Pool) -> tuple[list[Retried[LaneResult]], list[Refused]]:
        listing = await _listing(settings, pool, chosen)
        meant = named_origins(wanted, (line.origin for line in listing.lines))
        lines = [line for line in listing.lines if (not line.retries if every else line.origin in meant)]

        async def replay(replay: Replay, source: Dataset) -> LaneResult:
            return await replay_and_show(settings, pool, replay, source, workers=workers or os.cpu_count() or 1)

        return await retry_letters(pool, lines, lanes=partial(feature_partitions, settings), replay=replay)

    retried, refused = _with_pool(run)
    if as_json:
        say_json(_retry_document(retried, refused))
    else:
        _print_retried(retried, refused)
    if origins and refused:
        raise Failed(f"{sum(one.letters for one in refused)} dead letters could not be retried")


@dead_letters.command(
    "purge",
    epilog="""\b
Examples:
  iqstream dead-letters purge --all --retried
  iqstream dead-letters purge iq.frames:3:128 --execute
""",
)
@click.argument("origins", metavar="[TOPIC:PARTITION:OFFSET]...", nargs=-1)
@click.option("--all", "every", is_flag=True, help="All that match the options.")
@click.option("--retried", is_flag=True, help="Only those whose samples were decided by a retry.")
@filter_options
@click.option("--execute", is_flag=True, help="Do it; without, only say what would be done.")
@json_option
def purge(
    *, origins: tuple[str, ...], every: bool, retried: bool, execute: bool, as_json: bool, **named: str | None
) -> None:
    """Remove dead letters for good, from the list, PostgreSQL and Kafka. A dry run by default.

    Kafka drops records from the start of its topic only: what stands behind a letter that is kept is not listed any
    more, and goes later.
    """
    if bool(origins) == every:
        raise UserError("name the dead letters to remove, or add --all")
    wanted = [parse_origin(origin) for origin in origins]
    chosen = _filter(named)

    async def run(settings: Settings, pool: Pool) -> Removal:
        listing = await _listing(settings, pool, chosen)
        meant = named_origins(wanted, (line.origin for line in listing.lines))
        lines = [
            line
            for line in listing.lines
            if (every or line.origin in meant) and (not retried or state_of(line) == "decided")
        ]
        removal = await plan_removal(settings, pool, lines, datetime.now(UTC))
        if execute and lines:
            await remove_letters(settings, pool, removal)
        return removal

    removal = _with_pool(run)
    if as_json:
        say_json(removal_document(removal, executed=execute))
    elif removal.lines:
        say(*removal_lines(removal, executed=execute))
    else:
        say("There are no such dead letters.")


def _print_retried(retried: list[Retried[LaneResult]], refused: list[Refused]) -> None:
    for one in retried:
        say(*result_lines(one.source, one.replay, one.result, one.outcomes))
    for other in refused:
        say(f"{other.letters} dead letters cannot be retried: {other.reason}")
    if not retried and not refused:
        say("There is nothing to retry.")


def _retry_document(retried: list[Retried[LaneResult]], refused: list[Refused]) -> dict[str, Any]:
    return {
        "replays": [result_document(one.replay, one.result, one.outcomes) for one in retried],
        "refused": [{"letters": one.letters, "reason": one.reason} for one in refused],
    }


async def _listing(settings: Settings, pool: Pool, wanted: Filter) -> Listing:
    retries = await retries_by_origin(pool)
    listing = Listing()
    async for letter in read_letters(settings, pool):
        if wanted.takes(letter):
            listing.add(letter, retries.get(letter.origin, []))
    return listing


def _filter(named: dict[str, str | None]) -> Filter:
    since, until = named["since"], named["until"]
    return Filter(
        stage=named["stage"],
        topic=named["topic"],
        error=named["error"],
        since=None if since is None else parse_instant(since, "--since"),
        until=None if until is None else parse_instant(until, "--until"),
    )


def _write_new(path: Path, value: bytes) -> None:
    try:
        with path.open("xb") as file:
            file.write(value)
    except FileExistsError:
        raise UserError(f"--raw: {path} exists already") from None
    except OSError as error:
        raise UserError(f"--raw: {path} cannot be written: {error.strerror}") from None


def _with_pool(work: Callable[[Settings, Pool], Awaitable[T]]) -> T:
    settings = load_settings()

    async def run() -> T:
        async with postgres_pool(settings) as pool:
            return await work(settings, pool)

    return asyncio.run(run())
