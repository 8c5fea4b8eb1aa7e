"""How far a group is behind a topic's end, as offsets: what gates and progress bars go by."""

from collections.abc import Collection, Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupLoadInProgressError


async def unread_offsets(
    admin: AIOKafkaAdminClient, reader: AIOKafkaConsumer, topic: str, group: str
) -> Mapping[TopicPartition, int]:
    """Offsets between the group's position and the last stable end, by partition.

    Transaction markers between them are counted: a little more than there are records, never less.

    Raises:
        KafkaError: the broker does not say, or not for all partitions, as when it has just started.
    """
    described = await admin.describe_topics([topic])
    partitions = [TopicPartition(topic, partition["partition"]) for partition in described[0]["partitions"]]
    positions = await group_positions(admin, group, partitions)
    starts = await reader.beginning_offsets(partitions)
    ends = await reader.end_offsets(partitions)
    return {p: max(0, ends[p] - max(starts[p], positions[p])) for p in partitions}


async def group_positions(
    admin: AIOKafkaAdminClient, group: str, partitions: Collection[TopicPartition]
) -> Mapping[TopicPartition, int]:
    """The group's positions on all these partitions; 0 where it has none yet.

    Raises:
        KafkaError: the broker does not say, or not for all partitions, as when it has just started.
    """
    committed = await admin.list_consumer_group_offsets(group, partitions=list(partitions))
    if missing := sorted(set(partitions) - set(committed)):
        raise GroupLoadInProgressError(f"no offsets of {group} on {', '.join(f'{t}-{p}' for t, p in missing)}")
    return {partition: max(0, committed[partition].offset) for partition in partitions}
