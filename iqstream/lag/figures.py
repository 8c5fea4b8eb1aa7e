"""What consumer lag is, computed from offsets and timestamps. Pure: no broker, no clock.

Offsets are counted up to the last stable offset: what lies after it is in open transactions and not yet
readable. An offset is not always a record (transaction markers and aborted records take offsets too), so
somebody has to read on from a position to say that nothing is there; `Unread` is what that showed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from iqstream.lag.contents import Contents
from iqstream.lag.retention import highest_share
from iqstream.lag.status import State, Status, partition_status, worst
from iqstream.lag.value import Value
from iqstream.lag.velocity import Velocity, seconds_to_close, together
from iqstream.runtime.offsets import Ends
from iqstream.runtime.readable import Readable

CLOCK_SKEW_MS = 60_000
"""By so much a writer's clock may be ahead of ours. A record that is stamped later tells nothing about its age."""


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


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PartitionLag(Readable):
    """One partition: how far a group is behind its end. Counts are never negative; None is unknown."""

    partition: int
    state: State
    committed: int | None
    ends: Ends | None
    backlog: int | None
    """Offsets from the group's position to the end; 0 where none of them is a visible record."""
    held_back: int | None
    """Offsets behind the end that open transactions keep from the group."""
    transaction_age_s: float | None
    """How long the oldest of these transactions has been open."""
    expired: int | None
    """Offsets that retention dropped before the group came to them; 0 where nobody is to come."""
    time_lag_s: float | None
    """Age of the first unread record; 0 where nothing is unread."""
    stamped_ahead: bool
    """Whether the first unread record bears a time that is yet to come."""
    status: Status
    commits: int
    """How many commits the status is judged from."""
    velocity: Velocity | None
    retention_share: float | None
    """Unread bytes over what retention keeps, or age of the first unread record over its time limit, whichever is
    more; from 1 on unread records are dropped. 0: nothing unread can be."""

    @property
    def in_open_transactions(self) -> int | None:
        """Offsets behind the last stable one: not readable until their transactions end."""
        return None if self.ends is None else self.ends.high_watermark - self.ends.end


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Total(Readable):
    """Partitions taken together."""

    backlog: int | None
    """Sum; None unless it is known of every partition."""
    backlog_at_least: int
    """Sum over the partitions where it is known."""
    unknown_partitions: int
    """Partitions without a known backlog."""
    held_back: int | None
    """Sum; None unless it is known of every partition."""
    transaction_age_s: float | None
    """The longest that is known."""
    time_lag_s: float | None
    """The longest; None unless it is known of every partition."""
    status: Status
    """The worst."""
    velocity: Velocity | None
    """Sum over the partitions where it is known; None where a partition that is behind has none."""
    retention_share: float | None
    """The highest; None where it is low and not known of every partition."""
    expired: int | None
    """Sum over the partitions where it is known; None where it is 0 there and not known of all."""

    @property
    def eta_s(self) -> float | None:
        """Seconds until the backlog is read, at the measured net rate; None while it does not shrink."""
        return None if self.backlog is None else seconds_to_close(self.backlog, self.velocity)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class TopicLag(Readable):
    """One topic as a group reads it. A topic that does not exist, or may not be read, has no readable partition."""

    topic: str
    exists: bool
    is_read: bool = True
    """False where the group has consumers and none of them reads the topic: its offsets are left over."""
    trouble: str | None = None
    """Why the topic could not be looked at."""
    partitions: tuple[PartitionLag, ...]
    values: tuple[Value, ...]
    """The backlog in units of value, the topic's own first."""

    @property
    def total(self) -> Total:
        """All partitions together. Of a topic that does not exist nothing is known."""
        return total(self.partitions, complete=bool(self.partitions))


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class GroupLag(Readable):
    """One group. Without members and offsets the broker does not know it: then it does not exist."""

    group: str
    exists: bool
    members: int | None = None
    """Consumers in the group; None: not known."""
    member_names: tuple[str, ...] = ()
    """Of those that are known: of ours, their instance ids."""
    trouble: str | None = None
    """Why the group could not be looked at."""
    topics: tuple[TopicLag, ...]

    @property
    def total(self) -> Total:
        """All topics together that the group reads. A topic without partitions is one whose figures are not known."""
        read = [topic for topic in self.topics if topic.is_read]
        return total(
            [partition for topic in read for partition in topic.partitions],
            complete=bool(self.topics) and all(topic.partitions for topic in read),
            status=worst(topic.total.status for topic in self.topics),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ClusterLag(Readable):
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
    """What the commits of a partition say about a group's progress."""

    status: Status
    """Where something is unread."""
    commits: int
    velocity: Velocity | None


NO_TREND = Trend(status="UNKNOWN", commits=0, velocity=None)


def backlog_of(committed: int | None, ends: Ends | None, unread: Unread | None) -> int | None:
    """Stable end - max(committed, log start); 0 where reading on showed nothing visible, or nothing is there at all.

    None where it is not known: a position past the end is one on another log.
    """
    if ends is None:
        return None
    if ends.log_start == ends.high_watermark and (committed is None or committed <= ends.high_watermark):
        return 0
    if committed is None or committed > ends.high_watermark:
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
    transaction_age_s: float | None = None,
    group_exists: bool = True,
    is_read: bool = True,
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
        transaction_age_s: how long the oldest open transaction has been open; None where it is not known.
        group_exists: of a group that does not exist nothing is known.
        is_read: False where the group has consumers and none of them reads the topic.
    """
    backlog = backlog_of(committed, ends, unread) if group_exists else None
    stamped_ms = None if unread is None else unread.first_timestamp_ms
    if stamped_ms is not None:
        first_unread_ms = credible_ms(stamped_ms, now_ms)
    held_back = None
    if backlog is not None and ends is not None:
        held_back = ends.high_watermark - min(max(ends.end, committed or 0), ends.high_watermark)
    state = _state(committed, ends, backlog, held_back) if group_exists and is_read else None
    state = state or ("not read" if group_exists else "no group")
    age_s = transaction_age_s if held_back else None
    return PartitionLag(
        partition=partition,
        state=state,
        committed=committed,
        ends=ends,
        backlog=backlog,
        held_back=held_back,
        transaction_age_s=age_s,
        expired=_expired(committed, ends, state),
        time_lag_s=_time_lag_s(backlog, first_unread_ms, now_ms),
        stamped_ahead=stamped_ms is not None and credible_ms(stamped_ms, now_ms) is None,
        status=partition_status(state, by_commits=trend.status, held_back=held_back, transaction_age_s=age_s),
        commits=trend.commits,
        velocity=trend.velocity,
        retention_share=retention_share if backlog and is_read else None if backlog is None else 0.0,
    )


def credible_ms(stamped_ms: int, now_ms: float) -> int | None:
    """The time that a record bears; None where it is yet to come, by more than clocks differ."""
    return stamped_ms if stamped_ms <= now_ms + CLOCK_SKEW_MS else None


def _state(committed: int | None, ends: Ends | None, backlog: int | None, held_back: int | None) -> State:
    if ends is None:
        return "unreadable"
    if ends.log_start == ends.high_watermark and backlog == 0:
        return "empty"
    if committed is None:
        return "no offset"
    if backlog is None:
        return "ahead"
    if backlog > 0:
        return "behind"
    return "held back" if held_back else "drained"


def _expired(committed: int | None, ends: Ends | None, state: State) -> int | None:
    if state == "not read" or (state == "empty" and committed is None):
        return 0  # nobody is to come, or has yet come
    if committed is None or ends is None or state == "no group":
        return None
    return max(0, ends.log_start - committed)


def _time_lag_s(backlog: int | None, first_unread_ms: float | None, now_ms: float) -> float | None:
    if backlog == 0:
        return 0.0
    if backlog is None or first_unread_ms is None:
        return None
    return max(0.0, (now_ms - first_unread_ms) / 1000)


def total(partitions: Sequence[PartitionLag], *, complete: bool = True, status: Status | None = None) -> Total:
    """Partitions taken together.

    `complete`: whether these are all. `status` where it does not follow from theirs.
    """
    known = [p for p in partitions if p.backlog is not None]
    summable = complete and bool(partitions)
    expired = [p.expired for p in partitions]
    some_expired = sum(count or 0 for count in expired)
    return Total(
        backlog=_of_all(sum, [p.backlog for p in partitions], summable),
        backlog_at_least=sum(p.backlog or 0 for p in known),
        unknown_partitions=len(partitions) - len(known),
        held_back=_of_all(sum, [p.held_back for p in partitions], summable),
        transaction_age_s=max((p.transaction_age_s for p in known if p.transaction_age_s is not None), default=None),
        time_lag_s=_of_all(max, [p.time_lag_s for p in partitions], summable),
        status=worst(p.status for p in partitions) if status is None else status,
        velocity=None if any(p.backlog and p.velocity is None for p in known) else together(p.velocity for p in known),
        retention_share=highest_share([*(p.retention_share for p in partitions), *([] if complete else [None])]),
        expired=some_expired or _of_all(sum, expired, complete),
    )


_Figure = TypeVar("_Figure", int, float)


def _of_all(
    combine: Callable[[Sequence[_Figure]], _Figure],
    figures: Sequence[_Figure | None],
    complete: bool,  # noqa: FBT001
) -> _Figure | None:
    """Figures taken together; None unless all are known."""
    known = [figure for figure in figures if figure is not None]
    return combine(known) if complete and len(known) == len(figures) else None
