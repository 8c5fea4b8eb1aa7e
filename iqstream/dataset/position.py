"""How far a stream was read: small, by partition, and in terms of the log, so that any number of workers can go on."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, TypeAlias

from iqstream.runtime.errors import UserError
from schemas import FEATURE_NAMES, STATISTICS
from schemas.features import FEATURES_OF_VERSION

STATE_VERSION = 1
SCHEMA_SHA256 = hashlib.sha256(
    "\n".join(
        [
            f"feature_record {max(FEATURES_OF_VERSION)}",
            *FEATURE_NAMES,
            *STATISTICS,
            "latitude longitude altitude_m antenna_height_m",
        ]
    ).encode()
).hexdigest()
"""Of what a row of x means: a state of another meaning is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Of one partition: samples completed at `window` or later count, the first `taken` of them were yielded."""

    start: int
    """Where the epoch begins."""
    end: int | None
    """Where it ends; None: never."""
    read_from: int
    """The first offset to read: the oldest sample that was open at `window` begins there."""
    window: int
    taken: int

    @classmethod
    def at(cls, start: int, end: int | None) -> "Position":
        """The beginning of an epoch."""
        return cls(start=start, end=end, read_from=start, window=start, taken=0)

    def rewound(self) -> "Position":
        """The beginning of the same epoch."""
        return Position.at(self.start, self.end)

    @property
    def order(self) -> tuple[bool, int, int]:
        """Grows with every sample; of two beginnings that two readers found, the earlier one holds both."""
        return (True, self.window, self.taken) if self.moved else (False, -self.start, 0)

    @property
    def moved(self) -> bool:
        """Whether anything was passed."""
        return (self.window, self.taken) != (self.start, 0)


Positions: TypeAlias = dict[int, Position]


class Source(NamedTuple):
    """What offsets and samples are of, each part known once it was looked up; names may come to mean others."""

    dataset_id: str | None = None
    dataset_version: int | None = None
    topic_id: str | None = None


class Saved(NamedTuple):
    """What a state says."""

    epoch: int
    source: Source
    positions: Positions


def as_state(positions: Mapping[int, Position], epoch: int, source: Source, order: Mapping[str, Any]) -> dict[str, Any]:
    """JSON values of a state. `order` is what the order of samples follows from."""
    return {
        "version": STATE_VERSION,
        "schema_sha256": SCHEMA_SHA256,
        "order": dict(order),
        "epoch": epoch,
        **source._asdict(),
        "partitions": {str(partition): asdict(positions[partition]) for partition in sorted(positions)},
    }


def from_state(state: Mapping[str, Any], order: Mapping[str, Any]) -> Saved:
    """What a state says.

    Raises:
        UserError: it is no state, of another schema, or of a stream with another order of samples.
    """
    try:
        version, schema, epoch = state["version"], state["schema_sha256"], state["epoch"]
        theirs = dict(state["order"])
        source = Source(**{name: state[name] for name in Source._fields})
        positions = {int(number): _position(**values) for number, values in state["partitions"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"state: not one of a FeatureStream ({type(error).__name__}: {error})") from None
    if not (
        _is_whole(epoch)
        and (source.dataset_version is None or _is_whole(source.dataset_version))
        and all(map(_is_whole, positions))
    ):
        raise UserError("state: not one of a FeatureStream (epoch, dataset_version and partitions are numbers from 0)")
    if not all(name is None or isinstance(name, str) for name in (source.dataset_id, source.topic_id)):
        raise UserError("state: not one of a FeatureStream (dataset_id and topic_id are text)")
    if version != STATE_VERSION or schema != SCHEMA_SHA256:
        raise UserError("state: saved by a version whose features mean something else; start again without it")
    if source.dataset_id is not None and None not in {order.get("dataset"), theirs.get("dataset")}:
        theirs["dataset"] = order["dataset"]  # however it is called: which one it is shows when it is looked up
    differing = [name for name in order if theirs.get(name) != order[name]]
    if differing:
        changes = ", ".join(f"{name} was {theirs.get(name)!r}, is {order[name]!r}" for name in differing)
        raise UserError(f"state: saved by a stream with another order of samples ({changes})")
    return Saved(epoch, source, positions)


def _position(*, end: int | None, **numbers: int) -> Position:
    position = Position(end=end, **numbers)
    if not all(map(_is_whole, numbers.values())) or not (end is None or _is_whole(end)):
        raise ValueError(f"{position} holds something else than numbers from 0")
    if not (position.start <= position.window and position.read_from <= position.window) or (
        end is not None and position.window > end
    ):
        raise ValueError(f"{position} is not in order")
    return position


def _is_whole(number: Any) -> bool:  # noqa: ANN401  # whatever stands in a state
    return isinstance(number, int) and not isinstance(number, bool) and number >= 0


def one_source(several: Iterable[Source]) -> Source:
    """What all of them are of, as far as any of them knows.

    Raises:
        UserError: two of them are of different ones.
    """
    known = [sorted({*values} - {None}) for values in zip(*several, strict=True)]
    for name, values in zip(("dataset", "dataset's version", "topic"), known, strict=True):
        if len(values) > 1:
            raise UserError(f"state: of the {name} {values[0]} and {values[1]}; a stream is of one")
    return Source(*(values[0] if values else None for values in known))


def furthest(several: Iterable[Mapping[int, Position]]) -> Positions:
    """Of each partition the position that is furthest on.

    Raises:
        UserError: two of them have read a partition between other bounds.
    """
    merged: Positions = {}
    for positions in several:
        for partition, position in positions.items():
            known = merged.get(partition, position)
            if known.moved and position.moved and (known.start, known.end) != (position.start, position.end):
                raise UserError(
                    f"state: partition {partition} was read from {known.start} to {known.end} by one reader, from "
                    f"{position.start} to {position.end} by another: they are not of one snapshot"
                )
            if partition not in merged or position.order > known.order:
                merged[partition] = position
    return merged
