"""Reading partitions of a topic by hand: where they begin and end, and the records in between. No group, no commits."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Literal, TypeAlias

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from iqstream.dataset.background import Stopped
from iqstream.runtime.errors import Failed, Unreachable, UserError
from iqstream.runtime.kafka import admin_client, reader_consumer
from iqstream.runtime.settings import Settings

POLL_MS = 200
STALLED_AFTER_S = 30.0
BOUNDED_FETCH_WAIT_MS = 10
FETCH_BYTES = 2 * 1024 * 1024
"""Of one partition at a time: about a window of records."""

Place: TypeAlias = Literal["earliest", "latest"] | datetime | Mapping[int, int]
"""Both ends of the log, the first record at or after a time (with zone), or offsets by partition."""


class OffsetExpired(Failed):
    """What a stream was to go on with has been deleted from Kafka."""


class Log:
    """One topic's partitions."""

    def __init__(
        self, consumer: AIOKafkaConsumer, topic: str, partitions: Sequence[int], stopping: Callable[[], bool]
    ) -> None:
        """`stopping` tells whether `fetch` is to raise `Stopped`."""
        self.topic = topic
        self.partitions = tuple(partitions)
        self._consumer = consumer
        self._stopping = stopping
        self._paused: set[int] = set()

    async def offsets(self, place: Place) -> dict[int, int]:
        """The offset of a place in every partition; what is not committed yet lies behind the end."""
        places = [TopicPartition(self.topic, partition) for partition in self.partitions]
        ends = {tp.partition: offset for tp, offset in (await self._consumer.end_offsets(places)).items()}
        if place == "latest":
            return ends
        starts = {tp.partition: offset for tp, offset in (await self._consumer.beginning_offsets(places)).items()}
        if place == "earliest":
            return starts
        if isinstance(place, datetime):
            at_ms = round(place.timestamp() * 1000)
            found = await self._consumer.offsets_for_times(dict.fromkeys(places, at_ms))
            return {
                tp.partition: ends[tp.partition] if hit is None else min(hit.offset, ends[tp.partition])
                for tp, hit in found.items()
            }
        return {partition: place.get(partition, starts[partition]) for partition in self.partitions}

    async def seek(self, offsets: Mapping[int, int]) -> None:
        """Reads these partitions from these offsets, and no others.

        Raises:
            OffsetExpired: Kafka has deleted the records there.
        """
        starts = await self.offsets("earliest")
        for partition, offset in offsets.items():
            if offset < starts[partition]:
                raise OffsetExpired(
                    f"{self.topic}: partition {partition} begins at offset {starts[partition]}, this read goes on at "
                    f"{offset}: Kafka has deleted the records between. The accepted samples are in PostgreSQL: "
                    "`iqstream datasets export`; or read again from start='earliest' without the state."
                )
        self._paused.clear()
        self._consumer.assign([TopicPartition(self.topic, partition) for partition in offsets])
        for partition, offset in offsets.items():
            self._consumer.seek(TopicPartition(self.topic, partition), offset)

    async def fetch(self) -> dict[int, list[ConsumerRecord]]:
        """What has arrived, by partition; empty after a moment without anything.

        Raises:
            OffsetExpired: Kafka has deleted the records that were to be read next.
            Failed: Kafka refuses the read.
        """
        if self._stopping():
            raise Stopped
        try:
            fetched = await self._consumer.getmany(timeout_ms=POLL_MS)
        except OffsetOutOfRangeError:
            raise OffsetExpired(
                f"{self.topic}: records were deleted before they were read; the accepted samples are in PostgreSQL: "
                "`iqstream datasets export`."
            ) from None
        except KafkaError as error:
            raise Failed(f"{self.topic} cannot be read: {type(error).__name__} {error}") from None
        return {tp.partition: records for tp, records in fetched.items()}

    async def position(self, partition: int) -> int:
        """Up to where a partition is read, transaction markers included."""
        position: int = await self._consumer.position(TopicPartition(self.topic, partition))
        return position

    def pause(self, partition: int) -> None:
        """Fetches nothing more of a partition for now."""
        if partition not in self._paused:
            self._paused.add(partition)
            self._consumer.pause(TopicPartition(self.topic, partition))

    def resume(self, partition: int) -> None:
        """Fetches of a partition again."""
        if partition in self._paused:
            self._paused.discard(partition)
            self._consumer.resume(TopicPartition(self.topic, partition))

    async def between(
        self, starts: Mapping[int, int], ends: Mapping[int, int]
    ) -> AsyncIterator[Sequence[ConsumerRecord]]:
        """All records from `starts` to before `ends`, as they come."""
        open_ends = {partition: ends[partition] for partition, start in starts.items() if start < ends[partition]}
        if not open_ends:
            return
        await self.seek({partition: starts[partition] for partition in open_ends})
        watch = StallWatch(self.topic)
        while open_ends:
            for partition, records in (await self.fetch()).items():
                if partition in open_ends:
                    yield [record for record in records if record.offset < open_ends[partition]]
            positions = {partition: await self.position(partition) for partition in open_ends}
            watch.see(positions)
            for partition in [partition for partition, end in open_ends.items() if positions[partition] >= end]:
                self.pause(partition)
                del open_ends[partition]


class StallWatch:
    """Notices that a read which has an end does not come nearer to it."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._seen: dict[int, int] = {}
        self._moved_at = asyncio.get_running_loop().time()

    def see(self, positions: Mapping[int, int]) -> None:
        """Raises Unreachable when nothing has moved for a long time."""
        now = asyncio.get_running_loop().time()
        if positions != self._seen:
            self._seen, self._moved_at = dict(positions), now
        elif now - self._moved_at > STALLED_AFTER_S:
            raise Unreachable(
                f"Kafka gives nothing more of {self._topic} in {STALLED_AFTER_S:.0f} s; look at the broker."
            )


@asynccontextmanager
async def open_log(
    settings: Settings, topic: str, *, follow: bool = False, stopping: Callable[[], bool] = lambda: False
) -> AsyncIterator[Log]:
    """The topic's log, for as long as the context lasts.

    A read with an end pauses partitions that are ahead: a fetch that was sent for those at their end alone would hold
    up the others, so it is not to be held for long.

    Raises:
        Unreachable: no broker answers.
        UserError: it has no such topic.
    """
    async with admin_client(settings) as admin:
        if topic not in await admin.list_topics():
            raise UserError(f"Kafka at {settings.kafka_bootstrap} has no topic {topic!r}; `iqstream init` makes ours.")
        described = await admin.describe_topics([topic])
    consumer = reader_consumer(
        settings, fetch_wait_ms=500 if follow else BOUNDED_FETCH_WAIT_MS, fetch_partition_bytes=FETCH_BYTES
    )
    try:
        await consumer.start()
        yield Log(consumer, topic, sorted(partition["partition"] for partition in described[0]["partitions"]), stopping)
    finally:
        await asyncio.sleep(0)  # stop() cancels and awaits a task of the client's: one that never ran would raise there
        await consumer.stop()
