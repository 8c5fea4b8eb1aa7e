"""Removing dead letters: what that means first, then the rows, the list, and what Kafka can be made to drop.

Kafka drops records from a partition's start only. A letter that stands behind one that is kept is hidden from the list,
until the ones before it are removed too or retention drops it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete
from aiokafka.errors import KafkaError

from iqstream.catalogue.dead_letters import Origin, forget_purges, purge_dead_letters, purged_origins
from iqstream.catalogue.postgres import Pool
from iqstream.dead_letters.listing import Line
from iqstream.dead_letters.read import is_purged, records_on_topic
from iqstream.runtime.errors import Failed
from iqstream.runtime.kafka import admin_client
from iqstream.runtime.readable import Readable, Rows
from iqstream.runtime.settings import Settings
from iqstream.runtime.topics import DEAD_LETTERS


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Removal(Readable):
    """What removing some letters means."""

    SHOWN: ClassVar = ("states", "lines")

    lines: Rows[Line]
    before: Mapping[TopicPartition, int]
    """Kafka's records below these offsets go."""
    dropped: frozenset[Origin]
    """Letters of which Kafka then has no record any more."""
    hidden: frozenset[Origin]
    """Letters that stay in Kafka behind others, and are not listed."""

    @property
    def states(self) -> Mapping[str, int]:
        """Letters by what became of their samples: `decided` after a retry, `under_way`, or `never_retried`."""
        found = Counter({"decided": 0, "under_way": 0, "never_retried": 0})
        found.update(state_of(line) for line in self.lines)
        return found


def state_of(line: Line) -> str:
    """What became of the samples of a letter: every one is decided by its last retry, or it is not."""
    if not line.retries:
        return "never_retried"
    last = {retry.sample: retry.outcome for retry in line.retries}
    return "decided" if None not in last.values() else "under_way"


async def plan_removal(settings: Settings, pool: Pool, lines: Sequence[Line], now: datetime) -> Removal:
    """What removing letters means; nothing is changed.

    Raises:
        Unreachable: Kafka does not answer.
        Failed: it refuses the read.
    """
    going = await purged_origins(pool) | {line.origin: max(now, line.kept_at) for line in lines}
    before: dict[TopicPartition, int] = {}
    dropped: set[Origin] = set()
    hidden: set[Origin] = set()
    stays: set[TopicPartition] = set()
    try:
        async for record in records_on_topic(settings):
            if record.letter is not None and not is_purged(record.letter, going):
                stays.add(record.partition)
            elif record.partition in stays:
                if record.letter is not None:
                    hidden.add(record.letter.origin)
            else:
                before[record.partition] = record.offset + 1
                if record.letter is not None:
                    dropped.add(record.letter.origin)
    except KafkaError as error:
        raise Failed(f"{DEAD_LETTERS} cannot be read: {type(error).__name__} {error}") from None
    return Removal(lines=Rows(lines), before=before, dropped=frozenset(dropped - hidden), hidden=frozenset(hidden))


async def remove_letters(settings: Settings, pool: Pool, removal: Removal) -> None:
    """Removes letters for good. Interrupted, it is finished by the next removal.

    Raises:
        Failed: Kafka refuses; the letters are not listed any more.
    """
    async with pool.acquire() as connection, connection.transaction():
        await purge_dead_letters(connection, [(line.origin, line.kept_at) for line in removal.lines])
    try:
        async with admin_client(settings) as admin:
            if removal.before:
                await admin.delete_records(
                    {partition: RecordsToDelete(before_offset=offset) for partition, offset in removal.before.items()}
                )
    except KafkaError as error:
        raise Failed(
            f"the letters are not listed any more, but Kafka does not delete their records ({type(error).__name__} "
            f"{error}): the next `iqstream dead-letters purge` tries it again"
        ) from None
    await forget_purges(pool, removal.dropped)
