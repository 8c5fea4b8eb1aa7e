"""The offsets that lag is made of, asked of the broker in a way that changes nothing there.

The client's public calls would make a missing topic (metadata), take a coordinator that is still loading for a
group without offsets, and give only one of the two ends of a partition.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import for_code

from iqstream.runtime import kafka_protocol
from iqstream.runtime.aiokafka_internals import OffsetFetchRequest, OffsetResetStrategy, fields_of, requests_of
from iqstream.runtime.kafka_protocol import NO_LEADER, READ_COMMITTED, READ_UNCOMMITTED, CommittedOffset


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """Where a partition's records start and end. `end` is the last stable offset, `high_watermark` not before it."""

    log_start: int
    end: int
    high_watermark: int


async def existing_groups(admin: AIOKafkaAdminClient) -> frozenset[str]:
    """Groups that have members or offsets. Raises KafkaError."""
    return frozenset(name for name, *_ in await admin.list_consumer_groups())


async def committed_offsets(admin: AIOKafkaAdminClient, group: str) -> dict[TopicPartition, int]:
    """All offsets of a group; empty for one that does not exist. Errors as `committed`."""
    return {partition: said.offset for partition, said in (await committed(admin, group)).items()}


async def committed(admin: AIOKafkaAdminClient, group: str) -> dict[TopicPartition, CommittedOffset]:
    """The same with what was said with each.

    Raises:
        KafkaError: the coordinator does not answer for the group (still loading, or it may not).
    """
    coordinator = await admin.find_coordinator(group)
    response = fields_of(await requests_of(admin).send(coordinator, OffsetFetchRequest(group, None)))
    entries = [(topic["topic"], entry) for topic in response["topics"] for entry in topic["partitions"]]
    for code in (response["error_code"], *(entry["error_code"] for _, entry in entries)):
        if code:
            raise for_code(code)(f"offsets of group {group}")
    return {
        TopicPartition(topic, entry["partition"]): CommittedOffset(entry["offset"], entry["metadata"] or "")
        for topic, entry in entries
        if entry["offset"] >= 0
    }


async def partition_leaders(admin: AIOKafkaAdminClient, topics: Sequence[str]) -> dict[str, dict[int, int]]:
    """Leader by topic and partition, `NO_LEADER` where there is none; topics that do not exist are left out.

    Raises:
        KafkaError: a topic may not be seen.
    """
    return await kafka_protocol.partition_leaders(requests_of(admin), topics)


async def partition_ends(
    admin: AIOKafkaAdminClient, leaders: Mapping[str, Mapping[int, int]]
) -> dict[TopicPartition, Ends]:
    """Ends of all partitions that have a leader; one whose leader refuses (it has just moved) is left out.

    Asked in this order the high watermark cannot be before the last stable offset, nor that before the start.
    """
    everywhere = [
        TopicPartition(topic, partition)
        for topic, partitions in leaders.items()
        for partition, leader in partitions.items()
        if leader != NO_LEADER
    ]

    async def ask(isolation_level: int, which: int) -> dict[TopicPartition, int]:
        wanted = dict.fromkeys(everywhere, which)
        return await kafka_protocol.list_offsets(requests_of(admin), leaders, isolation_level, wanted)

    starts = await ask(READ_COMMITTED, OffsetResetStrategy.EARLIEST)
    ends = await ask(READ_COMMITTED, OffsetResetStrategy.LATEST)
    high_watermarks = await ask(READ_UNCOMMITTED, OffsetResetStrategy.LATEST)
    return {
        partition: Ends(log_start=starts[partition], end=ends[partition], high_watermark=high_watermarks[partition])
        for partition in starts.keys() & ends.keys() & high_watermarks.keys()
    }


async def offsets_at(
    admin: AIOKafkaAdminClient, leaders: Mapping[str, Mapping[int, int]], times_ms: Mapping[TopicPartition, int]
) -> dict[TopicPartition, int | None]:
    """The first offset whose record is as young as a time: where a partition ended then, by its records' timestamps.

    None where all its records are older: then it ended where it ends now.
    """
    reachable = {
        partition: at
        for partition, at in times_ms.items()
        if leaders.get(partition.topic, {}).get(partition.partition, NO_LEADER) != NO_LEADER
    }
    found = await kafka_protocol.list_offsets(requests_of(admin), leaders, READ_COMMITTED, reachable)
    return {partition: None if offset < 0 else offset for partition, offset in found.items()}


async def unsettled_batches(
    admin: AIOKafkaAdminClient, leaders: Mapping[str, Mapping[int, int]], partition: TopicPartition, offset: int
) -> bytes:
    """Some batches from an offset on as they stand on the broker, whether their transactions are over or not.

    Returns none where nothing is given now.

    Raises:
        KafkaError: the leader does not answer, or refuses.
    """
    return await kafka_protocol.unsettled_batches(requests_of(admin), leaders, partition, offset)


async def refused_reads(
    admin: AIOKafkaAdminClient, leaders: Mapping[str, Mapping[int, int]], offsets: Mapping[TopicPartition, int]
) -> dict[TopicPartition, str]:
    """Partitions of which the leader gives nothing from an offset on, which is before the end, and why.

    Raises:
        KafkaError: a leader does not answer.
    """
    return await kafka_protocol.refused_reads(requests_of(admin), leaders, offsets)
