"""What moving a stage means: from where to where on every partition, what lies between, and what it takes."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from iqstream.catalogue.counts import samples_per_second
from iqstream.catalogue.datasets import names_of
from iqstream.catalogue.postgres import Pool
from iqstream.positions.spans import SpanContents, read_spans, sample_start
from iqstream.positions.target import Target, ToOffsets, ToTime, Wanted, wanted_offset
from iqstream.runtime.errors import UserError
from iqstream.runtime.kafka import started_reader
from iqstream.runtime.offsets import Ends
from iqstream.runtime.readable import Readable
from iqstream.runtime.settings import Settings
from iqstream.runtime.stages import Stage
from iqstream.runtime.topics import JOBS
from iqstream.stage_position import StagePosition, read_position
from schemas import DatasetKey


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PartitionMove(Readable):
    """One partition: from where to where."""

    partition: TopicPartition
    current: int | None
    target: int
    ends: Ends
    contents: SpanContents
    warnings: tuple[str, ...]

    @property
    def again(self) -> bool:
        """Whether what lies between is read again, and not skipped."""
        return self.current is not None and self.target < self.current


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class TouchedDataset(Readable):
    """A dataset with samples between the old position and the new one."""

    dataset_id: str
    version: int
    name: str
    status: str
    samples: int


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class MovePlan(Readable):
    """What was asked for, in full."""

    SHOWN: ClassVar = ("moves", "datasets", "samples_again", "projected_s")

    position: StagePosition
    moves: tuple[PartitionMove, ...]
    datasets: tuple[TouchedDataset, ...]
    samples_per_second: float | None
    """At which samples were decided last; None where it is not known."""

    @property
    def stage(self) -> Stage:
        """The stage that moves."""
        return self.position.stage

    @property
    def samples_again(self) -> int:
        """Samples that the stage will read again, as far as they could be counted."""
        return sum(move.contents.samples.total() for move in self.moves if move.again)

    @property
    def projected_s(self) -> float | None:
        """How long the way back to where it stands will take; None where no pace is known."""
        return self.samples_again / self.samples_per_second if self.samples_per_second else None

    @property
    def counted_whole(self) -> bool:
        """Whether everything between was read; else counts are lower bounds."""
        return all(move.contents.read_whole for move in self.moves)


async def plan_move(
    settings: Settings,
    admin: AIOKafkaAdminClient,
    pool: Pool,
    stage: Stage,
    target: Target,
    partitions: Collection[int] | None,
) -> MovePlan:
    """Works out a move and its consequences; moves nothing.

    Raises:
        UserError: a partition that does not exist, or a target relative to a position that there is none of.
        Failed: the stage's topic does not exist.
        KafkaError: the broker does not tell.
    """
    position = await read_position(admin, pool, stage)
    chosen = _chosen(position, target, partitions)
    async with started_reader(settings) as reader:
        at = await _offsets_at(reader, target, chosen)
        wanted = {p: wanted_offset(target, p, position.current.get(p), position.ends[p], at.get(p)) for p in chosen}
        targets = {p: await _rounded(reader, p, wanted[p], position.ends[p]) for p in chosen}
        contents = await read_spans(reader, {p: _between(position, p, targets[p]) for p in chosen})
    moves = tuple(
        PartitionMove(
            partition=partition,
            current=position.current.get(partition),
            target=targets[partition],
            ends=position.ends[partition],
            contents=contents[partition],
            warnings=_warnings(wanted[partition]),
        )
        for partition in chosen
    )
    return MovePlan(
        position=position,
        moves=moves,
        datasets=await _datasets(pool, moves),
        samples_per_second=await samples_per_second(pool),
    )


def _chosen(position: StagePosition, target: Target, partitions: Collection[int] | None) -> list[TopicPartition]:
    topic = position.stage.topic
    asked = set(position.ends)
    if partitions is not None:
        asked = {TopicPartition(topic, partition) for partition in partitions}
    if isinstance(target, ToOffsets):
        asked = set(target.offsets) if partitions is None else asked & set(target.offsets)
    unknown = sorted(partition.partition for partition in asked - set(position.ends))
    if unknown:
        raise UserError(f"{topic} has no partition {', '.join(map(str, unknown))}; it has {len(position.ends)}")
    return sorted(asked)


async def _offsets_at(
    reader: AIOKafkaConsumer, target: Target, partitions: Collection[TopicPartition]
) -> dict[TopicPartition, int]:
    """The first offset of the target's moment or later; partitions without a record as young are left out."""
    if not isinstance(target, ToTime):
        return {}
    moment_ms = max(0, round(target.at.timestamp() * 1000))
    found = await reader.offsets_for_times(dict.fromkeys(partitions, moment_ms))
    return {partition: answer.offset for partition, answer in found.items() if answer is not None}


async def _rounded(reader: AIOKafkaConsumer, partition: TopicPartition, wanted: Wanted, ends: Ends) -> int:
    """Down to the first record of a sample; a shard of `iq.jobs` is whole by itself."""
    if not wanted.to_sample_start or partition.topic == JOBS:
        return wanted.offset
    return await sample_start(reader, partition, wanted.offset, ends)


def _between(position: StagePosition, partition: TopicPartition, target: int) -> range:
    """The offsets that are read again, or skipped, as far as they are there."""
    ends = position.ends[partition]
    current = position.current.get(partition, target)
    return range(max(min(current, target), ends.log_start), min(max(current, target), ends.end))


def _warnings(wanted: Wanted) -> tuple[str, ...]:
    return () if wanted.warning is None else (wanted.warning,)


async def _datasets(pool: Pool, moves: Collection[PartitionMove]) -> tuple[TouchedDataset, ...]:
    touched: Counter[tuple[str, int]] = Counter()
    for move in moves:
        touched += move.contents.samples
    known = await names_of(pool, [dataset_id for dataset_id, _version in touched])
    return tuple(
        TouchedDataset(
            dataset_id=key.dataset_id,
            version=key.dataset_version,
            name=known[key].name if key in known else "",
            status=known[key].status if key in known else "unknown",
            samples=samples,
        )
        for key, samples in ((DatasetKey(*touched_key), samples) for touched_key, samples in touched.most_common())
    )
