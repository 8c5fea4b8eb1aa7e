"""The terrain of a dataset."""

from collections import Counter
from typing import Annotated, Literal

from msgspec import Meta

from schemas.checked import Checked

MAX_TILES = 4096

TileName = Annotated[str, Meta(pattern=r"^[NS][0-9]{2}[EW][0-9]{3}$(?!\n)")]
"""Of the south-west corner: N45E007 covers 45-46 degrees north, 7-8 degrees east."""


class TerrainTile(Checked, frozen=True, kw_only=True):
    """One SRTM tile with its digest: a producer reads the file of this name and rejects it if its content differs."""

    name: TileName
    """Of the south-west corner: N45E007."""
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]
    """Of the file's content."""


class Terrain(Checked, frozen=True, kw_only=True):
    """Where terrain heights come from.

    `procedural`: a coarse relief of north-west Italy (elsewhere: the receivers' own altitudes) with fractal
    detail of exponent `hurst`, drawn from `seed`. `tiles`: the SRTM tiles named here; a place outside them is
    sea. `none`: no ground, free space between the antennas.
    """

    source: Literal["procedural", "tiles", "none"] = "procedural"
    """Where heights come from."""
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    """Of the procedural detail."""
    hurst: Annotated[float, Meta(ge=0.7, le=0.9)] = 0.8
    """Exponent of the procedural detail; rougher if less."""
    detail: Annotated[float, Meta(ge=0, le=3)] = 1.0
    """Strength of the fractal detail against the built-in one."""
    profile_step_m: Annotated[float, Meta(ge=10, le=100)] = 100.0
    """Longest distance of neighbouring points of a path's profile."""
    tiles: Annotated[tuple[TerrainTile, ...], Meta(max_length=MAX_TILES)] = ()
    """SRTM tiles by name and digest, where source is tiles; `generate --terrain DIRECTORY` fills them in."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.source == "tiles") != bool(self.tiles):
            raise ValueError(f"tiles: {len(self.tiles)} of them, but source is {self.source!r}")
        twice = sorted(name for name, tiles in Counter(tile.name for tile in self.tiles).items() if tiles > 1)
        if twice:
            raise ValueError(f"tiles: {', '.join(twice)} is duplicated")
