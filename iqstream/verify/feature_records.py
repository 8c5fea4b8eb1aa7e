"""A dataset's committed feature records, read once from the topic's start to where it ends now."""

import asyncio
from collections.abc import AsyncIterator

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from iqstream.runtime.errors import Failed, Unreachable
from iqstream.runtime.fetched import UnreadableRecord
from iqstream.runtime.kafka import admin_client, started_reader
from iqstream.runtime.offsets import Ends, partition_ends, partition_leaders
from iqstream.runtime.settings import Settings
from iqstream.runtime.topics import FEATURES
from schemas import FailureRecord, FeatureRecord, SchemaError, decode, subject_of

POLL_MS = 200
STALLED_AFTER_S = 30.0


async def feature_records(
    settings: Settings, dataset_id: str, dataset_version: int = 1
) -> AsyncIterator[FeatureRecord | FailureRecord]:
    """Every record of one version of a dataset on `iq.features` that is committed when this is called.

    In the order of each partition; records of other datasets are passed over undecoded, and those that cannot be read,
    which are dead letters. Belongs to no group and commits nothing.

    Raises:
        Unreachable: Kafka does not answer, or stops answering.
        Failed: Kafka refuses a read.
    """
    async for record in committed_records(settings):
        subject = subject_of(record)
        if (subject.dataset_id, subject.dataset_version) != (dataset_id, dataset_version):
            continue
        if record.value is None or isinstance(record, UnreadableRecord):
            continue
        try:
            message = decode(record.value)
        except SchemaError:
            continue
        if isinstance(message, FeatureRecord | FailureRecord):
            yield message


async def committed_records(settings: Settings) -> AsyncIterator[ConsumerRecord[bytes, bytes]]:
    """Every record on `iq.features` that is committed when this is called, of whatever dataset.

    Raises:
        Unreachable: Kafka does not answer, or stops answering.
        Failed: Kafka refuses a read.
    """
    async with admin_client(settings) as admin:
        known = await partition_ends(admin, await partition_leaders(admin, [FEATURES]))
    ends = {partition: end for partition, end in known.items() if end.log_start < end.end}
    if not ends:
        return
    async with started_reader(settings) as consumer:
        consumer.assign(list(ends))
        for partition, end in ends.items():
            consumer.seek(partition, end.log_start)
        async for record in _records(consumer, ends):
            yield record


async def _records(
    consumer: AIOKafkaConsumer, ends: dict[TopicPartition, Ends]
) -> AsyncIterator[ConsumerRecord[bytes, bytes]]:
    """The readable records before the ends. A position passes transaction markers only while it is polled."""
    loop = asyncio.get_running_loop()
    positions = {partition: end.log_start for partition, end in ends.items()}
    moved_at = loop.time()
    while positions:
        try:
            fetched = await consumer.getmany(*positions, timeout_ms=POLL_MS)
        except KafkaError as error:
            raise Failed(f"{FEATURES} cannot be read: {type(error).__name__} {error}") from None
        for partition, records in fetched.items():
            for record in records:
                if record.offset < ends[partition].end:
                    yield record
        for partition in tuple(positions):
            position = await consumer.position(partition)
            if position > positions[partition]:
                moved_at, positions[partition] = loop.time(), position
            if position >= ends[partition].end:
                consumer.pause(partition)
                del positions[partition]
        if loop.time() - moved_at > STALLED_AFTER_S:
            raise Unreachable(f"Kafka gives nothing more of {FEATURES} in {STALLED_AFTER_S:.0f} s; look at the broker.")
