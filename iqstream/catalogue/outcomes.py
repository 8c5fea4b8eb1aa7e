"""What became of each sample of a dataset, and where its transmitter stood."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

import asyncpg

from schemas import Verdict

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
    pool: "asyncpg.Pool[asyncpg.Record]", dataset_id: str, dataset_version: int = 1
) -> list[SampleOutcome]:
    """The ledger of a dataset, by sample."""
    rows = await pool.fetch(
        "SELECT sample_idx, outcome, reason, figures, decided_at FROM heimdall.sample_outcomes "
        "WHERE dataset_id = $1 AND dataset_version = $2 ORDER BY sample_idx",
        UUID(dataset_id),
        dataset_version,
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
