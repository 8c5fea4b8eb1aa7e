"""From what the broker said to the lag of every partition, topic and group. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiokafka import TopicPartition

from iqstream.ops.lag.contents import NOTHING
from iqstream.ops.lag.figures import (
    NO_TREND,
    ClusterLag,
    Ends,
    GroupLag,
    PartitionLag,
    TopicLag,
    Unread,
    partition_lag,
)
from iqstream.ops.lag.retention import Retention
from iqstream.ops.lag.trend import EndsByTime, Followed, first_unread_ms, trend
from iqstream.ops.lag.value import ReadOn, topic_values


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSnapshot:
    """One group's side."""

    exists: bool
    topics: tuple[str, ...]
    """Those to show."""
    committed: Mapping[TopicPartition, int]
    unread: Mapping[TopicPartition, Unread]
    followed: Mapping[TopicPartition, Followed]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything that was asked, at one moment."""

    now_s: float
    groups: Mapping[str, GroupSnapshot]
    partitions: Mapping[str, frozenset[int]]
    """Of the topics that exist."""
    ends: Mapping[TopicPartition, Ends]
    ended: EndsByTime
    retentions: Mapping[str, Retention]
    mean_record_bytes: Mapping[str, float]


def lag_of(snapshot: Snapshot, allowed_backlog: int) -> ClusterLag:
    """The lag of every group."""
    return ClusterLag(
        read_at_s=snapshot.now_s,
        groups=tuple(
            GroupLag(
                group=name,
                exists=group.exists,
                topics=tuple(_topic_lag(topic, group, snapshot, allowed_backlog) for topic in group.topics),
            )
            for name, group in snapshot.groups.items()
        ),
    )


def _topic_lag(topic: str, group: GroupSnapshot, snapshot: Snapshot, allowed_backlog: int) -> TopicLag:
    exists = topic in snapshot.partitions
    numbers = snapshot.partitions.get(topic, frozenset()) | {p.partition for p in group.committed if p.topic == topic}
    partitions = tuple(
        _partition_lag(TopicPartition(topic, number), group, snapshot, allowed_backlog) for number in sorted(numbers)
    )
    unknown = all(p.backlog is None for p in partitions)
    return TopicLag(
        topic=topic,
        exists=exists,
        partitions=partitions,
        values=()
        if not exists or unknown
        else topic_values(
            topic,
            sum(p.backlog or 0 for p in partitions),
            _read_on(topic, partitions, group.unread),
            snapshot.mean_record_bytes.get(topic),
        ),
    )


def _partition_lag(
    partition: TopicPartition, group: GroupSnapshot, snapshot: Snapshot, allowed_backlog: int
) -> PartitionLag:
    now_ms = snapshot.now_s * 1000
    followed = group.followed.get(partition)
    first_ms = None if followed is None else first_unread_ms(partition, followed, snapshot.ended, now_ms)
    share = None
    if followed is not None and partition.topic in snapshot.retentions:
        share = snapshot.retentions[partition.topic].unread_share(
            backlog=followed.backlog,
            mean_record_bytes=snapshot.mean_record_bytes.get(partition.topic),
            time_lag_s=None if first_ms is None else max(0.0, now_ms - first_ms) / 1000,
        )
    return partition_lag(
        partition.partition,
        committed=group.committed.get(partition),
        ends=snapshot.ends.get(partition),
        unread=group.unread.get(partition),
        now_ms=now_ms,
        first_unread_ms=first_ms,
        trend=NO_TREND if followed is None else trend(partition, followed, snapshot.ended, now_ms, allowed_backlog),
        retention_share=share,
    )


def _read_on(topic: str, partitions: Sequence[PartitionLag], unread: Mapping[TopicPartition, Unread]) -> ReadOn:
    """What was read of the partitions that are behind, together."""
    behind = [p for p in partitions if p.backlog]
    read = [unread[place] for p in behind if (place := TopicPartition(topic, p.partition)) in unread]
    told = [one.contents for one in read if one.contents is not None]
    return ReadOn(
        records=sum(one.records for one in read),
        contents=sum(told, start=NOTHING) if len(told) == len(read) else None,
        size_bytes=sum(one.size_bytes for one in read),
        everything=len(read) == len(behind) and all(one.to_the_end for one in read),
    )
