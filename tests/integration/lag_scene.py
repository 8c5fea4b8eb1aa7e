"""A topic and a group to measure the lag of."""

import asyncio
import uuid

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import NewTopic

from iqstream.lag.read import read_lag
from iqstream.runtime.kafka import admin_client, reader_consumer, security, started_reader
from iqstream.runtime.offsets import partition_leaders
from tests.integration.transactions import settling_producer


class Scene:
    """A topic and a group of their own, with unique names."""

    def __init__(self, settings, *, partitions: int = 1) -> None:
        name = uuid.uuid4().hex[:8]
        self.settings = settings
        self.topic, self.group = f"lag-topic-{name}", f"lag-group-{name}"
        self.partitions = partitions

    async def create(self, config: dict[str, str] | None = None) -> "Scene":
        async with admin_client(self.settings) as admin:
            await admin.create_topics([NewTopic(self.topic, self.partitions, 1, topic_configs=config or {})])
            async with asyncio.timeout(60):
                while -1 in (await partition_leaders(admin, [self.topic])).get(self.topic, {0: -1}).values():
                    await asyncio.sleep(0.05)
        return self

    async def delete(self) -> None:
        async with admin_client(self.settings) as admin:
            await admin.delete_topics([self.topic])

    async def send(self, count: int, *, commit: bool = True) -> None:
        """One transaction."""
        await self.send_records([(b"%d" % n, []) for n in range(count)], commit=commit)

    async def send_records(self, records, *, commit: bool = True) -> None:
        """One transaction, on partition 0."""
        async with settling_producer(self.settings) as producer:
            await producer.begin_transaction()
            for value, named in records:
                await (await producer.send(self.topic, value, partition=0, headers=named))
            await (producer.commit_transaction() if commit else producer.abort_transaction())

    async def send_plain(
        self, count: int, *, timestamp_ms: int | None = None, partition: int = 0, size_bytes: int = 1
    ) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.settings.kafka_bootstrap, **security(self.settings))
        await producer.start()
        for n in range(count):
            await producer.send_and_wait(
                self.topic, (b"%d" % n).ljust(size_bytes), partition=partition, timestamp_ms=timestamp_ms
            )
        await producer.stop()

    async def commit(self, offset: int, *, partition: int = 0) -> None:
        consumer = reader_consumer(self.settings, group=self.group)
        await consumer.start()
        consumer.assign([TopicPartition(self.topic, partition)])
        await consumer.commit({TopicPartition(self.topic, partition): offset})
        await consumer.stop()

    async def read_from(self, offset: int, *, partition: int = 0) -> int:
        """How many records a read_committed consumer still gets."""
        async with started_reader(self.settings) as consumer:
            assigned = TopicPartition(self.topic, partition)
            consumer.assign([assigned])
            consumer.seek(assigned, offset)
            end = (await consumer.end_offsets([assigned]))[assigned]
            found = 0
            async with asyncio.timeout(60):
                while await consumer.position(assigned) < end:
                    batches = await consumer.getmany(assigned, timeout_ms=100)
                    found += sum(len(records) for records in batches.values())
            return found

    async def commit_in_transaction(self, offset: int, *, abort: bool = False) -> None:
        """As our stages do."""
        async with settling_producer(self.settings) as producer:
            await producer.begin_transaction()
            await producer.send_offsets_to_transaction({TopicPartition(self.topic, 0): offset}, self.group)
            await (producer.abort_transaction() if abort else producer.commit_transaction())

    async def reading(self):
        return await read_lag(self.settings, groups=[self.group], topics=[self.topic])

    async def lag(self):
        return (await self.reading()).groups[0]

    async def partition_lag(self, partition: int = 0):
        return (await self.lag()).topics[0].partitions[partition]
