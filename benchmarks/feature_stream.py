"""Records per second of FeatureStream against a bare aiokafka consumer on the same topic, in one run.

Run: `python -m benchmarks.feature_stream [--samples 8000] [--rounds 5]`, on the servers that the settings name.
Publishes samples of seven receivers to a topic of its own, then reads it in turns: bare (getmany, records counted),
FeatureStream in batches as an epoch, and following (which does not look for replays first). Prints one JSON object.
"""

import argparse
import asyncio
import json
import statistics
import time
from uuid import uuid4

import msgspec
import uvloop
from aiokafka import TopicPartition
from aiokafka.admin import NewTopic

from extractor.service import feature_record
from iqstream.dataset import FeatureStream
from iqstream.ops.commands.generate import make_spec
from iqstream.runtime.kafka import admin_client, reader_consumer, transactional_producer
from iqstream.runtime.settings import Settings, load_settings
from producer.synthesize import synthesize_sample
from schemas import FeatureRecord, Limits, Lineage, encode, frame_crc32, headers, sample_key

PARTITIONS = 12
DISTINCT_SAMPLES = 16
LIMITS = Limits(max_gdop=50.0)


def distinct_records(samples: int) -> list[list[FeatureRecord]]:
    spec = make_spec(name="benchmark", samples=samples)
    return [
        [
            feature_record(frame, Lineage(topic="iq.frames", partition=0, offset=offset, crc32=frame_crc32(frame)))
            for offset, frame in enumerate(synthesize_sample(spec, index).frames)
        ]
        for index in range(DISTINCT_SAMPLES)
    ]


async def publish(settings: Settings, topic: str, samples: int) -> int:
    """Samples in transactions of 16 frames' worth or so, as the extractor commits them; the number of records."""
    records, sent = distinct_records(samples), 0
    async with admin_client(settings) as admin:
        await admin.create_topics([NewTopic(topic, PARTITIONS, 1)])
    producer = transactional_producer(settings, f"benchmark-{uuid4()}")
    await producer.start()
    try:
        for first in range(0, samples, 100):
            async with producer.transaction():
                acknowledged = []
                for index in range(first, min(first + 100, samples)):
                    for record in records[index % DISTINCT_SAMPLES]:
                        one = msgspec.structs.replace(record, sample_idx=index)
                        key = sample_key(one.dataset_id, index)
                        acknowledged.append(await producer.send(topic, encode(one), key=key, headers=headers(one)))
                for future in acknowledged:
                    await future
                sent += len(acknowledged)
    finally:
        await producer.stop()
    return sent


async def bare(settings: Settings, topic: str, records: int) -> None:
    consumer = reader_consumer(settings)
    await consumer.start()
    try:
        places = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
        consumer.assign(places)
        for place in places:
            consumer.seek(place, 0)
        read = 0
        while read < records:
            read += sum(len(fetched) for fetched in (await consumer.getmany(timeout_ms=200)).values())
    finally:
        await consumer.stop()


def streamed(settings: Settings, topic: str, samples: int, **options: object) -> None:
    stream = FeatureStream(
        topic=topic, batch_size=256, include_rejected=True, limits=LIMITS, settings=settings, **options
    )
    read = sum(len(y) for _, y, _ in stream)
    if read != samples:
        raise SystemExit(f"{read} samples read, {samples} published")


def timed(work: object) -> float:
    began = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=8000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    settings, topic = load_settings(), f"benchmark.features.{uuid4().hex[:8]}"
    records = asyncio.run(publish(settings, topic, arguments.samples))
    spent: dict[str, list[float]] = {"bare": [], "epoch": [], "follow": []}
    for _ in range(arguments.rounds):
        spent["bare"].append(timed(lambda: uvloop.run(bare(settings, topic, records))))
        spent["epoch"].append(timed(lambda: streamed(settings, topic, arguments.samples)))
        follow = FeatureStream(
            topic=topic, end=None, batch_size=256, include_rejected=True, limits=LIMITS, settings=settings
        )
        spent["follow"].append(timed(lambda f=follow: take(f, arguments.samples)))
    rates = {name: round(records / statistics.median(times)) for name, times in spent.items()}
    ratios = {
        f"{name}_to_bare": round(statistics.median(b / t for b, t in zip(spent["bare"], times, strict=True)), 3)
        for name, times in spent.items()
        if name != "bare"
    }
    print(json.dumps({"records": records, "records_per_s": rates, "ratios": ratios}))


def take(stream: FeatureStream, samples: int) -> None:
    batches, read = iter(stream), 0
    while read < samples // 256 * 256:
        read += len(next(batches).y)
    batches.close()  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
