"""A backlog in units of value: recordings, IQ-seconds, bytes, samples. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from iqstream.lag.contents import Contents
from iqstream.runtime.stages import STAGES
from iqstream.runtime.topics import JOBS

Precision: TypeAlias = Literal["exact", "at_most", "estimated"]

UNITS_OF_TOPIC: Mapping[str, Sequence[str]] = {stage.topic: stage.units for stage in STAGES.values()}
UNITS_OF_OTHERS = ("bytes",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A backlog in the unit that people count in."""

    amount: float
    unit: str
    precision: Precision
    """`exact`: the records were read and say so; `at_most`: one per offset, and transaction markers are among
    the offsets; `estimated`: the mean of the records that were read, times the offsets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOn:
    """What reading on showed of all partitions of a topic that are behind."""

    records: int
    contents: Contents | None
    """Of these records together; None where not all of them say."""
    size_bytes: int
    everything: bool
    """Whether all unread records were read."""


def topic_values(topic: str, backlog: int, read: ReadOn, mean_record_bytes: float | None) -> tuple[Value, ...]:
    """A topic's backlog in its units; those that the records do not tell are left out.

    Args:
        topic: its name.
        backlog: offsets.
        read: what reading on showed.
        mean_record_bytes: running mean of the topic's records; None if none was ever read.
    """
    units = UNITS_OF_TOPIC.get(topic, UNITS_OF_OTHERS)
    if backlog == 0:
        return tuple(Value(amount=0, unit=unit, precision="exact") for unit in units)
    found = (_value(topic, unit, backlog, read, mean_record_bytes) for unit in units)
    return tuple(value for value in found if value is not None)


def _value(topic: str, unit: str, backlog: int, read: ReadOn, mean_record_bytes: float | None) -> Value | None:
    if unit == "recordings" and topic != JOBS and not read.everything:
        return Value(amount=backlog, unit=unit, precision="at_most")
    if read.everything:
        whole = read.size_bytes if unit == "bytes" else _amount(read.contents, unit)
        return None if whole is None else Value(amount=_rounded(whole, unit), unit=unit, precision="exact")
    mean = mean_record_bytes if unit == "bytes" else _mean(_amount(read.contents, unit), read.records)
    return None if mean is None else Value(amount=_rounded(mean * backlog, unit), unit=unit, precision="estimated")


def _amount(contents: Contents | None, unit: str) -> float | None:
    if contents is None:
        return None
    return {"samples": contents.samples, "recordings": contents.recordings, "IQ-seconds": contents.iq_s}[unit]


def _mean(amount: float | None, records: int) -> float | None:
    return None if amount is None or records == 0 else amount / records


def _rounded(amount: float, unit: str) -> float:
    """IQ-seconds to the millisecond, the others whole."""
    return round(amount, 3) if unit == "IQ-seconds" else round(amount)
