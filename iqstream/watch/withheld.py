"""Partitions that stand still although records wait: the broker gives nothing of them, as where its file is damaged."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from iqstream.runtime.offsets import partition_leaders, refused_reads
from iqstream.stage_position import StagePosition

STANDING_S = 10.0
"""A partition is looked at after so long without progress, and again after as long: reading costs a batch."""


@dataclass(slots=True)
class _Standing:
    offset: int
    asked_at: float
    """When the offset was first seen there, or when the broker was last asked about it."""
    refusal: str | None = None


class WithheldRecords:
    """Remembers where stages stand from one reading to the next."""

    def __init__(self, admin: AIOKafkaAdminClient) -> None:
        self._admin = admin
        self._standing: dict[str, dict[TopicPartition, _Standing]] = {}
        """By the stage's group."""

    async def found(self, positions: Sequence[StagePosition]) -> list[str]:
        """A sentence for each partition of which the broker gives nothing, with what to do.

        Raises:
            KafkaError: a broker does not answer.
        """
        return [
            _sentence(position, place, one.offset, one.refusal)
            for position in positions
            for place, one in sorted((await self._standing_now(position)).items())
            if one.refusal is not None
        ]

    async def _standing_now(self, position: StagePosition) -> dict[TopicPartition, _Standing]:
        """The partitions on which the stage has something left to read; the broker is asked of those that stand."""
        now, before = asyncio.get_running_loop().time(), self._standing.get(position.stage.group, {})
        standing = {}
        for place, offset in position.current.items():
            if place in position.ends and offset < position.ends[place].end:
                same = before.get(place)
                standing[place] = same if same is not None and same.offset == offset else _Standing(offset, now)
        self._standing[position.stage.group] = standing
        asked = {place: one for place, one in standing.items() if now - one.asked_at >= STANDING_S}
        if asked:
            leaders = await partition_leaders(self._admin, [position.stage.topic])
            offsets = {place: max(one.offset, position.ends[place].log_start) for place, one in asked.items()}
            refused = await refused_reads(self._admin, leaders, offsets)
            for place, one in asked.items():
                one.asked_at, one.refusal = now, refused.get(place)
        return standing


def _sentence(position: StagePosition, place: TopicPartition, offset: int, refusal: str) -> str:
    topic, partition = place
    return (
        f"Kafka gives no record of {topic}-{partition} from offset {offset} on ({refusal}), although it ends at "
        f"{position.ends[place].end}: its file may be damaged; `kafka-dump-log.sh` shows where. "
        f"`iqstream replay --stage {position.stage.name} --topic {topic}:{partition} --to-offset N --execute` "
        "continues at an offset after it"
    )
