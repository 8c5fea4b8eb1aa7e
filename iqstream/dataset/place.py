"""Where a stream begins and ends: what may be said of it, and which offsets it stands for in the log as it is."""

from collections.abc import Mapping
from datetime import UTC, datetime
from numbers import Integral
from typing import Any, Literal, TypeAlias

from iqstream.dataset.log import Log, OffsetExpired
from iqstream.runtime.errors import UserError

Place: TypeAlias = Literal["earliest", "latest"] | datetime | Mapping[int, int]
"""Both ends of the log, the first record at or after a time (with zone), or offsets by partition."""
FORMS = "'earliest', 'latest', a datetime with a time zone, or offsets by partition such as {0: 50}"


def checked_place(name: str, place: Any) -> Place:  # noqa: ANN401  # whatever was given
    """The place given as argument `name`, as far as it can be judged without Kafka.

    Raises:
        UserError: it is none; says what is wrong.
    """
    if isinstance(place, datetime):
        if place.utcoffset() is None:
            raise UserError(f"{name}: {place} has no time zone; give one, as in datetime(2026, 1, 1, tzinfo=UTC)")
        if place > datetime.now(UTC):
            raise UserError(f"{name}: {place.isoformat()} is in the future")
        return place
    if isinstance(place, Mapping):
        return {
            whole_number(f"{name}: partition", key): whole_number(f"{name}: offset", value)
            for key, value in place.items()
        }
    if isinstance(place, str) and place in {"earliest", "latest"}:
        return "earliest" if place == "earliest" else "latest"
    raise UserError(f"{name}: {place!r} is not one of {FORMS}")


def check_order(start: Place, end: Place | None) -> None:
    """Raises UserError where both are times or offsets and the end comes before the start."""
    if isinstance(start, datetime) and isinstance(end, datetime) and end < start:
        raise UserError(f"end: {end.isoformat()} lies before start, {start.isoformat()}")
    if isinstance(start, Mapping) and isinstance(end, Mapping):
        for partition in sorted(start.keys() & end.keys()):
            if end[partition] < start[partition]:
                raise UserError(
                    f"end: offset {end[partition]} of partition {partition} lies before start, {start[partition]}"
                )


async def offsets_of(log: Log, name: str, place: Place) -> dict[int, int]:
    """The offsets of a place in every partition; of one that is not named, where the argument's default lies.

    Raises:
        UserError: it names a partition or an offset that the log does not have.
        OffsetExpired: it names an offset that the log no longer has.
    """
    if not isinstance(place, Mapping):
        return await log.offsets(place)
    begins, ends = await log.offsets("earliest"), await log.offsets("latest")
    for partition, offset in place.items():
        check_offset(name, log.topic, partition, offset, ends)
        if offset < begins[partition] and offset < ends[partition]:
            raise OffsetExpired(
                f"{name}: offset {offset} of partition {partition} is no longer in {log.topic}, which begins at "
                f"{begins[partition]} there; what was accepted before is in PostgreSQL: `iqstream datasets export`"
            )
    return {**(begins if name == "start" else ends), **place}


def check_offset(name: str, topic: str, partition: int, offset: int, ends: Mapping[int, int]) -> None:
    """Raises UserError where a log that ends at `ends` has no such place."""
    if partition not in ends:
        raise UserError(
            f"{name}: {topic} has no partition {partition}, but {', '.join(map(str, sorted(ends))) or 'none at all'}"
        )
    if offset > ends[partition]:
        raise UserError(
            f"{name}: offset {offset} of partition {partition} is past the end of {topic}: what is committed there "
            f"ends at {ends[partition]}"
        )


def whole_number(name: str, number: object, *, least: int = 0) -> int:
    """A number from `least`, of NumPy's types too. Raises UserError, which begins with `name`, for anything else."""
    if isinstance(number, bool) or not isinstance(number, Integral) or int(number) < least:
        raise UserError(f"{name} {number!r} is not a whole number from {least}")
    return int(number)
