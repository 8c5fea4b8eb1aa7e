"""The three stages as real processes, and what they left behind, as a digest that two runs can be compared by."""

import asyncio
import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from uuid import uuid4

import asyncpg
import msgspec
import numpy as np
import psutil

from iqstream.ops.datasets.submit import submit
from iqstream.ops.reach import object_store, postgres_pool
from iqstream.runtime.settings import PREFIX, Settings
from producer.version import GENERATOR_VERSION
from schemas import Capture, DatasetSpec

STAGES = ("producer", "extractor", "sink")
_PLACES = frozenset({"topic", "partition", "offset"})


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
    """Services of all stages on the servers of `settings`."""

    def __init__(self, settings: Settings, log: Path, *, workers: int = 2) -> None:
        self.settings = settings
        self.workers = workers
        self.services: dict[str, subprocess.Popen[bytes]] = {}
        self.log = log

    def environment(self) -> dict[str, str]:
        given = {
            f"{PREFIX}{name.upper()}": str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in asdict(self.settings).items()
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
        workers = sorted(psutil.Process(self.services[stage].pid).children(), key=lambda p: p.cmdline())
        workers[number].kill()
        psutil.wait_procs([workers[number]], timeout=10)

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


def is_complete(row: asyncpg.Record) -> bool:
    return row["status"] == "complete"


async def digest(settings: Settings, spec: DatasetSpec) -> str:
    """Of rows, outcomes and objects; ids, times and the places of frames left out."""
    connection = await asyncpg.connect(settings.postgres_dsn)
    try:
        rows = await connection.fetch(
            "SELECT * FROM heimdall.measurement_features WHERE dataset_id = $1::uuid ORDER BY sample_idx",
            spec.dataset_id,
        )
        outcomes = await connection.fetch(
            "SELECT * FROM heimdall.sample_outcomes WHERE dataset_id = $1::uuid ORDER BY sample_idx", spec.dataset_id
        )
    finally:
        await connection.close()
    left_out = {"recording_session_id", "dataset_id", "created_at", "decided_at", "iq_saved_at"}
    lines = [
        json.dumps({k: _plain(v) for k, v in row.items() if k not in left_out}, sort_keys=True)
        for row in (*rows, *outcomes)
    ]
    objects = {
        name.removeprefix(f"synthetic/{spec.dataset_id}/"): hashlib.sha256(iq.tobytes()).hexdigest()
        for name, iq in (await stored_objects(settings, spec)).items()
    }
    return hashlib.sha256("\n".join([*lines, json.dumps(objects, sort_keys=True)]).encode()).hexdigest()


def _plain(value: object) -> object:
    """JSON values of a column, without places of frames."""
    if isinstance(value, str) and value[:1] in "{[":
        with contextlib.suppress(ValueError):
            value = json.loads(value)
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items() if k not in _PLACES}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, int | float | str | bool | None) else str(value)


async def stored_objects(settings: Settings, spec: DatasetSpec) -> dict[str, np.ndarray]:
    """The dataset's objects by name."""
    store = object_store(settings)
    try:
        names = await store.list_samples(spec.dataset_id)
        places = [name.removesuffix(".npy").split("/") for name in names]
        return {
            name: await store.get_iq(dataset_id, int(index), rx_id)
            for name, (_, dataset_id, index, rx_id) in zip(names, places, strict=True)
        }
    finally:
        store.close()
