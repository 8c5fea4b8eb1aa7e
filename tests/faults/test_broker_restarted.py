"""Positions asked of a broker that has just started, while its group coordinator still loads them."""

import asyncio

from aiokafka import TopicPartition
from aiokafka.admin import NewTopic
from aiokafka.errors import KafkaError

from iqstream.bench.servers import bench_servers
from iqstream.runtime.backlog import group_positions
from iqstream.runtime.errors import Unreachable
from iqstream.runtime.kafka import admin_client, stored_position, transaction
from tests.integration.transactions import settling_producer

TOPIC = "positions"
PLACE = TopicPartition(TOPIC, 0)
GROUPS = [f"group-{number}" for number in range(8)]
"""Spread over the coordinator's partitions, which load one after the other."""
STORED = 7


async def store_position(settings, group):
    async with settling_producer(settings) as producer, transaction(producer):
        await producer.send_offsets_to_transaction({PLACE: STORED}, group)


async def group_position(settings, group, place):
    async with admin_client(settings) as admin:
        return (await group_positions(admin, group, [place]))[place]


async def first_answer(ask, settings, group):
    while True:
        try:
            return await ask(settings, group, PLACE)
        except (KafkaError, OSError, TimeoutError, Unreachable):
            await asyncio.sleep(0.1)


async def position(settings, group, place):
    return (await stored_position(settings, group, place)).offset


async def test_a_broker_that_has_just_started_never_answers_that_a_group_has_not_begun(tmp_path):
    async with bench_servers(tmp_path / "bench") as servers:
        settings = servers.stage_settings()
        async with admin_client(settings) as admin:
            await admin.create_topics([NewTopic(TOPIC, 1, 1)])
        for group in GROUPS:
            await store_position(settings, group)
        servers.kill("kafka")
        asked = [
            asyncio.create_task(first_answer(ask, settings, group))
            for group in GROUPS
            for ask in (position, group_position)
        ]
        await servers.start("kafka")
        assert await asyncio.gather(*asked) == [STORED] * len(asked)
