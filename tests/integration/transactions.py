"""Transactions that are over when a test goes on: the broker answers a commit before its readers see it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import uuid4

from aiokafka import AIOKafkaProducer, ConsumerRecord, TopicPartition

from iqstream.runtime.kafka import admin_client, started_reader, transactional_producer
from iqstream.runtime.offsets import partition_ends, partition_leaders
from iqstream.runtime.settings import Settings


@asynccontextmanager
async def settling_producer(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    """A transactional producer; after the context readers see what it has committed, records and offsets."""
    transactional_id = f"test-{uuid4()}"
    async with _started(settings, transactional_id) as producer:
        yield producer
    async with _started(settings, transactional_id):
        pass  # it starts once the markers of the one before are written


async def settled(settings: Settings, topic: str) -> None:
    """Waits until no transaction is open on the topic and no marker outstanding."""
    async with admin_client(settings) as admin, asyncio.timeout(120):
        leaders = await partition_leaders(admin, [topic])
        while any(end.end < end.high_watermark for end in (await partition_ends(admin, leaders)).values()):
            await asyncio.sleep(0.01)


async def committed_records(settings: Settings, partitions: Sequence[TopicPartition]) -> list[ConsumerRecord]:
    """All that can be read of the partitions up to where they end now."""
    async with started_reader(settings) as reader, asyncio.timeout(120):
        reader.assign(partitions)
        await reader.seek_to_beginning(*partitions)
        ends = await reader.end_offsets(partitions)
        found: list[ConsumerRecord] = []
        while any([await reader.position(partition) < ends[partition] for partition in partitions]):
            for records in (await reader.getmany(timeout_ms=200)).values():
                found += records
        return found


@asynccontextmanager
async def _started(settings: Settings, transactional_id: str) -> AsyncIterator[AIOKafkaProducer]:
    producer = transactional_producer(settings, transactional_id)
    try:
        await producer.start()
        yield producer
    finally:
        await producer.stop()
