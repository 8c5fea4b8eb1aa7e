"""Reading records on a topic by hand: what stands between two offsets, and where a sample begins."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from iqstream.runtime.offsets import Ends
from iqstream.runtime.span_reader import SpanReader
from schemas import subject_of

READ_DEADLINE_S = 10.0
_STEP_BACK_OFFSETS = 24
"""Three samples of seven receivers and their markers."""


@dataclass(slots=True)
class SpanContents:
    """What is readable within a span of offsets, as far as it was read."""

    records: int = 0
    samples: Counter[tuple[str, int]] = field(default_factory=Counter)
    """By dataset id and version, with how many samples the records are about."""
    read_whole: bool = False


async def read_spans(
    consumer: AIOKafkaConsumer, spans: Mapping[TopicPartition, range], deadline_s: float = READ_DEADLINE_S
) -> dict[TopicPartition, SpanContents]:
    """What stands in spans of partitions; where the deadline cuts it short, what was read by then."""
    contents = {partition: SpanContents() for partition in spans}
    seen: dict[TopicPartition, set[tuple[bytes | None, tuple[str, int]]]] = {partition: set() for partition in spans}
    reader = SpanReader(consumer, spans, within_s=deadline_s, tolerated=(OffsetOutOfRangeError,))
    async for record in reader.records():
        place = TopicPartition(record.topic, record.partition)
        contents[place].records += 1
        subject = subject_of(record)
        if subject.dataset_version is None or subject.sample_idx is None:
            continue
        dataset = (subject.dataset_id, subject.dataset_version)
        if (record.key, dataset) not in seen[place]:
            seen[place].add((record.key, dataset))
            contents[place].samples[dataset] += subject.samples or 1  # a shard says so
    for place, found in contents.items():
        found.read_whole = reader.is_whole(place)
    return contents


async def sample_start(consumer: AIOKafkaConsumer, partition: TopicPartition, offset: int, ends: Ends) -> int:
    """The offset of the first record of the sample that the record at `offset`, or the next after it, is of.

    Raises:
        Unreachable: Kafka gives nothing more.
    """
    first: ConsumerRecord | None = None
    async for record in _records(consumer, partition, range(offset, ends.end)):
        first = record
        break
    if first is None:
        return offset
    start = read_from = int(first.offset)
    while read_from > ends.log_start:
        read_from, read_to = max(ends.log_start, read_from - _STEP_BACK_OFFSETS), read_from
        before = [record async for record in _records(consumer, partition, range(read_from, read_to))]
        while before and before[-1].key == first.key:
            start = int(before.pop().offset)
        if before:
            break
    return start


def _records(consumer: AIOKafkaConsumer, partition: TopicPartition, span: range) -> AsyncIterator[ConsumerRecord]:
    return SpanReader(consumer, {partition: span}, tolerated=(OffsetOutOfRangeError,)).records()
