"""Reading partitions by hand from one offset to another: everything that reads a topic "to its end" reads here.

A position passes transaction markers and aborted records only while the partition is polled, so the end is reached by
the consumer's position, never by a record: the last offsets before it may hold none.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError, TopicAuthorizationFailedError

from iqstream.runtime.errors import Unreachable
from iqstream.runtime.fetched import offset_after

POLL_S = 0.2
STALLED_AFTER_S = 30.0


class StallWatch:
    """Notices that a read which has an end does not come nearer to it."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._seen: dict[Any, int] = {}
        self._moved_at = asyncio.get_running_loop().time()

    def see(self, positions: Mapping[Any, int]) -> None:
        """Raises Unreachable when nothing has moved for a long time."""
        now = asyncio.get_running_loop().time()
        if positions != self._seen:
            self._seen, self._moved_at = dict(positions), now
        elif now - self._moved_at > STALLED_AFTER_S:
            raise Unreachable(
                f"Kafka returned nothing more of {self._topic} for {STALLED_AFTER_S:.0f} s; check the broker."
            )


class SpanReader:
    """Reads spans of partitions once, all at the same time. No group, no commits."""

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        spans: Mapping[TopicPartition, range],
        *,
        within_s: float | None = None,
        tolerated: tuple[type[KafkaError], ...] = (),
    ) -> None:
        """What is to be read, and how long that may take.

        Args:
            consumer: started; it is assigned these partitions, and no others.
            spans: offsets from the first up to and without the last.
            within_s: after so long the reading ends where it is. None: it continues for as long as it makes progress.
            tolerated: errors that end the partitions which they are about, and no others.
        """
        self.positions = {partition: span.start for partition, span in spans.items()}
        """Up to where each partition is read: everything before was given, or holds no record."""
        self._consumer = consumer
        self._spans = spans
        self._open = {partition for partition, span in spans.items() if span}
        self._within_s = within_s
        self._tolerated = tolerated

    def is_whole(self, partition: TopicPartition) -> bool:
        """Whether a span was read to its end."""
        return self.positions[partition] >= self._spans[partition].stop

    def leave(self, partition: TopicPartition) -> None:
        """Nothing more is wanted of a partition."""
        if partition in self._open:
            self._open.discard(partition)
            self._consumer.pause(partition)

    async def records(self) -> AsyncIterator[ConsumerRecord]:
        """The readable records of the spans, in the order of each partition. To be iterated once.

        Raises:
            Unreachable: nothing has moved for `STALLED_AFTER_S`, where no time was set.
            KafkaError: the broker refuses, and that is not tolerated.
        """
        if not self._open:
            return
        clock = asyncio.get_running_loop().time
        ends_at = None if self._within_s is None else clock() + self._within_s
        watch = StallWatch(", ".join(sorted({partition.topic for partition in self._open})))
        self._consumer.assign(list(self._open))
        for partition in self._open:
            self._consumer.seek(partition, self._spans[partition].start)
        while self._open and (ends_at is None or clock() < ends_at):
            for record in await self._poll(POLL_S if ends_at is None else min(POLL_S, max(0.0, ends_at - clock()))):
                partition = TopicPartition(record.topic, record.partition)
                if partition in self._open and record.offset in self._spans[partition]:
                    self._pass(partition, offset_after(record))
                    yield record
            for partition in tuple(self._open):
                self._pass(partition, await self._consumer.position(partition))
                if self.is_whole(partition):
                    self.leave(partition)
            if ends_at is None:
                watch.see(self.positions)

    async def _poll(self, timeout_s: float) -> list[ConsumerRecord]:
        try:
            fetched = await self._consumer.getmany(*self._open, timeout_ms=int(timeout_s * 1000))
        except self._tolerated as error:
            for partition in concerned(error, self._open):
                self.leave(partition)
            return []
        return [record for records in fetched.values() for record in records]

    def _pass(self, partition: TopicPartition, offset: int) -> None:
        self.positions[partition] = min(max(self.positions[partition], offset), self._spans[partition].stop)


def concerned(error: KafkaError, asked: Collection[TopicPartition]) -> set[TopicPartition]:
    """The partitions that an error is about: those of the offsets or the topic that it names, else all."""
    if isinstance(error, OffsetOutOfRangeError):  # retention has just dropped these offsets
        return set(error.args[0]) & set(asked)
    if isinstance(error, TopicAuthorizationFailedError):
        return {partition for partition in asked if partition.topic == error.args[0]}
    return set(asked)
