"""The register of replays: which there are, how each is known to Kafka, and which one goes on when it is run again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from iqstream.catalogue.datasets import Dataset
from iqstream.catalogue.locked import lock_datasets
from iqstream.catalogue.new_datasets import insert_dataset
from iqstream.catalogue.outcomes import decided_among
from iqstream.catalogue.postgres import Connection, Pool
from iqstream.catalogue.sample_ranges import SampleRanges
from iqstream.runtime.errors import Conflict, Failed, NotFound
from iqstream.runtime.readable import Readable
from schemas import VERDICTS, DatasetKey

_COLUMNS = "dataset_id::text, dataset_version, generation, source_version, samples, lanes, started_at, finished_at"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Replay(Readable):
    """Some samples of a dataset, processed again."""

    dataset_id: str
    dataset_version: int
    """Where the results go."""
    generation: int
    """Of the records it emits: above all earlier ones of these samples; 0 in a new version."""
    source_version: int
    """Whose ledger says where the frames are."""
    samples: SampleRanges
    lanes: int
    """Parts that are published apart, each with a position of its own."""
    started_at: datetime
    finished_at: datetime | None

    @property
    def group(self) -> str:
        """The group that holds how many samples of each lane are published, and the prefix of its transactions."""
        return f"replay-{self.dataset_id}-{self.dataset_version}-{self.generation}"

    @property
    def in_place(self) -> bool:
        """Whether rows are rewritten, not written beside the old ones."""
        return self.dataset_version == self.source_version


async def begin_replay(
    pool: Pool, source: Dataset, samples: SampleRanges, *, as_version: int | None, lanes: int
) -> tuple[Replay, bool]:
    """The replay of these samples, and whether it goes on with one that was interrupted.

    A new one gets the next generation, or makes the new version's row.

    Args:
        pool: connections.
        source: the dataset in the version whose frames are wanted.
        samples: of it.
        as_version: write the results there, beside the old ones; None: in their place.
        lanes: of a new replay.

    Raises:
        UserError: the dataset is cancelled or deleted, does not hold these samples, or the new version exists.
    """
    key = DatasetKey(source.id, as_version or source.version)
    async with pool.acquire() as connection, connection.transaction():
        locked = await lock_datasets(connection, {DatasetKey(source.id, source.version), key})
        held = locked[DatasetKey(source.id, source.version)]
        require_kept(source, held.status, as_version=as_version)
        if missing := samples - held.samples:
            raise NotFound(
                f"version {source.version} of dataset {source.name!r} does not hold the samples {missing}: it holds "
                f"{held.samples}"
            )
        row = await connection.fetchrow(
            f"SELECT {_COLUMNS} FROM heimdall.replays WHERE dataset_id = $1 AND dataset_version = $2 "  # noqa: S608
            "AND source_version = $3 AND samples = $4 AND finished_at IS NULL ORDER BY generation DESC LIMIT 1",
            UUID(source.id),
            key.dataset_version,
            source.version,
            samples.to_sql(),
        )
        if row is not None:
            return _replay(row), True
        if as_version is not None:
            await _make_version(connection, source, samples, as_version, exists=key in locked)
        return await _insert(connection, source, samples, key, lanes), False


def require_kept(source: Dataset, status: str | None = None, *, as_version: int | None = None) -> None:
    """Checks that the sink keeps what a replay makes, in the status that the dataset has, or has by now.

    Raises:
        UserError: the dataset is deleted, or cancelled and its version is to be replaced.
    """
    status = status or source.status
    if status == "deleted" or (status == "cancelled" and as_version is None):
        raise Conflict(
            f"dataset {source.name!r} is {status}: the sink drops its records"
            + (". --as-version makes a version of what it has" if status == "cancelled" else "")
        )


async def finish_replay(pool: Pool, replay: Replay) -> None:
    """Notes that everything it emitted is stored."""
    await pool.execute(
        "UPDATE heimdall.replays SET finished_at = now() "
        "WHERE dataset_id = $1 AND dataset_version = $2 AND generation = $3 AND finished_at IS NULL",
        UUID(replay.dataset_id),
        replay.dataset_version,
        replay.generation,
    )


async def check_wanted(pool: Pool, replay: Replay) -> None:
    """Raises Failed once the dataset is cancelled or deleted: the sink will not store what is left."""
    status = await pool.fetchval(
        "SELECT status FROM heimdall.datasets WHERE id = $1 AND version = $2",
        UUID(replay.dataset_id),
        replay.dataset_version,
    )
    if status in {"cancelled", "deleted"}:
        raise Failed(f"the dataset was {status} while it was replayed: the sink drops what is left of its records")


async def stored_samples(pool: Pool | Connection, replay: Replay) -> int:
    """How many of its samples the sink has decided by it, or by a later replay."""
    count = await pool.fetchval(
        "SELECT count(*) FROM heimdall.sample_outcomes WHERE dataset_id = $1 AND dataset_version = $2 "
        "AND $3::int4multirange @> sample_idx AND generation >= $4",
        UUID(replay.dataset_id),
        replay.dataset_version,
        replay.samples.to_sql(),
        replay.generation,
    )
    return int(count)


async def replay_outcomes(pool: Pool | Connection, replay: Replay) -> dict[str, int]:
    """How the replay's samples stand now: how many are accepted, rejected and failed."""
    rows = await pool.fetch(
        "SELECT outcome, count(*) AS samples FROM heimdall.sample_outcomes WHERE dataset_id = $1 "
        "AND dataset_version = $2 AND $3::int4multirange @> sample_idx GROUP BY outcome",
        UUID(replay.dataset_id),
        replay.dataset_version,
        replay.samples.to_sql(),
    )
    none: dict[str, int] = dict.fromkeys(VERDICTS, 0)
    return none | {row["outcome"]: row["samples"] for row in rows}


