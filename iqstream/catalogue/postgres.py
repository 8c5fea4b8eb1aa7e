"""The sink's side of PostgreSQL. Functions take a connection within a transaction unless they say otherwise.

One order of locks for everyone: datasets by id and version, then what belongs to them, a partition's offset
last.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import resources
from operator import attrgetter
from typing import TypeAlias
from uuid import UUID

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from iqstream.catalogue.connection import NOT_CONNECTED, connect, no_connection
from iqstream.catalogue.sample_ranges import SampleRanges
from iqstream.runtime.errors import Failed, NoPosition
from schemas import DatasetKey, SampleKey
from sink.incoming import DeadLetter
from sink.iq_choice import choose
from sink.ledger import Counts, Entry, Ledger
from sink.rows import MeasurementRow, json_text
from sink.verdict import figures, lineage, storable

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

IDLE_IN_TRANSACTION_MS = 10_000
"""A frozen worker's transaction is ended after this time: by then Kafka has given its partitions away, too."""
LOCK_TIMEOUT_MS = 5_000
"""Waiting for a dataset is given up and begun again; a frozen worker does not begin again."""
CLOSE_TIMEOUT_S = 5.0
_CHOICE_STEP = 256


def _named_queries(text: str) -> Mapping[str, str]:
    parts = re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], (sql.strip() for sql in parts[2::2]), strict=True))


QUERIES: Mapping[str, str] = _named_queries(
    resources.files("iqstream.catalogue").joinpath("queries.sql").read_text("utf-8")
)
"""The statements of queries.sql by name."""


def _session_timeout() -> str:
    return f"SET idle_in_transaction_session_timeout = {IDLE_IN_TRANSACTION_MS};"


class _PooledSession(asyncpg.Connection):
    """A connection that keeps its timeout when the pool resets it."""

    def get_reset_query(self) -> str:
        return f"{super().get_reset_query()}\n{_session_timeout()}"


async def _set_timeout(session: Connection) -> None:
    await session.execute(_session_timeout())


@asynccontextmanager
async def create_pool(dsn: str, *, max_size: int) -> AsyncIterator[Pool]:
    """Connections, for as long as the context lasts.

    A frozen worker's transaction is ended by the server: it would hold its datasets' locks for ever. That is set after
    connecting: a pooler such as PgBouncer refuses it as a parameter of the start. jsonb keeps its default, text: a
    codec would quote array elements byte by byte.

    Raises:
        Unreachable: no server there.
        UserError: the settings are wrong: it rejects the login or an option, or is not trusted.
    """
    try:
        pool: Pool = await asyncpg.create_pool(  # type: ignore[call-overload]  # `connect` does not return our class by type
            dsn,
            connect=connect,
            init=_set_timeout,
            connection_class=_PooledSession,
            min_size=1,
            max_size=max_size,
            command_timeout=30,
        )
    except NOT_CONNECTED as error:
        raise no_connection(error, dsn) from None
    try:
        yield pool
    finally:
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await pool.close()
        except TimeoutError:
            pool.terminate()


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The right to move a partition's offset, until somebody claims it again."""

    group: str
    topic: str
    partition: int
    owner_epoch: int
    next_offset: int


