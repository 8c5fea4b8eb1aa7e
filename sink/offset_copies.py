"""Kafka's copies of the positions in PostgreSQL: for those who watch lag, and for nobody else."""

import asyncio
import contextlib

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

COPY_EVERY_S = 1.0
COPY_DEADLINE_S = 2.0


class OffsetCopies:
    """Those of all partitions in one request a second, not in one for each batch."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self._waiting: dict[TopicPartition, int] = {}

    def note(self, partition: TopicPartition, offset: int) -> None:
        """PostgreSQL is this far."""
        self._waiting[partition] = offset

    async def keep_up(self) -> None:
        """Copies what was noted, until cancelled: then a last time."""
        try:
            while True:
                await asyncio.sleep(COPY_EVERY_S)
                await self._copy()
        finally:
            await self._copy()

    async def _copy(self) -> None:
        """What Kafka does not take, as in a rebalance, waits for the next time."""
        owned = self._consumer.assignment()
        self._waiting = {partition: offset for partition, offset in self._waiting.items() if partition in owned}
        copied = self._waiting.copy()
        if not copied:
            return
        with contextlib.suppress(KafkaError, TimeoutError):
            async with asyncio.timeout(COPY_DEADLINE_S):
                await self._consumer.commit(copied)
            self._waiting = dict(self._waiting.items() - copied.items())
