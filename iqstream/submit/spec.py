"""A dataset's spec out of what somebody says of it; what is not said is drawn, or the field's default."""

import math
from collections.abc import Sequence
from pathlib import Path
from secrets import randbits
from uuid import uuid4

import msgspec

from iqstream.runtime.errors import UserError
from producer.version import GENERATOR_VERSION
from schemas import Capture, DatasetSpec, Receiver, Scenario, Terrain


def first_hour(spec: DatasetSpec, rate_per_s: float) -> DatasetSpec:
    """What there must be room for before a dataset begins to grow; later a full disk holds it up and loses nothing."""
    return msgspec.structs.replace(spec, samples=min(spec.samples, math.ceil(rate_per_s * 3600)))


def draw_seed() -> int:
    """A seed that nobody has used; JSON readers that hold numbers as doubles keep it exactly."""
    return randbits(53)


def capture_of(capture_ms: int) -> dict[str, int]:
    """The fields of a recording of this length, in chunks of 200 ms."""
    return {"capture_ms": capture_ms, "chunk_ms": min(Capture().chunk_ms, capture_ms)}


def make_spec(**fields: object) -> DatasetSpec:
    """A spec with a new id for this generator, and with a seed of its own unless one is named.

    Raises:
        UserError: a field is out of its range; names it.
    """
    drawn = {"dataset_id": str(uuid4()), "generator_version": GENERATOR_VERSION, "seed": draw_seed()}
    try:
        return msgspec.convert(drawn | msgspec.to_builtins(fields), DatasetSpec)
    except msgspec.ValidationError as error:
        raise UserError(f"dataset: {error}") from None


def read_terrain(directory: Path, receivers: Sequence[Receiver]) -> Terrain:
    """The tiles of a directory around the receivers, by name and digest.

    Raises:
        UserError: the tile of a receiver is missing, or a file is no tile.
    """
    from producer.tile_directory import tiles_around  # brings the producer's kernels

    try:
        tiles = tiles_around(directory, receivers, Scenario().margin_deg)
    except ValueError as error:
        raise UserError(f"terrain: {error}") from None
    return Terrain(source="tiles", tiles=tiles)
