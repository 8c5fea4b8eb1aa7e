"""Dead letters as rows: kept with a batch, copied to Kafka, removed for good."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from iqstream.catalogue.postgres import QUERIES, Connection, Pool

NOT_SAID = UUID(int=0)
"""The topic's id of letters that were kept before they said it."""


class Origin(NamedTuple):
    """Where the record stood. Topics of one name that were made one after another have the same offsets."""

    topic: str
    partition: int
    offset: int
    topic_id: UUID = NOT_SAID

    def __str__(self) -> str:
        return f"{self.topic}:{self.partition}:{self.offset}"

    @property
    def full(self) -> str:
        """With the topic's id."""
        return f"{self}@{self.topic_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDeadLetter:
    """A record that the sink cannot process. Texts must be what PostgreSQL takes."""

    origin: Origin
    error: str
    message: str
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterRow(NewDeadLetter):
    """One that is kept."""

    stage: str


async def write_dead_letters(connection: Connection, letters: Sequence[NewDeadLetter]) -> None:
    """Keeps records that could not be processed, each once however often it is read. Within a transaction."""
    if not letters:
        return
    await connection.executemany(
        QUERIES["write_dead_letter"],
        [
            (
                letter.origin.topic,
                letter.origin.topic_id,
                letter.origin.partition,
                letter.origin.offset,
                letter.error,
                letter.message,
                letter.key,
                letter.value,
                [name for name, _value in letter.headers],
                [value for _name, value in letter.headers],
            )
            for letter in letters
        ],
    )


async def lock_dead_letters_to_copy(connection: Connection, limit: int) -> list[DeadLetterRow]:
    """Letters that have no copy yet and that nobody else copies, at most `limit`. Within a transaction."""
    return [_letter(row) for row in await connection.fetch(QUERIES["lock_dead_letters_to_copy"], limit)]


async def mark_dead_letters_copied(connection: Connection, letters: Iterable[DeadLetterRow]) -> None:
    """Notes that letters, at least one, have a copy. Within a transaction."""
    places = [(at.topic, at.topic_id, at.partition, at.offset) for at in (letter.origin for letter in letters)]
    await connection.execute(QUERIES["mark_dead_letters_copied"], *zip(*places, strict=True))


async def dead_letters_without_copy(pool: Pool | Connection) -> list[tuple[DeadLetterRow, datetime]]:
    """Letters that are not on Kafka yet, with the time since when each is kept; the oldest first."""
    rows = await pool.fetch("SELECT * FROM heimdall.dead_letters WHERE copied_at IS NULL ORDER BY created_at")
    return [(_letter(row), row["created_at"]) for row in rows]


async def purge_dead_letters(connection: Connection, kept: Sequence[tuple[Origin, datetime]]) -> None:
    """Removes letters, by place and the time since when each is kept, with their retries. Within a transaction.

    What Kafka still has of them is not listed any more.
    """
    places = [tuple(origin) for origin, _kept_at in kept]
    for table in ("dead_letters", "dead_letter_retries"):
        await connection.executemany(
            f"DELETE FROM heimdall.{table} "  # noqa: S608  # our tables
            'WHERE (topic, partition, "offset", topic_id) = ($1, $2, $3, $4)',
            places,
        )
    # a copy that was just sent is older than this: the deletion has waited for it
    await connection.executemany(
        'INSERT INTO heimdall.dead_letter_purges (topic, partition, "offset", topic_id, purged_at) '
        "VALUES ($1, $2, $3, $4, greatest(clock_timestamp(), $5)) "
        'ON CONFLICT (topic, topic_id, partition, "offset") DO UPDATE SET purged_at = excluded.purged_at',
        [(*origin, kept_at) for origin, kept_at in kept],
    )


async def purged_origins(pool: Pool | Connection) -> dict[Origin, datetime]:
    """When letters were removed that Kafka may still have."""
    rows = await pool.fetch('SELECT topic, partition, "offset", topic_id, purged_at FROM heimdall.dead_letter_purges')
    return {Origin(*row[:4]): row["purged_at"] for row in rows}


async def forget_purges(pool: Pool | Connection, origins: Iterable[Origin]) -> None:
    """Forgets removed letters of which Kafka has no record any more."""
    await pool.executemany(
        'DELETE FROM heimdall.dead_letter_purges WHERE (topic, partition, "offset", topic_id) = ($1, $2, $3, $4)',
        [tuple(origin) for origin in origins],
    )


def _letter(row: asyncpg.Record) -> DeadLetterRow:
    return DeadLetterRow(
        origin=Origin(row["topic"], row["partition"], row["offset"], row["topic_id"]),
        stage=row["stage"],
        error=row["error"],
        message=row["message"],
        key=row["key"],
        value=row["value"],
        headers=tuple(zip(row["header_names"], row["header_values"], strict=True)),
    )