async def replayable(pool: Pool, dataset: Dataset, samples: SampleRanges) -> SampleRanges:
    """The samples that can be processed again: of recordings those that are decided, the others may yet come.

    Raises:
        UserError: there is none.
    """
    if not samples:
        raise Conflict(f"dataset {dataset.name!r}: none of its samples is submitted yet, so none can be replayed")
    if not dataset.recorded:
        return samples
    decided = await decided_among(pool, DatasetKey(dataset.id, dataset.version), samples)
    if not decided:
        raise Conflict(f"dataset {dataset.name!r}: none of these samples is decided yet, so none can be replayed")
    return decided


async def _make_version(
    connection: Connection, source: Dataset, samples: SampleRanges, as_version: int, *, exists: bool
) -> None:
    if exists:
        newest = await connection.fetchval("SELECT max(version) FROM heimdall.datasets WHERE id = $1", UUID(source.id))
        raise Conflict(
            f"--as-version: dataset {source.name!r} has a version {as_version} already, and a version never holds more "
            f"than it was made with; the next free one is {newest + 1}. Without --as-version, and with --version "
            f"{as_version}, it is processed again in place"
        )
    spec = msgspec.structs.replace(source.spec, dataset_version=as_version)
    await insert_dataset(
        connection,
        spec,
        samples=samples,
        status="running",
        grows=False,
        description=source.description,
    )


async def _insert(
    connection: Connection, source: Dataset, samples: SampleRanges, key: DatasetKey, lanes: int
) -> Replay:
    last = await connection.fetchval(
        "SELECT max(generation) FROM ("
        "SELECT generation FROM heimdall.replays WHERE dataset_id = $1 AND dataset_version = $2 UNION ALL "
        "SELECT generation FROM heimdall.sample_outcomes WHERE dataset_id = $1 AND dataset_version = $2) AS known",
        UUID(source.id),
        key.dataset_version,
    )
    in_place = key.dataset_version == source.version
    row = await connection.fetchrow(
        "INSERT INTO heimdall.replays "  # noqa: S608  # our columns
        "(dataset_id, dataset_version, generation, source_version, samples, lanes) "
        f"VALUES ($1, $2, $3, $4, $5, $6) RETURNING {_COLUMNS}",
        UUID(source.id),
        key.dataset_version,
        (last or 0) + 1 if in_place else 0,
        source.version,
        samples.to_sql(),
        lanes,
    )
    assert row is not None  # noqa: S101  # RETURNING gives the row
    return _replay(row)


def _replay(row: asyncpg.Record) -> Replay:
    return Replay(**dict(row) | {"samples": SampleRanges.from_sql(row["samples"])})


async def outcomes_of(pool: Pool, replay: Replay) -> dict[str, int]:
    """How the replay's samples stand now: accepted, rejected, failed."""
    rows = await pool.fetch(
        "SELECT outcome, count(*) AS samples FROM heimdall.sample_outcomes WHERE dataset_id = $1 "
        "AND dataset_version = $2 AND $3::int4multirange @> sample_idx GROUP BY outcome",
        UUID(replay.dataset_id),
        replay.dataset_version,
        replay.samples.to_sql(),
    )
    return {"accepted": 0, "rejected": 0, "failed": 0} | {row["outcome"]: row["samples"] for row in rows}
