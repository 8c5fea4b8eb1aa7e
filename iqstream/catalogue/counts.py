"""How many samples are decided, at what rate, and what is stored of them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

import msgspec

from iqstream.catalogue.datasets import Status
from iqstream.catalogue.postgres import Connection, Pool
from schemas import DatasetKey, DatasetSpec

_RATE_SAMPLES = 500
_RATE_DATASETS = 5
_STORED = """SELECT d.requested, d.accepted,
    (SELECT count(*) FROM heimdall.sample_outcomes o WHERE o.dataset_id = d.id) AS outcomes,
    (SELECT count(*) FROM heimdall.measurement_features f WHERE f.dataset_id = d.id) AS rows
    FROM heimdall.datasets d WHERE d.id = $1"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """How far a version is."""

    samples: int
    status: Status


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidedOfAll:
    """How far some datasets are together."""

    samples: int
    complete: int
    """Datasets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCounts:
    """What a dataset of one version asks for, and what is stored of it."""

    requested: int
    accepted: int
    outcomes: int
    rows: int


async def decided(pool: Pool | Connection, dataset: DatasetKey) -> Decided | None:
    """How far a version is; None where there is none."""
    row = await pool.fetchrow(
        "SELECT accepted + rejected + failed AS decided, status FROM heimdall.datasets WHERE id = $1 AND version = $2",
        UUID(dataset.dataset_id),
        dataset.dataset_version,
    )
    return None if row is None else Decided(samples=row["decided"], status=row["status"])


async def decided_of_all(pool: Pool | Connection, dataset_ids: Collection[str]) -> DecidedOfAll:
    """How far some datasets are together, all versions of them."""
    row = await pool.fetchrow(
        "SELECT COALESCE(sum(accepted + rejected + failed), 0) AS decided, "
        "count(*) FILTER (WHERE status = 'complete') AS complete FROM heimdall.datasets WHERE id = ANY($1)",
        [UUID(dataset_id) for dataset_id in dataset_ids],
    )
    assert row is not None  # noqa: S101  # an aggregate gives a row
    return DecidedOfAll(samples=int(row["decided"]), complete=int(row["complete"]))


async def iq_samples_saved(pool: Pool | Connection) -> int:
    """Of how many samples the IQ is stored, of all datasets."""
    return int(await pool.fetchval("SELECT COALESCE(sum(iq_samples_saved), 0) AS saved FROM heimdall.datasets"))


async def samples_per_second(pool: Pool | Connection) -> float | None:
    """At which the latest samples were decided; None where that cannot be told."""
    row = await pool.fetchrow(
        "SELECT count(*) AS samples, extract(epoch FROM max(decided_at) - min(decided_at))::float8 AS seconds FROM "
        "(SELECT decided_at FROM heimdall.sample_outcomes ORDER BY decided_at DESC LIMIT $1) AS latest",
        _RATE_SAMPLES,
    )
    return row["samples"] / row["seconds"] if row is not None and row["seconds"] else None


async def latest_decisions(pool: Pool | Connection, like: DatasetSpec) -> list[tuple[int, list[float]]]:
    """Of the latest datasets with such recordings, receivers and when their latest samples were decided first.

    Times are seconds since 1970, in order. A dataset that grows is left out: its rate is chosen.
    """
    rows = await pool.fetch(
        "SELECT jsonb_array_length(d.spec::jsonb -> 'receivers') AS receivers, array("
        "SELECT extract(epoch FROM decided_at)::float8 FROM heimdall.sample_outcomes o "
        "WHERE (o.dataset_id, o.dataset_version) = (d.id, d.version) AND o.generation = 0 "
        "ORDER BY decided_at DESC LIMIT $1) AS decided FROM heimdall.datasets d "
        "WHERE NOT d.recorded AND NOT d.grows AND d.status <> 'deleted' AND d.spec::jsonb -> 'capture' = $2::jsonb "
        "AND coalesce(d.spec::jsonb ->> 'publish', 'frames') = $3 "
        "AND coalesce((d.spec::jsonb ->> 'pairs')::boolean, false) = $4 ORDER BY d.created_at DESC LIMIT $5",
        _RATE_SAMPLES,
        msgspec.json.encode(like.capture).decode(),
        like.publish,
        like.pairs,
        _RATE_DATASETS,
    )
    return [(row["receivers"], sorted(row["decided"])) for row in rows]


async def stored_counts(pool: Pool | Connection, dataset_id: str) -> StoredCounts | None:
    """What is stored of a dataset that has one version; None where there is none."""
    row = await pool.fetchrow(_STORED, UUID(dataset_id))
    return None if row is None else StoredCounts(**dict(row))


async def row_count(pool: Pool | Connection, dataset: DatasetKey) -> int:
    """How many rows of features a version has."""
    return int(
        await pool.fetchval(
            "SELECT count(*) FROM heimdall.measurement_features WHERE dataset_id = $1 AND dataset_version = $2",
            UUID(dataset.dataset_id),
            dataset.dataset_version,
        )
    )


async def deleted_rows(pool: Pool | Connection) -> dict[str, int]:
    """By id of a deleted dataset, rows and outcomes that are still there."""
    rows = await pool.fetch(
        "SELECT d.id::text, count(*) AS rows "
        "FROM (SELECT DISTINCT id FROM heimdall.datasets WHERE status = 'deleted') d "
        "JOIN (SELECT dataset_id FROM heimdall.measurement_features UNION ALL "
        "SELECT dataset_id FROM heimdall.sample_outcomes) o ON o.dataset_id = d.id GROUP BY 1"
    )
    return {row["id"]: row["rows"] for row in rows}
