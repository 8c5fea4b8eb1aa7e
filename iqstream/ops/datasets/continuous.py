"""A dataset that grows at a rate until it is stopped: shards per tick, never more than the stages keep up with."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from iqstream.ops.datasets.submit import SAMPLES_PER_SHARD, ShardPublisher, shard_publisher
from iqstream.runtime.settings import Settings
from schemas import DatasetSpec
from sink.datasets import create_dataset, find_dataset, set_status
from sink.join import DatasetKey
from sink.postgres import Pool, complete_if_done

TICK_S = 1.0
BACKLOG_S = 20.0
"""Of the rate, waiting in the topics: more is not submitted before some of it is done."""
LEAST_BACKLOG_SAMPLES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """How it stands."""

    submitted: int
    """Samples so far."""
    backlog: int
    """Samples submitted and not decided yet."""
    held_back: bool
    """Nothing was submitted, because of the backlog."""


class Pace:
    """How many samples are due. What is held back is not caught up later: a rate is no debt."""

    def __init__(self, rate_per_s: float, now_s: float) -> None:
        self._rate_per_s = rate_per_s
        self._last_s = now_s
        self._due = 0.0

    def due(self, now_s: float, *, held_back: bool) -> int:
        """Whole shards' worth of samples to submit now."""
        passed_s, self._last_s = now_s - self._last_s, now_s
        self._due += min(passed_s, 2 * TICK_S) * self._rate_per_s
        if held_back:
            self._due = min(self._due, float(SAMPLES_PER_SHARD))
            return 0
        whole = int(self._due // SAMPLES_PER_SHARD) * SAMPLES_PER_SHARD
        self._due -= whole
        return whole


async def generate_continuously(
    settings: Settings,
    pool: Pool,
    spec: DatasetSpec,
    rate_per_s: float,
    *,
    reuse_name: bool,
    stop: asyncio.Event,
    on_tick: Callable[[Tick], None],
) -> int:
    """Submits until `stop` or until `spec.samples` are submitted; how many were.

    Then the dataset is as large as what was submitted, and complete once that is decided.

    Raises:
        UserError: the name is in use.
        Unreachable: a server does not answer.
    """
    most = max(LEAST_BACKLOG_SAMPLES, round(BACKLOG_S * rate_per_s))
    await create_dataset(pool, spec, reuse_name=reuse_name)
    await set_status(pool, spec.dataset_id, spec.dataset_version, "running")
    async with shard_publisher(settings, spec) as publisher:
        pace = Pace(rate_per_s, asyncio.get_running_loop().time())
        try:
            while not stop.is_set() and publisher.samples < spec.samples:
                waiting = publisher.samples - (await find_dataset(pool, spec.dataset_id)).decided
                held_back = waiting > most
                await _submit(publisher, pace.due(asyncio.get_running_loop().time(), held_back=held_back))
                on_tick(Tick(submitted=publisher.samples, backlog=waiting, held_back=held_back))
                await _wait(stop)
        finally:
            await _end_at(pool, spec, publisher.samples)
        return publisher.samples


async def _submit(publisher: ShardPublisher, samples: int) -> None:
    if samples:
        await publisher.publish(samples // SAMPLES_PER_SHARD)


async def _wait(stop: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(TICK_S):
            await stop.wait()
    except TimeoutError:
        return


async def _end_at(pool: Pool, spec: DatasetSpec, samples: int) -> None:
    """Makes the dataset as large as it has become; complete, if all of it is decided already."""
    if not samples:
        await set_status(pool, spec.dataset_id, spec.dataset_version, "cancelled")
        return
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(
            "UPDATE heimdall.datasets SET requested = $3, spec = jsonb_set(spec, '{samples}', to_jsonb($3::int)) "
            "WHERE id = $1 AND version = $2",
            UUID(spec.dataset_id),
            spec.dataset_version,
            samples,
        )
        await complete_if_done(connection, DatasetKey(spec.dataset_id, spec.dataset_version))
