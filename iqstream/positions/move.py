"""The move itself: fence whoever works there, then write the position where the stage's authority keeps it."""

import asyncio
import contextlib
from collections.abc import Mapping
from uuid import UUID

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from iqstream.catalogue.offsets import claim_partition, store_offset
from iqstream.catalogue.postgres import Pool
from iqstream.positions.plan import MovePlan
from iqstream.runtime.errors import Conflict, Failed
from iqstream.runtime.kafka import started_producer, started_reader, transaction
from iqstream.runtime.kafka_protocol import leave_group, topic_ids
from iqstream.runtime.settings import Settings
from iqstream.runtime.stages import Stage
from iqstream.runtime.transactions import transactional_id

ATTEMPTS = 5
"""A running owner that was fenced takes over again at once, and may fence us in turn."""
MOVE_DEADLINE_S = 20.0
RETRY_S = 0.2


def refuse_active(plan: MovePlan, *, force: bool) -> None:
    """Raises UserError where the stage runs, unless forced."""
    if plan.position.members and not force:
        stage = plan.stage
        raise Conflict(
            f"the {stage.name} runs ({len(plan.position.members)} members of group {stage.group}): stop it first, "
            "or force the move (--force), which fences its workers (members that were killed stay for 10 s)"
        )


async def move(settings: Settings, admin: AIOKafkaAdminClient, pool: Pool, plan: MovePlan) -> None:
    """Moves the stage. A running one is fenced first, and then made to take its partitions over again.

    The sink's partitions move in one PostgreSQL transaction, all or none; those of the other stages one by one.

    Raises:
        Failed: not every partition could be moved; says which were.
        KafkaError: the broker refuses.
    """
    targets = {move.partition: move.target for move in plan.moves}
    if plan.stage.keeps_offsets_in_postgres:
        await _move_rows(admin, pool, plan.stage, targets)
        await _repair_group_offsets(settings, plan, targets)
    else:
        await _move_group_offsets(settings, plan.stage, targets)
    if plan.position.members:
        # An owner without anything to do does not notice that it is fenced: as a new member it reads its position.
        await leave_group(admin, plan.stage.group, list(plan.position.members))


async def _move_group_offsets(settings: Settings, stage: Stage, targets: Mapping[TopicPartition, int]) -> None:
    moved: list[TopicPartition] = []
    for partition, target in targets.items():
        try:
            await move_group_offset(settings, stage, partition, target)
        except (KafkaError, TimeoutError) as error:
            done = ", ".join(str(p.partition) for p in moved) or "none"
            raise Failed(
                f"partition {partition.partition} of {stage.topic} could not be moved ({type(error).__name__} "
                f"{error}); moved before it: {done}. Run the same command again"
            ) from None
        moved.append(partition)


async def move_group_offset(settings: Settings, stage: Stage, partition: TopicPartition, target: int) -> None:
    """Moves a stage's group to an offset of a partition, whether the group runs or not, or has a position there.

    Raises:
        KafkaError: the broker refuses, or the owner keeps fencing us.
        TimeoutError: it does not answer in time.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            async with (
                asyncio.timeout(MOVE_DEADLINE_S),
                # 1. Fences the owner and ends its open transaction: from here on it cannot commit.
                started_producer(
                    settings, transactional_id(stage.group, partition), outputs=stage.outputs, group=stage.group
                ) as producer,
                # 2. The position, as the owner itself would commit it.
                transaction(producer),
            ):
                await producer.send_offsets_to_transaction({partition: target}, stage.group)
        except KafkaError:
            if attempt == ATTEMPTS:
                raise
            await asyncio.sleep(RETRY_S)
        else:
            return


async def _move_rows(
    admin: AIOKafkaAdminClient, pool: Pool, stage: Stage, targets: Mapping[TopicPartition, int]
) -> None:
    cluster_id, ids = await topic_ids(admin, [stage.topic])
    topic_id: UUID = ids[stage.topic]
    async with pool.acquire() as connection, connection.transaction():
        for partition, target in sorted(targets.items()):
            # The higher owner epoch fences: the owner's next batch changes no row.
            claim = await claim_partition(
                connection,
                group=stage.group,
                topic=partition.topic,
                partition=partition.partition,
                cluster_id=cluster_id,
                topic_id=topic_id,
            )
            await store_offset(connection, claim, target)


async def _repair_group_offsets(settings: Settings, plan: MovePlan, targets: Mapping[TopicPartition, int]) -> None:
    """Kafka's copy, for those who watch. A running sink refuses it to us, and writes it itself as it takes over."""
    async with started_reader(settings, group=plan.stage.group) as consumer:
        consumer.assign(list(targets))
        with contextlib.suppress(KafkaError):
            await consumer.commit(dict(targets))
