"""Samples whose IQ is to be kept: chosen once, claimed by a saver, saved or tried again.

Functions take a connection within a transaction unless they say otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from iqstream.catalogue import postgres
from iqstream.catalogue.postgres import QUERIES, Connection, Pool
from schemas import DatasetKey, SampleKey


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedSave:
    """A sample whose IQ nobody else saves until the transaction ends."""

    sample: SampleKey
    attempts: int
    """To have its recordings that were in vain so far; those while a server was away do not count."""
    spec: str
    """The dataset's, as JSON: it may be unreadable."""
    recorded: bool
    lineage: str
    """The sample's, as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsaved:
    """Samples of a dataset whose IQ could not be saved yet."""

    samples: int
    error: str | None
    """Of one of them; None where there is none."""


async def read_decided_from(
    connection: Connection, dataset: DatasetKey, first: int, limit: int
) -> list[tuple[int, bool]]:
    """Decided samples from an index up, in order, at most `limit`: (index, accepted at first)."""
    rows = await connection.fetch(QUERIES["read_decided_from"], *dataset, first, limit)
    return [(row["sample_idx"], row["accepted"]) for row in rows]


async def choose_iq(connection: Connection, dataset: DatasetKey, samples: Sequence[int]) -> None:
    """Orders the IQ of samples to be saved."""
    if samples:
        await connection.execute(QUERIES["choose_iq"], *dataset, samples)


async def store_choice(connection: Connection, dataset: DatasetKey, *, frontier: int, chosen: int) -> None:
    """Notes that all samples below `frontier` are considered, and how many more are chosen. The dataset is locked."""
    await connection.execute(QUERIES["store_choice"], *dataset, frontier, chosen)


async def claim_iq_save(connection: Connection) -> ClaimedSave | None:
    """Claims a sample that nobody works on; None if there is none.

    The claim ends with the transaction, which may from now on wait for other servers; see `end_long_wait`.
    """
    await connection.execute(QUERIES["allow_long_wait"])
    row = await connection.fetchrow(QUERIES["claim_iq_save"])
    if row is None:
        return None
    return ClaimedSave(
        sample=SampleKey(row["dataset_id"], row["dataset_version"], row["sample_idx"]),
        attempts=row["attempts"],
        spec=row["spec"],
        recorded=row["recorded"],
        lineage=row["lineage"],
    )


async def end_long_wait(connection: Connection) -> None:
    """Frozen from now on, the transaction is ended as soon as any frozen worker's."""
    await connection.execute(QUERIES["end_long_wait"], str(postgres.IDLE_IN_TRANSACTION_MS))


async def postpone_iq_save(
    connection: Connection, sample: SampleKey, reason: str, later: timedelta, *, counts: bool
) -> None:
    """Notes why it went wrong, and when to try again.

    Args:
        connection: within a transaction.
        sample: whose IQ is wanted.
        reason: must be what PostgreSQL takes as text.
        later: after which time.
        counts: as an attempt; not while a server is away.
    """
    await connection.execute(QUERIES["postpone_iq_save"], *sample, reason, later, int(counts))


async def give_up_iq_save(connection: Connection, sample: SampleKey, reason: str) -> None:
    """Notes that a sample's IQ cannot be had, and why; nobody tries again. The dataset is locked."""
    await connection.execute(QUERIES["give_up_iq_save"], *sample, reason)


async def mark_iq_saved(connection: Connection, sample: SampleKey) -> None:
    """Notes that a sample's objects are there, once. The dataset is locked."""
    await connection.execute(QUERIES["mark_iq_saved"], *sample)


async def forget_iq_save(connection: Connection, sample: SampleKey) -> None:
    """The sample's IQ is not wanted any more."""
    await connection.execute(QUERIES["forget_iq_save"], *sample)


async def unsaved_iq(pool: Pool | Connection, dataset_id: str) -> Unsaved:
    """What went wrong with a dataset's IQ, all versions together. No transaction needed."""
    row = await pool.fetchrow(
        "SELECT count(*) AS samples, min(error) AS error FROM heimdall.iq_saves "
        "WHERE dataset_id = $1 AND saved_at IS NULL AND given_up_at IS NULL AND error IS NOT NULL",
        UUID(dataset_id),
    )
    assert row is not None  # noqa: S101  # an aggregate gives a row
    return Unsaved(samples=row["samples"], error=row["error"])


async def why_iq_is_lost(pool: Pool | Connection, dataset_id: str, version: int) -> str | None:
    """Why the IQ of a version's samples cannot be had, of the first such sample; None where there is none."""
    return await pool.fetchval(  # type: ignore[no-any-return]  # a column of text
        "SELECT error FROM heimdall.iq_saves "
        "WHERE dataset_id = $1 AND dataset_version = $2 AND given_up_at IS NOT NULL ORDER BY sample_idx LIMIT 1",
        UUID(dataset_id),
        version,
    )


async def samples_with_iq(pool: Pool | Connection, dataset_id: str) -> frozenset[int]:
    """Samples whose IQ is stored, or about to be, for any version: all of them share the objects."""
    rows = await pool.fetch(
        "SELECT DISTINCT sample_idx FROM heimdall.iq_saves WHERE dataset_id = $1",
        UUID(dataset_id),
    )
    return frozenset(row["sample_idx"] for row in rows)
