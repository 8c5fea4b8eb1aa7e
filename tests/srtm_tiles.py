"""Made-up SRTM tiles: a plane that rises 100 m a degree northwards and 30 m a degree eastwards."""

from pathlib import Path

import numpy as np

from producer.tiles import tile_name

REGION = [(south, west) for south in (43, 44, 45) for west in (6, 7, 8, 9)]
"""South-west corners of what the default network's paths may cross."""
SIDE = 1201


def plane_m(latitude, longitude):
    """Height of the plane."""
    return 100 * (latitude - 44) + 30 * (longitude - 7)


def plane_posts(south, west):
    """Its posts in a tile, whole metres, shape (SIDE, SIDE), rows from north."""
    latitudes = south + 1 - np.arange(SIDE) / (SIDE - 1)
    longitudes = west + np.arange(SIDE) / (SIDE - 1)
    return np.rint(plane_m(latitudes[:, None], longitudes[None, :])).astype(np.int16)


def write_tile(directory: Path, south, west, heights) -> Path:
    """The file of a tile."""
    path = directory / f"{tile_name(south, west)}.hgt"
    path.write_bytes(heights.astype(">i2").tobytes())
    return path


def write_region(directory: Path) -> Path:
    """All tiles of the region; the directory."""
    for south, west in REGION:
        write_tile(directory, south, west, plane_posts(south, west))
    return directory
