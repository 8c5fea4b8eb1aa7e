"""Backpressure on a real topic: closed while readers are far behind, open again when they have caught up."""

import uuid

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import NewTopic

from iqstream.runtime.kafka import admin_client, reader_consumer
from iqstream.runtime.metrics import Metrics
from iqstream.runtime.retention_gate import RetentionGate
from tests.integration.transactions import settling_producer

pytestmark = pytest.mark.stack
RETENTION_BYTES = 1_000_000
RECORD_BYTES = 50_000


@pytest.fixture
async def topic(settings):
    name = f"gate-{uuid.uuid4().hex[:8]}"
    async with admin_client(settings) as admin:
        limits = {"retention.bytes": str(RETENTION_BYTES), "segment.bytes": "1048576"}
        await admin.create_topics([NewTopic(name, 2, 1, topic_configs=limits)])
    return name


@pytest.fixture
async def group_reader(settings, topic):
    reader = reader_consumer(settings, group=topic)
    await reader.start()
    reader.assign([TopicPartition(topic, p) for p in range(2)])
    await reader.commit({TopicPartition(topic, p): 0 for p in range(2)})
    yield reader
    await reader.stop()


@pytest.fixture
async def gate(settings, topic, group_reader):
    async with admin_client(settings) as admin:
        yield RetentionGate(
            admin=admin,
            reader=group_reader,
            topic=topic,
            group=topic,
            record_bytes=RECORD_BYTES,
            metrics=Metrics("test"),
        )


async def closed(gate):
    """By what the broker says now."""
    await gate.ask()
    return gate.closed()


async def send(settings, topic, count):
    async with settling_producer(settings) as producer, producer.transaction():
        for _ in range(count):
            await (await producer.send(topic, bytes(RECORD_BYTES), partition=1))


async def test_it_closes_above_half_of_the_retention_unread_and_opens_below_a_quarter(
    settings, topic, group_reader, gate
):
    partition = TopicPartition(topic, 1)
    assert not await closed(gate)
    await send(settings, topic, 8)  # with the marker 9 offsets: 45 % of the retention
    assert not await closed(gate)
    await send(settings, topic, 4)  # 70 %
    assert await closed(gate)
    await group_reader.commit({partition: 5})  # 45 %: not yet
    assert await closed(gate)
    await group_reader.commit({partition: 10})  # 20 %
    assert not await closed(gate)
