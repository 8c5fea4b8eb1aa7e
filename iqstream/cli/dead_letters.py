"""`iqstream dead-letters`: records that could not be processed."""

from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import click

from iqstream.cli.console import NOTHING_CHANGED, Console, say, say_json
from iqstream.cli.dead_letters_report import (
    letter_document,
    letter_lines,
    listing_document,
    print_listing,
    removal_document,
    removal_lines,
)
from iqstream.cli.door import with_client
from iqstream.cli.lazy import LazyGroup
from iqstream.cli.numbers import WholeNumber
from iqstream.cli.replay_display import ReplayDisplays
from iqstream.cli.replay_report import result_document, result_lines
from iqstream.cli.times import parse_instant
from iqstream.client.asynchronous import AsyncClient
from iqstream.dead_letters.letter import DeadLetterFilter
from iqstream.dead_letters.purge import Removal
from iqstream.dead_letters.retry import Refused
from iqstream.runtime.errors import Failed, UserError
from iqstream.runtime.stages import STAGES

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


@click.group("dead-letters", cls=LazyGroup, modules={}, epilog="Example: iqstream dead-letters list --stage extractor")
def dead_letters() -> None:
    """List, show, retry and remove records that could not be processed."""


@dead_letters.command("list", epilog="Example: iqstream dead-letters list --since 2026-11-25T00:00:00Z")
@filter_options
@click.option("--limit", type=WholeNumber(min=1), default=20, show_default=True, help="Letters to show, newest first.")
@json_option
def list_command(*, limit: int, as_json: bool, **named: str | None) -> None:
    """Count the dead letters by stage, topic and error, and list the newest."""
    wanted = _filter(named)
    listing = with_client(lambda client: client.dead_letters(wanted))
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
    report = with_client(lambda client: client.dead_letter(origin))
    letter, retries = report.letter, report.retries
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
  iqstream dead-letters retry --all --error Malformed
  iqstream dead-letters retry iq.frames:3:128 --execute
""",
)
@click.argument("origins", metavar="[TOPIC:PARTITION:OFFSET]...", nargs=-1)
@click.option("--all", "every", is_flag=True, help="All that match the options and were not retried yet.")
@filter_options
@click.option("--workers", type=WholeNumber(min=1), metavar="N", help="Processes.  [default: the number of cores]")
@click.option("--execute", is_flag=True, help="Do it; without this option, only say what would be done.")
@json_option
def retry(
    *,
    origins: tuple[str, ...],
    every: bool,
    workers: int | None,
    execute: bool,
    as_json: bool,
    **named: str | None,
) -> None:
    """Process the samples of dead letters again, each as a whole, after what was wrong is mended."""
    if bool(origins) == every:
        raise UserError("name the dead letters to retry, or add --all")
    chosen = _filter(named)

    refused = (
        _retry(chosen, origins, workers, as_json=as_json) if execute else _plan_retry(chosen, origins, as_json=as_json)
    )
    if origins and refused:
        raise Failed(f"{sum(one.letters for one in refused)} dead letters cannot be retried")


def _plan_retry(chosen: DeadLetterFilter, origins: Sequence[str], *, as_json: bool) -> Sequence[Refused]:
    plan = with_client(lambda client: client.plan_dead_letter_retry(chosen, origins=origins or None))
    if as_json:
        retries = [
            {
                "dataset_id": one.source.id,
                "dataset_version": one.source.version,
                "letters": one.letters,
                "samples": len(one.samples),
                "ranges": str(one.samples),
            }
            for one in plan.retries
        ]
        say_json({"executed": False, "retries": retries, "refused": _refused_document(plan.refused)})
    else:
        say(
            *(
                f"Would process {len(one.samples)} samples of {one.source.name!r}, version {one.source.version}, again "
                f"({one.samples}), of {one.letters} dead letters"
                for one in plan.retries
            ),
            *_refused_lines(plan.refused),
            NOTHING_CHANGED if plan.retries else "There is nothing to retry.",
        )
    return plan.refused


def _retry(
    chosen: DeadLetterFilter, origins: Sequence[str], workers: int | None, *, as_json: bool
) -> Sequence[Refused]:
    with ReplayDisplays(Console(stderr=True)) as displays:
        done = with_client(
            lambda client: client.retry_dead_letters(
                chosen,
                origins=origins or None,
                workers=workers,
                on_begin=lambda _begun: displays.begin(),
                on_progress=displays.show,
            )
        )
    if as_json:
        replays = [result_document(one) for one in done.replays]
        say_json({"executed": True, "replays": replays, "refused": _refused_document(done.refused)})
    else:
        for one in done.replays:
            say(*result_lines(one))
        say(*_refused_lines(done.refused))
        if not done.replays and not done.refused:
            say("There is nothing to retry.")
    return done.refused


def _refused_lines(refused: Sequence[Refused]) -> list[str]:
    return [f"{one.letters} dead letters cannot be retried: {one.reason}" for one in refused]


def _refused_document(refused: Sequence[Refused]) -> list[dict[str, object]]:
    return [{"letters": one.letters, "reason": one.reason} for one in refused]


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
@click.option("--execute", is_flag=True, help="Do it; without this option, only say what would be done.")
@json_option
def purge(
    *, origins: tuple[str, ...], every: bool, retried: bool, execute: bool, as_json: bool, **named: str | None
) -> None:
    """Remove dead letters for good, from the list, PostgreSQL and Kafka.

    Kafka drops records from the start of its topic only: what stands behind a letter that is kept is not listed any
    more, and goes later.
    """
    if bool(origins) == every:
        raise UserError("name the dead letters to remove, or add --all")
    chosen = _filter(named)

    def remove(client: AsyncClient) -> Coroutine[Any, Any, Removal]:
        call = client.purge_dead_letters if execute else client.plan_dead_letter_purge
        return call(chosen, origins=None if every else origins, retried=retried)

    removal = with_client(remove)
    if as_json:
        say_json(removal_document(removal, executed=execute))
    elif removal.lines:
        say(*removal_lines(removal, executed=execute))
    else:
        say("There are no such dead letters.")


def _filter(named: dict[str, str | None]) -> DeadLetterFilter:
    since, until = named["since"], named["until"]
    return DeadLetterFilter(
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
