"""Which replays tried the sample of a dead letter again, and how the sample stands."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from iqstream.catalogue.dead_letters import Origin
from iqstream.catalogue.postgres import Pool
from iqstream.runtime.readable import Readable
from schemas import SampleKey


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Retry(Readable):
    """A replay of a dead letter's sample."""

    sample: SampleKey
    generation: int
    retried_at: datetime
    outcome: str | None
    """How the sample stands now; None where it is not decided by this retry yet."""


async def retries_by_origin(pool: Pool) -> dict[Origin, list[Retry]]:
    """What was retried, the latest last."""
    rows = await pool.fetch(
        'SELECT r.topic, r.partition, r."offset", r.topic_id, r.dataset_id::text, r.dataset_version, r.sample_idx, '
        "r.generation, r.retried_at, o.outcome FROM heimdall.dead_letter_retries r "
        "LEFT JOIN heimdall.sample_outcomes o "
        "ON (o.dataset_id, o.dataset_version, o.sample_idx) = (r.dataset_id, r.dataset_version, r.sample_idx) "
        "AND o.generation >= r.generation ORDER BY r.generation, r.sample_idx"
    )
    found: defaultdict[Origin, list[Retry]] = defaultdict(list)
    for row in rows:
        found[Origin(row["topic"], row["partition"], row["offset"], row["topic_id"])].append(
            Retry(
                sample=SampleKey(row["dataset_id"], row["dataset_version"], row["sample_idx"]),
                generation=row["generation"],
                retried_at=row["retried_at"],
                outcome=row["outcome"],
            )
        )
    return dict(found)


async def mark_retries(pool: Pool, generation: int, origins: Mapping[SampleKey, Sequence[Origin]]) -> None:
    """Notes that a replay of this generation tries the letters of samples again."""
    await pool.executemany(
        "INSERT INTO heimdall.dead_letter_retries "
        '(topic, partition, "offset", topic_id, dataset_id, dataset_version, sample_idx, generation) '
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
        [
            (*origin, UUID(sample.dataset_id), sample.dataset_version, sample.sample_idx, generation)
            for sample, places in origins.items()
            for origin in places
        ],
    )