class StaleOwner(Exception):
    """Somebody else has claimed the partition: nothing of this transaction may stand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetState:
    """A dataset as it stands while its row is locked."""

    key: DatasetKey
    status: str
    recorded: bool
    samples: SampleRanges
    """What this version holds."""
    iq_samples: int
    iq_chosen: int
    iq_frontier: int

    @property
    def withdrawn(self) -> bool:
        """Cancelled or deleted: its records are dropped."""
        return self.status in {"cancelled", "deleted"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """A dataset that has just become complete."""

    dataset: DatasetKey
    name: str
    accepted: int
    iq_samples_saved: int


async def create_offsets(
    connection: Connection | Pool,
    *,
    group: str,
    topic: str,
    partitions: Iterable[int],
    cluster_id: str,
    topic_id: UUID,
) -> None:
    """Makes the missing rows of a topic's partitions at offset 0. No transaction needed.

    Rows of a topic of this cluster that had this name and is gone begin again at 0: its offsets mean nothing now.

    Raises:
        Failed: rows are there for another cluster.
    """
    for row in await connection.fetch(QUERIES["foreign_offsets"], group, topic, cluster_id):
        raise Failed(
            f"PostgreSQL's offsets of {group} on {topic} belong to cluster {row['cluster_id']}; this is cluster "
            f"{cluster_id}. Use the Kafka cluster that they belong to, or another database; rows of "
            "heimdall.stream_offsets may be deleted if that cluster is gone."
        )
    await connection.execute(QUERIES["begin_again"], group, topic, topic_id)
    await connection.execute(QUERIES["create_offset"], group, topic, list(partitions), cluster_id, topic_id)


async def claim_partition(
    connection: Connection | Pool, *, group: str, topic: str, partition: int, cluster_id: str, topic_id: UUID
) -> Claim:
    """Raises the partition's owner epoch: no former owner can commit any more. No transaction needed.

    Raises:
        NoPosition: there is no row yet.
        Failed: it belongs to another cluster or topic.
    """
    row = await connection.fetchrow(QUERIES["claim_partition"], group, topic, partition)
    if row is None:
        raise NoPosition(group, topic, partition)
    if (row["cluster_id"], row["topic_id"]) != (cluster_id, topic_id):
        raise Failed(
            f"the offset of {group} on {topic}-{partition} in PostgreSQL belongs to cluster {row['cluster_id']}, "
            f"topic {row['topic_id']}; this is cluster {cluster_id}, topic {topic_id}. "
            "Run `iqstream init` to see what does not match."
        )
    return Claim(
        group=group,
        topic=topic,
        partition=partition,
        owner_epoch=row["owner_epoch"],
        next_offset=row["next_offset"],
    )


async def store_offset(connection: Connection, claim: Claim, next_offset: int) -> None:
    """Moves the partition's offset: the last statement of a batch.

    Raises:
        StaleOwner: the claim was superseded; the transaction must roll back.
    """
    row = await connection.fetchrow(
        QUERIES["store_offset"], claim.group, claim.topic, claim.partition, claim.owner_epoch, next_offset
    )
    if row is None:
        raise StaleOwner(f"{claim.topic}-{claim.partition}: owner epoch {claim.owner_epoch} is superseded")


async def lock_datasets(connection: Connection, keys: Collection[DatasetKey]) -> dict[DatasetKey, DatasetState]:
    """Locks datasets in one order and reads them: the first statement of a batch. Unknown ones are left out.

    Waits as long as it must, but in turns. A frozen worker has a connection that holds the lock and several that wait
    for it. Without an end to their turn each would get the lock after the one before it, and keep it until the server
    ends its transaction: one worker would hold up all others for `IDLE_IN_TRANSACTION_MS` times its connections.
    """
    if not keys:
        return {}
    ids, versions = zip(*sorted(keys), strict=True)
    while True:
        try:
            async with connection.transaction():  # a savepoint
                await connection.execute(QUERIES["limit_lock_wait"], str(LOCK_TIMEOUT_MS))
                rows = await connection.fetch(QUERIES["lock_datasets"], ids, versions)
        except asyncpg.LockNotAvailableError:
            continue
        break
    states = {}
    for row in rows:
        key = DatasetKey(row["id"], row["version"])
        states[key] = DatasetState(
            key=key,
            status=row["status"],
            recorded=row["recorded"],
            samples=SampleRanges.from_sql(row["samples"]),
            iq_samples=row["iq_samples"],
            iq_chosen=row["iq_chosen"],
            iq_frontier=row["iq_frontier"],
        )
    return states


async def read_spec_text(connection: Connection, key: DatasetKey) -> str:
    """The JSON of a dataset's spec. Only its `samples` ever changes, when a dataset that grew is ended."""
    text = await connection.fetchval(QUERIES["read_spec"], *key)
    assert isinstance(text, str)  # noqa: S101  # the dataset is locked, so it is there
    return text


async def read_ledger(connection: Connection, samples: Collection[SampleKey]) -> Ledger:
    """The ledger's lines of some samples; their datasets are locked."""
    if not samples:
        return Ledger({})
    rows = await connection.fetch(QUERIES["read_ledger"], *zip(*sorted(samples), strict=True))
    return Ledger(
        {
            SampleKey(row["dataset_id"], row["dataset_version"], row["sample_idx"]): Entry(
                row["outcome"], row["generation"]
            )
            for row in rows
        }
    )


