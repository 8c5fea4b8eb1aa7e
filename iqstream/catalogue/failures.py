"""Why samples of a dataset failed: by stage and error, with one message of each."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from iqstream.catalogue.postgres import Connection, Pool
from iqstream.runtime.readable import Readable


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class FailureCount(Readable):
    """Failures of one kind."""

    stage: str
    """Where it happened; `sink` also where records never came."""
    error: str
    samples: int
    recordings: int
    """Failures of single receivers; a failure of the whole sample counts once."""
    message: str
    """Of the first one."""


async def failure_counts(pool: Pool | Connection, dataset_id: str, version: int) -> list[FailureCount]:
    """Most frequent first."""
    rows = await pool.fetch(
        "SELECT coalesce(f->>'stage', 'sink') AS stage, coalesce(f->>'error', o.reason) AS error, "
        "count(DISTINCT o.sample_idx) AS samples, count(*) AS recordings, "
        "coalesce((array_agg(f->>'message' ORDER BY o.sample_idx))[1], 'not all records came') AS message "
        "FROM heimdall.sample_outcomes o "
        "LEFT JOIN LATERAL jsonb_array_elements(o.figures->'failures') f ON true "
        "WHERE o.dataset_id = $1 AND o.dataset_version = $2 AND o.outcome = 'failed' "
        "GROUP BY 1, 2 ORDER BY samples DESC, stage, error",
        UUID(dataset_id),
        version,
    )
    return [FailureCount(**dict(row)) for row in rows]
