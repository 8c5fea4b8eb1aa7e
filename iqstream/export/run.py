"""An export from the first row to the card."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from iqstream.catalogue.datasets import Dataset
from iqstream.catalogue.outcomes import outcome_counts_by_reason
from iqstream.catalogue.postgres import Pool
from iqstream.dataset.position import SCHEMA_SHA256
from iqstream.dataset.splits import SPLITS_BY
from iqstream.export.card import Tally, dataset_card
from iqstream.export.formats import FORMATS
from iqstream.export.rows import columns_of, export_tables
from iqstream.export.selection import selection_of
from iqstream.export.truth import DrawTruth
from iqstream.export.writers import Writer
from iqstream.runtime.errors import UserError
from iqstream.runtime.readable import Readable

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Exported(Readable):
    """What was written."""

    file: Path
    card: Path
    pairs: Path | None
    """Of the time differences; None where the dataset has none."""
    rows: int
    accepted: int
    rejected: int


async def export_dataset(
    pool: Pool,
    dataset: Dataset,
    path: Path,
    file_format: str,
    *,
    include_rejected: bool,
    draw_truth: DrawTruth | None,
    on_progress: Callable[[int, int], None],
) -> Exported:
    """Writes the dataset as it is at this moment, then its card; `on_progress(samples done, samples in all)`.

    With `draw_truth` the columns of truth, too.

    Raises:
        UserError: the format's library is missing.
        OSError: the file cannot be written.
    """
    spec_sha256 = dataset.spec.content_sha256()
    tally = Tally()
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        selection = await selection_of(connection, dataset)
        outcomes = await outcome_counts_by_reason(connection, dataset.id, dataset.version)
        wanted = {"accepted", "rejected"} if include_rejected else {"accepted"}
        total = sum(count.samples for count in outcomes if count.outcome in wanted)
        done = 0
        on_progress(done, total)
        described = metadata(dataset, spec_sha256, include_rejected=include_rejected)
        async with AsyncExitStack() as files:
            writer = FORMATS[file_format](path, described, columns_of(dataset, draw_truth))
            await files.enter_async_context(_opened(writer))
            pairs = await files.enter_async_context(_opened(writer.of_pairs())) if dataset.spec.pairs else None
            async for some in export_tables(
                connection, dataset, selection, include_rejected=include_rejected, draw_truth=draw_truth
            ):
                await _in_thread(writer.write, some.rows)
                tally.add(some.rows)
                if pairs is not None and some.pairs is not None:
                    await _in_thread(pairs.write, some.pairs)
                    tally.pair_rows += len(some.pairs["sample_idx"])
                done += some.samples
                on_progress(done, total)
    text = dataset_card(
        dataset,
        selection,
        outcomes,
        tally,
        file=path.name,
        pairs_file="" if pairs is None else pairs.path.relative_to(path.parent).as_posix(),
        spec_sha256=spec_sha256,
    )
    card = await _in_thread(writer.write_card, text)
    return Exported(
        file=path,
        card=card,
        pairs=None if pairs is None else pairs.path,
        rows=tally.rows,
        accepted=tally.outcomes["accepted"],
        rejected=tally.outcomes["rejected"],
    )


@asynccontextmanager
async def _opened(writer: Writer) -> AsyncIterator[Writer]:
    """A writer under construction; it is opened and closed in a thread: closing compresses a whole file."""
    await _in_thread(writer.__enter__)
    try:
        yield writer
    except BaseException as error:
        await _in_thread(writer.__exit__, type(error), error, error.__traceback__)
        raise
    await _in_thread(writer.__exit__, None, None, None)


async def _in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Returns what the work returns; cancelled, it ends with the work: no file is closed while it is written."""
    thread = asyncio.create_task(asyncio.to_thread(work, *args, **kwargs))
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        await asyncio.wait({thread})
        raise


def require_place(path: Path, file_format: str, *, pairs: bool, force: bool) -> None:
    """Checks that an export can write its files, with `pairs` those of time differences as well, before it reads.

    Raises:
        UserError: one of its files is there and not to be replaced, or is a directory, a device or a pipe; or the
            path is not UTF-8, which Arrow cannot open.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise UserError(f"{path} is not UTF-8: choose another file") from None
    FORMATS[file_format].require_place(path, pairs=pairs, force=force)


def metadata(dataset: Dataset, spec_sha256: str, *, include_rejected: bool) -> dict[str, Any]:
    """Returns the metadata of a file, beside units and roles of its columns."""
    return {
        "dataset_id": dataset.id,
        "dataset_version": dataset.version,
        "samples": str(dataset.samples),
        "name": dataset.name,
        "spec_sha256": spec_sha256,
        "generator_version": dataset.spec.generator_version,
        "schema_sha256": SCHEMA_SHA256,
        "splits": list(SPLITS_BY),
        "rejected_samples": "figures and detected, without the features" if include_rejected else "left out",
    }
