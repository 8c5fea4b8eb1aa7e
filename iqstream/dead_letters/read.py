"""Reading all dead letters: the topic's, and the sink's rows that have no copy there yet."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from iqstream.catalogue.dead_letters import Origin, dead_letters_without_copy, purged_origins
from iqstream.catalogue.postgres import Pool
from iqstream.dead_letters.letter import DeadLetter, OriginName, named_origins, read_letter
from iqstream.runtime.errors import Failed
from iqstream.runtime.kafka import admin_client, started_reader
from iqstream.runtime.offsets import partition_ends, partition_leaders
from iqstream.runtime.settings import Settings
from iqstream.runtime.span_reader import SpanReader
from iqstream.runtime.topics import DEAD_LETTERS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


async def read_letters(settings: Settings, pool: Pool) -> AsyncIterator[DeadLetter]:
    """Every dead letter that was not removed, each once, in the order in which they were kept.

    Raises:
        Unreachable: Kafka does not answer, or stops answering.
        Failed: it refuses the read.
    """
    seen: set[Origin] = set()
    purged = await purged_origins(pool)
    try:
        async for record in records_on_topic(settings):
            letter = record.letter
            if letter is not None and letter.origin not in seen and not is_purged(letter, purged):
                seen.add(letter.origin)
                yield letter
    except KafkaError as error:
        raise Failed(f"{DEAD_LETTERS} cannot be read: {type(error).__name__} {error}") from None
    for letter in await _rows_without_copy(pool):
        if letter.origin not in seen:
            yield letter


async def find_letter(settings: Settings, pool: Pool, name: OriginName) -> DeadLetter:
    """The dead letter of a record.

    Raises:
        UserError: there is none, or several that the topic's id tells apart.
    """
    found = {letter.origin: letter async for letter in read_letters(settings, pool) if name.means(letter.origin)}
    (origin,) = named_origins([name], found)
    return found[origin]


def is_purged(letter: DeadLetter, purged: Mapping[Origin, datetime]) -> bool:
    """Whether a letter was removed; one that is kept again after that was not."""
    return letter.origin in purged and letter.kept_at <= purged[letter.origin]


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicRecord:
    """A record of the dead letters' topic."""

    partition: TopicPartition
    offset: int
    letter: DeadLetter | None
    """None: it is not one of ours."""


async def records_on_topic(settings: Settings) -> AsyncIterator[TopicRecord]:
    """Every record of the dead letters' topic that is committed when this is called, partition by partition.

    Raises:
        Unreachable: Kafka does not answer, or stops answering.
        KafkaError: it refuses the read.
    """
    async with admin_client(settings) as admin:
        ends = await partition_ends(admin, await partition_leaders(admin, [DEAD_LETTERS]))
    async with started_reader(settings) as consumer:
        for partition, end in sorted(ends.items()):
            async for record in SpanReader(consumer, {partition: range(end.log_start, end.end)}).records():
                letter = read_letter(record.value or b"", record.headers, date_of(record.timestamp))
                yield TopicRecord(partition=partition, offset=record.offset, letter=letter)


def date_of(timestamp_ms: int) -> datetime:
    """The date that a record bears; the last one there is where a stranger's lies beyond."""
    try:
        return _EPOCH + timedelta(milliseconds=max(0, timestamp_ms))
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


async def _rows_without_copy(pool: Pool) -> list[DeadLetter]:
    return [
        DeadLetter(
            origin=row.origin,
            stage=row.stage,
            error=row.error,
            message=row.message,
            key=row.key or b"",
            headers=row.headers,
            value=row.value,
            kept_at=kept_at,
        )
        for row, kept_at in await dead_letters_without_copy(pool)
    ]
