"""Topics, feeder and worker processes for the copying stage; counts what comes out."""

import asyncio
import collections
import os
import random
import signal
import subprocess
import sys
import uuid
from dataclasses import asdict

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import NewTopic

from iqstream.runtime.kafka import admin_client, reader_consumer, started_reader, transactional_producer
from iqstream.runtime.settings import PREFIX, Settings
from iqstream.runtime.topics import DEAD_LETTER_LIMIT_BYTES, DEAD_LETTERS
from tests.integration.transactions import committed_records, settled


class CopyCluster:
    """An input topic with transaction markers and aborted records, and workers that copy it."""

    def __init__(self, settings: Settings, *, partitions: int, seed: int, work_s: float = 0.002) -> None:
        name = uuid.uuid4().hex[:8]
        self.settings = settings
        self.partitions = partitions
        self.random = random.Random(seed)
        self.topic_in, self.topic_out, self.group = f"in-{name}", f"out-{name}", f"group-{name}"
        self.work_s = work_s
        self.workers: dict[int, subprocess.Popen] = {}
        self.outputs: collections.Counter[bytes] = collections.Counter()
        self.longest_pause_s = 0.0
        self.fed = 0

    def input_partitions(self) -> list[TopicPartition]:
        return [TopicPartition(self.topic_in, p) for p in range(self.partitions)]

    async def create(self) -> None:
        async with admin_client(self.settings) as admin:
            topics = [NewTopic(name, self.partitions, 1) for name in (self.topic_in, self.topic_out)]
            await admin.create_topics(topics)
            if DEAD_LETTERS not in await admin.list_topics():
                limit = {"max.message.bytes": str(DEAD_LETTER_LIMIT_BYTES)}
                await admin.create_topics([NewTopic(DEAD_LETTERS, 1, 1, topic_configs=limit)])
        consumer = reader_consumer(self.settings, group=self.group)
        await consumer.start()
        consumer.assign(self.input_partitions())
        await consumer.commit(dict.fromkeys(self.input_partitions(), 0))
        await consumer.stop()

    async def feed(self, values: list[bytes], *, aborted_share: float = 0.2) -> None:
        """Sends values in small transactions, with aborted ones between them."""
        producer = transactional_producer(self.settings, f"feed-{self.topic_in}-{self.fed}")
        await producer.start()
        rest = collections.deque(values)
        while rest:
            if self.random.random() < aborted_share:
                await producer.begin_transaction()
                await self._send(producer, [b"aborted"] * self.random.randint(1, 9))
                await producer.abort_transaction()
            await producer.begin_transaction()
            await self._send(producer, [rest.popleft() for _ in range(min(len(rest), self.random.randint(1, 30)))])
            await producer.commit_transaction()
        self.fed += len(values)
        await producer.stop()

    async def _send(self, producer, values: list[bytes]) -> None:
        partition = self.random.randrange(self.partitions)
        for future in [await producer.send(self.topic_in, v, partition=partition) for v in values]:
            await future

    def start_worker(self, slot: int) -> None:
        environment = os.environ | {
            f"{PREFIX}{name.upper()}": str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in asdict(self.settings).items()
            if value != ""
        }
        environment |= {"COPY_IN": self.topic_in, "COPY_OUT": self.topic_out, "COPY_GROUP": self.group}
        environment |= {"COPY_WORK_S": str(self.work_s)}
        self.workers[slot] = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.copy_worker", "--slot", str(slot)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )

    def kill(self, slot: int) -> None:
        self._end(slot, signal.SIGKILL)

    def stop(self, slot: int) -> int:
        """Asks a worker to end; returns its exit code."""
        return self._end(slot, signal.SIGTERM)

    def _end(self, slot: int, number: signal.Signals) -> int:
        worker = self.workers.pop(slot)
        worker.send_signal(number)
        code = worker.wait(timeout=30)
        worker.stdin.close()
        return code

    def stop_all(self) -> None:
        for slot in list(self.workers):
            self.workers[slot].send_signal(signal.SIGCONT)
            self._end(slot, signal.SIGKILL)

    async def collect(self, enough, *, deadline_s: float, on_tick=None) -> None:
        """Counts committed outputs until `enough()`; then what else comes within two seconds."""
        async with started_reader(self.settings) as consumer:
            partitions = [TopicPartition(self.topic_out, p) for p in range(self.partitions)]
            consumer.assign(partitions)
            await consumer.seek_to_beginning(*partitions)
            self.outputs.clear()
            clock = asyncio.get_running_loop().time
            ends_at, last_at = clock() + deadline_s, clock()
            while not enough() and clock() < ends_at:
                if await self._count(consumer, timeout_ms=200):
                    self.longest_pause_s = max(self.longest_pause_s, clock() - last_at)
                    last_at = clock()
                if on_tick is not None:
                    on_tick()
            await self._count(consumer, timeout_ms=2000)

    async def _count(self, consumer: AIOKafkaConsumer, *, timeout_ms: int) -> bool:
        batches = await consumer.getmany(timeout_ms=timeout_ms)
        self.outputs.update(record.value for records in batches.values() for record in records)
        return bool(batches)

    async def dead_letters(self) -> list[tuple[bytes, dict[str, bytes]]]:
        """Value and headers of the dead letters that came from our input topic."""
        await settled(self.settings, DEAD_LETTERS)
        records = await committed_records(self.settings, [TopicPartition(DEAD_LETTERS, 0)])
        letters = [(record.value, dict(record.headers)) for record in records]
        return [(v, headers) for v, headers in letters if headers["origin"].startswith(self.topic_in.encode())]

    async def committed(self) -> dict[TopicPartition, int]:
        async with admin_client(self.settings) as admin:
            offsets = await admin.list_consumer_group_offsets(self.group, partitions=self.input_partitions())
        return {partition: offset.offset for partition, offset in offsets.items()}

    async def ends(self) -> dict[TopicPartition, int]:
        async with started_reader(self.settings) as consumer:
            return await consumer.end_offsets(self.input_partitions())
