"""Single frames out of Kafka, by where they stood."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from types import TracebackType
from typing import Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from iqstream.runtime.fetched import UnreadableRecord, offset_after

READ_TIMEOUT_S = 20.0
_READ_ON_RECORDS = 16
"""Frames of a sample stand close together: up to here reading on is cheaper than a seek and a new fetch."""


class FrameReader:
    """Reads records by their offsets. The consumer starts with the first read, and again after an error.

    Several may ask at once: one read is done after the other, since there is one consumer.
    """

    def __init__(self, new_consumer: Callable[[], AIOKafkaConsumer]) -> None:
        self._new_consumer = new_consumer
        self._consumer: AIOKafkaConsumer | None = None
        self._reading = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._discard()

    async def read(self, topic: str, partition: int, offsets: Collection[int]) -> dict[int, bytes]:
        """The values at those offsets; the ones that the broker has dropped are left out.

        Raises:
            KafkaError: the broker refuses.
            TimeoutError: it does not answer.
        """
        async with self._reading:
            return await self._read(TopicPartition(topic, partition), offsets)

    async def _read(self, place: TopicPartition, offsets: Collection[int]) -> dict[int, bytes]:
        found: dict[int, bytes] = {}
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                consumer = await self._started()
                first = (await consumer.beginning_offsets([place]))[place]
                end = (await consumer.end_offsets([place]))[place]
                wanted = [offset for offset in sorted(offsets) if first <= offset < end]
                await _read(consumer, place, wanted, found)
        except OffsetOutOfRangeError:
            await self._discard()  # dropped while we were reading; what was found is good
        except BaseException:
            await self._discard()
            raise
        return found

    async def _started(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            self._consumer = self._new_consumer()
            await self._consumer.start()
        return self._consumer

    async def _discard(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.stop()


async def _read(
    consumer: AIOKafkaConsumer, place: TopicPartition, wanted: Sequence[int], found: dict[int, bytes]
) -> None:
    """Reads the records at `wanted`, ascending, into `found`; one that is not there is passed over."""
    if wanted and place not in consumer.assignment():
        consumer.assign([place])
    position: int | None = None
    for offset in wanted:
        if position is None or not 0 <= offset - position <= _READ_ON_RECORDS:
            consumer.seek(place, offset)
            position = offset
        while position <= offset:
            record = await consumer.getone(place)
            position = offset_after(record)
            readable = record.value is not None and not isinstance(record, UnreadableRecord)
            if record.offset in wanted and readable:
                found[record.offset] = record.value
