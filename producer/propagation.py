"""Loss of the path from a transmitter to a receiver.

The loss of a path is the sum of its parts, and `PathLoss` names each of them: free space, diffraction over the
ground between the antennas, clutter around them, and shadowing by what no map shows.
"""

import math
from dataclasses import dataclass

from producer.clutter import clutter_loss_db
from producer.diffraction import (
    bullington_loss_db,
    delta_bullington,
    delta_bullington_loss_db,
    knife_edge_loss_db,
    obstruction,
)
from producer.geometry import SPEED_OF_LIGHT_M_S
from producer.reproducible import reproducible
from producer.spherical_earth import spherical_earth_loss_db
from producer.terrain import Profile

__all__ = [
    "PathLoss",
    "TerrainLoss",
    "bullington_loss_db",
    "clutter_loss_db",
    "delta_bullington_loss_db",
    "free_space_loss_db",
    "knife_edge_loss_db",
    "spherical_earth_loss_db",
    "terrain_loss",
]

EARTH_RADIUS_KM = 6371.0
MIN_DISTANCE_M = 50.0
"""Lower end of the model's range; a receiver nearer than this hears what it would hear here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PathLoss:
    """The parts of a path's loss between isotropic antennas, in dB."""

    free_space_db: float
    diffraction_db: float
    clutter_db: float
    shadowing_db: float

    @property
    def total_db(self) -> float:
        """Sum of the parts."""
        return self.free_space_db + self.diffraction_db + self.clutter_db + self.shadowing_db


@dataclass(frozen=True, slots=True, kw_only=True)
class TerrainLoss:
    """What the terrain of a path does to a wave."""

    diffraction_db: float
    clearance_m: float
    """Lowest height of the ray, bent by the air, above the ground; negative where it is blocked."""
    highest_m: float
    """Ground above sea level."""


def terrain_loss(
    ground: Profile, *, tx_height_m: float, rx_height_m: float, frequency_hz: float, effective_earth_factor: float
) -> TerrainLoss:
    """Delta-Bullington loss over a profile between antennas above its ends."""
    radius_km = reproducible(EARTH_RADIUS_KM * effective_earth_factor)
    tx_m, rx_m = float(ground.heights_m[0]) + tx_height_m, float(ground.heights_m[-1]) + rx_height_m
    seen = obstruction(ground.distances_km, ground.heights_m, tx_m, rx_m, radius_km)
    loss_db = delta_bullington(
        ground.distances_km, ground.heights_m, seen, tx_height_m, rx_height_m, frequency_hz, radius_km
    )
    return TerrainLoss(
        diffraction_db=reproducible(loss_db),
        clearance_m=seen.clearance_m,
        highest_m=float(ground.heights_m.max()),
    )


def free_space_loss_db(frequency_hz: float, distance_m: float) -> float:
    """20 log10(4 pi d f / c): loss between isotropic antennas in free space (ITU-R P.525).

    Raises:
        ValueError: frequency or distance is not a positive finite number.
    """
    for name, value in (("frequency_hz", frequency_hz), ("distance_m", distance_m)):
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name} is {value!r}: it must be a positive finite number")
    return 20 * math.log10(4 * math.pi * distance_m * frequency_hz / SPEED_OF_LIGHT_M_S)
