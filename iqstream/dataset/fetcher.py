"""Fetches of the committed records of a topic's partitions; the next one is under way while one is worked on."""

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError, for_code

from iqstream.dataset.record_batches import Batches, Records
from iqstream.runtime.aiokafka_internals import (
    AIOKafkaClient,
    FetchRequest,
    OffsetRequest,
    OffsetResetStrategy,
    fields_of,
)

log = logging.getLogger(__name__)

EARLIEST, LATEST = OffsetResetStrategy.EARLIEST, OffsetResetStrategy.LATEST
CONSUMER = -1
READ_COMMITTED = 1
MIN_BYTES = 1
RETRY_S = 0.1
NO_LEADER = -1
PASSING_CODES = frozenset({9, 78})
"""A replica, or an offset after a change of leaders, that is not available yet: the library takes these for final."""


class Chunk(NamedTuple):
    """Of one partition."""

    records: Records
    next_offset: int
    """Up to which the log is read with them."""


class Fetcher:
    """Reads partitions of one topic by itself: no group, no commits. One request per broker is under way."""

    def __init__(
        self, client: AIOKafkaClient, topic: str, *, wait_ms: int, partition_bytes: int, answer_bytes: int
    ) -> None:
        """How to ask.

        Args:
            client: started.
            topic: whose partitions are read.
            wait_ms: how long the broker may hold a request that it has nothing for.
            partition_bytes: most of one partition in an answer; a larger batch comes alone.
            answer_bytes: most of all partitions together.
        """
        self._client = client
        self._topic = topic
        self._wait_ms = wait_ms
        self._partition_bytes = partition_bytes
        self._answer_bytes = answer_bytes
        self._next: dict[int, int] = {}
        """The next offset of every partition, whose turn it is first."""
        self._ends: Mapping[int, int | None] = {}
        self._flights: dict[int, asyncio.Task[dict[int, Batches]]] = {}

    async def start(self, offsets: Mapping[int, int], ends: Mapping[int, int | None]) -> None:
        """Reads these partitions from these offsets and no others; nothing is asked of one that is at its end."""
        await self.stop()
        self._next, self._ends = dict(offsets), ends

    async def stop(self) -> None:
        """Abandons what is under way."""
        flights = list(self._flights.values())
        self._flights.clear()
        for flight in flights:
            flight.cancel()
        if flights:
            await asyncio.wait(flights)

    async def fetch(self, partitions: Collection[int], timeout_s: float) -> dict[int, Chunk]:
        """What has arrived, of partitions that were wanted before, too; empty after `timeout_s` without anything.

        A broker that is away, or a partition without a leader, is asked again.

        Raises:
            OffsetOutOfRangeError: an offset is not in the log.
            KafkaError: a read is refused.
        """
        self._ask(partitions)
        flights = {flight: node for node, flight in self._flights.items()}
        if not flights:
            await asyncio.sleep(RETRY_S)
            return {}
        landed: dict[int, Batches] = {}
        done, _ = await asyncio.wait(flights, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        for flight in done:
            del self._flights[flights[flight]]
            landed |= flight.result()
        for partition, answer in landed.items():
            del self._next[partition]  # whoever was served stands last in the next request
            self._next[partition] = answer.next_offset
        self._ask(partitions)
        await asyncio.sleep(0)  # it is sent before we are busy with what is here
        return {
            partition: Chunk(self._committed(partition, answer), answer.next_offset)
            for partition, answer in landed.items()
        }

    def _committed(self, partition: int, answer: Batches) -> Records:
        records, unreadable = answer.committed()
        for lost in unreadable:
            log.warning("reading %s-%d resumes at offset %d: %s", self._topic, partition, lost.next_offset, lost.error)
        return records

    async def find(self, partitions: Collection[int], when: int) -> dict[int, int]:
        """By partition the first committed offset that is as young as a time in ms since 1970 (-1: none is).

        Or that of EARLIEST or LATEST. A broker that is away, or a partition without a leader, is asked again.

        Raises:
            KafkaError: a question is refused.
        """
        found: dict[int, int] = {}
        while missing := [partition for partition in partitions if partition not in found]:
            for node, asked in self._by_leader(missing).items():
                found |= await self._find_on(node, asked, when)
            if not found.keys() >= set(missing):
                await self._look_again()
        return found

    async def _find_on(self, node: int, partitions: Sequence[int], when: int) -> dict[int, int]:
        request = OffsetRequest(
            CONSUMER, READ_COMMITTED, [(self._topic, [(partition, when) for partition in partitions])]
        )
        try:
            response = fields_of(await self._client.send(node, request))
        except KafkaError as error:
            if not error.retriable:
                raise
            return {}
        return {
            answer["partition"]: answer["offset"]
            for topic in response["topics"]
            for answer in topic["partitions"]
            if not (code := answer["error_code"]) or not self._excused(answer["partition"], code, when)
        }

    def _ask(self, partitions: Collection[int]) -> None:
        ends = self._ends
        open_ones = [p for p, at in self._next.items() if p in partitions and ((end := ends[p]) is None or at < end)]
        for node, asked in self._by_leader(open_ones).items():
            if node not in self._flights:
                offsets = {partition: self._next[partition] for partition in asked}
                self._flights[node] = asyncio.create_task(self._fly(node, offsets))

    def _by_leader(self, partitions: Sequence[int]) -> dict[int, list[int]]:
        """Partitions by the broker to ask, in their order; those without one are left out, and looked for."""
        found: dict[int, list[int]] = {}
        for partition in partitions:
            leader = self._client.cluster.leader_for_partition(TopicPartition(self._topic, partition))
            found.setdefault(NO_LEADER if leader is None else leader, []).append(partition)
        if found.pop(NO_LEADER, None):
            self._client.force_metadata_update()
        return found

    async def _fly(self, node: int, offsets: Mapping[int, int]) -> dict[int, Batches]:
        request = FetchRequest(
            self._wait_ms,
            MIN_BYTES,
            self._answer_bytes,
            READ_COMMITTED,
            [(self._topic, [(partition, offset, self._partition_bytes) for partition, offset in offsets.items()])],
        )
        try:
            response = fields_of(await self._client.send(node, request))
        except KafkaError as error:
            if not error.retriable:
                raise
            await self._look_again()
            return {}
        landed: dict[int, Batches] = {}
        lost = False
        for answer in (answer for topic in response["topics"] for answer in topic["partitions"]):
            partition, data = answer["partition"], answer["message_set"]
            if code := answer["error_code"]:
                lost = self._excused(partition, code, offsets[partition]) or lost
            elif data:
                aborted = [(a["producer_id"], a["first_offset"]) for a in answer["aborted_transactions"] or ()]
                landed[partition] = Batches(data, aborted, offsets[partition])
        if lost and not landed:
            await self._look_again()
        return landed

    def _excused(self, partition: int, code: int, offset: int) -> bool:
        """True for an error that passes, as when a partition has moved; raises others."""
        error = for_code(code)
        if error is OffsetOutOfRangeError:
            raise OffsetOutOfRangeError({TopicPartition(self._topic, partition): offset})
        if not error.retriable and code not in PASSING_CODES:
            raise error(f"{self._topic}-{partition} at offset {offset}")
        return True

    async def _look_again(self) -> None:
        """Asks where the partitions are, and gives the brokers a moment."""
        self._client.force_metadata_update()
        await asyncio.sleep(RETRY_S)
