"""What faults act on, and how recovery from one is measured."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import TopicPartition

from iqstream.bench.servers import BenchServers
from iqstream.bench.stages import Stages
from iqstream.bench.watch import Watch
from schemas import DatasetSpec

GO_ON_DEADLINE_S = 120.0
POLL_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One entry of a plan."""

    kind: str
    pick: float
    """0..1: which of the workers."""
    hold_s: float
    """How long a server stays away, a connection slow, a worker frozen or added."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """How the pipeline recovered from a fault."""

    kind: str
    down_s: float
    """How long it was broken by our doing, a server's own start included."""
    recovery_s: float
    """From then (for a kill: from the signal) until every partition concerned that had work moved on."""
    others_paused_s: float | None = None
    """Of one worker's fault: the longest that the stage's other workers stood still meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What faults act on."""

    servers: BenchServers
    stages: Stages
    watch: Watch
    spec: DatasetSpec


@dataclass(slots=True)
class Pause:
    """Measured while it lasts."""

    longest_s: float = 0.0


@asynccontextmanager
async def longest_pause(watch: Watch, partitions: Collection[TopicPartition]) -> AsyncIterator[Pause]:
    """Returns the longest time without progress on these partitions while one had a backlog throughout."""
    pause = Pause()

    async def look() -> None:
        since_s, before = now_s(), watch.reading
        while True:
            reading = await watch.next_reading()
            moved = any(reading.positions.get(p) != before.positions.get(p) for p in partitions)
            if moved or not any(map(reading.has_work, partitions)):
                since_s = reading.at_s
            pause.longest_s = max(pause.longest_s, reading.at_s - since_s)
            before = reading

    looking = asyncio.create_task(look())
    try:
        yield pause
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


async def gone_on(
    ground: Ground,
    fault: Fault,
    partitions: Collection[TopicPartition],
    *,
    down_s: float = 0.0,
    paused: Pause | None = None,
    idle_counts: bool = False,
) -> Recovery:
    """Waits until the partitions progress; returns the recovery: the time from now, less the time without work.

    `idle_counts`: that there was no work is part of what is measured, since it could not be submitted either.
    """
    began_s = now_s()
    went_on = await ground.watch.went_on(partitions, deadline_s=GO_ON_DEADLINE_S)
    from_s = began_s if idle_counts or went_on.idle_until_s is None else went_on.idle_until_s
    return Recovery(
        kind=fault.kind,
        down_s=down_s,
        recovery_s=max(0.0, went_on.at_s - from_s),
        others_paused_s=None if paused is None else paused.longest_s,
    )


def now_s() -> float:
    """The loop's clock."""
    return asyncio.get_running_loop().time()
