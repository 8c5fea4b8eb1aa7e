"""Reads on from a group's position: the first unread record's time, or that nothing readable is there."""

from collections.abc import Mapping
from dataclasses import dataclass

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from iqstream.lag.contents import NOTHING, Contents, contents_of
from iqstream.lag.figures import Unread
from iqstream.runtime.fetched import offset_after
from iqstream.runtime.kafka import IsolationLevel, started_reader
from iqstream.runtime.settings import Settings
from iqstream.runtime.span_reader import SpanReader
from iqstream.runtime.topics import JOBS

PROBE_DEADLINE_S = 5.0
FETCH_BYTES = 64 * 1024
"""One record is wanted of most partitions; the broker gives a whole batch even where that is larger."""
COUNTED_OFFSETS = 2_000
"""Shards are read one by one up to this many on the topic (some MB); beyond it they are estimated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Offsets of one partition, from `start` up to and without `end`."""

    start: int
    end: int


class _Reading:
    """What was read of one partition so far."""

    def __init__(self, span: Span, *, to_the_end: bool) -> None:
        self.span = span
        self.done = False
        self._wants_all = to_the_end
        self._passed = span.start
        self._records = 0
        self._first_timestamp_ms: int | None = None
        self._contents: Contents | None = NOTHING
        self._size_bytes = 0

    def add(self, record: ConsumerRecord) -> None:
        """One visible record, in offset order; what lies outside the span is ignored."""
        if not self.span.start <= record.offset < self.span.end:
            self.pass_to(record.offset)
            return
        if self._records == 0 and record.timestamp >= 0:
            self._first_timestamp_ms = record.timestamp
        self._records += 1
        self._size_bytes += record_bytes(record)
        contents = None if self._contents is None else contents_of(record)
        self._contents = None if contents is None or self._contents is None else self._contents + contents
        self.pass_to(offset_after(record))
        self.done |= not self._wants_all

    def pass_to(self, offset: int) -> None:
        """Everything before `offset` is read."""
        self._passed = max(self._passed, offset)
        self.done |= self._passed >= self.span.end

    def unread(self) -> Unread:
        return Unread(
            records=self._records,
            first_timestamp_ms=self._first_timestamp_ms,
            contents=self._contents,
            size_bytes=self._size_bytes,
            to_the_end=self._passed >= self.span.end,
        )


def record_bytes(record: ConsumerRecord) -> int:
    """Key, value and headers."""
    headers = sum(len(name.encode()) + len(value or b"") for name, value in record.headers)
    return len(record.key or b"") + len(record.value or b"") + headers


async def read_on(
    settings: Settings, spans: Mapping[TopicPartition, Span], *, isolation_level: IsolationLevel = "read_committed"
) -> dict[TopicPartition, Unread]:
    """What is readable within spans of existing partitions, as far as a few seconds suffice to say.

    Belongs to no group and commits nothing. Of `iq.jobs` every record is read, if they are not too many; of
    other topics up to the first readable one. A topic whose records may not be read shows nothing.

    Raises:
        KafkaError: no broker answers at the start.
    """
    if not spans:
        return {}
    shards = sum(span.end - span.start for partition, span in spans.items() if partition.topic == JOBS)
    readings = {
        partition: _Reading(span, to_the_end=partition.topic == JOBS and shards <= COUNTED_OFFSETS)
        for partition, span in spans.items()
    }
    async with started_reader(settings, fetch_bytes=FETCH_BYTES, isolation_level=isolation_level) as consumer:
        reader = SpanReader(
            consumer,
            {partition: range(span.start, span.end) for partition, span in spans.items()},
            within_s=PROBE_DEADLINE_S,
            tolerated=(KafkaError,),
        )
        async for record in reader.records():
            partition = TopicPartition(record.topic, record.partition)
            readings[partition].add(record)
            if readings[partition].done:
                reader.leave(partition)
    for partition, reading in readings.items():
        reading.pass_to(reader.positions[partition])
    return {partition: reading.unread() for partition, reading in readings.items()}
