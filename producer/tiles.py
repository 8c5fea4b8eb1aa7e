"""Measured terrain from SRTM tiles of one degree by one degree.

A tile `N45E007.hgt` holds heights in metres above sea level, big-endian int16, rows from north to south, columns
from west to east, from 45 to 46 degrees north and 7 to 8 degrees east, edges included: neighbours share the
posts of their common edge. -32768 is a void. There are no tiles of the open sea.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Protocol

import numpy as np
import numpy.typing as npt

from producer.kernel import inlined, kernel
from schemas import TerrainTile

Floats = npt.NDArray[np.float64]
Posts = npt.NDArray[np.uint16]
"""Heights of a tile as its file holds them, each word with its bytes swapped; shape (posts, posts)."""

VOID_SEARCH_POSTS = 100
"""How far around a place in a void the nearest valid height is looked for; beyond it the ground counts as 0."""


class MissingTile(ValueError):
    """A dataset needs a tile that is missing on this machine, or has other content here."""


class Tiles(Protocol):
    """Where the content of terrain tiles comes from."""

    def posts(self, tile: TerrainTile) -> Posts:
        """The tile's heights.

        Raises:
            MissingTile: it is not here, or not with this content.
        """
        ...


class NoTiles:
    """Has no tiles."""

    def posts(self, tile: TerrainTile) -> Posts:
        """Raises MissingTile."""
        raise MissingTile(
            f"terrain tile {tile.name}.hgt: no tiles are given here; set IQSTREAM_TERRAIN_DIR to the directory with "
            "the tiles that the dataset was submitted with"
        )


NO_TILES = NoTiles()


def tile_name(south_deg: int, west_deg: int) -> str:
    """`N45E007` of the south-west corner in whole degrees."""
    return f"{'S' if south_deg < 0 else 'N'}{abs(south_deg):02d}{'W' if west_deg < 0 else 'E'}{abs(west_deg):03d}"


@dataclass(frozen=True, slots=True)
class TiledGround:
    """Heights between the posts of tiles; sea level where there is none."""

    by_name: Mapping[str, TerrainTile]
    tiles: Tiles

    def heights_m(self, latitudes: Floats, longitudes: Floats) -> Floats:
        """Ground above sea level, bilinear, float64, shape (n,).

        Raises:
            MissingTile: a tile that the places need is not here.
        """
        heights = np.zeros(latitudes.size)
        souths, wests = np.floor(latitudes).astype(np.int64), np.floor(longitudes).astype(np.int64)
        for corner in np.unique(souths * 1000 + wests + 500).tolist():
            south, west = corner // 1000, corner % 1000 - 500
            tile = self.by_name.get(tile_name(south, west))
            if tile is not None:
                fill_heights(self.tiles.posts(tile), south, west, latitudes, longitudes, heights)
        return heights

    def is_sea(self, latitude: float, longitude: float) -> bool:
        """Whether there is no tile, or a height of exactly 0 as SRTM gives the sea."""
        return float(self.heights_m(np.array([latitude]), np.array([longitude]))[0]) == 0.0


def tiled_ground(named: tuple[TerrainTile, ...], tiles: Tiles) -> TiledGround:
    """The ground of a dataset with tiles."""
    return TiledGround(by_name=_by_name(named), tiles=tiles)


@lru_cache(maxsize=8)
def _by_name(named: tuple[TerrainTile, ...]) -> Mapping[str, TerrainTile]:
    return MappingProxyType({tile.name: tile for tile in named})


@kernel
def fill_heights(posts: Posts, south: int, west: int, latitudes: Floats, longitudes: Floats, out: Floats) -> None:
    """Heights of the places that lie in the tile; the others' are left alone."""
    last = posts.shape[0] - 1
    for i in range(out.size):
        if not (south <= latitudes[i] < south + 1 and west <= longitudes[i] < west + 1):
            continue
        y, x = (south + 1 - latitudes[i]) * last, (longitudes[i] - west) * last
        row, column = min(int(y), last - 1), min(int(x), last - 1)
        v, u = y - row, x - column
        total, weights = 0.0, 0.0
        for corner in range(4):
            down, right = corner // 2, corner % 2
            metres = _post_m(posts, row + down, column + right)
            if metres > -32768.0:
                weight = (v if down else 1.0 - v) * (u if right else 1.0 - u)
                total += weight * metres
                weights += weight
        out[i] = total / weights if weights > 0.0 else nearest_valid_m(posts, int(y + 0.5), int(x + 0.5))


@kernel
def nearest_valid_m(posts: Posts, row: int, column: int) -> float:
    """Returns the mean of the valid posts on the smallest square around a void post; 0 if none is in reach."""
    for reach in range(1, VOID_SEARCH_POSTS + 1):
        total, count = 0.0, 0
        for j in range(max(row - reach, 0), min(row + reach + 1, posts.shape[0])):
            inside = abs(j - row) < reach
            for k in range(column - reach, column + reach + 1, 2 * reach if inside else 1):
                if 0 <= k < posts.shape[1]:
                    metres = _post_m(posts, j, k)
                    if metres > -32768.0:
                        total += metres
                        count += 1
        if count:
            return total / count
    return 0.0


@inlined
def _post_m(posts: Posts, row: int, column: int) -> float:
    word = np.int64(posts[row, column])
    word = ((word & 0xFF) << 8) | (word >> 8)
    return float(word - 65536 if word >= 32768 else word)
