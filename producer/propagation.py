"""Loss of the path from a transmitter to a receiver.

The loss of a path is the sum of its parts, and `PathLoss` names each of them; a part that depends on the
ground between the antennas would stand beside free space and shadowing here. Terrain and clutter are not
modelled: the way is free, apart from shadowing.
"""

import math
from dataclasses import dataclass

from producer.geometry import SPEED_OF_LIGHT_M_S

MIN_DISTANCE_M = 50.0
"""Lower end of the model's range; a receiver nearer than this hears what it would hear here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PathLoss:
    """The parts of a path's loss, in dB."""

    free_space_db: float
    shadowing_db: float

    @property
    def total_db(self) -> float:
        """Sum of the parts."""
        return self.free_space_db + self.shadowing_db


def path_loss(*, frequency_hz: float, distance_m: float, shadowing_db: float) -> PathLoss:
    """The loss between isotropic antennas, parts and sum."""
    free_space_db = free_space_loss_db(frequency_hz, max(distance_m, MIN_DISTANCE_M))
    return PathLoss(free_space_db=free_space_db, shadowing_db=shadowing_db)


def free_space_loss_db(frequency_hz: float, distance_m: float) -> float:
    """20 log10(4 pi d f / c): loss between isotropic antennas in free space (ITU-R P.525).

    Raises:
        ValueError: frequency or distance is not a positive finite number.
    """
    for name, value in (("frequency_hz", frequency_hz), ("distance_m", distance_m)):
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name} is {value!r}: it must be a positive finite number")
    return 20 * math.log10(4 * math.pi * distance_m * frequency_hz / SPEED_OF_LIGHT_M_S)


def knife_edge_loss_db(nu: float) -> float:
    """Diffraction loss J(nu) of a single knife edge (ITU-R P.526, eq. 31); 0 for nu <= -0.78.

    J = 6.9 + 20 log10(sqrt((nu - 0.1)^2 + 1) + nu - 0.1). `nu` is positive for an edge above the line of
    sight.

    Raises:
        ValueError: nu is not a number.
    """
    if math.isnan(nu):
        raise ValueError("nu is NaN: it must be a number")
    if nu <= -0.78:
        return 0.0
    return 6.9 + 20 * math.log10(math.hypot(nu - 0.1, 1) + nu - 0.1)
