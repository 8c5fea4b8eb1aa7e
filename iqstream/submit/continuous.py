"""A dataset that grows at a rate until it is ended: shards per tick, no faster than the stages process them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from aiokafka.errors import ProducerFenced

from iqstream.catalogue.dataset_status import end_growing, set_status
from iqstream.catalogue.datasets import Dataset, find_dataset
from iqstream.catalogue.outcomes import decided_up_to
from iqstream.catalogue.postgres import Pool
from iqstream.runtime.errors import Failed, Unreachable
from iqstream.runtime.kafka import position_to_go_on_from, started_producer
from iqstream.runtime.outages import ServersAway
from iqstream.runtime.settings import Settings
from iqstream.runtime.topics import FEATURES, FRAMES, JOBS
from iqstream.shards import SUBMISSION_PLACE, SUBMITTED_VERSION, samples_per_shard, submission_group
from iqstream.submit.submission import shard_publisher
from schemas import DatasetKey, DatasetSpec, Spec

TICK_S = 1.0
BACKLOG_S = 20.0
"""Of the rate, waiting in the topics: more is not submitted before some of it is done."""
LEAST_BACKLOG_SAMPLES = 32

_AWAY: tuple[type[Exception], ...] = (Unreachable, *ServersAway)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """The state of a growing dataset at one moment."""

    submitted: int
    """Samples so far."""
    backlog: int
    """Samples submitted and not decided yet."""
    held_back: bool
    """Nothing was submitted, because of the backlog."""


class Pace:
    """How many samples are due. Samples held back by a backlog are not made up for later."""

    def __init__(self, rate_per_s: float, now_s: float, shard_samples: int) -> None:
        self.rate_per_s = rate_per_s
        self._shard_samples = shard_samples
        self._last_s = now_s
        self._due = 0.0

    def due(self, now_s: float, *, held_back: bool) -> int:
        """Returns how many samples to submit now, in whole shards."""
        passed_s, self._last_s = now_s - self._last_s, now_s
        self._due += min(passed_s, 2 * TICK_S) * self.rate_per_s
        if held_back:
            self._due = min(self._due, float(self._shard_samples))
            return 0
        whole = int(self._due // self._shard_samples) * self._shard_samples
        self._due -= whole
        return whole


async def grow(
    settings: Settings,
    pool: Pool,
    spec: DatasetSpec,
    rate_per_s: float,
    *,
    stop: asyncio.Event,
    on_tick: Callable[[Tick], None],
    on_outage: Callable[[str], None],
) -> Dataset:
    """Submits samples of a running dataset until `stop`, until it has `spec.samples` or until somebody ends it.

    Goes on where an earlier one of the same dataset got to. A server that is away is waited for. Returns the
    dataset, which is then as large as what was submitted, and complete once that is decided.

    Raises:
        Failed: another one submits to the dataset since.
        Unreachable: a server is away at the end. The dataset still runs.
    """
    pace = Pace(rate_per_s, asyncio.get_running_loop().time(), samples_per_shard(spec))
    while True:
        try:
            await _submit_until(stop, settings, pool, spec, pace, on_tick)
        except ProducerFenced:
            raise Failed(
                f"this generator no longer submits to {spec.name!r}: another `iqstream datasets resume` or `end` "
                f"has taken it over, or this one was stopped for too long. `iqstream datasets show {spec.dataset_id}`"
            ) from None
        except _AWAY as error:
            if not stop.is_set():
                on_outage(f"{type(error).__name__}: {error}")
                await _wait(stop)
                continue
        return await end_growth(settings, pool, spec)


async def end_growth(settings: Settings, pool: Pool, spec: Spec) -> Dataset:
    """Ends a dataset at the samples submitted so far: complete when these are decided, cancelled if there are none.

    Whoever submits to it cannot go on. One that has ended already, or was submitted whole, is left as it is.

    Raises:
        Unreachable: a server is away. The dataset still runs.
    """
    try:
        group = submission_group(spec)
        outputs = (JOBS,) if isinstance(spec, DatasetSpec) else (JOBS, FRAMES, FEATURES)
        async with started_producer(settings, group, outputs=outputs, group=group) as producer:
            samples = await position_to_go_on_from(settings, producer, group, SUBMISSION_PLACE)
        if samples == 0:  # or the broker has forgotten, long after the last one was decided
            samples = await decided_up_to(pool, spec.dataset_id, SUBMITTED_VERSION)
        await _end_at(pool, spec, samples)
        return await _read(pool, spec)
    except _AWAY as error:
        raise Unreachable(
            f"{spec.name!r} could not be ended ({type(error).__name__}: {error}). What is submitted stays; once the "
            f"servers are there, `iqstream datasets end {spec.dataset_id}` ends it."
        ) from None


async def _submit_until(
    stop: asyncio.Event,
    settings: Settings,
    pool: Pool,
    spec: DatasetSpec,
    pace: Pace,
    on_tick: Callable[[Tick], None],
) -> None:
    async with shard_publisher(settings, spec) as publisher:
        if publisher.samples == 0 and (await _read(pool, spec)).decided:
            raise Failed(
                f"the broker has forgotten how much of {spec.name!r} was submitted (its `offsets.retention.minutes` "
                f"have passed): `iqstream datasets end {spec.dataset_id}` ends it at the samples decided so far"
            )
        while not stop.is_set() and publisher.samples < spec.samples:
            dataset = await _read(pool, spec)
            if not dataset.is_growing:
                return  # somebody has ended it
            waiting = publisher.samples - dataset.decided
            held_back = waiting > max(LEAST_BACKLOG_SAMPLES, round(BACKLOG_S * pace.rate_per_s))
            due = pace.due(asyncio.get_running_loop().time(), held_back=held_back)
            await publisher.publish(due // samples_per_shard(spec))
            on_tick(Tick(submitted=publisher.samples, backlog=waiting, held_back=held_back))
            await _wait(stop)


async def _end_at(pool: Pool, spec: Spec, samples: int) -> None:
    if samples == 0:
        await set_status(pool, spec.dataset_id, SUBMITTED_VERSION, "cancelled")
        return
    await end_growing(pool, DatasetKey(spec.dataset_id, SUBMITTED_VERSION), samples)


async def _read(pool: Pool, spec: Spec) -> Dataset:
    return await find_dataset(pool, spec.dataset_id, version=SUBMITTED_VERSION)


async def _wait(stop: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(TICK_S):
            await stop.wait()
    except TimeoutError:
        return
