"""The ground of the region in which a dataset's transmitters may stand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from iqstream.runtime.readable import Readable
from schemas import DatasetSpec, Receiver

if TYPE_CHECKING:
    from producer.tiles import Tiles

COLUMNS = 400
DEGREE_M = 111_195.0
LEAST_DEG = 0.01
"""Of the region, where all receivers stand on one line and transmitters between them."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Relief(Readable):
    """Heights in cells that are as wide as they are high, on the ground."""

    SHOWN: ClassVar = ("region_deg", "cell_m")

    region_deg: tuple[float, float, float, float]
    """South, west, north, east."""
    heights_m: npt.NDArray[np.float64]
    """Above sea level, of the cells' centres, shape (rows, columns), from the north-west."""
    cell_m: tuple[float, float]
    """How high and how wide a cell is."""


def region_of(receivers: Sequence[Receiver], margin_deg: float) -> tuple[float, float, float, float]:
    """Returns south, west, north and east of where transmitters may stand: the receivers' box and a margin, degrees."""
    latitudes, longitudes = [one.latitude for one in receivers], [one.longitude for one in receivers]
    margin_deg = max(margin_deg, LEAST_DEG)
    return (
        max(-90.0, min(latitudes) - margin_deg), min(longitudes) - margin_deg,
        min(90.0, max(latitudes) + margin_deg), max(longitudes) + margin_deg,
    )  # fmt: skip


def relief(spec: DatasetSpec, tiles: Tiles) -> Relief:
    """Returns the ground of a dataset's region, 400 cells wide.

    Raises:
        MissingTile: the spec names a tile that `tiles` has not.
    """
    from producer.ground import ground_of  # brings the compiled kernels

    south, west, north, east = region = region_of(spec.receivers, spec.scenario.margin_deg)
    squeeze = max(math.cos(math.radians((south + north) / 2)), 0.01)
    wide_m, high_m = DEGREE_M * squeeze * (east - west), DEGREE_M * (north - south)
    rows = min(max(2, round(COLUMNS * high_m / wide_m)), 2 * COLUMNS)
    latitudes = north - (np.arange(rows) + 0.5) * (north - south) / rows
    longitudes = west + (np.arange(COLUMNS) + 0.5) * (east - west) / COLUMNS
    places = [axis.ravel() for axis in np.meshgrid(latitudes, longitudes, indexing="ij")]
    heights_m = ground_of(spec, tiles).heights_m(places[0], places[1]).reshape(rows, COLUMNS)
    return Relief(region_deg=region, heights_m=heights_m, cell_m=(high_m / rows, wide_m / COLUMNS))
