"""`iqstream datasets export`: a dataset as a file for training, with a card beside it."""

import time
from pathlib import Path
from types import TracebackType
from typing import Self

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from iqstream.cli.console import Console, say, say_json
from iqstream.cli.datasets import version_option
from iqstream.cli.door import with_client
from iqstream.export.writers import WRITERS

LINE_EVERY_S = 5.0


@click.command("export", epilog="Example: iqstream datasets export 'Test IQ Generation' --format parquet")
@click.argument("dataset", metavar="NAME-OR-ID")
@click.option("--format", "file_format", type=click.Choice(tuple(WRITERS)), default="parquet", show_default=True)
@version_option
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file; the card goes beside it, as FILE.md.  [default: dataset-ID.FORMAT]",
)
@click.option("--include-rejected", is_flag=True, help="Rejected samples too: their figures, not the features.")
@click.option("--force", is_flag=True, help="Replace files that are there.")
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
def export(
    dataset: str,
    file_format: str,
    version: int | None,
    output: Path | None,
    include_rejected: bool,  # noqa: FBT001
    force: bool,  # noqa: FBT001
    as_json: bool,  # noqa: FBT001
) -> None:
    """Write a dataset's rows to a file: one row per sample and receiver, splits and weights included.

    The rows come out of PostgreSQL in batches, all of one moment. Values of rejected samples are not there; while Kafka
    keeps them, `iqstream stream --include-rejected` has them.
    """
    with _display() as display:
        done = with_client(
            lambda client: client.export(
                dataset,
                output,
                file_format=file_format,
                version=version,
                include_rejected=include_rejected,
                force=force,
                on_progress=display.show,
            )
        )
    if as_json:
        paths = {"file": str(done.file), "card": str(done.card)}
        say_json(paths | {"rows": done.rows, "accepted": done.accepted, "rejected": done.rejected})
    else:
        say(f"{done.file}: {done.rows} rows of {done.accepted + done.rejected} samples; card: {done.card}")


class _Bar:
    """On a terminal."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("samples"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console
        )
        self._task = self._progress.add_task("samples", total=None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, done: int, total: int) -> None:
        self._progress.start()  # with the first figure; again, nothing
        self._progress.update(self._task, completed=done, total=total)


class _Lines:
    """Elsewhere: a line every few seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._next_s = time.monotonic() + LINE_EVERY_S

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        return None

    def show(self, done: int, total: int) -> None:
        if time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + LINE_EVERY_S
            self._console.print(f"exported {done} of {total} samples")


def _display() -> _Bar | _Lines:
    console = Console(stderr=True)
    return _Bar(console) if console.is_terminal else _Lines(console)
