"""Copies of the sink's dead letters on Kafka, beside those of the other stages."""

from collections.abc import Awaitable, Callable, Sequence

import asyncpg

from iqstream.catalogue.postgres import QUERIES, Pool
from iqstream.runtime.records import OutgoingRecord
from iqstream.runtime.topics import DEAD_LETTERS

_AT_ONCE = 100


async def copy_dead_letters(pool: Pool, send: Callable[[Sequence[OutgoingRecord]], Awaitable[None]]) -> int:
    """Sends dead letters that have no copy yet, at most 100; how many.

    The rows are the truth. A copy may come twice if we die between `send` and the commit, under the same key.

    Args:
        pool: connections.
        send: returns once the records are committed.
    """
    async with pool.acquire() as connection, connection.transaction():
        rows = await connection.fetch(QUERIES["lock_dead_letters_to_copy"], _AT_ONCE)
        if rows:
            await send([_copy(row) for row in rows])
            places = [(row["topic"], row["topic_id"], row["partition"], row["offset"]) for row in rows]
            await connection.execute(QUERIES["mark_dead_letters_copied"], *zip(*places, strict=True))
    return len(rows)


def _copy(row: asyncpg.Record) -> OutgoingRecord:
    origin = f"{row['topic']}:{row['partition']}:{row['offset']}".encode()
    return OutgoingRecord(
        topic=DEAD_LETTERS,
        key=origin,
        value=row["value"],
        headers=(
            ("topic_id", str(row["topic_id"]).encode()),
            ("origin", origin),
            ("stage", row["stage"].encode()),
            ("error", row["error"].encode()),
            ("message", row["message"][:2000].encode()),
            ("key", row["key"] or b""),
            *zip(row["header_names"], row["header_values"], strict=True),
        ),
    )
