"""What a version's rows say as a whole: how strong its signals are, where its transmitters stood, and its size."""

from __future__ import annotations

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
