"""What a dataset waits for, named to whoever watches it."""

import asyncio

import pytest
from aiokafka import TopicPartition

from iqstream.reach import postgres_pool
from iqstream.runtime.kafka import admin_client
from iqstream.runtime.topics import FRAMES
from iqstream.watch.obstacles import obstacles
from iqstream.watch.withheld import WithheldRecords
from tests.integration.pipeline import small_spec
from tests.integration.transactions import settled, settling_producer

pytestmark = pytest.mark.stack
PLACE = TopicPartition(FRAMES, 5)


@pytest.fixture
async def seen(settings):
    """What is seen of a dataset that some stages have still to work on."""

    async def see(*stages):
        async with postgres_pool(settings) as pool, admin_client(settings) as admin:
            return await obstacles(pool, admin, small_spec(1).dataset_id, stages, WithheldRecords(admin))

    return see


async def test_a_stage_that_does_not_run_is_named_if_it_is_waited_for(seen):
    named = tuple(f"no {stage} is running: start one with `iqstream {stage}`" for stage in ("producer", "sink"))
    async with asyncio.timeout(60):  # for members that an earlier test has killed
        while await seen("producer", "sink") != named:
            await asyncio.sleep(0.2)
    assert await seen() == ()


async def test_a_transaction_that_stays_open_is_named_with_its_place_until_it_ends(settings, seen):
    await settled(settings, FRAMES)
    async with settling_producer(settings) as producer:
        await producer.begin_transaction()
        first = await producer.send_and_wait(PLACE.topic, b"open", partition=PLACE.partition)
        [named] = [obstacle for obstacle in await seen("extractor") if "transaction" in obstacle]
        assert named.startswith(
            f"{FRAMES}-{PLACE.partition} stands still at offset {first.offset}, where a transaction"
        )
        assert not [obstacle for obstacle in await seen("producer", "sink") if "transaction" in obstacle]
        await producer.abort_transaction()
    assert not [obstacle for obstacle in await seen("extractor") if "transaction" in obstacle]
