"""Loss in the surroundings of an antenna (ITU-R P.2108, section 3.1: the height-gain model)."""

import math
from typing import Literal

from producer.diffraction import knife_edge_loss_db

Category = Literal["none", "rural", "suburban", "urban", "dense_urban"]

_HEIGHT_M = {"rural": 10.0, "suburban": 10.0, "urban": 15.0, "dense_urban": 20.0}
STREET_WIDTH_M = 27.0
"""The recommendation's value where nothing local is known."""


def clutter_loss_db(antenna_height_m: float, frequency_hz: float, category: Category) -> float:
    """Median loss at one end of a path; 0 for an antenna above the clutter's height.

    In the open the antenna loses height gain, (21.8 + 6.2 log10 f_GHz) log10(R / h); among houses the wave
    comes down over a roof of height R at the middle of the street's width, as over a knife edge.
    """
    roof_m = _HEIGHT_M.get(category, 0.0)
    if antenna_height_m >= roof_m:
        return 0.0
    ghz = frequency_hz / 1e9
    if category == "rural":
        return (21.8 + 6.2 * math.log10(ghz)) * math.log10(roof_m / antenna_height_m)
    drop_m = roof_m - antenna_height_m
    angle_deg = math.degrees(math.atan(drop_m / STREET_WIDTH_M))
    return knife_edge_loss_db(0.342 * math.sqrt(ghz * drop_m * angle_deg)) - 6.03
