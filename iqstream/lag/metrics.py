"""Every metric of the lag exporter in one table, and what a reading says for each. Pure.

A figure that is not known has no series: there is no NaN, and no old figure that stands still.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from iqstream.lag.figures import ClusterLag, GroupLag, PartitionLag, TopicLag
from iqstream.lag.retention import Risk, risk
from iqstream.lag.status import Status
from iqstream.runtime.metrics import MetricSpec

_PARTITION = ("group", "topic", "partition")
_TOPIC = ("group", "topic")

STATUS_CODES: Mapping[Status, int] = {"OK": 0, "UNKNOWN": 1, "WARN": 2, "REWIND": 3, "STALL": 4, "STOP": 5}
RISK_CODES: Mapping[Risk, int] = {"none": 0, "low": 1, "high": 2, "losing": 3}
"""One that is not known has no series."""


def _gauge(name: str, labels: tuple[str, ...], meaning: str) -> MetricSpec:
    return MetricSpec(name=name, kind="gauge", labels=labels, meaning=meaning)


LAG_METRICS: tuple[MetricSpec, ...] = (
    _gauge("kafka_partition_latest_offset", ("topic", "partition"), "High watermark."),
    _gauge("kafka_partition_earliest_offset", ("topic", "partition"), "Start of the log."),
    _gauge("iqstream_partition_last_stable_offset", ("topic", "partition"), "Where read_committed ends."),
    _gauge("kafka_consumergroup_group_offset", _PARTITION, "Committed offset."),
    _gauge(
        "kafka_consumergroup_group_lag",
        _PARTITION,
        "Offsets unread, up to the last stable one; 0 where none is a visible record.",
    ),
    _gauge("kafka_consumergroup_group_lag_seconds", _PARTITION, "Age of the first unread record; 0 where drained."),
    _gauge(
        "kafka_consumergroup_group_topic_sum_lag",
        _TOPIC,
        "Sum of the lag over a topic's partitions; no series unless it is known of all.",
    ),
    _gauge(
        "kafka_consumergroup_group_max_lag_seconds",
        ("group",),
        "The longest lag in time of a group; no series unless it is known everywhere.",
    ),
    _gauge(
        "kafka_consumergroup_group_sum_lag",
        ("group",),
        "Sum of the lag of a group over the topics that it reads; no series unless it is known everywhere.",
    ),
    _gauge("iqstream_lag_value", (*_TOPIC, "unit"), "The backlog in units of value: recordings, samples, bytes ..."),
    _gauge(
        "iqstream_lag_status",
        _PARTITION,
        "0 OK, 1 UNKNOWN, 2 WARN (lag never fell), 3 REWIND, 4 STALL, 5 STOP.",
    ),
    _gauge("iqstream_lag_group_status", ("group",), "The worst status of a group's partitions, by the same numbers."),
    _gauge(
        "iqstream_lag_consumed_offsets_per_second",
        _TOPIC,
        "How fast a group reads: mean of some 15 s.",
    ),
    _gauge("iqstream_lag_produced_offsets_per_second", _TOPIC, "How fast its input grows, over the same time."),
    _gauge(
        "iqstream_lag_seconds_to_close", _TOPIC, "Backlog over net rate; no series while the backlog does not shrink."
    ),
    _gauge("iqstream_lag_expired_offsets", _PARTITION, "Offsets that retention dropped before the group read them."),
    _gauge("iqstream_lag_open_transaction_offsets", ("topic", "partition"), "High watermark less last stable offset."),
    _gauge(
        "iqstream_lag_open_transaction_seconds",
        ("topic", "partition"),
        "How long the oldest open transaction has been open; no series where there is none.",
    ),
    _gauge(
        "iqstream_lag_retention_share",
        _PARTITION,
        "Unread bytes over what retention keeps, or age over its time limit; from 1 on records are lost.",
    ),
    _gauge("iqstream_lag_retention_risk", _TOPIC, "0 none (nothing unread can be dropped), 1 low, 2 high, 3 losing."),
    _gauge("iqstream_lag_group_members", ("group",), "Consumers in the group."),
    _gauge(
        "iqstream_lag_group_up", ("group",), "0 where the group could not be looked at, as when that is not allowed."
    ),
    _gauge("iqstream_lag_topic_up", _TOPIC, "0 where the topic could not be looked at."),
    _gauge("iqstream_lag_up", (), "1 if the last reading succeeded; the series above are absent if not."),
    _gauge("iqstream_lag_read_seconds", (), "Duration of the last reading."),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A figure of one series."""

    name: str
    labels: tuple[str, ...]
    """In the order of the table."""
    value: float


