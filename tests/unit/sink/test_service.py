"""What the sink tells Kafka beside its own work."""

import asyncio

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError

from sink.service import _publish


class Consumer:
    """Answers a commit when the test says so."""

    def __init__(self):
        self.answer = asyncio.get_running_loop().create_future()

    async def commit(self, _offsets):
        await self.answer


@pytest.mark.parametrize("refused", [False, True])
async def test_a_cancellation_that_comes_with_kafkas_answer_is_a_cancellation(refused):
    consumer = Consumer()
    publishing = asyncio.create_task(_publish(consumer, TopicPartition("input", 0), 7))
    await asyncio.sleep(0.01)
    if refused:
        consumer.answer.set_exception(CommitFailedError())
    else:
        consumer.answer.set_result(None)
    publishing.cancel()
    await asyncio.wait({publishing})
    assert publishing.cancelled()
