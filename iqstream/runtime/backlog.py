"""How far a group is behind a topic's end, as offsets: what gates and progress bars go by."""

from collections.abc import Mapping

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
    committed = await admin.list_consumer_group_offsets(group, partitions=partitions)
    if missing := [p.partition for p in partitions if p not in committed]:
        raise GroupLoadInProgressError(f"no offsets of {group} on partitions {missing} of {topic}")
    starts = await reader.beginning_offsets(partitions)
    ends = await reader.end_offsets(partitions)
    return {p: max(0, ends[p] - max(starts[p], committed[p].offset)) for p in partitions}
