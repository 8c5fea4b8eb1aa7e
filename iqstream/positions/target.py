"""Where a stage is to go on from, as it is asked for: the flags of kafka-consumer-groups. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Self, TypeAlias

from aiokafka import TopicPartition

from iqstream.runtime.errors import UserError
from iqstream.runtime.offsets import Ends


@dataclass(frozen=True, slots=True)
class ToEarliest:
    """The first record that is still there."""


@dataclass(frozen=True, slots=True)
class ToLatest:
    """The end: nothing that is there now is read."""


@dataclass(frozen=True, slots=True)
class ToCurrent:
    """Where it stands: of use with --export."""


@dataclass(frozen=True, slots=True)
class ToOffset:
    """This offset, on every partition."""

    offset: int


@dataclass(frozen=True, slots=True)
class ShiftBy:
    """Forward by so many offsets; backward where negative."""

    offsets: int


@dataclass(frozen=True, slots=True)
class ToTime:
    """The first record of this moment or later; the end where there is none.

    Raises:
        UserError: a time without zone: two people would read it as two moments.
    """

    at: datetime

    def __post_init__(self) -> None:
        if self.at.tzinfo is None:
            raise UserError(f"{self.at} has no time zone; give one, as in datetime(2026, 1, 1, tzinfo=UTC)")


@dataclass(frozen=True, slots=True)
class ToOffsets:
    """An offset for each partition; others stay."""

    offsets: Mapping[TopicPartition, int]

    @classmethod
    def on(cls, topic: str, offsets: Mapping[int, int]) -> Self:
        """Returns offsets of a topic's partitions by their numbers."""
        return cls({TopicPartition(topic, partition): offset for partition, offset in offsets.items()})


Target: TypeAlias = ToEarliest | ToLatest | ToCurrent | ToOffset | ShiftBy | ToTime | ToOffsets


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An offset within the partition."""

    offset: int
    to_sample_start: bool
    """Whether it may fall into the middle of a sample, so that it must be rounded down to its first record."""
    warning: str | None = None


def wanted_offset(target: Target, partition: TopicPartition, current: int | None, ends: Ends, at: int | None) -> Wanted:
    """What a target means on one partition, kept within what is there.

    Args:
        target: what was asked for.
        partition: which one.
        current: the stage's position; None where it has none.
        ends: of the partition.
        at: the offset of a `ToTime`'s moment; None where no record is as young.

    Raises:
        UserError: the target is relative to a position that there is none of.
    """
    rounded = isinstance(target, ToOffset | ShiftBy | ToTime)
    asked = _asked_offset(target, partition, current, ends, at)
    offset = min(max(asked, ends.log_start), ends.high_watermark)
    warning = None
    if asked < ends.log_start:
        warning = f"offset {asked} has expired: the first one left is {ends.log_start}"
    elif asked > ends.high_watermark:
        warning = f"offset {asked} is past the end, {ends.high_watermark}"
    return Wanted(offset=offset, to_sample_start=rounded and offset < ends.end, warning=warning)


def _asked_offset(target: Target, partition: TopicPartition, current: int | None, ends: Ends, at: int | None) -> int:
    match target:
        case ToEarliest():
            return ends.log_start
        case ToLatest():
            return ends.end
        case ToOffset(offset):
            return offset
        case ToTime():
            return ends.end if at is None else at
        case ToOffsets(offsets):
            return offsets[partition]
        case ToCurrent() | ShiftBy():
            if current is None:
                raise UserError(
                    f"{partition.topic}-{partition.partition}: the stage has no position to start from; "
                    "move it to the earliest offset, the latest, or one that you name"
                )
            return current + (target.offsets if isinstance(target, ShiftBy) else 0)