def measured(lag: ClusterLag) -> Iterator[Measured]:
    """All figures of a reading that are known."""
    ends: dict[tuple[str, str], tuple[Measured, ...]] = {}
    for group in lag.groups:
        yield from _group(group)
        for topic in group.topics:
            yield from _topic(group.group, topic)
            for partition in topic.partitions:
                yield from _partition((group.group, topic.topic, str(partition.partition)), partition)
                if partition.ends is not None:  # two groups on a topic: once
                    where = (topic.topic, str(partition.partition))
                    ends[where] = tuple(_ends(where, partition))
    for figures in ends.values():
        yield from figures


def _known(name: str, labels: tuple[str, ...], value: float | None) -> Iterator[Measured]:
    if value is not None:
        yield Measured(name=name, labels=labels, value=value)


def _group(group: GroupLag) -> Iterator[Measured]:
    labels = (group.group,)
    total = group.total
    yield Measured(name="iqstream_lag_group_up", labels=labels, value=float(group.trouble is None))
    yield from _known("iqstream_lag_group_members", labels, group.members)
    yield from _known("iqstream_lag_group_status", labels, STATUS_CODES[total.status])
    yield from _known("kafka_consumergroup_group_sum_lag", labels, total.backlog)
    yield from _known("kafka_consumergroup_group_max_lag_seconds", labels, total.time_lag_s)


def _topic(group: str, topic: TopicLag) -> Iterator[Measured]:
    labels = (group, topic.topic)
    yield Measured(name="iqstream_lag_topic_up", labels=labels, value=float(topic.trouble is None))
    total, rates = topic.total, topic.total.velocity
    yield from _known("kafka_consumergroup_group_topic_sum_lag", labels, total.backlog)
    for value in topic.values:
        yield from _known("iqstream_lag_value", (*labels, value.unit), value.amount)
    if rates is not None:
        yield from _known("iqstream_lag_consumed_offsets_per_second", labels, rates.consumed_per_s)
        yield from _known("iqstream_lag_produced_offsets_per_second", labels, rates.produced_per_s)
    yield from _known("iqstream_lag_seconds_to_close", labels, total.eta_s)
    yield from _known("iqstream_lag_retention_risk", labels, RISK_CODES.get(risk(total.retention_share, total.expired)))


def _partition(labels: tuple[str, str, str], partition: PartitionLag) -> Iterator[Measured]:
    yield from _known("kafka_consumergroup_group_offset", labels, partition.committed)
    yield from _known("kafka_consumergroup_group_lag", labels, partition.backlog)
    yield from _known("kafka_consumergroup_group_lag_seconds", labels, partition.time_lag_s)
    yield from _known("iqstream_lag_status", labels, STATUS_CODES[partition.status])
    yield from _known("iqstream_lag_expired_offsets", labels, partition.expired)
    yield from _known("iqstream_lag_retention_share", labels, partition.retention_share)


def _ends(labels: tuple[str, str], partition: PartitionLag) -> Iterator[Measured]:
    if partition.ends is not None:
        yield from _known("kafka_partition_latest_offset", labels, partition.ends.high_watermark)
        yield from _known("kafka_partition_earliest_offset", labels, partition.ends.log_start)
        yield from _known("iqstream_partition_last_stable_offset", labels, partition.ends.end)
        yield from _known("iqstream_lag_open_transaction_offsets", labels, partition.in_open_transactions)
        yield from _known("iqstream_lag_open_transaction_seconds", labels, partition.transaction_age_s)
