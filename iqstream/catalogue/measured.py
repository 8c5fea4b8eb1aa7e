"""What a version's rows say as a whole: how strong its signals are, where its transmitters stood, and its size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from iqstream.catalogue.postgres import Connection, Pool
from schemas import DatasetKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Of the accepted samples, in the order of their indices."""

    mean_snr_db: list[float]
    places: list[tuple[float, float]]
    """Latitude and longitude of the transmitters that are known."""


async def measured(pool: Pool | Connection, dataset: DatasetKey) -> Measured:
    """What is stored of the accepted samples of a version."""
    rows = await pool.fetch(
        "SELECT mean_snr_db, tx_latitude, tx_longitude FROM heimdall.measurement_features "
        "WHERE dataset_id = $1 AND dataset_version = $2 ORDER BY sample_idx",
        UUID(dataset.dataset_id),
        dataset.dataset_version,
    )
    return Measured(
        mean_snr_db=[row["mean_snr_db"] for row in rows],
        places=[(row["tx_latitude"], row["tx_longitude"]) for row in rows if row["tx_latitude"] is not None],
    )


async def recorded_samples_saved(pool: Pool | Connection, dataset: DatasetKey) -> tuple[int, int]:
    """Of a version of real recordings: how many have their IQ stored, and how many complex samples these are."""
    row = await pool.fetchrow(
        "SELECT coalesce(sum(array_length(f.receiver_features, 1)), 0) AS recordings, "
        "coalesce(sum(array_length(f.receiver_features, 1) * (f.extraction_metadata->>'sample_rate_hz')::float8 "
        "* (f.extraction_metadata->>'iq_duration_ms')::float8 / 1000), 0)::bigint AS samples "
        "FROM heimdall.measurement_features f JOIN heimdall.iq_saves s USING (dataset_id, dataset_version, sample_idx) "
        "WHERE dataset_id = $1 AND dataset_version = $2 AND s.saved_at IS NOT NULL",
        UUID(dataset.dataset_id),
        dataset.dataset_version,
    )
    assert row is not None  # noqa: S101  # an aggregate gives a row
    return row["recordings"], row["samples"]


async def stored_bytes(pool: Pool | Connection, dataset: DatasetKey) -> int:
    """Bytes of a version's features, metadata, outcomes and lineage, compressed as PostgreSQL stores them."""
    return int(
        await pool.fetchval(
            "SELECT (SELECT coalesce(sum(pg_column_size(receiver_features) + pg_column_size(extraction_metadata)), 0) "
            "FROM heimdall.measurement_features WHERE dataset_id = $1 AND dataset_version = $2) + "
            "(SELECT coalesce(sum(pg_column_size(figures) + pg_column_size(lineage)), 0) "
            "FROM heimdall.sample_outcomes WHERE dataset_id = $1 AND dataset_version = $2)",
            UUID(dataset.dataset_id),
            dataset.dataset_version,
        )
    )


async def feature_values(
    pool: Pool | Connection, dataset: DatasetKey, feature: str, statistic: str, *, samples: int
) -> dict[str, list[float]]:
    """By rx_id, one value of a feature from each of the first accepted samples of a version; so many at most."""
    rows = await pool.fetch(
        "SELECT one ->> 'rx_id' AS rx_id, array_agg((one -> $3 ->> $4)::float8) AS found FROM "
        "(SELECT receiver_features FROM heimdall.measurement_features "
        "WHERE dataset_id = $1 AND dataset_version = $2 ORDER BY sample_idx LIMIT $5) AS first, "
        "unnest(receiver_features) AS one WHERE one -> $3 ->> $4 IS NOT NULL GROUP BY 1 ORDER BY 1",
        UUID(dataset.dataset_id),
        dataset.dataset_version,
        feature,
        statistic,
        samples,
    )
    return {row["rx_id"]: row["found"] for row in rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """From a sample's transmitter to a receiver that measured it."""

    sample_idx: int
    latitude: float
    """Of the transmitter."""
    longitude: float
    rx_id: str
    snr_db: float
    """The mean of its chunks."""


async def links_of(pool: Pool | Connection, dataset: DatasetKey, samples: Sequence[int]) -> list[Link]:
    """Returns the links of accepted samples whose transmitter is known; by index, and by receiver."""
    rows = await pool.fetch(
        "SELECT sample_idx, tx_latitude AS latitude, tx_longitude AS longitude, one ->> 'rx_id' AS rx_id, "
        "(one -> 'snr_db' ->> 'mean')::float8 AS snr_db FROM heimdall.measurement_features, "
        "unnest(receiver_features) AS one WHERE dataset_id = $1 AND dataset_version = $2 AND sample_idx = ANY($3) "
        "AND tx_latitude IS NOT NULL AND one -> 'snr_db' ->> 'mean' IS NOT NULL ORDER BY sample_idx, rx_id",
        UUID(dataset.dataset_id),
        dataset.dataset_version,
        list(samples),
    )
    return [Link(**row) for row in rows]
