"""What deleted and old datasets still occupy, and what of it may be deleted: rows, objects, and records in Kafka.

Kafka drops records from a partition's start only, so a record goes when everything before it may go too. A partition
is cleared up to the lowest of: its group's position (for the sink the one in PostgreSQL, which is the authority), and
the first record that a dataset which still needs the topic can have, which is none from before its submission.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.errors import KafkaError

from iqstream.catalogue.counts import deleted_rows
from iqstream.catalogue.datasets import OPEN, Dataset, list_datasets
from iqstream.catalogue.offsets import stored_offsets
from iqstream.catalogue.postgres import Pool
from iqstream.runtime.errors import Failed
from iqstream.runtime.offsets import Ends, committed_offsets, offsets_at, partition_ends, partition_leaders
from iqstream.runtime.readable import Readable, Rows
from iqstream.runtime.stages import GROUP_OF_TOPIC
from iqstream.runtime.topics import FEATURES, FRAMES, JOBS, SINK_GROUP
from iqstream.upkeep.remove import remove_dataset
from sink.objects import ObjectStore

CLOCK_MARGIN = timedelta(minutes=1)
"""Submission is dated by PostgreSQL, records by the machines that wrote them."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PartitionPlan(Readable):
    """What happens to one partition's records."""

    partition: TopicPartition
    log_start: int
    end: int
    before: int
    """Records below this offset go."""

    @property
    def goes(self) -> int:
        """Offsets to delete."""
        return self.before - self.log_start

    @property
    def stays(self) -> int:
        """Offsets that are left."""
        return self.end - self.before


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class TopicPlan(Readable):
    """One topic, and which datasets still need its records."""

    topic: str
    partitions: tuple[PartitionPlan, ...]
    needed_by: str | None
    """Name of the oldest dataset that needs its records; None where none does."""

    @property
    def goes(self) -> int:
        """Offsets to delete, in all partitions."""
        return sum(plan.goes for plan in self.partitions)

    @property
    def stays(self) -> int:
        """Offsets that are left to the topic's retention."""
        return sum(plan.stays for plan in self.partitions)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CleanedDataset(Readable):
    """A dataset that goes, or of which something was left."""

    id: str
    name: str
    status: str
    """Before the cleanup."""
    rows: int
    objects: int


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Cleanup(Readable):
    """What a cleanup deletes."""

    executed: bool
    """Else it would."""
    datasets: Rows[CleanedDataset]
    topics: Rows[TopicPlan]


async def clean_up(
    admin: AIOKafkaAdminClient, pool: Pool, store: ObjectStore, older_than: timedelta | None, *, execute: bool
) -> Cleanup:
    """Deletes old datasets, what is left of deleted ones, and records that no dataset needs, where `execute` says so.

    Raises:
        Failed: Kafka or the object store refuses; what went before is gone.
        Unreachable: a server does not answer.
    """
    every = await list_datasets(pool, include_deleted=True)
    old = {one.id: one for one in reversed(old_datasets(every, older_than, datetime.now(UTC)))}
    rows_left = await deleted_rows(pool)
    deleted = {one.id: one for one in every if one.status == "deleted"}
    left = {one.id: (rows_left.get(one.id, 0), len(await store.list_samples(one.id))) for one in deleted.values()}
    going = []
    for one in [*old.values(), *(deleted[key] for key, amounts in left.items() if any(amounts))]:
        rows, objects = left.get(one.id) or (
            sum(version.accepted for version in every if version.id == one.id),
            len(await store.list_samples(one.id)),
        )
        going.append(CleanedDataset(id=one.id, name=one.name, status=one.status, rows=rows, objects=objects))
        if execute:
            await remove_dataset(pool, store, one.id)
    remaining = [replace(one, status="deleted") if one.id in old else one for one in every]
    try:
        topics = await plan_topics(admin, pool, remaining)
    except KafkaError as error:
        raise Failed(f"Kafka did not say what it holds: {type(error).__name__} {error}") from None
    if execute:
        await delete_records(admin, topics)
    return Cleanup(executed=execute, datasets=Rows(going), topics=Rows(topics))


