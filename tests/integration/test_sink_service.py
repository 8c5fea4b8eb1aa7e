"""A whole sink worker on real servers: what is on `iq.features` ends up as rows, objects and offsets."""

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace
from uuid import UUID, uuid4

import msgspec
import pytest
from aiokafka import TopicPartition

from iqstream.catalogue.dataset_status import set_status
from iqstream.catalogue.datasets import get_dataset
from iqstream.catalogue.new_datasets import create_dataset
from iqstream.catalogue.postgres import create_pool
from iqstream.runtime.kafka import started_reader, transactional_producer
from iqstream.runtime.metrics import Metrics
from iqstream.runtime.topics import DEAD_LETTERS, FEATURES, SINK_GROUP
from iqstream.runtime.worker import Worker
from schemas import Lineage, encode, frame_crc32, headers, sample_key
from sink.objects import ObjectStore
from sink.service import serve
from tests.sink_samples import feature_record, make_frame, make_spec

pytestmark = pytest.mark.stack

SAMPLES, RECEIVERS, KEPT = 24, 3, 2


def synthesize(spec, idx):
    return SimpleNamespace(frames=[make_frame(spec, idx, n) for n in range(RECEIVERS)])


def records(spec, idx):
    """With a lineage beyond the end of the frames' topic: as if everything had expired."""
    return [
        msgspec.structs.replace(
            feature_record(spec, idx, n),
            lineage=Lineage(
                topic="iq.frames", partition=0, offset=10**12 + n, crc32=frame_crc32(make_frame(spec, idx, n))
            ),
        )
        for n in range(RECEIVERS)
    ]


async def send(settings, spec, garbage):
    producer = transactional_producer(settings, f"test-{uuid4()}")
    await producer.start()
    try:
        for idx in range(SAMPLES):
            async with producer.transaction():
                for record in records(spec, idx):
                    sent = await producer.send(
                        FEATURES, encode(record), key=sample_key(spec.dataset_id, idx), headers=headers(record)
                    )
                    await sent
        async with producer.transaction():
            await (await producer.send(FEATURES, garbage, partition=0))
    finally:
        await producer.stop()


async def until(condition, seconds=40):
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.1)


async def test_a_dataset_runs_through_the_sink_while_workers_come_and_go(settings):
    spec = make_spec(samples=SAMPLES, receivers=RECEIVERS, iq_samples=KEPT)
    garbage = f"garbage {uuid4()}".encode()
    store = ObjectStore(
        endpoint=settings.s3_endpoint,
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key,
        secure=settings.s3_secure,
    )
    async with create_pool(settings.postgres_dsn, max_size=2) as pool, group_reader(settings) as kafka:
        await create_dataset(pool, spec)
        await set_status(pool, spec.dataset_id, 1, "running")

        async def status():
            return (await get_dataset(pool, spec.dataset_id)).status

        async def complete():
            return await status() == "complete"

        async def some_decided():
            return (await get_dataset(pool, spec.dataset_id)).decided > 0

        async def copied():
            sql = "SELECT count(*) FROM heimdall.dead_letters WHERE value = $1 AND copied_at IS NOT NULL"
            return await pool.fetchval(sql, garbage) == 1

        async def drained():
            """Kafka's offsets, PostgreSQL's and the ends of the partitions agree: no lag is shown."""
            places = [TopicPartition(FEATURES, partition) for partition in range(settings.partitions)]
            ends = await kafka.end_offsets(places)
            told = {place: await kafka.committed(place) for place in places}
            sql = 'SELECT partition, next_offset FROM heimdall.stream_offsets WHERE "group" = $1 AND topic = $2'
            stored = {row["partition"]: row["next_offset"] for row in await pool.fetch(sql, SINK_GROUP, FEATURES)}
            return all(told[place] == ends[place] == stored[place.partition] for place in places)

        await send(settings, spec, garbage)
        async with worker(settings, slot=901):
            await until(some_decided)
        async with worker(settings, slot=901), worker(settings, slot=902):
            await until(complete)
            await until(copied)
            await until(drained)
        dataset = await get_dataset(pool, spec.dataset_id)
        rows = await pool.fetchval(
            "SELECT count(*) FROM heimdall.measurement_features WHERE dataset_id = $1", UUID(spec.dataset_id)
        )
        assert (dataset.accepted, dataset.failed, dataset.iq_samples_saved, rows) == (SAMPLES, 0, KEPT, SAMPLES)
        assert len(await store.list_samples(spec.dataset_id)) == KEPT * RECEIVERS
        assert (await kafka.end_offsets([TopicPartition(DEAD_LETTERS, 0)]))[TopicPartition(DEAD_LETTERS, 0)] > 0
    store.close()


@asynccontextmanager
async def group_reader(settings):
    async with started_reader(settings, group=SINK_GROUP) as consumer:
        consumer.assign([TopicPartition(FEATURES, partition) for partition in range(settings.partitions)])
        yield consumer


@asynccontextmanager
async def worker(settings, slot):
    """A sink worker in this process; leaving stops it as SIGTERM would."""
    stop = asyncio.Event()
    made = Worker(stage="sink", slot=slot, settings=settings, metrics=Metrics("sink"), stop=stop)
    serving = asyncio.create_task(serve(made, synthesize))
    yield
    stop.set()
    await asyncio.wait_for(serving, 30)
