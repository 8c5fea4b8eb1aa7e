"""From what the broker said to the lag of every partition, topic and group. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiokafka import TopicPartition

from iqstream.lag.contents import NOTHING
from iqstream.lag.figures import NO_TREND, ClusterLag, GroupLag, PartitionLag, TopicLag, Unread, partition_lag, total
from iqstream.lag.members import Membership
from iqstream.lag.retention import Retention
from iqstream.lag.trend import EndsByTime, Followed, first_unread_ms, trend
from iqstream.lag.value import ReadOn, topic_values
from iqstream.runtime.offsets import Ends
from iqstream.runtime.stages import GROUP_OF_TOPIC


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSnapshot:
    """One group's side."""

    exists: bool
    membership: Membership
    trouble: str | None
    """Why the group could not be looked at."""
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
    trouble: Mapping[str, str]
    """Of the topics that could not be looked at: why."""
    ends: Mapping[TopicPartition, Ends]
    transaction_ages_s: Mapping[TopicPartition, float]
    """How long the oldest open transaction has been open."""
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
                members=group.membership.members,
                member_names=group.membership.names,
                trouble=group.trouble,
                topics=tuple(_topic_lag(name, topic, group, snapshot, allowed_backlog) for topic in group.topics),
            )
            for name, group in snapshot.groups.items()
        ),
    )


def _topic_lag(name: str, topic: str, group: GroupSnapshot, snapshot: Snapshot, allowed_backlog: int) -> TopicLag:
    exists = topic in snapshot.partitions or topic in snapshot.trouble
    numbers = snapshot.partitions.get(topic, frozenset()) | {p.partition for p in group.committed if p.topic == topic}
    is_read = not exists or is_read_by(name, topic, group)
    partitions = tuple(
        _partition_lag(TopicPartition(topic, number), group, snapshot, allowed_backlog, is_read=is_read)
        for number in sorted(numbers)
    )
    backlog = total(partitions).backlog
    return TopicLag(
        topic=topic,
        exists=exists,
        is_read=is_read,
        trouble=snapshot.trouble.get(topic),
        partitions=partitions,
        values=()
        if backlog is None
        else topic_values(
            topic,
            backlog,
            _read_on(topic, partitions, group.unread),
            snapshot.mean_record_bytes.get(topic),
        ),
    )


def is_read_by(name: str, topic: str, group: GroupSnapshot) -> bool:
    """False where the group has consumers, all that they read is known, and only offsets of this topic are left.

    A stage's own topic is always to be read.
    """
    reads = group.membership.topics
    if reads is None or topic in reads or GROUP_OF_TOPIC.get(topic) == name:
        return True
    return not any(partition.topic == topic for partition in group.committed)


def _partition_lag(
    partition: TopicPartition, group: GroupSnapshot, snapshot: Snapshot, allowed_backlog: int, *, is_read: bool
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
        transaction_age_s=snapshot.transaction_ages_s.get(partition),
        group_exists=group.exists,
        is_read=is_read,
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
