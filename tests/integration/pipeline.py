"""The three stages as real processes, and what they left behind, as a digest that two runs can be compared by."""

import asyncio
import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from uuid import uuid4

import asyncpg
import msgspec
import numpy as np
import psutil
from aiokafka import TopicPartition

from iqstream.bench.digest import dataset_digest
from iqstream.bench.digest import stored_objects as recordings_of
from iqstream.reach import postgres_pool
from iqstream.runtime.settings import PREFIX, Settings
from iqstream.runtime.stages import STAGES
from iqstream.runtime.topics import JOBS
from iqstream.submit.submission import submit
from producer.version import GENERATOR_VERSION
from schemas import Capture, DatasetSpec, GenerationShard, decode, subject_of
from tests.integration.transactions import committed_records


def small_spec(samples: int, **changes: object) -> DatasetSpec:
    """A dataset of short recordings under a new id."""
    spec = DatasetSpec(
        dataset_id=str(uuid4()),
        name=f"test {uuid4().hex[:8]}",
        samples=samples,
        generator_version=GENERATOR_VERSION,
        seed=5,
        iq_samples=4,
        capture=Capture(capture_ms=50, chunk_ms=10),
    )
    return msgspec.structs.replace(spec, **changes)


class Pipeline:
    """Services of all stages on the servers of `settings`; without standby processes, whose start costs a second."""

    def __init__(self, settings: Settings, log: Path, *, workers: int = 2, standby: bool = False) -> None:
        self.settings = dataclasses.replace(settings, standby=standby)
        self.workers = workers
        self.services: dict[str, subprocess.Popen[bytes]] = {}
        self.log = log

    def environment(self) -> dict[str, str]:
        given = {
            f"{PREFIX}{name.upper()}": str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in dataclasses.asdict(self.settings).items()
            if value != ""
        }
        return os.environ | given

    def start(self, *stages: str) -> None:
        for stage in stages or STAGES:
            with self.log.open("ab") as log:
                self.services[stage] = subprocess.Popen(
                    [sys.executable, "-m", "iqstream", stage, "--workers", str(self.workers)],
                    env=self.environment(),
                    stderr=log,
                    stdout=log,
                )

    def stop(self, *stages: str) -> dict[str, int]:
        """Asks services to end, all at once; their exit codes."""
        chosen = {stage: self.services.pop(stage) for stage in (stages or tuple(self.services))}
        for service in chosen.values():
            service.send_signal(signal.SIGTERM)
        return {stage: service.wait(timeout=60) for stage, service in chosen.items()}

    def kill_worker(self, stage: str, number: int = 0) -> None:
        """kill -9 of one worker process; waits until it is gone."""
        children = psutil.Process(self.services[stage].pid).children()
        (worker,) = [process for process in children if process.name() == f"{stage}-{number}"]
        worker.kill()
        psutil.wait_procs([worker], timeout=10)

    @contextlib.contextmanager
    def running(self, *stages: str):
        self.start(*stages)
        try:
            yield self
        finally:
            self.stop()


async def submit_dataset(settings: Settings, spec: DatasetSpec) -> None:
    async with postgres_pool(settings) as pool:
        await submit(settings, pool, spec)


async def wait_for_dataset(settings: Settings, spec: DatasetSpec, enough, *, deadline_s: float = 120) -> asyncpg.Record:
    """Polls the dataset's row until `enough(row)`; fails with its figures when that takes too long."""
    connection = await asyncpg.connect(settings.postgres_dsn)
    row = None
    try:
        async with asyncio.timeout(deadline_s):
            while True:
                row = await connection.fetchrow("SELECT * FROM heimdall.datasets WHERE id = $1::uuid", spec.dataset_id)
                if row is not None and enough(row):
                    return row
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"not so after {deadline_s} s: {dict(row) if row else 'no row'}") from None
    finally:
        await connection.close()


async def submitted_shards_of(settings: Settings, spec: DatasetSpec) -> list[GenerationShard]:
    """The dataset's shards on `iq.jobs`."""
    places = [TopicPartition(JOBS, partition) for partition in range(settings.partitions)]
    records = await committed_records(settings, places)
    own = [record.value for record in records if subject_of(record).dataset_id == spec.dataset_id]
    return [decode(value, GenerationShard) for value in own]


async def submitted_shards(settings: Settings, spec: DatasetSpec) -> Counter[int]:
    """How often each of the dataset's shards is on `iq.jobs`, by its first sample."""
    return Counter(shard.first_idx for shard in await submitted_shards_of(settings, spec))


def is_complete(row: asyncpg.Record) -> bool:
    return row["status"] == "complete"


async def digest(settings: Settings, spec: DatasetSpec) -> str:
    """Of rows, outcomes and objects."""
    return await dataset_digest(settings, spec.dataset_id)


async def stored_objects(settings: Settings, spec: DatasetSpec) -> dict[str, np.ndarray]:
    """The dataset's objects by name."""
    return await recordings_of(settings, spec.dataset_id)
