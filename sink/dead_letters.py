"""Copies of the sink's dead letters on Kafka, beside those of the other stages."""

from collections.abc import Awaitable, Callable, Sequence

from iqstream.catalogue.dead_letters import DeadLetterRow, lock_dead_letters_to_copy, mark_dead_letters_copied
from iqstream.catalogue.postgres import Pool
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
        rows = await lock_dead_letters_to_copy(connection, _AT_ONCE)
        if rows:
            await send([_copy(row) for row in rows])
            await mark_dead_letters_copied(connection, rows)
    return len(rows)


def _copy(row: DeadLetterRow) -> OutgoingRecord:
    origin = str(row.origin).encode()
    return OutgoingRecord(
        topic=DEAD_LETTERS,
        key=origin,
        value=row.value,
        headers=(
            ("topic_id", str(row.origin.topic_id).encode()),
            ("origin", origin),
            ("stage", row.stage.encode()),
            ("error", row.error.encode()),
            ("message", row.message[:2000].encode()),
            ("key", row.key or b""),
            *row.headers,
        ),
    )
