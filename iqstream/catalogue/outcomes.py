"""What became of each sample of a dataset, and where its transmitter stood."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias
from uuid import UUID

import asyncpg
import msgspec

from iqstream.catalogue.datasets import dataset_uuid
from iqstream.catalogue.postgres import Connection, Pool
from iqstream.catalogue.sample_ranges import SampleRanges
from schemas import DatasetKey, Verdict

Place: TypeAlias = Literal["inside", "outside", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleOutcome:
    """A line of the ledger. Position and place are None and `unknown` where nothing of the sample could be read."""

    sample_idx: int
    verdict: Verdict
    reason: str | None
    place: Place
    """Of the transmitter, within the receivers' bounding box or not."""
    latitude: float | None
    longitude: float | None
    decided_at: datetime


async def sample_outcomes(
    pool: Pool | Connection, dataset_id: str, dataset_version: int = 1, *, every: int = 1
) -> list[SampleOutcome]:
    """The ledger of a dataset, by sample; of `every` samples one."""
    rows = await pool.fetch(
        "SELECT sample_idx, outcome, reason, figures, decided_at FROM heimdall.sample_outcomes "
        "WHERE dataset_id = $1 AND dataset_version = $2 AND sample_idx % $3 = 0 ORDER BY sample_idx",
        UUID(dataset_id),
        dataset_version,
        every,
    )
    return [_outcome(row) for row in rows]


async def outcomes_after(
    pool: Pool | Connection, dataset: DatasetKey, *, after: int, limit: int, outcome: Verdict | None = None
) -> list[SampleOutcome]:
    """Returns lines of the ledger by sample, those above `after`; at most `limit`, of one outcome where it is named."""
    rows = await pool.fetch(
        "SELECT sample_idx, outcome, reason, figures, decided_at FROM heimdall.sample_outcomes "
        "WHERE dataset_id = $1 AND dataset_version = $2 AND sample_idx > $3 AND ($4::text IS NULL OR outcome = $4) "
        "ORDER BY sample_idx LIMIT $5",
        UUID(dataset.dataset_id),
        dataset.dataset_version,
        after,
        outcome,
        limit,
    )
    return [_outcome(row) for row in rows]


def _outcome(row: asyncpg.Record) -> SampleOutcome:
    figures = json.loads(row["figures"])
    inside = figures.get("inside_network")
    return SampleOutcome(
        sample_idx=row["sample_idx"],
        verdict=row["outcome"],
        reason=row["reason"],
        place="unknown" if inside is None else "inside" if inside else "outside",
        latitude=figures.get("tx_latitude"),
        longitude=figures.get("tx_longitude"),
        decided_at=row["decided_at"],
    )


def count_by_place(outcomes: Iterable[SampleOutcome]) -> Counter[tuple[Verdict, str | None, Place]]:
    """Samples by verdict, reason and place of the transmitter."""
    return Counter((outcome.verdict, outcome.reason, outcome.place) for outcome in outcomes)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeCount:
    """How many samples ended in the same way."""

    outcome: Literal["accepted", "rejected", "failed"]
    reason: str | None
    samples: int


async def outcome_counts_by_reason(pool: Pool | Connection, dataset_id: str, version: int = 1) -> list[OutcomeCount]:
    """How the samples decided so far ended, most frequent first."""
    rows = await pool.fetch(
        "SELECT outcome, reason, count(*) AS samples FROM heimdall.sample_outcomes "
        "WHERE dataset_id = $1 AND dataset_version = $2 GROUP BY outcome, reason "
        "ORDER BY samples DESC, outcome, reason",
        dataset_uuid(dataset_id),
        version,
    )
    return [OutcomeCount(outcome=row["outcome"], reason=row["reason"], samples=row["samples"]) for row in rows]


async def decided_up_to(pool: Pool | Connection, dataset_id: str, version: int) -> int:
    """One above the last decided sample; 0 where none is decided."""
    found = await pool.fetchval(
        "SELECT coalesce(max(sample_idx) + 1, 0) FROM heimdall.sample_outcomes "
        "WHERE dataset_id = $1 AND dataset_version = $2",
        dataset_uuid(dataset_id),
        version,
    )
    return int(found)


async def decided_among(pool: Pool | Connection, dataset: DatasetKey, samples: SampleRanges) -> SampleRanges:
    """Those of some samples that are decided."""
    rows = await pool.fetch(
        "SELECT sample_idx FROM heimdall.sample_outcomes WHERE dataset_id = $1 AND dataset_version = $2 "
        "AND $3::int4multirange @> sample_idx",
        UUID(dataset.dataset_id),
        dataset.dataset_version,
        samples.to_sql(),
    )
    return SampleRanges.of(row["sample_idx"] for row in rows)


async def lineages(
    pool: Pool | Connection, dataset: DatasetKey, indices: Collection[int]
) -> dict[int, Mapping[str, Mapping[str, Any]]]:
    """By sample and rx_id, where the frames of the decided ones among some samples stood, and their crc32."""
    rows = await pool.fetch(
        "SELECT sample_idx, lineage FROM heimdall.sample_outcomes "
        "WHERE dataset_id = $1 AND dataset_version = $2 AND sample_idx = ANY($3)",
        UUID(dataset.dataset_id),
        dataset.dataset_version,
        list(indices),
    )
    return {row["sample_idx"]: msgspec.json.decode(row["lineage"]) for row in rows}


async def any_replayed(connection: Pool | Connection, dataset_id: str | None) -> bool:
    """Whether a sample was decided by a replay: of a dataset, in any version, or of any dataset."""
    return bool(
        await connection.fetchval(
            "SELECT EXISTS (SELECT 1 FROM heimdall.sample_outcomes "
            "WHERE generation > 0 AND ($1::uuid IS NULL OR dataset_id = $1))",
            None if dataset_id is None else UUID(dataset_id),
        )
    )
