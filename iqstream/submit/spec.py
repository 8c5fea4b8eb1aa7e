"""A dataset's spec out of what somebody says of it; what is not said is drawn, or the field's default."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from secrets import randbits
from uuid import uuid4

import msgspec

from iqstream.runtime.errors import UserError
from iqstream.submit.given import Given, at_path, in_file, in_python
from iqstream.submit.spec_reader import read_spec
from producer.version import GENERATOR_VERSION
from schemas import DatasetSpec, Receiver, Scenario, Terrain
from schemas.dataset import ITALY_NORTH_WEST

_PRESETS = Path(__file__).parent / "presets"
PRESETS = tuple(sorted(path.stem for path in _PRESETS.glob("*.yaml")))
"""Names of specs to begin with; each is a file that says what differs from the defaults."""


def first_hour(spec: DatasetSpec, rate_per_s: float) -> DatasetSpec:
    """What there must be room for before a dataset begins to grow; later a full disk holds it up and loses nothing."""
    return msgspec.structs.replace(spec, samples=min(spec.samples, math.ceil(rate_per_s * 3600)))


def draw_seed() -> int:
    """A seed that nobody has used; JSON readers that hold numbers as doubles keep it exactly."""
    return randbits(53)


def make_spec(
    base: Path | str | None = None, /, *, changes: Mapping[str, object] | None = None, **fields: object
) -> DatasetSpec:
    """Returns a spec with a new id for this generator, and with a seed of its own unless one is named.

    Args:
        base: a file of YAML or JSON to begin with, or `iqstream.preset("city-noise")`.
        changes: fields by path, `{"scenario.eirp_max_w": "10 W"}`; where others say them too, these count.
        fields: of the spec, `name="Mine", samples=1000, scenario={"modulation": "ssb"}`; they count before those of
            `base`. Numbers may be text with units.

    Raises:
        UserError: names every field that is wrong, and what would be right.
    """
    given = Given(fields={}) if base is None else in_file(Path(base))
    given = given.merge(in_python(fields))
    for path, value in (changes or {}).items():
        given = changed(given, path, in_python(value))
    return complete_spec(given)


def changed(given: Given, path: str, value: Given) -> Given:
    """Returns a spec with one field changed; a receiver of the default network too, where no other one is said.

    Raises:
        UserError: the path names no item of a list.
    """
    if path.startswith(("receivers.", "receivers[")) and not given.says("receivers"):
        given = at_path("receivers", in_python(ITALY_NORTH_WEST), given)
    return at_path(path, value, given)


def complete_spec(given: Given) -> DatasetSpec:
    """Returns the spec that is said, with what every dataset has of its own: id, generator, seed.

    Raises:
        UserError: names everything that is wrong, where it is said, and what would be right.
    """
    generator = (given.fields or {}).get("generator_version")
    if generator is not None and generator.value != GENERATOR_VERSION:
        place = f"{generator.where}: " if generator.where else ""
        raise UserError(
            f"{place}generator_version {generator.value!r}: this is generator {GENERATOR_VERSION!r}; leave it out"
        )
    drawn = {"dataset_id": str(uuid4()), "generator_version": GENERATOR_VERSION, "seed": draw_seed()}
    return read_spec(in_python(drawn).merge(given))


def preset(name: str) -> Path:
    """Returns the file of a preset, for `make_spec`.

    Raises:
        UserError: there is none of that name; lists those that there are.
    """
    if name not in PRESETS:
        raise UserError(f"there is no preset {name!r}; there are {', '.join(PRESETS)}")
    return _PRESETS / f"{name}.yaml"


def read_terrain(directory: Path, receivers: Sequence[Receiver], margin_deg: float = Scenario().margin_deg) -> Terrain:
    """The tiles of a directory around the receivers, by name and digest.

    Raises:
        UserError: the tile of a receiver is missing, or a file is no tile.
    """
    from producer.tile_directory import tiles_around  # brings the producer's kernels

    try:
        tiles = tiles_around(directory, receivers, margin_deg)
    except ValueError as error:
        raise UserError(f"terrain: {error}") from None
    return Terrain(source="tiles", tiles=tiles)


def require_ground(spec: DatasetSpec) -> None:
    """Checks that every receiver stands on one of the tiles, where there are any: beside them it stands on the sea.

    Raises:
        UserError: one does not; names the tile.
    """
    if spec.terrain.source != "tiles":
        return
    from producer.tiles import tile_name  # brings the producer's kernels

    named = {tile.name for tile in spec.terrain.tiles}
    for one in spec.receivers:
        name = tile_name(math.floor(one.latitude), math.floor(one.longitude))
        if name not in named:
            raise UserError(f"terrain.tiles: receiver {one.rx_id} stands on {name}, which is not among them: name it")
