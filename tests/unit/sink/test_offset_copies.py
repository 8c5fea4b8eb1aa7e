"""Kafka's copies of positions: together, once a second, and a last time at the end."""

import asyncio

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError

from sink import offset_copies
from sink.offset_copies import OffsetCopies

ONE, OTHER, ANOTHERS = (TopicPartition("input", number) for number in range(3))


class Consumer:
    """Keeps what is committed; refuses it, or takes its time, when the test says so."""

    def __init__(self):
        self.commits = []
        self.refusals = 0
        self.asked = asyncio.Event()
        self.answers = asyncio.Event()
        self.answers.set()

    def assignment(self):
        return {ONE, OTHER}

    async def commit(self, offsets):
        self.asked.set()
        await self.answers.wait()
        if self.refusals:
            self.refusals -= 1
            raise CommitFailedError
        self.commits.append(offsets)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(offset_copies, "COPY_EVERY_S", 0.01)


async def ended(task):
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()


async def test_all_partitions_last_positions_are_one_request():
    consumer = Consumer()
    copies = OffsetCopies(consumer)
    for partition, offset in ((ONE, 7), (OTHER, 3), (ONE, 8)):
        copies.note(partition, offset)
    keeping = asyncio.create_task(copies.keep_up())
    await asyncio.sleep(0)
    await ended(keeping)
    assert consumer.commits == [{ONE: 8, OTHER: 3}]


async def test_what_a_rebalance_refuses_is_copied_later_and_anothers_partition_never(quick):
    consumer = Consumer()
    consumer.refusals = 2
    copies = OffsetCopies(consumer)
    copies.note(ONE, 7)
    copies.note(ANOTHERS, 7)
    keeping = asyncio.create_task(copies.keep_up())
    async with asyncio.timeout(5):
        while not consumer.commits:
            await asyncio.sleep(0.01)
    await ended(keeping)
    assert consumer.commits == [{ONE: 7}]


async def test_a_cancellation_while_kafka_answers_is_a_cancellation_and_loses_no_position(quick):
    consumer = Consumer()
    consumer.answers.clear()
    copies = OffsetCopies(consumer)
    copies.note(ONE, 7)
    keeping = asyncio.create_task(copies.keep_up())
    await consumer.asked.wait()
    copies.note(OTHER, 4)
    keeping.cancel()
    consumer.answers.set()
    await asyncio.wait({keeping})
    assert keeping.cancelled()
    assert {partition: offset for commit in consumer.commits for partition, offset in commit.items()} == {
        ONE: 7,
        OTHER: 4,
    }
