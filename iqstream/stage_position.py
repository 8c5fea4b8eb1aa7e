"""Where a stage stands, asked of the one authority that it has, and whether it runs."""

from collections.abc import Sequence
from dataclasses import dataclass

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from iqstream.catalogue.offsets import stored_offsets
from iqstream.catalogue.postgres import Pool
from iqstream.runtime.errors import Failed
from iqstream.runtime.group_members import describe_group
from iqstream.runtime.offsets import Ends, committed_offsets, partition_ends, partition_leaders
from iqstream.runtime.stages import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePosition:
    """A stage as it stands."""

    stage: Stage
    current: dict[TopicPartition, int]
    """Partitions without a position are left out."""
    ends: dict[TopicPartition, Ends]
    members: tuple[str, ...]
    """Instance ids of the group's members: it is active where there are any."""


async def read_position(admin: AIOKafkaAdminClient, pool: Pool, stage: Stage) -> StagePosition:
    """Reads where a stage stands.

    Raises:
        Failed: its topic does not exist.
        KafkaError: the broker does not tell.
    """
    leaders = await partition_leaders(admin, [stage.topic])
    if stage.topic not in leaders:
        raise Failed(f"there is no topic {stage.topic}: run `iqstream init`")
    if stage.keeps_offsets_in_postgres:
        current = await _stored_offsets(pool, stage)
    else:
        current = await committed_offsets(admin, stage.group)
    return StagePosition(
        stage=stage,
        current={partition: offset for partition, offset in current.items() if partition.topic == stage.topic},
        ends=await partition_ends(admin, leaders),
        members=tuple(await _members(admin, stage.group)),
    )


async def _stored_offsets(pool: Pool, stage: Stage) -> dict[TopicPartition, int]:
    stored = await stored_offsets(pool, group=stage.group, topic=stage.topic)
    return {TopicPartition(stage.topic, partition): offset for partition, offset in stored.items()}


async def _members(admin: AIOKafkaAdminClient, group: str) -> Sequence[str]:
    """Client ids, which our members' instance ids are."""
    return [member.client_id for member in (await describe_group(admin, group)).members]
