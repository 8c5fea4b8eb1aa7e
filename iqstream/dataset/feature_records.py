"""A dataset's committed feature records, read once from the topic's start to where it ends now."""

from collections.abc import AsyncGenerator
from datetime import datetime

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from iqstream.runtime.errors import Failed
from iqstream.runtime.fetched import UnreadableRecord
from iqstream.runtime.kafka import admin_client, started_reader
from iqstream.runtime.offsets import partition_ends, partition_leaders
from iqstream.runtime.settings import Settings
from iqstream.runtime.span_reader import SpanReader
from iqstream.runtime.topics import FEATURES
from schemas import FailureRecord, FeatureRecord, SchemaError, decode, subject_of


async def feature_records(
    settings: Settings,
    dataset_id: str,
    dataset_version: int = 1,
    *,
    since: datetime | None = None,
    within_s: float | None = None,
) -> AsyncGenerator[FeatureRecord | FailureRecord, None]:
    """Every record of one version of a dataset on `iq.features` that is committed when this is called.

    In the order of each partition; records of other datasets are passed over undecoded, and those that cannot be read,
    which are dead letters. Belongs to no group and commits nothing. `since` and `within_s` as `committed_records`.

    Raises:
        Unreachable: Kafka does not answer, or stops answering.
        Failed: Kafka refuses a read.
    """
    async for record in committed_records(settings, since=since, within_s=within_s):
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


async def committed_records(
    settings: Settings, *, since: datetime | None = None, within_s: float | None = None
) -> AsyncGenerator[ConsumerRecord[bytes, bytes], None]:
    """Every record on `iq.features` that is committed when this is called, of whatever dataset.

    Args:
        settings: where Kafka is.
        since: only records that were sent later; if not given, all that are kept.
        within_s: after so long the reading ends where it is; if not given, it goes on to the end.

    Raises:
        Unreachable: Kafka does not answer, or stops answering.
        Failed: Kafka refuses a read.
    """
    async with admin_client(settings) as admin:
        known = await partition_ends(admin, await partition_leaders(admin, [FEATURES]))
    async with started_reader(settings) as consumer:
        try:
            spans = {partition: range(end.log_start, end.end) for partition, end in known.items()}
            reader = SpanReader(
                consumer, spans if since is None else await _since(consumer, spans, since), within_s=within_s
            )
            async for record in reader.records():
                yield record
        except KafkaError as error:
            raise Failed(f"{FEATURES} cannot be read: {type(error).__name__} {error}") from None


async def _since(
    consumer: AIOKafkaConsumer, spans: dict[TopicPartition, range], since: datetime
) -> dict[TopicPartition, range]:
    """The spans from the first record that was sent at a time, or later."""
    moment_ms = int(1000 * since.timestamp())
    found = await consumer.offsets_for_times(dict.fromkeys(spans, moment_ms))
    return {
        partition: range(span.stop if (at := found.get(partition)) is None else max(span.start, at.offset), span.stop)
        for partition, span in spans.items()
    }
