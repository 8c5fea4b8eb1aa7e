"""What consumer lag is, computed from offsets and timestamps. Pure: no broker, no clock.

Offsets are counted up to the last stable offset: what lies behind it is in open transactions and not yet
readable. An offset is not always a record (transaction markers and aborted records take offsets too), so
somebody has to read on from a position to say that nothing is there; `Unread` is what that showed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from iqstream.ops.lag.contents import Contents
from iqstream.ops.lag.status import Status, worst
from iqstream.ops.lag.value import Value
from iqstream.ops.lag.velocity import Velocity, seconds_to_close, together

State = Literal["drained", "behind", "empty", "no offset", "ahead", "unreadable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """Where a partition's records start and end. `end` is the last stable offset, `high_watermark` not before it."""

    log_start: int
    end: int
    high_watermark: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """What reading on, as `read_committed`, from a group's position to the end showed."""

    records: int
    """Visible records that were read."""
    first_timestamp_ms: int | None
    """Of the first visible record, since 1970; None where none was read or the record has none."""
    contents: Contents | None
    """What these records stand for together; None where not all of them say."""
    size_bytes: int
    """Keys, values and headers of these records."""
    to_the_end: bool
    """Whether everything up to the end was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionLag:
    """One partition: how far a group is behind its end. Counts are never negative; None is unknown."""

    partition: int
    state: State
    committed: int | None
    ends: Ends | None
    backlog: int | None
    """Offsets from the group's position to the end; 0 where none of them is a visible record."""
    expired: int
    """Offsets that retention dropped before the group came to them."""
    time_lag_s: float | None
    """Age of the first unread record; 0 where nothing is unread."""
    status: Status
    commits: int
    """How many commits the status is judged from."""
    velocity: Velocity | None
    retention_share: float | None
    """Unread bytes over what retention keeps, or age of the first unread record over its time limit, whichever is
    more; from 1 on unread records are dropped. None: nothing is ever dropped here, or it cannot be known."""

    @property
    def in_open_transactions(self) -> int:
        """Offsets behind the last stable one: not readable until their transactions end."""
        return self.ends.high_watermark - self.ends.end if self.ends else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """Partitions taken together."""

    backlog: int
    """Sum over the partitions where it is known."""
    unknown_partitions: int
    """Partitions without a known backlog."""
    time_lag_s: float | None
    """The longest; None where a partition that is behind has none, or no partition is known."""
    status: Status
    """The worst."""
    velocity: Velocity | None
    """Sum over the partitions where it is known."""
    retention_share: float | None
    """The highest."""
    expired: int

    @property
    def eta_s(self) -> float | None:
        """Seconds until the backlog is read, at the measured net rate; None while it does not shrink."""
        return seconds_to_close(self.backlog, self.velocity)


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicLag:
    """One topic as a group reads it. A topic that does not exist has no readable partition."""

    topic: str
    exists: bool
    partitions: tuple[PartitionLag, ...]
    values: tuple[Value, ...]
    """The backlog in units of value, the topic's own first."""

    @property
    def total(self) -> Total:
        """All partitions together. Of a topic that does not exist nothing is known."""
        return total(self.partitions, None if self.exists else "UNKNOWN")


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLag:
    """One group. Without members and offsets the broker does not know it: then it does not exist."""

    group: str
    exists: bool
    topics: tuple[TopicLag, ...]

    @property
    def total(self) -> Total:
        """All topics together. Of a group that does not exist nothing is known."""
        status = worst(topic.total.status for topic in self.topics) if self.exists else "UNKNOWN"
        return total([partition for topic in self.topics for partition in topic.partitions], status)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterLag:
    """One reading of the groups that were asked for."""

    read_at_s: float
    """Unix time."""
    groups: tuple[GroupLag, ...]

    @property
    def status(self) -> Status:
        """The worst group's."""
        return worst(group.total.status for group in self.groups)


def unread_from(committed: int, ends: Ends) -> int:
    """The first offset that a group has still to read: its position, or the log's start where that is later."""
    return max(committed, ends.log_start)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """What the commits of a partition say about how a group gets on."""

    status: Status
    commits: int
    velocity: Velocity | None


NO_TREND = Trend(status="UNKNOWN", commits=0, velocity=None)


def backlog_of(committed: int | None, ends: Ends | None, unread: Unread | None) -> int | None:
    """Stable end - max(committed, log start), and not below 0; 0 where reading on showed nothing visible."""
    if committed is None or ends is None:
        return None
    if unread is not None and unread.to_the_end and unread.records == 0:
        return 0
    return max(0, ends.end - unread_from(committed, ends))


def partition_lag(
    partition: int,
    *,
    committed: int | None,
    ends: Ends | None,
    unread: Unread | None,
    now_ms: float,
    first_unread_ms: float | None = None,
    trend: Trend = NO_TREND,
    retention_share: float | None = None,
) -> PartitionLag:
    """One partition's lag.

    Args:
        partition: its number.
        committed: the group's position.
        ends: None where the broker did not give them.
        unread: None where nobody read on.
        now_ms: Unix time.
        first_unread_ms: an estimate of when the first unread record was written, for where it was not read.
        trend: what the commits say.
        retention_share: see `PartitionLag`.
    """
    backlog = backlog_of(committed, ends, unread)
    if unread is not None and unread.first_timestamp_ms is not None:
        first_unread_ms = unread.first_timestamp_ms
    state = _state(committed, ends, backlog)
    return PartitionLag(
        partition=partition,
        state=state,
        committed=committed,
        ends=ends,
        backlog=backlog,
        expired=max(0, ends.log_start - committed) if committed is not None and ends is not None else 0,
        time_lag_s=_time_lag_s(backlog, first_unread_ms, now_ms),
        status=_status(state, ends, trend),
        commits=trend.commits,
        velocity=trend.velocity,
        retention_share=retention_share if backlog else None if backlog is None else 0.0,
    )


def _state(committed: int | None, ends: Ends | None, backlog: int | None) -> State:
    if ends is None:
        return "unreadable"
    if committed is None or backlog is None:
        return "no offset"
    if committed > ends.high_watermark:
        return "ahead"
    if backlog > 0:
        return "behind"
    return "empty" if ends.high_watermark == ends.log_start else "drained"


def _status(state: State, ends: Ends | None, trend: Trend) -> Status:
    if state in {"drained", "empty"}:
        return "OK"  # whatever the commits look like, there is nothing to do
    if state == "no offset" and ends is not None and ends.log_start == ends.high_watermark:
        return "OK"
    return trend.status if state == "behind" else "UNKNOWN"


def _time_lag_s(backlog: int | None, first_unread_ms: float | None, now_ms: float) -> float | None:
    if backlog == 0:
        return 0.0
    if backlog is None or first_unread_ms is None:
        return None
    return max(0.0, (now_ms - first_unread_ms) / 1000)


def total(partitions: Sequence[PartitionLag], status: Status | None = None) -> Total:
    """Partitions taken together; `status` where it does not follow from theirs."""
    known = [p for p in partitions if p.backlog is not None]
    times = [p.time_lag_s for p in known]
    readable = [t for t in times if t is not None]
    return Total(
        backlog=sum(p.backlog or 0 for p in known),
        unknown_partitions=len(partitions) - len(known),
        time_lag_s=max(readable) if readable and len(readable) == len(times) else None,
        status=worst(p.status for p in partitions) if status is None else status,
        velocity=together(p.velocity for p in known),
        retention_share=max((p.retention_share for p in known if p.retention_share is not None), default=None),
        expired=sum(p.expired for p in known),
    )
