"""A replay from its first lane to the last stored sample: processes that publish, and waiting for the sink."""

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing.synchronize import Event

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from iqstream.catalogue.datasets import Dataset
from iqstream.catalogue.postgres import Pool
from iqstream.catalogue.replays import Replay, check_wanted, finish_replay, stored_samples
from iqstream.replay.lane import LaneJob, LaneResult, lane_of, run_lane
from iqstream.replay.results import ReplayProgress
from iqstream.runtime.errors import Failed
from iqstream.runtime.kafka import admin_client
from iqstream.runtime.offsets import Ends, committed_offsets, partition_ends, partition_leaders
from iqstream.runtime.settings import Settings
from iqstream.runtime.topics import FEATURES, FRAMES
from schemas import Extract, MeasurePairs
from sink.recordings import Synthesize

REFRESH_S = 0.5


Show = Callable[[ReplayProgress], None]


async def run_replay(
    settings: Settings,
    pool: Pool,
    replay: Replay,
    source: Dataset,
    *,
    extract: Extract,
    measure_pairs: MeasurePairs,
    synthesize: Synthesize,
    workers: int,
    show: Show,
) -> LaneResult:
    """Publishes what is not published yet, then waits until the sink has stored all of it.

    Interrupted at any moment, it continues where it stopped when it is run again.

    Args:
        settings: of the servers.
        pool: connections.
        replay: as the register has it.
        source: the dataset whose frames are wanted, in `replay.source_version`.
        extract: makes a frame's features; a function of a module.
        measure_pairs: makes a sample's time differences; likewise.
        synthesize: makes a sample again whose frames have expired; likewise.
        workers: processes at most.
        show: is given the progress twice a second.

    Raises:
        Failed: a worker died, another run took the replay over, or the servers do not recover.
        Unreachable: Kafka does not answer.
    """
    async with admin_client(settings) as admin:
        progress = _Progress(admin, pool, replay, show)
        lanes = sorted({lane_of(replay, index) for index in replay.samples})
        jobs = [
            LaneJob(
                settings=settings,
                replay=replay,
                source=source,
                lane=lane,
                extract=extract,
                measure_pairs=measure_pairs,
                synthesize=synthesize,
            )
            for lane in lanes
        ]
        publishing = asyncio.create_task(_run_lanes(jobs, workers))
        try:
            while not publishing.done():
                await asyncio.wait([publishing], timeout=REFRESH_S)
                await progress.read()
            result = publishing.result()
        finally:
            publishing.cancel()
            await asyncio.wait([publishing])
        while (await progress.read()).stored < len(replay.samples):  # the sink is another process
            await check_wanted(pool, replay)
            await asyncio.sleep(REFRESH_S)
    await finish_replay(pool, replay)
    return result


class _Progress:
    """Asks Kafka for what is published and PostgreSQL for what is stored."""

    def __init__(self, admin: AIOKafkaAdminClient, pool: Pool, replay: Replay, show: Show) -> None:
        self._admin = admin
        self._pool = pool
        self._replay = replay
        self._show = show
        self._published = 0

    async def read(self) -> ReplayProgress:
        with suppress(KafkaError):  # its coordinator may be on its way; the last answer stands
            self._published = sum((await committed_offsets(self._admin, self._replay.group)).values())
        progress = ReplayProgress(
            samples=len(self._replay.samples),
            published=self._published,
            stored=await stored_samples(self._pool, self._replay),
        )
        self._show(progress)
        return progress


async def _run_lanes(jobs: list[LaneJob], workers: int) -> LaneResult:
    """Every lane in one of `workers` processes; when cancelled, each ends with the batch that it is at."""
    context = multiprocessing.get_context("spawn")
    stopping = context.Event()
    total = LaneResult()
    executor = ProcessPoolExecutor(
        max_workers=max(1, min(workers, len(jobs))),
        mp_context=context,
        initializer=_begin_worker,
        initargs=(stopping,),
    )
    loop = asyncio.get_running_loop()
    lanes = [loop.run_in_executor(executor, _run_lane, job) for job in jobs]
    try:
        for lane in asyncio.as_completed(lanes):
            total.add(await lane)
    except BrokenProcessPool:
        raise Failed(
            "a worker of the replay died: run the same command again, and it continues where it stopped"
        ) from None
    finally:
        stopping.set()
        executor.shutdown(wait=False, cancel_futures=True)
        await asyncio.gather(*lanes, return_exceptions=True)
    return total


_stopping: Event | None = None
"""Of a worker process: set when the replay is to end."""


def _begin_worker(stopping: Event) -> None:
    global _stopping  # noqa: PLW0603  # the pool hands it to the process, not to the call
    _stopping = stopping
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, which sets `stopping`
    threading.Thread(target=_end_with_parent, name="end-with-parent", daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _run_lane(job: LaneJob) -> LaneResult:
    stopping = _stopping
    return run_lane(job, lambda: stopping is not None and stopping.is_set())


async def frames_ends(settings: Settings) -> dict[TopicPartition, Ends]:
    """Where the partitions of `iq.frames` start and end."""
    async with admin_client(settings) as admin:
        return await partition_ends(admin, await partition_leaders(admin, [FRAMES]))


async def feature_partitions(settings: Settings) -> int:
    """How many partitions `iq.features` has: a replay's lanes.

    Raises:
        Failed: it does not exist.
    """
    async with admin_client(settings) as admin:
        leaders = await partition_leaders(admin, [FEATURES])
    if FEATURES not in leaders:
        raise Failed(f"Kafka at {settings.kafka_bootstrap} has no topic {FEATURES}: run `iqstream init`")
    return len(leaders[FEATURES])
