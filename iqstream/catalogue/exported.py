"""What an export reads: samples beside their rows, and how many were accepted at which distance."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from iqstream.catalogue.postgres import Connection
from schemas import DatasetKey

_SAMPLES = """
SELECT o.sample_idx, o.outcome, o.reason, o.figures, m.receiver_features, m.tx_altitude_m, m.extraction_metadata,
       p.pairs
FROM heimdall.sample_outcomes o
LEFT JOIN heimdall.measurement_features m USING (dataset_id, dataset_version, sample_idx)
LEFT JOIN heimdall.pair_measurements p USING (dataset_id, dataset_version, sample_idx)
WHERE o.dataset_id = $1 AND o.dataset_version = $2 AND (o.outcome = 'accepted' OR ($3 AND o.outcome = 'rejected'))
ORDER BY o.sample_idx
"""
_BY_DISTANCE = """
SELECT floor(distance_km / $5)::int AS bin, count(*) AS samples,
       count(*) FILTER (WHERE outcome = 'accepted') AS accepted
FROM (
    SELECT outcome, $6 * sqrt(((figures->>'tx_latitude')::float8 - $3) ^ 2
                            + (((figures->>'tx_longitude')::float8 - $4) * cosd($3)) ^ 2) AS distance_km
    FROM heimdall.sample_outcomes
    WHERE dataset_id = $1 AND dataset_version = $2 AND figures ? 'tx_latitude'
) AS placed
GROUP BY bin ORDER BY bin
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedSample:
    """A sample with what is stored of it, JSON decoded."""

    sample_idx: int
    outcome: Literal["accepted", "rejected"]
    reason: str | None
    figures: Mapping[str, Any]
    receiver_features: Sequence[Mapping[str, Any]] | None
    """None: it has no row."""
    tx_altitude_m: float | None
    extraction_metadata: Mapping[str, Any]
    """Empty where it has no row."""
    pairs: Sequence[Mapping[str, Any]] | None = None
    """Its time differences; None where it has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DistanceCount:
    """Samples whose transmitter stood at a distance."""

    bin: int
    """From `bin * bin_km` to the next."""
    samples: int
    accepted: int


async def exported_samples(
    connection: Connection, dataset: DatasetKey, *, include_rejected: bool, prefetch: int
) -> AsyncIterator[ExportedSample]:
    """Accepted samples of a version, and rejected ones where wanted, by index; within a transaction of the caller's."""
    async for row in connection.cursor(
        _SAMPLES, UUID(dataset.dataset_id), dataset.dataset_version, include_rejected, prefetch=prefetch
    ):
        features = row["receiver_features"]
        yield ExportedSample(
            sample_idx=row["sample_idx"],
            outcome=row["outcome"],
            reason=row["reason"],
            figures=json.loads(row["figures"]),
            receiver_features=None if features is None else [json.loads(one) for one in features],
            tx_altitude_m=row["tx_altitude_m"],
            extraction_metadata=json.loads(row["extraction_metadata"] or "{}"),
            pairs=None if row["pairs"] is None else [json.loads(one) for one in row["pairs"]],
        )


async def counts_by_distance(
    connection: Connection, dataset: DatasetKey, *, centre: tuple[float, float], bin_km: float, km_per_degree: float
) -> list[DistanceCount]:
    """Samples by distance of their transmitter from a centre (latitude, longitude), the nearest bin first."""
    rows = await connection.fetch(
        _BY_DISTANCE, UUID(dataset.dataset_id), dataset.dataset_version, *centre, bin_km, km_per_degree
    )
    return [DistanceCount(**dict(row)) for row in rows]
