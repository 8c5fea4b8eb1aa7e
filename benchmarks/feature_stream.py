"""Records per second of FeatureStream against a bare aiokafka consumer on the same topic, in one run.

Run: `python -m benchmarks.feature_stream [--samples 8000] [--rounds 5]`. On embedded servers of its own: publishes the
records of samples of seven receivers to `iq.features`, lets a sink store them, then reads the topic in turns: bare
(getmany, records counted), FeatureStream in batches as an epoch, and following. Prints one JSON object.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from uuid import uuid4

import msgspec
import uvloop
from aiokafka import TopicPartition

from extractor.record import feature_record
from iqstream.catalogue.dataset_status import set_status
from iqstream.catalogue.new_datasets import create_dataset
from iqstream.dataset import FeatureStream
from iqstream.embedded import stack
from iqstream.initialise import initialise
from iqstream.reach import postgres_pool
from iqstream.runtime.kafka import started_reader, transactional_producer
from iqstream.runtime.settings import Settings, load_settings, only_embedded
from iqstream.runtime.topics import FEATURES
from iqstream.submit.spec import make_spec
from iqstream.watch.watch import watch_dataset
from producer.synthesize import synthesize_sample
from schemas import DatasetSpec, FeatureRecord, Lineage, encode, frame_crc32, headers, sample_key

DISTINCT_SAMPLES = 16


def distinct_records(spec: DatasetSpec) -> list[list[FeatureRecord]]:
    return [
        [
            feature_record(frame, Lineage(topic="iq.frames", partition=0, offset=offset, crc32=frame_crc32(frame)))
            for offset, frame in enumerate(synthesize_sample(spec, index).frames)
        ]
        for index in range(DISTINCT_SAMPLES)
    ]


async def publish(settings: Settings, spec: DatasetSpec) -> int:
    """Publishes samples in transactions of 100; returns the number of records."""
    records, sent = distinct_records(spec), 0
    producer = transactional_producer(settings, f"benchmark-{uuid4()}")
    await producer.start()
    try:
        for first in range(0, spec.samples, 100):
            async with producer.transaction():
                acknowledged = []
                for index in range(first, min(first + 100, spec.samples)):
                    for record in records[index % DISTINCT_SAMPLES]:
                        one = msgspec.structs.replace(record, sample_idx=index)
                        key = sample_key(one.dataset_id, index)
                        acknowledged.append(await producer.send(FEATURES, encode(one), key=key, headers=headers(one)))
                for future in acknowledged:
                    await future
                sent += len(acknowledged)
    finally:
        await producer.stop()
    return sent


async def store(settings: Settings, environ: dict[str, str], spec: DatasetSpec) -> None:
    """A sink decides every sample, so that its ledger knows what was replayed: nothing."""
    sink = await asyncio.create_subprocess_exec(sys.executable, "-m", "iqstream", "sink", "--workers", "1", env=environ)
    try:
        async for _event in watch_dataset(settings, spec.dataset_id):
            pass
    finally:
        sink.terminate()
        await sink.wait()


async def bare(settings: Settings, records: int) -> None:
    async with started_reader(settings) as consumer:
        places = [TopicPartition(FEATURES, partition) for partition in range(settings.partitions)]
        consumer.assign(places)
        for place in places:
            consumer.seek(place, 0)
        read = 0
        while read < records:
            read += sum(len(fetched) for fetched in (await consumer.getmany(timeout_ms=200)).values())


def streamed(settings: Settings, spec: DatasetSpec) -> None:
    stream = FeatureStream(spec.dataset_id, batch_size=256, include_rejected=True, settings=settings)
    read = sum(len(y) for _, y, _ in stream)
    if read != spec.samples:
        raise SystemExit(f"{read} samples read, {spec.samples} published")


def timed(work: object) -> float:
    began = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - began


def followed(settings: Settings, spec: DatasetSpec) -> None:
    """Up to the last whole batch; `--samples` is a multiple of one."""
    stream = FeatureStream(spec.dataset_id, end=None, batch_size=256, include_rejected=True, settings=settings)
    batches, read = iter(stream), 0
    while read < spec.samples:
        read += len(next(batches).y)
    batches.close()  # type: ignore[attr-defined]


async def prepare(settings: Settings, environ: dict[str, str], spec: DatasetSpec) -> int:
    await initialise(settings)
    async with postgres_pool(settings) as pool:
        await create_dataset(pool, spec)
        await set_status(pool, spec.dataset_id, spec.dataset_version, "running")
    records = await publish(settings, spec)
    await store(settings, environ, spec)
    return records


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=8192, help="a multiple of 256")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    spec = make_spec(name="benchmark", samples=arguments.samples, iq_samples=0, seed=0)
    with tempfile.TemporaryDirectory() as folder:
        state_dir = Path(folder) / "state"
        stack.up(state_dir)
        try:
            environ = dict(only_embedded(state_dir))
            settings = load_settings(environ)
            records = asyncio.run(prepare(settings, environ, spec))
            spent: dict[str, list[float]] = {"bare": [], "epoch": [], "follow": []}
            for _ in range(arguments.rounds):
                spent["bare"].append(timed(lambda: uvloop.run(bare(settings, records))))
                spent["epoch"].append(timed(lambda: streamed(settings, spec)))
                spent["follow"].append(timed(lambda: followed(settings, spec)))
        finally:
            stack.down(state_dir)
    rates = {name: round(records / statistics.median(times)) for name, times in spent.items()}
    ratios = {
        f"{name}_to_bare": round(statistics.median(b / t for b, t in zip(spent["bare"], times, strict=True)), 3)
        for name, times in spent.items()
        if name != "bare"
    }
    print(json.dumps({"records": records, "records_per_s": rates, "ratios": ratios}))


if __name__ == "__main__":
    main()
