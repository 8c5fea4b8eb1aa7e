"""SRTM tiles from files."""

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from producer.tiles import NO_TILES, MissingTile, Posts, Tiles, tile_name
from schemas import Receiver, TerrainTile

POSTS_PER_SIDE = (3601, 1201)
"""Of tiles of 1 and of 3 seconds of arc."""
LOWEST_M, HIGHEST_M, VOID = -500, 9000, -32768
BEYOND_MARGIN_DEG = 0.05
"""Great circles leave the box of their ends by a little."""


class BadTile(ValueError):
    """The file is not an SRTM tile."""


class TileDirectory:
    """The tiles of one directory, mapped into memory when they are first used and checked against their digest."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._posts: dict[TerrainTile, Posts] = {}

    def posts(self, tile: TerrainTile) -> Posts:
        """The tile's heights.

        Raises:
            MissingTile: it is not there, or has another content.
            BadTile: it is no tile.
        """
        if tile not in self._posts:
            path = self._directory / f"{tile.name}.hgt"
            if not path.is_file():
                raise MissingTile(
                    f"terrain tile {path} is not there: put the tile with sha256 {tile.sha256} there, or set "
                    "IQSTREAM_TERRAIN_DIR to the directory with the tiles that the dataset was submitted with"
                )
            found = _sha256(path)
            if found != tile.sha256:
                raise MissingTile(
                    f"terrain tile {path} is another than the dataset's: its sha256 is {found}, not {tile.sha256}; put "
                    "the dataset's there, or submit the dataset again with this one"
                )
            self._posts[tile] = read_posts(path)
        return self._posts[tile]


def tiles_in(directory: str) -> Tiles:
    """Returns the tiles of a directory; without a directory, none."""
    return TileDirectory(Path(directory)) if directory else NO_TILES


def read_posts(path: Path) -> Posts:
    """Returns the heights in a file, mapped into memory.

    Raises:
        BadTile: not the size of a tile, or heights that are none.
    """
    size = path.stat().st_size
    sides = [side for side in POSTS_PER_SIDE if 2 * side * side == size]
    if not sides:
        raise BadTile(
            f"{path}: {size} bytes are no SRTM tile: one has {2 * 3601**2} (3601 x 3601 int16) or {2 * 1201**2} "
            "(1201 x 1201); unpack it, or download it again"
        )
    words = np.memmap(path, "<u2", mode="r", shape=(sides[0], sides[0])).view(np.ndarray)
    heights = words.view(">i2")
    valid = heights[heights != VOID]
    if valid.size and not (valid.min() >= LOWEST_M and valid.max() <= HIGHEST_M):
        row, column = np.argwhere((heights != VOID) & ((heights < LOWEST_M) | (heights > HIGHEST_M)))[0].tolist()
        raise BadTile(
            f"{path}: row {row}, column {column} is {heights[row, column]} m high: no height on earth; a tile holds "
            "big-endian int16, download it again"
        )
    return words


def tiles_around(directory: Path, receivers: Sequence[Receiver], margin_deg: float) -> tuple[TerrainTile, ...]:
    """Returns the tiles of a directory that paths to these receivers may cross, with their digests.

    Tiles that are not there count as sea, but not those that a receiver stands on.

    Raises:
        MissingTile: the directory has not the tile of a receiver.
        BadTile: a file is no tile.
    """
    for receiver in receivers:
        name = tile_name(math.floor(receiver.latitude), math.floor(receiver.longitude))
        if not (directory / f"{name}.hgt").is_file():
            raise MissingTile(f"{directory} has no {name}.hgt, on which receiver {receiver.rx_id} stands: put it there")
    reach = margin_deg + BEYOND_MARGIN_DEG
    latitudes, longitudes = [r.latitude for r in receivers], [r.longitude for r in receivers]
    found = []
    for south in range(math.floor(min(latitudes) - reach), math.floor(max(latitudes) + reach) + 1):
        for west in range(math.floor(min(longitudes) - reach), math.floor(max(longitudes) + reach) + 1):
            path = directory / f"{tile_name(south, (west + 180) % 360 - 180)}.hgt"
            if path.is_file():
                read_posts(path)
                found.append(TerrainTile(name=path.stem, sha256=_sha256(path)))
    return tuple(found)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
