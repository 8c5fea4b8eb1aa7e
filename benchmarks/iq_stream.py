"""Samples per second of IQStream beside what the kernels alone make, in one run.

Run: `python -m benchmarks.iq_stream [--samples 300]`. On embedded servers of its own: one worker of each stage makes a
dataset of seven receivers and 1000 ms; IQStream reads it while the frames are in Kafka, and once more after they were
deleted there, when it synthesises all of them. Beside them the kernels: the same samples by `synthesize_sample` alone,
in as many threads as there are cores. Prints one JSON object.
"""

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete

from iqstream.dataset import IQStream
from iqstream.embedded import stack
from iqstream.initialise import initialise
from iqstream.reach import postgres_pool
from iqstream.runtime.kafka import admin_client
from iqstream.runtime.settings import Settings, load_settings, only_embedded
from iqstream.runtime.stages import STAGES
from iqstream.runtime.topics import FRAMES
from iqstream.submit.spec import make_spec
from iqstream.submit.submission import submit
from iqstream.watch.watch import watch_dataset
from producer.synthesize import synthesize_sample
from schemas import DatasetSpec

ROUNDS = 3


@contextlib.contextmanager
def running_stages(environ: Mapping[str, str]) -> Iterator[None]:
    services = [
        subprocess.Popen(
            [sys.executable, "-m", "iqstream", stage, "--workers", "1"], env=environ, stderr=subprocess.DEVNULL
        )
        for stage in STAGES
    ]
    try:
        yield
    finally:
        for service in services:
            service.terminate()
        for service in services:
            service.wait()


async def make(settings: Settings, spec: DatasetSpec) -> None:
    async with postgres_pool(settings) as pool:
        await submit(settings, pool, spec)
    async for _event in watch_dataset(settings, spec.dataset_id):
        pass


async def forget_frames(settings: Settings) -> None:
    partitions = [TopicPartition(FRAMES, partition) for partition in range(settings.partitions)]
    async with admin_client(settings) as admin:
        await admin.delete_records(dict.fromkeys(partitions, RecordsToDelete(-1)))


def streamed(settings: Settings, spec: DatasetSpec) -> tuple[list[int], bool, float]:
    """Samples read, whether all of them were synthesised, samples per second."""
    began, samples, synthesized = time.perf_counter(), [], True
    for _, _, meta in IQStream(spec.dataset_id, include_rejected=True, settings=settings):
        samples.append(meta["sample_idx"])
        synthesized &= all(meta["synthesized"])
    return samples, synthesized, len(samples) / (time.perf_counter() - began)


def kernels(spec: DatasetSpec, cores: int) -> float:
    with ThreadPoolExecutor(cores) as threads:
        began = time.perf_counter()
        for _ in threads.map(partial(synthesize_sample, spec), range(spec.samples)):
            pass
        return spec.samples / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=300)
    arguments = parser.parse_args()
    spec = make_spec(name="benchmark", samples=arguments.samples, iq_samples=0, seed=0)
    cores = len(os.sched_getaffinity(0))
    rates: dict[str, list[float]] = {"from_kafka": [], "synthesized": [], "kernels_alone": []}
    with tempfile.TemporaryDirectory() as folder:
        state_dir = Path(folder) / "state"
        stack.up(state_dir)
        try:
            environ = dict(only_embedded(state_dir))
            settings = load_settings(environ)
            asyncio.run(initialise(settings))
            with running_stages(environ):
                asyncio.run(make(settings, spec))
            for kind in ("from_kafka", "synthesized"):
                if kind == "synthesized":
                    asyncio.run(forget_frames(settings))
                for _ in range(ROUNDS):
                    if kind == "synthesized":
                        rates["kernels_alone"].append(kernels(spec, cores))
                    samples, synthesized, rate = streamed(settings, spec)
                    if sorted(samples) != list(range(spec.samples)) or synthesized != (kind == "synthesized"):
                        raise SystemExit(f"{kind}: {len(samples)} samples, synthesised: {synthesized}")
                    rates[kind].append(rate)
        finally:
            stack.down(state_dir)
    best = {kind: round(max(values), 1) for kind, values in rates.items()}
    print(json.dumps({"samples": spec.samples, "cores": cores, "samples_per_s": best}))


if __name__ == "__main__":
    main()
