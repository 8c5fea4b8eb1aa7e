"""The ledger: what was decided of each sample. Read and written while the samples' datasets are locked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from iqstream.catalogue.postgres import QUERIES, Connection
from schemas import DatasetKey, SampleKey, Verdict

Counts: TypeAlias = Counter[Verdict]


@dataclass(frozen=True, slots=True)
class Entry:
    """A sample's line in the ledger as it stands in the database."""

    verdict: Verdict
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A decision to be written."""

    sample: SampleKey
    verdict: Verdict
    reason: str | None
    figures: str
    """A JSON object."""
    generation: int
    first_verdict: Verdict
    """The sample's first decision ever; used where the line is new."""
    lineage: str
    """A JSON object."""


async def read_ledger(connection: Connection, samples: Collection[SampleKey]) -> dict[SampleKey, Entry]:
    """The ledger's lines of some samples; those without one are left out."""
    if not samples:
        return {}
    rows = await connection.fetch(QUERIES["read_ledger"], *zip(*sorted(samples), strict=True))
    return {
        SampleKey(row["dataset_id"], row["dataset_version"], row["sample_idx"]): Entry(
            row["outcome"], row["generation"]
        )
        for row in rows
    }


async def write_outcomes(connection: Connection, lines: Sequence[Line]) -> None:
    """Writes decisions; one of a generation that is not above the line's changes nothing."""
    if not lines:
        return
    columns = zip(
        *(
            (
                *line.sample,
                line.verdict,
                line.reason,
                line.figures,
                line.generation,
                line.first_verdict,
                line.lineage,
            )
            for line in lines
        ),
        strict=True,
    )
    await connection.execute(QUERIES["write_outcomes"], *columns)


async def raise_generations(connection: Connection, raised: Sequence[tuple[SampleKey, int]]) -> None:
    """Moves the generations of samples whose decisions stand."""
    if raised:
        columns = zip(*((*sample, generation) for sample, generation in raised), strict=True)
        await connection.execute(QUERIES["raise_generations"], *columns)


async def move_counters(connection: Connection, moved: Mapping[DatasetKey, Counts]) -> None:
    """Adds to the datasets' counts of samples by verdict."""
    for dataset, counts in sorted(moved.items()):
        await connection.execute(
            QUERIES["move_counters"], *dataset, counts["accepted"], counts["rejected"], counts["failed"]
        )
