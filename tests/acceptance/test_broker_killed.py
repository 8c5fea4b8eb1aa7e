"""Transactions while the broker is killed under them: each stands whole, once, and can be read."""

import asyncio
from collections import Counter

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import NewTopic
from aiokafka.errors import KafkaError

from iqstream.bench.servers import bench_servers
from iqstream.runtime.kafka import (
    admin_client,
    position_to_go_on_from,
    stored_position,
    transaction,
    transactional_producer,
)
from tests.integration.transactions import committed_records, settled

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]
KILLS = 20
WRITERS = 12
PARTITIONS = 12
TOPIC = "numbers"
BEFORE_KILL_EACH = 5
"""Transactions of each writer before the broker is killed."""


class Writer:
    """Writes number after number, each to two partitions, with how far it got; after any error it begins anew."""

    def __init__(self, settings, name):
        self.settings, self.name = settings, name
        self.place = TopicPartition(TOPIC, 0)
        self.written = 0

    async def run(self, stop):
        while not stop.is_set():
            producer = transactional_producer(self.settings, self.name, outputs=(TOPIC,), group=self.name)
            try:
                await producer.start()
                position = await position_to_go_on_from(self.settings, producer, self.name, self.place)
                while not stop.is_set():
                    await self._write(producer, position)
                    position += 1
                    self.written += 1
                await producer.commit_again()
            except (KafkaError, OSError, TimeoutError):
                await asyncio.sleep(0.1)
            finally:
                await producer.let_go()

    async def _write(self, producer, number):
        async with transaction(producer):
            for partition in (number % PARTITIONS, (number + 5) % PARTITIONS):
                await producer.send_and_wait(TOPIC, b"%s %d" % (self.name.encode(), number), partition=partition)
            await producer.send_position(self.place, number + 1, since=number)


async def numbers_read(settings):
    partitions = [TopicPartition(TOPIC, partition) for partition in range(PARTITIONS)]
    return Counter(record.value.decode() for record in await committed_records(settings, partitions))


async def test_what_is_committed_while_the_broker_is_killed_stands_once_and_can_be_read(tmp_path):
    stop = asyncio.Event()
    async with bench_servers(tmp_path / "bench") as servers:
        settings = servers.settings()
        async with admin_client(settings) as admin:
            await admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1)])
        writers = [Writer(settings, f"writer-{number}") for number in range(WRITERS)]
        async with asyncio.TaskGroup() as running:
            for writer in writers:
                running.create_task(writer.run(stop))
            for _ in range(KILLS):
                before = [writer.written for writer in writers]
                async with asyncio.timeout(120):
                    while any(w.written < b + BEFORE_KILL_EACH for w, b in zip(writers, before, strict=True)):
                        await asyncio.sleep(0.01)
                servers.kill("kafka")
                await servers.start("kafka")
            stop.set()
        await settled(settings, TOPIC)
        positions = {w.name: (await stored_position(settings, w.name, w.place)).offset for w in writers}
        read = await numbers_read(settings)
    assert read == {f"{name} {number}": 2 for name, position in positions.items() for number in range(position)}
    assert min(positions.values()) >= KILLS * BEFORE_KILL_EACH
