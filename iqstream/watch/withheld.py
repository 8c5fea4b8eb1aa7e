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
        self._standing: dict[tuple[str, TopicPartition], _Standing] = {}

    async def found(self, positions: Sequence[StagePosition]) -> list[str]:
        """A sentence for each partition of which the broker gives nothing, with what to do.

        Raises:
            KafkaError: a broker does not answer.
        """
        sentences = []
        for position in positions:
            await self._see(position)
            for (group, place), standing in sorted(self._standing.items()):
                if group == position.stage.group and standing.refusal is not None:
                    sentences.append(_sentence(position, place, standing.offset, standing.refusal))
        return sentences

    async def _see(self, position: StagePosition) -> None:
        now, group = asyncio.get_running_loop().time(), position.stage.group
        asked = {}
        for place, offset in position.current.items():
            key = (group, place)
            if place not in position.ends or offset >= position.ends[place].end:
                self._standing.pop(key, None)
            elif key not in self._standing or self._standing[key].offset != offset:
                self._standing[key] = _Standing(offset, now)
            elif now - self._standing[key].asked_at >= STANDING_S:
                self._standing[key].asked_at = now
                asked[place] = max(offset, position.ends[place].log_start)
        if asked:
            leaders = await partition_leaders(self._admin, [position.stage.topic])
            refused = await refused_reads(self._admin, leaders, asked)
            for place in asked:
                self._standing[group, place].refusal = refused.get(place)


def _sentence(position: StagePosition, place: TopicPartition, offset: int, refusal: str) -> str:
    topic, partition = place
    return (
        f"Kafka gives no record of {topic}-{partition} from offset {offset} on ({refusal}), although it ends at "
        f"{position.ends[place].end}: its file may be damaged; `kafka-dump-log.sh` shows where. "
        f"`iqstream replay --stage {position.stage.name} --topic {topic}:{partition} --to-offset N --execute` "
        "continues at an offset after it"
    )