def old_datasets(datasets: Iterable[Dataset], older_than: timedelta | None, now: datetime) -> list[Dataset]:
    """Returns the datasets that have been finished for longer than `older_than`; none without an age.

    All versions of a dataset go together: it is old when each of them is.
    """
    if older_than is None:
        return []
    every = list(datasets)
    young = {
        one.id for one in every if one.status in OPEN or now - (one.completed_at or one.status_changed_at) <= older_than
    }
    return [one for one in every if one.status != "deleted" and one.id not in young]


def needs(topic: str, dataset: Dataset) -> bool:
    """Whether a dataset still needs its records of a topic.

    Jobs: while it is being made. Frames: likewise, unless it publishes none; and recordings as long as the dataset is
    there, since nobody can make them again. Features: as long as it is there, since training reads them from the topic.
    """
    if dataset.status == "deleted":
        return False
    if topic == FRAMES:
        return dataset.recorded or (dataset.status in OPEN and dataset.spec.publish == "frames")
    return dataset.status in OPEN or topic == FEATURES


def bound(ends: Ends, position: int | None, first_needed: int | None) -> int:
    """Returns the offset below which a partition's records may be deleted; the log's start if none may."""
    limits = [ends.end, *(limit for limit in (position, first_needed) if limit is not None)]
    return max(ends.log_start, min(limits)) if position is not None else ends.log_start


async def plan_topics(admin: AIOKafkaAdminClient, pool: Pool, datasets: Sequence[Dataset]) -> list[TopicPlan]:
    """Returns what may be deleted from the topics if `datasets` are all datasets.

    Raises:
        KafkaError: the broker does not answer.
    """
    leaders = await partition_leaders(admin, [JOBS, FRAMES, FEATURES])
    ends = await partition_ends(admin, leaders)
    return [
        await _plan_topic(admin, topic, leaders, ends, await _positions(admin, pool, topic), datasets)
        for topic in (JOBS, FRAMES, FEATURES)
        if topic in leaders
    ]


async def _plan_topic(
    admin: AIOKafkaAdminClient,
    topic: str,
    leaders: Mapping[str, Mapping[int, int]],
    ends: Mapping[TopicPartition, Ends],
    positions: Mapping[TopicPartition, int],
    datasets: Sequence[Dataset],
) -> TopicPlan:
    needing = min((one for one in datasets if needs(topic, one)), key=lambda one: one.created_at, default=None)
    first_needed: Mapping[TopicPartition, int | None] = {}
    here = [partition for partition in sorted(ends) if partition.topic == topic]
    if needing is not None:
        since_ms = int((needing.created_at - CLOCK_MARGIN).timestamp() * 1000)
        first_needed = await offsets_at(admin, leaders, dict.fromkeys(here, since_ms))
    return TopicPlan(
        topic=topic,
        needed_by=None if needing is None else needing.name,
        partitions=tuple(
            PartitionPlan(
                partition=partition,
                log_start=ends[partition].log_start,
                end=ends[partition].high_watermark,
                before=bound(ends[partition], positions.get(partition), first_needed.get(partition)),
            )
            for partition in here
        ),
    )


async def _positions(admin: AIOKafkaAdminClient, pool: Pool, topic: str) -> dict[TopicPartition, int]:
    if topic != FEATURES:
        return await committed_offsets(admin, GROUP_OF_TOPIC[topic])
    stored = await stored_offsets(pool, group=SINK_GROUP, topic=topic)
    return {TopicPartition(topic, partition): offset for partition, offset in stored.items()}


async def delete_records(admin: AIOKafkaAdminClient, plans: Iterable[TopicPlan]) -> int:
    """Deletes what the plans say; returns how many offsets.

    Raises:
        Failed: the broker refuses; what went before is gone.
    """
    going = {p.partition: p for plan in plans for p in plan.partitions if p.goes > 0}
    if going:
        try:
            await admin.delete_records({p: RecordsToDelete(before_offset=plan.before) for p, plan in going.items()})
        except KafkaError as error:
            raise Failed(f"Kafka did not delete the records: {type(error).__name__} {error}") from None
    return sum(plan.goes for plan in going.values())
