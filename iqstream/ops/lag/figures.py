"""What consumer lag is, computed from offsets and timestamps. Pure: no broker, no clock.

Offsets are counted up to the last stable offset: what lies behind it is in open transactions and not yet
readable. An offset is not always a record (transaction markers and aborted records take offsets too), so
somebody has to read on from a position to say that nothing is there; `Unread` is what that showed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from iqstream.runtime.topics import FEATURES, FRAMES, JOBS

State = Literal["drained", "behind", "empty", "no offset", "ahead", "unreadable"]
Precision = Literal["exact", "at_most", "estimated"]

UNIT_OF_TOPIC: Mapping[str, str] = {JOBS: "samples", FRAMES: "recordings", FEATURES: "recordings"}
"""What one would count on our topics; a shard of `iq.jobs` is several samples."""


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
    samples: int | None
    """Samples that these records ask for; None where not all of them say."""
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

    @property
    def in_open_transactions(self) -> int:
        """Offsets behind the last stable one: not readable until their transactions end."""
        return self.ends.high_watermark - self.ends.end if self.ends else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A backlog in the unit that people count in."""

    amount: int
    unit: str
    precision: Precision
    """`exact`: the records were read and say so; `at_most`: one per offset, and transaction markers are among
    the offsets; `estimated`: the mean of the records that were read, times the offsets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """Partitions taken together."""

    backlog: int
    """Sum over the partitions where it is known."""
    unknown_partitions: int
    """Partitions without a known backlog."""
    time_lag_s: float | None
    """The longest; None where a partition that is behind has none, or no partition is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicLag:
    """One topic as a group reads it. A topic that does not exist has no readable partition."""

    topic: str
    exists: bool
    partitions: tuple[PartitionLag, ...]
    value: Value | None

    @property
    def total(self) -> Total:
        """All partitions together."""
        return total(self.partitions)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLag:
    """One group. Without members and offsets the broker does not know it: then it does not exist."""

    group: str
    exists: bool
    topics: tuple[TopicLag, ...]

    @property
    def total(self) -> Total:
        """All topics together."""
        return total([partition for topic in self.topics for partition in topic.partitions])


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterLag:
    """One reading of the groups that were asked for."""

    read_at_s: float
    """Unix time."""
    groups: tuple[GroupLag, ...]


def unread_from(committed: int, ends: Ends) -> int:
    """The first offset that a group has still to read: its position, or the log's start where that is later."""
    return max(committed, ends.log_start)


def partition_lag(
    partition: int, *, committed: int | None, ends: Ends | None, unread: Unread | None, now_ms: float
) -> PartitionLag:
    """One partition's lag.

    `ends` is None where the broker did not give them, `unread` where nobody read on. backlog = end -
    max(committed, log start), and not below 0.
    """
    backlog: int | None = None
    if committed is not None and ends is not None:
        nothing_visible = unread is not None and unread.to_the_end and unread.records == 0
        backlog = 0 if nothing_visible else max(0, ends.end - unread_from(committed, ends))
    return PartitionLag(
        partition=partition,
        state=_state(committed, ends, backlog),
        committed=committed,
        ends=ends,
        backlog=backlog,
        expired=max(0, ends.log_start - committed) if committed is not None and ends is not None else 0,
        time_lag_s=_time_lag_s(backlog, unread, now_ms),
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


def _time_lag_s(backlog: int | None, unread: Unread | None, now_ms: float) -> float | None:
    if backlog == 0:
        return 0.0
    if backlog is None or unread is None or unread.first_timestamp_ms is None:
        return None
    return max(0.0, (now_ms - unread.first_timestamp_ms) / 1000)


def total(partitions: Sequence[PartitionLag]) -> Total:
    """Partitions taken together."""
    known = [p for p in partitions if p.backlog is not None]
    times = [p.time_lag_s for p in known]
    readable = [t for t in times if t is not None]
    return Total(
        backlog=sum(p.backlog or 0 for p in known),
        unknown_partitions=len(partitions) - len(known),
        time_lag_s=max(readable) if readable and len(readable) == len(times) else None,
    )


def topic_value(topic: str, partitions: Sequence[PartitionLag], unread: Mapping[int, Unread]) -> Value | None:
    """The backlog of one of our topics in its unit; None for other topics, or where the records do not say."""
    unit = UNIT_OF_TOPIC.get(topic)
    if unit is None or all(p.backlog is None for p in partitions):
        return None
    behind = [p for p in partitions if p.backlog]
    backlog = sum(p.backlog or 0 for p in behind)
    if not behind:
        return Value(amount=0, unit=unit, precision="exact")
    if topic != JOBS:
        return Value(amount=backlog, unit=unit, precision="at_most")
    return _samples(behind, backlog, unread)


def _samples(behind: Sequence[PartitionLag], backlog: int, unread: Mapping[int, Unread]) -> Value | None:
    read = [unread[p.partition] for p in behind if p.partition in unread]
    records = sum(u.records for u in read)
    if records == 0 or any(u.samples is None for u in read):
        return None
    samples = sum(u.samples or 0 for u in read)
    if len(read) == len(behind) and all(u.to_the_end for u in read):
        return Value(amount=samples, unit=UNIT_OF_TOPIC[JOBS], precision="exact")
    return Value(amount=round(backlog * samples / records), unit=UNIT_OF_TOPIC[JOBS], precision="estimated")
