"""Consumer lag for programs: one JSON value whose keys carry their units and do not change."""

from datetime import UTC, datetime
from typing import Any

from iqstream.lag.figures import ClusterLag, GroupLag, PartitionLag, TopicLag, Total
from iqstream.lag.retention import risk
from iqstream.lag.value import Value
from iqstream.lag.velocity import Velocity


def lag_document(lag: ClusterLag) -> dict[str, Any]:
    """JSON values only; null is unknown, and no number is negative or not a number."""
    read_at = datetime.fromtimestamp(lag.read_at_s, UTC).isoformat(timespec="milliseconds")
    return {"read_at": read_at, "status": lag.status, "groups": [_group(group) for group in lag.groups]}


def _group(group: GroupLag) -> dict[str, Any]:
    return {
        "group": group.group,
        "exists": group.exists,
        "members": group.members,
        "member_names": list(group.member_names),
        "trouble": group.trouble,
        **_total(group.total),
        "topics": [_topic(topic) for topic in group.topics],
    }


def _topic(topic: TopicLag) -> dict[str, Any]:
    return {
        "topic": topic.topic,
        "exists": topic.exists,
        "is_read": topic.is_read,
        "trouble": topic.trouble,
        **_total(topic.total),
        "values": [_value(value) for value in topic.values],
        "partitions": [_partition(partition) for partition in topic.partitions],
    }


def _total(total: Total) -> dict[str, Any]:
    return {
        "backlog_offsets": total.backlog,
        "backlog_offsets_at_least": total.backlog_at_least,
        "held_back_offsets": total.held_back,
        "unknown_partitions": total.unknown_partitions,
        "time_lag_seconds": total.time_lag_s,
        "status": total.status,
        **_velocity(total.velocity),
        "seconds_to_close": total.eta_s,
        "expired_offsets": total.expired,
        "retention_share": total.retention_share,
        "retention_risk": risk(total.retention_share, total.expired),
    }


def _velocity(velocity: Velocity | None) -> dict[str, Any]:
    """The net rate is given by its direction: no figure is negative."""
    net = None if velocity is None else velocity.net_per_s
    return {
        "consumed_offsets_per_second": None if velocity is None else velocity.consumed_per_s,
        "produced_offsets_per_second": None if velocity is None else velocity.produced_per_s,
        "closing_offsets_per_second": None if net is None else max(0.0, net),
        "growing_offsets_per_second": None if net is None else max(0.0, -net),
    }


def _value(value: Value) -> dict[str, Any]:
    return {"amount": value.amount, "unit": value.unit, "precision": value.precision}


def _partition(partition: PartitionLag) -> dict[str, Any]:
    ends = partition.ends
    return {
        "partition": partition.partition,
        "state": partition.state,
        "committed_offset": partition.committed,
        "log_start_offset": None if ends is None else ends.log_start,
        "end_offset": None if ends is None else ends.end,
        "high_watermark_offset": None if ends is None else ends.high_watermark,
        "backlog_offsets": partition.backlog,
        "time_lag_seconds": partition.time_lag_s,
        "status": partition.status,
        "commits_judged": partition.commits,
        **_velocity(partition.velocity),
        "retention_share": partition.retention_share,
        "retention_risk": risk(partition.retention_share, partition.expired),
        "expired_offsets": partition.expired,
        "open_transaction_offsets": partition.in_open_transactions,
        "open_transaction_seconds": partition.transaction_age_s,
        "stamped_ahead": partition.stamped_ahead,
    }
