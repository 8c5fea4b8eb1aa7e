"""The first positions of the stages: set where that can do no harm, named with their command where it could."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from iqstream.catalogue.postgres import Pool
from iqstream.positions.move import move_group_offset
from iqstream.runtime.errors import Failed
from iqstream.runtime.kafka import started_reader
from iqstream.runtime.offsets import Ends, committed_offsets, partition_ends, partition_leaders
from iqstream.runtime.settings import Settings
from iqstream.runtime.stages import STAGES, Stage
from iqstream.stage_position import read_position

TOLD_WITHIN_S = 30.0
RETRY_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstPositions:
    """What was done about partitions on which a stage had no position."""

    set: tuple[str, ...]
    """A line for each stage."""
    missing: tuple[str, ...]
    """Likewise, with the command that sets those."""


async def set_first_positions(
    settings: Settings, admin: AIOKafkaAdminClient, pool: Pool, *, new_topics: Collection[str]
) -> FirstPositions:
    """Gives every stage a position on every partition that it reads, where nothing can come twice or be left out by it.

    The sink's rows in PostgreSQL are there already: only Kafka's copy of them is made.

    Raises:
        Failed: Kafka refuses, or does not tell in time.
    """
    made, missing = [], []
    for stage in STAGES.values():
        anew = stage.topic in new_topics
        try:
            async with asyncio.timeout(TOLD_WITHIN_S):
                found = await _wanted(admin, pool, stage, anew=anew)
                await _set(settings, stage, found.harmless, running=found.running and not anew)
        except (KafkaError, TimeoutError) as error:
            raise Failed(
                f"the positions of the {stage.name} on {stage.topic} cannot be set: {type(error).__name__} {error}"
            ) from None
        if found.harmless and not anew and not stage.keeps_offsets_in_postgres:
            made.append(f"the {stage.name} on {stage.topic}, partitions {_listed(found.harmless)}")
        if found.unproved:
            missing.append(_advice(stage, found.unproved, running=found.running))
    return FirstPositions(set=tuple(made), missing=tuple(missing))


@dataclass(frozen=True, slots=True)
class _Wanted:
    harmless: Mapping[TopicPartition, int]
    unproved: Collection[TopicPartition]
    running: bool


async def _wanted(admin: AIOKafkaAdminClient, pool: Pool, stage: Stage, *, anew: bool) -> _Wanted:
    """Asked again while a broker that has just started, or a topic just made, does not tell everything yet."""
    while True:
        try:
            leaders = await partition_leaders(admin, [stage.topic])
            ends = await partition_ends(admin, leaders)
            if len(ends) == len(leaders.get(stage.topic, {0: 0})):
                position = await read_position(admin, pool, stage)
                committed = {} if anew else await committed_offsets(admin, stage.group)
                missing = ends.keys() - committed.keys()
                if stage.keeps_offsets_in_postgres:
                    copies = {place: position.current[place] for place in missing & position.current.keys()}
                    return _Wanted({} if position.members else copies, (), running=False)
                harmless = harmless_positions(
                    ends, missing, nothing_made=not missing or await _are_empty(admin, stage.outputs)
                )
                return _Wanted(harmless, missing - harmless.keys(), running=bool(position.members))
        except KafkaError as error:
            if not error.retriable:
                raise
        await asyncio.sleep(RETRY_S)


def harmless_positions(
    ends: Mapping[TopicPartition, Ends], missing: Collection[TopicPartition], *, nothing_made: bool
) -> dict[TopicPartition, int]:
    """The first positions that nothing speaks against, of the partitions without one.

    Where a partition holds nothing; and at 0, where nothing has expired yet, if the stage has never made anything of
    its input, or if the partition is behind all those that have positions: then it was added later.

    Args:
        ends: of all partitions of the topic.
        missing: those without a position.
        nothing_made: no record was ever written to the stage's outputs, whoever writes to them.
    """
    last_known = max((place.partition for place in ends.keys() - set(missing)), default=None)
    found = {}
    for place in sorted(missing):
        end = ends[place]
        added = last_known is not None and place.partition > last_known
        if end.log_start == end.high_watermark or (end.log_start == 0 and (nothing_made or added)):
            found[place] = end.log_start
    return found


async def _are_empty(admin: AIOKafkaAdminClient, topics: Collection[str]) -> bool:
    leaders = await partition_leaders(admin, list(topics))
    ends = await partition_ends(admin, leaders)
    return len(ends) == sum(map(len, leaders.values())) and not any(end.high_watermark for end in ends.values())


async def _set(settings: Settings, stage: Stage, positions: Mapping[TopicPartition, int], *, running: bool) -> None:
    """A group that has members takes offsets from its members alone, or within a transaction."""
    if running:
        for place, offset in positions.items():
            await move_group_offset(settings, stage, place, offset)
    elif positions:
        async with started_reader(settings, group=stage.group) as consumer:
            consumer.assign(list(positions))
            await consumer.commit(dict(positions))


def _advice(stage: Stage, places: Collection[TopicPartition], *, running: bool) -> str:
    force = " --force" if running else ""
    scope = f"{stage.topic}:{_listed(places)}"
    command = f"iqstream replay --stage {stage.name} --topic {scope} --to-earliest --execute{force}"
    return (
        f"the {stage.name} has no position on {scope}, and there are records: what it has done of them before is not "
        f"known. `{command}` does all that is there again (samples that are decided stay as they are); --to-latest in "
        "its place leaves them out"
    )


def _listed(places: Collection[TopicPartition]) -> str:
    return ",".join(str(place.partition) for place in sorted(places))
