"""The shape of the ground as a small PNG: lit from the north-west, as maps are."""

import math

import numpy as np
import numpy.typing as npt

from iqstream.plot.palette_png import palette_png

AZIMUTH_DEG, ALTITUDE_DEG = 315.0, 45.0
"""Of the light."""
EXAGGERATION = 3.0
"""Of heights: cells are hundreds of metres wide, and slopes over them are gentle."""
_SEA = 0
_GREYS = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
_GREYS[_SEA] = (150, 180, 205)


def hillshade_png(heights_m: npt.NDArray[np.float64], cell_m: tuple[float, float]) -> bytes:
    """Returns the picture, a pixel for each cell; where the ground is not above the sea, blue.

    Brightness is that of a matt surface, cos(zenith) cos(slope) + sin(zenith) sin(slope) cos(azimuth - aspect).

    Args:
        heights_m: of the cells' centres above sea level, shape (rows, columns), at least 2 by 2, from the north-west.
        cell_m: how high and how wide a cell is.
    """
    southwards, eastwards = np.gradient(heights_m * EXAGGERATION, *cell_m)
    zenith, azimuth = math.radians(90 - ALTITUDE_DEG), math.radians(AZIMUTH_DEG)
    # the surface's normal is (-eastwards, southwards, 1) over its length: east, north, up
    towards_light = -eastwards * math.sin(azimuth) + southwards * math.cos(azimuth)
    brightness = (math.cos(zenith) + math.sin(zenith) * towards_light) / np.sqrt(1 + eastwards**2 + southwards**2)
    levels = (1 + 254 * np.clip(brightness, 0, 1)).astype(np.uint8)
    levels[heights_m <= 0] = _SEA
    return palette_png(levels, _GREYS)
