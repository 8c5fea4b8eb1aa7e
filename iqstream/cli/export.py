"""`iqstream datasets export`: a dataset as a file for training, with a card beside it."""

import time
from pathlib import Path
from types import TracebackType
from typing import Self

import click
import msgspec
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from iqstream.cli.console import Console, say, say_json
from iqstream.cli.datasets import version_option
from iqstream.cli.door import with_client
from iqstream.export.formats import FORMATS
from iqstream.export.iq import IQ_FORMATS

LINE_EVERY_S = 5.0


@click.command("export", epilog="Example: iqstream datasets export 'Test IQ Generation' --format parquet")
@click.argument("dataset", metavar="NAME-OR-ID")
@click.option(
    "--format",
    "file_format",
    type=click.Choice((*FORMATS, *IQ_FORMATS)),
    help="Of the rows parquet, npz, csv or huggingface (a folder); with --iq sigmf or npy.  "
    "[default: parquet; sigmf with --iq]",
)
@version_option
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="The file; the card goes beside it, as FILE.md.  [default: dataset-ID.FORMAT]  With --iq the folder.  "
    "[default: iq-ID]",
)
@click.option("--iq", "with_iq", is_flag=True, help="The recordings of --samples instead of the rows.")
@click.option("--samples", metavar="RANGES", help="Of --iq: which samples, as 0-9,17.")
@click.option("--integers", is_flag=True, help="Of --iq: the integers of the wire and their scale, not floats.")
@click.option("--include-rejected", is_flag=True, help="Rejected samples too: their figures, not the features.")
@click.option("--truth", is_flag=True, help="What the generator put in, too: power, path loss, delays, 24 columns.")
@click.option("--force", is_flag=True, help="Replace files that are there.")
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
def export(
    dataset: str,
    file_format: str | None,
    version: int | None,
    output: Path | None,
    with_iq: bool,  # noqa: FBT001
    samples: str | None,
    integers: bool,  # noqa: FBT001
    include_rejected: bool,  # noqa: FBT001
    truth: bool,  # noqa: FBT001
    force: bool,  # noqa: FBT001
    as_json: bool,  # noqa: FBT001
) -> None:
    """Write a dataset's rows to a file: one row per sample and receiver, splits and weights included.

    A dataset with time differences has them in a second file, FILE-pairs, one row per sample and pair of receivers.

    The rows come out of PostgreSQL in batches, all of one moment. Values of rejected samples are not there; while Kafka
    keeps them, `iqstream stream --include-rejected` has them.

    With --iq: the recordings of some samples, out of Kafka or synthesised again and proved to be the same, with their
    truth: a SigMF collection per sample, or NumPy arrays.
    """
    if with_iq:
        if truth or include_rejected:
            raise click.UsageError(
                "--truth and --include-rejected are of rows; recordings have their truth beside them"
            )
        _export_iq(
            dataset, file_format or "sigmf", version, output, samples, integers=integers, force=force, as_json=as_json
        )
        return
    if samples is not None or integers or file_format in IQ_FORMATS:
        raise click.UsageError("--samples, --integers and the formats sigmf and npy are of recordings: add --iq")
    with _display() as display:
        done = with_client(
            lambda client: client.export(
                dataset,
                output,
                file_format=file_format or "parquet",
                version=version,
                include_rejected=include_rejected,
                truth=truth,
                force=force,
                on_progress=display.show,
            )
        )
    if as_json:
        paths = {"file": str(done.file), "card": str(done.card)}
        paths |= {} if done.pairs is None else {"pairs": str(done.pairs)}
        say_json(paths | {"rows": done.rows, "accepted": done.accepted, "rejected": done.rejected})
    else:
        pairs = "" if done.pairs is None else f"; time differences: {done.pairs}"
        say(f"{done.file}: {done.rows} rows of {done.accepted + done.rejected} samples{pairs}; card: {done.card}")


def _export_iq(
    dataset: str,
    file_format: str,
    version: int | None,
    output: Path | None,
    samples: str | None,
    *,
    integers: bool,
    force: bool,
    as_json: bool,
) -> None:
    if file_format not in IQ_FORMATS:
        raise click.UsageError(f"--format {file_format} is of rows: with --iq write --format sigmf or npy")
    if samples is None:
        raise click.UsageError("--iq: which samples? Add for instance --samples 0-9,17")

    with _display() as display:
        done = with_client(
            lambda client: client.export_iq(
                dataset,
                samples,
                output,
                file_format=file_format,
                integers=integers,
                version=version,
                force=force,
                on_progress=display.show,
            )
        )
    if as_json:
        say_json(msgspec.to_builtins(done, enc_hook=str))
        return
    again = f", {done.synthesized} of them synthesised again" if done.synthesized else ""
    mib = done.size_bytes / 2**20
    say(f"{done.folder}: {done.recordings} recordings of {done.samples} samples{again}; {mib:.1f} MiB")


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
