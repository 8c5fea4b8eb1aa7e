"""Reading partitions of a topic by hand: where they begin and end, and the records in between. No group, no commits."""

import asyncio
from bisect import bisect_left
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from math import ceil
from typing import Literal

from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from iqstream.dataset.background import Stopped
from iqstream.dataset.fetcher import EARLIEST, LATEST, Chunk, Fetcher
from iqstream.runtime.errors import Failed, Unreachable, UserError
from iqstream.runtime.kafka import admin_client, request_client
from iqstream.runtime.kafka_protocol import topic_ids
from iqstream.runtime.settings import Settings
from iqstream.runtime.span_reader import STALLED_AFTER_S, StallWatch

POLL_S = 0.05
FETCH_WAIT_MS = 500
FETCH_PARTITION_BYTES = 1024 * 1024
FETCH_BYTES = 2 * 1024 * 1024
"""Of all partitions at a time."""


class OffsetExpired(Failed):
    """What a stream was to go on with has been deleted from Kafka."""


class Log:
    """One topic's partitions."""

    def __init__(
        self,
        fetcher: Fetcher,
        topic: str,
        partitions: Sequence[int],
        stopping: Callable[[], bool],
        *,
        topic_id: str,
    ) -> None:
        """`stopping` tells whether `fetch` is to raise `Stopped`; another topic of the name has another `topic_id`."""
        self.topic = topic
        self.topic_id = topic_id
        self.partitions = tuple(partitions)
        self._fetcher = fetcher
        self._stopping = stopping

    async def offsets(self, place: Literal["earliest", "latest"] | datetime) -> dict[int, int]:
        """Both ends of every partition, or its first record at or after a time; what is not committed lies behind.

        Raises:
            Unreachable: Kafka does not answer in time.
            Failed: Kafka refuses the question.
        """
        if place == "earliest":
            return await self._find(EARLIEST)
        ends = await self._find(LATEST)
        if not isinstance(place, datetime):
            return ends
        found = await self._find(max(0, ceil(place.timestamp() * 1000)))  # negative numbers mean other things to Kafka
        return {partition: ends[partition] if at < 0 else min(at, ends[partition]) for partition, at in found.items()}

    async def _find(self, when: int) -> dict[int, int]:
        try:
            async with asyncio.timeout(STALLED_AFTER_S):
                return await self._fetcher.find(self.partitions, when)
        except TimeoutError:
            raise Unreachable(f"Kafka does not say where {self.topic} begins and ends; check the broker.") from None
        except KafkaError as error:
            raise Failed(f"{self.topic} cannot be read: {type(error).__name__} {error}") from None

    async def seek(self, offsets: Mapping[int, int], ends: Mapping[int, int | None]) -> None:
        """Reads these partitions from these offsets, and no others; not further than to their ends.

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
        await self._fetcher.start(offsets, ends)

    async def fetch(self, partitions: Collection[int]) -> dict[int, Chunk]:
        """What has arrived, by partition; empty after a moment without anything.

        It may be of a partition that was wanted at an earlier call, and it may reach beyond an end.

        Raises:
            OffsetExpired: Kafka has deleted the records that were to be read next.
            Failed: Kafka refuses the read.
        """
        if self._stopping():
            raise Stopped
        try:
            return await self._fetcher.fetch(partitions, POLL_S)
        except OffsetOutOfRangeError:
            raise OffsetExpired(
                f"{self.topic}: records were deleted before they were read; the accepted samples are in PostgreSQL: "
                "`iqstream datasets export`."
            ) from None
        except KafkaError as error:
            raise Failed(f"{self.topic} cannot be read: {type(error).__name__} {error}") from None

    async def between(
        self, starts: Mapping[int, int], ends: Mapping[int, int]
    ) -> AsyncIterator[Sequence[bytes | None]]:
        """The values of all records from `starts` to before `ends`, as they come."""
        read_to = {partition: start for partition, start in starts.items() if start < ends[partition]}
        if not read_to:
            return
        await self.seek(read_to, ends)
        watch = StallWatch(self.topic)
        while unread := [partition for partition, offset in read_to.items() if offset < ends[partition]]:
            for partition, chunk in (await self.fetch(unread)).items():
                read_to[partition] = chunk.next_offset
                offsets, values = chunk.records
                yield values[: bisect_left(offsets, ends[partition])]
            watch.see(read_to)


@asynccontextmanager
async def open_log(
    settings: Settings, topic: str, *, stopping: Callable[[], bool] = lambda: False
) -> AsyncIterator[Log]:
    """The topic's log, for as long as the context lasts.

    Raises:
        Unreachable: no broker answers.
        UserError: it has no such topic.
    """
    async with admin_client(settings) as admin:
        _cluster, ids = await topic_ids(admin, [topic])
        if topic not in ids:
            raise UserError(f"Kafka at {settings.kafka_bootstrap} has no topic {topic!r}; `iqstream init` makes ours.")
        described = await admin.describe_topics([topic])
    partitions = sorted(partition["partition"] for partition in described[0]["partitions"])
    async with request_client(settings, topic) as client:
        fetcher = Fetcher(
            client,
            topic,
            wait_ms=FETCH_WAIT_MS,
            partition_bytes=FETCH_PARTITION_BYTES,
            answer_bytes=FETCH_BYTES,
        )
        try:
            yield Log(fetcher, topic, partitions, stopping, topic_id=str(ids[topic]))
        finally:
            await fetcher.stop()
