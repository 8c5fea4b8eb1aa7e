"""Watches every stage's position on every partition: that none moves back, and when it advances after a fault."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from iqstream.catalogue.connection import Session, connect
from iqstream.catalogue.offsets import stored_offsets
from iqstream.runtime.errors import Failed, Unreachable
from iqstream.runtime.group_members import describe_group
from iqstream.runtime.kafka import admin_client
from iqstream.runtime.kafka_protocol import CommittedOffset
from iqstream.runtime.offsets import committed, partition_ends, partition_leaders
from iqstream.runtime.outages import ServersAway
from iqstream.runtime.settings import Settings
from iqstream.runtime.stages import STAGES
from iqstream.runtime.standing_position import goes_over_again

POLL_S = 0.05
ASK_DEADLINE_S = 5.0
Away: tuple[type[Exception], ...] = (Unreachable, *ServersAway)
"""What a server that is away looks like to us."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What was seen at one moment."""

    at_s: float
    positions: Mapping[TopicPartition, int]
    """The authority's: Kafka's for producer and extractor, PostgreSQL's for the sink."""
    ends: Mapping[TopicPartition, int]
    said: Mapping[TopicPartition, CommittedOffset] = field(default_factory=dict)
    """Kafka's positions with what was said with them."""

    def has_work(self, partition: TopicPartition) -> bool:
        """Whether records are readable and not done.

        A single offset may be the marker of the last transaction, which an owner passes when it has been idle for long.
        """
        return self.ends.get(partition, 0) - self.positions.get(partition, 0) > 1


@dataclass(frozen=True, slots=True)
class WentOn:
    """When partitions advanced, by the loop's clock."""

    at_s: float
    idle_until_s: float | None
    """When something to do came for one of them; None where it was there from the beginning."""


class Watch:
    """Reads positions and ends as often as it can; outages only make readings rarer."""

    def __init__(self, settings: Callable[[], Settings]) -> None:
        self._settings = settings
        self._changed = asyncio.Condition()
        self._broken: Exception | None = None
        self.reading = Reading(0.0, {}, {})
        self.moved_back: list[str] = []
        self.done_again: list[str] = []
        """Went back over a batch whose abort was forgotten (ADR 50): nothing is lost or doubled by that."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Watch"]:
        """Reads while the context lasts; there is a first reading when it is entered."""
        reading = asyncio.create_task(self._run())
        try:
            await self.next_reading()
            yield self
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def next_reading(self) -> Reading:
        """Returns a reading that began after this call.

        Raises:
            Failed: we cannot read any more.
        """
        now = asyncio.get_running_loop().time()
        async with self._changed:
            await self._changed.wait_for(lambda: self.reading.at_s > now or self._broken is not None)
        if self._broken is not None:
            raise Failed(f"positions cannot be read: {type(self._broken).__name__} {self._broken}") from self._broken
        return self.reading

    async def has_work(self, partitions: Collection[TopicPartition], *, deadline_s: float) -> None:
        """Waits until one of the partitions has something to do.

        Raises:
            Failed: none has.
        """
        try:
            async with asyncio.timeout(deadline_s):
                while not any(map((await self.next_reading()).has_work, partitions)):
                    pass
        except TimeoutError:
            raise Failed(f"no work arrived within {deadline_s:.0f} s on {_names(partitions)}") from None

    async def went_on(self, partitions: Collection[TopicPartition], *, deadline_s: float) -> WentOn:
        """Waits until each partition that has work now has moved; if none has, until one had some and moved.

        Raises:
            Failed: some did not; names them.
        """
        waiting = set(partitions)
        try:
            async with asyncio.timeout(deadline_s):
                reading = base = await self.next_reading()
                behind = set(filter(base.has_work, waiting))
                any_of_them, waiting, idle_until_s = not behind, behind or waiting, None
                while waiting:
                    reading = await self.next_reading()
                    moved = {p for p in waiting if reading.positions.get(p, 0) > base.positions.get(p, 0)}
                    if any_of_them and idle_until_s is None and (moved or any(map(reading.has_work, waiting))):
                        idle_until_s = reading.at_s
                    waiting -= waiting if any_of_them and moved else moved
        except TimeoutError:
            raise Failed(f"no progress within {deadline_s:.0f} s on {_names(waiting)}") from None
        return WentOn(reading.at_s, idle_until_s)

    async def members(self, stage: str) -> dict[str, list[TopicPartition]]:
        """The stage's partitions by the client id (the static instance id) of their owner."""
        async with admin_client(self._settings()) as admin:
            group = await describe_group(admin, STAGES[stage].group)
        return {member.client_id: list(member.assigned) for member in group.members}

    def partitions(self, stage: str) -> list[TopicPartition]:
        """All input partitions of a stage."""
        return [partition for partition in self.reading.positions if partition.topic == STAGES[stage].topic]

    async def _run(self) -> None:
        try:
            await self._read_on()
        except Exception as error:  # whoever waits for a reading must hear of it
            async with self._changed:
                self._broken = error
                self._changed.notify_all()
            raise

    async def _read_on(self) -> None:
        while True:
            with contextlib.suppress(*Away):
                async with AsyncExitStack() as resources:
                    admin = await resources.enter_async_context(admin_client(self._settings()))
                    database = await connect(self._settings().postgres_dsn, timeout_s=ASK_DEADLINE_S)
                    resources.callback(database.terminate)
                    while True:
                        async with asyncio.timeout(ASK_DEADLINE_S):
                            await self.take(await _read(admin, database))
                        await asyncio.sleep(POLL_S)
            await asyncio.sleep(POLL_S)

    async def take(self, reading: Reading) -> None:
        """Another reading; whoever waits for one goes on."""
        before = self.reading.positions
        for partition, position in reading.positions.items():
            if position < before.get(partition, 0):
                said, now_said = self.reading.said.get(partition), reading.said.get(partition)
                again = said is not None and now_said is not None and goes_over_again(said, now_said)
                (self.done_again if again else self.moved_back).append(
                    f"{partition.topic}-{partition.partition} from {before[partition]} to {position}"
                )
        async with self._changed:
            self.reading = reading
            self._changed.notify_all()


def _names(partitions: Collection[TopicPartition]) -> str:
    return ", ".join(sorted(f"{p.topic}-{p.partition}" for p in partitions))


async def _read(admin: AIOKafkaAdminClient, database: Session) -> Reading:
    began_s = asyncio.get_running_loop().time()
    positions: dict[TopicPartition, int] = {}
    said: dict[TopicPartition, CommittedOffset] = {}
    for stage in STAGES.values():
        if stage.keeps_offsets_in_postgres:
            stored = await stored_offsets(database, group=stage.group, topic=stage.topic)
            positions |= {TopicPartition(stage.topic, partition): offset for partition, offset in stored.items()}
        else:
            said |= await committed(admin, stage.group)
    ends = await partition_ends(admin, await partition_leaders(admin, [stage.topic for stage in STAGES.values()]))
    positions |= {partition: one.offset for partition, one in said.items()}
    return Reading(began_s, positions, {partition: end.end for partition, end in ends.items()}, said)