async def write_ledger(connection: Connection, ledger: Ledger) -> None:
    """Writes decisions, and moves the counters by what they change; the datasets are locked."""
    changes = ledger.changes()
    if changes:
        columns = zip(
            *(
                (
                    *change.outcome.sample,
                    change.outcome.verdict,
                    change.outcome.reason,
                    json_text(figures(change.outcome)),
                    change.outcome.generation,
                    change.first_verdict,
                    json_text(lineage(change.outcome.joined)),
                )
                for change in changes
            ),
            strict=True,
        )
        await connection.execute(QUERIES["write_outcomes"], *columns)
    if raised := ledger.raised_generations():
        columns = zip(*((*sample, generation) for sample, generation in raised), strict=True)
        await connection.execute(QUERIES["raise_generations"], *columns)
    if gone := [change.outcome.sample for change in changes if change.row == "delete"]:
        await connection.execute(QUERIES["delete_rows"], *zip(*gone, strict=True))
    await _move_counters(connection, ledger.count_changes())


async def _move_counters(connection: Connection, moved: Mapping[DatasetKey, Counts]) -> None:
    for dataset, counts in sorted(moved.items()):
        await connection.execute(
            QUERIES["move_counters"], *dataset, counts["accepted"], counts["rejected"], counts["failed"]
        )


async def write_rows(connection: Connection, rows: Sequence[MeasurementRow]) -> None:
    """Inserts rows of features, or rewrites them."""
    if rows:
        await connection.executemany(QUERIES["write_row"], [_row_columns(row) for row in rows])


_ROW_COLUMNS = attrgetter(
    "recording_session_id", "dataset_id", "dataset_version", "sample_idx", "receiver_features", "tx_latitude",
    "tx_longitude", "tx_altitude_m", "tx_known", "extraction_metadata", "overall_confidence", "mean_snr_db",
    "num_receivers_detected", "gdop",
)  # fmt: skip


def _row_columns(row: MeasurementRow) -> tuple[object, ...]:
    return tuple(_ROW_COLUMNS(row))


async def write_dead_letters(connection: Connection, letters: Sequence[DeadLetter], topic_id: UUID) -> None:
    """Keeps records of a topic that could not be processed, each once however often it is read."""
    await connection.executemany(
        QUERIES["write_dead_letter"],
        [
            (
                letter.source.topic,
                topic_id,
                letter.source.partition,
                letter.source.offset,
                type(letter.error).__name__,
                storable(str(letter.error)),
                letter.source.key,
                letter.source.value or b"",
                [storable(name) for name, _value in letter.source.headers],
                [value for _name, value in letter.source.headers],
            )
            for letter in letters
        ],
    )


async def choose_iq(connection: Connection, dataset: DatasetState) -> int:
    """Chooses those samples whose IQ is to be kept that have become certain; how many. The dataset is locked."""
    frontier, wanted = dataset.iq_frontier, dataset.iq_samples - dataset.iq_chosen
    chosen: list[int] = []
    stuck = wanted == 0
    while not stuck:
        decided = await connection.fetch(QUERIES["read_decided_from"], *dataset.key, frontier, _CHOICE_STEP)
        step = choose(frontier, wanted - len(chosen), [(row["sample_idx"], row["accepted"]) for row in decided])
        frontier = step.frontier
        chosen += step.chosen
        stuck = step.stuck or len(decided) < _CHOICE_STEP
    if chosen:
        await connection.execute(QUERIES["choose_iq"], *dataset.key, chosen)
    if frontier != dataset.iq_frontier:
        await connection.execute(QUERIES["store_choice"], *dataset.key, frontier, len(chosen))
    return len(chosen)


async def complete_if_done(connection: Connection, dataset: DatasetKey) -> Completed | None:
    """Marks a dataset complete if every sample is decided and all chosen IQ is stored; it is locked.

    Listeners are notified by the table's trigger. Not None exactly once in a dataset's life.
    """
    row = await connection.fetchrow(QUERIES["complete_dataset"], *dataset)
    if row is None:
        return None
    return Completed(
        dataset=dataset,
        name=row["name"],
        accepted=row["accepted"],
        iq_samples_saved=row["iq_samples_saved"],
    )
