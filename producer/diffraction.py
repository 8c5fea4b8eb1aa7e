"""Diffraction over a terrain profile (ITU-R P.526, section 4.5).

Heights of the profile are above sea level, antennas above the ground at its ends; distances run from the
transmitter. Between two points at distances a and b the earth bulges by a b / (2 R), R the effective radius.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from producer.geometry import SPEED_OF_LIGHT_M_S
from producer.kernel import kernel
from producer.spherical_earth import spherical_earth_loss_db

DEFAULT_EFFECTIVE_RADIUS_KM = 8494.67
"""4/3 of 6371 km."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstruction:
    """What stands in the way of a path: the horizons as both antennas see them."""

    tx_slope: float
    """Steepest rise from the transmitter's antenna to the ground, m/km."""
    rx_slope: float
    """The same from the receiver's antenna, looking back."""
    direct_slope: float
    """Rise from the transmitter's antenna to the receiver's."""
    fresnel_height: float
    """Largest h / sqrt(a b): height h (m) of the ground above the ray, a and b km from the ends."""
    clearance_m: float
    """Lowest height of the ray above the ground."""

    @property
    def line_of_sight(self) -> bool:
        """Whether the receiver's antenna stands above the transmitter's horizon."""
        return self.tx_slope < self.direct_slope


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


def bullington_loss_db(
    distances_km: npt.ArrayLike,
    terrain_m: npt.ArrayLike,
    tx_height_m: float,
    rx_height_m: float,
    frequency_hz: float,
    effective_radius_km: float = DEFAULT_EFFECTIVE_RADIUS_KM,
) -> float:
    """The Bullington part (ITU-R P.526, section 4.5.1): one edge where the two horizons meet, and a correction.

    Args:
        distances_km: of the profile's points from the transmitter, rising from 0, shape (n,), n >= 2.
        terrain_m: ground above sea level there, shape (n,).
        tx_height_m: of the antenna above the ground at the first point.
        rx_height_m: of the antenna above the ground at the last point.
        frequency_hz: of the wave.
        effective_radius_km: of the earth on which rays run straight.

    Raises:
        ValueError: not a profile, or an argument out of its range; names it.
    """
    distances, terrain = _checked(distances_km, terrain_m, tx_height_m, rx_height_m, frequency_hz, effective_radius_km)
    seen = obstruction(distances, terrain, terrain[0] + tx_height_m, terrain[-1] + rx_height_m, effective_radius_km)
    return _bullington(seen, float(distances[-1]), frequency_hz)


def delta_bullington_loss_db(
    distances_km: npt.ArrayLike,
    terrain_m: npt.ArrayLike,
    tx_height_m: float,
    rx_height_m: float,
    frequency_hz: float,
    effective_radius_km: float = DEFAULT_EFFECTIVE_RADIUS_KM,
) -> float:
    """Diffraction over any terrain (ITU-R P.526, section 4.5.2): Bullington's, and what a sphere adds to it.

    L = L_Bullington(terrain) + max(L_sphere - L_Bullington(smooth), 0), the smooth earth being the line that
    fits the terrain with the antennas at their effective heights above it. Arguments and errors as in
    `bullington_loss_db`.
    """
    distances, terrain = _checked(distances_km, terrain_m, tx_height_m, rx_height_m, frequency_hz, effective_radius_km)
    seen = obstruction(distances, terrain, terrain[0] + tx_height_m, terrain[-1] + rx_height_m, effective_radius_km)
    return delta_bullington(distances, terrain, seen, tx_height_m, rx_height_m, frequency_hz, effective_radius_km)


def delta_bullington(
    distances_km: Floats,
    terrain_m: Floats,
    seen: Obstruction,
    tx_height_m: float,
    rx_height_m: float,
    frequency_hz: float,
    effective_radius_km: float,
) -> float:
    """`delta_bullington_loss_db` of checked arguments, where the obstruction is known already."""
    length_km = float(distances_km[-1])
    tx_m, rx_m = float(terrain_m[0]) + tx_height_m, float(terrain_m[-1]) + rx_height_m
    tx_smooth_m, rx_smooth_m = smooth_earth_m(distances_km, terrain_m, tx_m, rx_m)
    tx_effective_m, rx_effective_m = tx_m - tx_smooth_m, rx_m - rx_smooth_m
    smooth = obstruction(distances_km, np.zeros_like(distances_km), tx_effective_m, rx_effective_m, effective_radius_km)
    sphere_db = spherical_earth_loss_db(length_km, tx_effective_m, rx_effective_m, frequency_hz, effective_radius_km)
    rough_db = _bullington(seen, length_km, frequency_hz)
    return rough_db + max(sphere_db - _bullington(smooth, length_km, frequency_hz), 0.0)


def obstruction(
    distances_km: Floats, terrain_m: Floats, tx_m: float, rx_m: float, effective_radius_km: float
) -> Obstruction:
    """Horizons over a profile between antennas at heights above sea level."""
    tx_slope, rx_slope, fresnel_height, clearance_m = horizons(
        distances_km, terrain_m, tx_m, rx_m, 500 / effective_radius_km
    )
    return Obstruction(
        tx_slope=tx_slope,
        rx_slope=rx_slope,
        direct_slope=(rx_m - tx_m) / float(distances_km[-1]),
        fresnel_height=fresnel_height,
        clearance_m=clearance_m,
    )


def smooth_earth_m(distances_km: Floats, terrain_m: Floats, tx_m: float, rx_m: float) -> tuple[float, float]:
    """Height of the smooth earth under the antennas at tx_m and rx_m (ITU-R P.526, section 4.5.2).

    The straight line that fits the terrain, lowered under terrain that stands above the line between the
    antennas, and at either end no higher than the ground.
    """
    v1, v2, blocked_m, tx_steepest, rx_steepest = moments(distances_km, terrain_m, tx_m, rx_m)
    length_km = float(distances_km[-1])
    tx_smooth_m = (2 * v1 * length_km - v2) / length_km**2
    rx_smooth_m = (v2 - v1 * length_km) / length_km**2
    if blocked_m > 0:
        tx_smooth_m -= blocked_m * tx_steepest / (tx_steepest + rx_steepest)
        rx_smooth_m -= blocked_m * rx_steepest / (tx_steepest + rx_steepest)
    return min(tx_smooth_m, float(terrain_m[0])), min(rx_smooth_m, float(terrain_m[-1]))


def _bullington(seen: Obstruction, length_km: float, frequency_hz: float) -> float:
    per_wavelength = 0.002 * frequency_hz / SPEED_OF_LIGHT_M_S
    if seen.line_of_sight:
        nu = seen.fresnel_height * math.sqrt(per_wavelength * length_km)
    else:
        # The edge stands where the two horizons cross.
        rise = seen.direct_slope * length_km
        edge_km = (rise + seen.rx_slope * length_km) / (seen.tx_slope + seen.rx_slope)
        height_m = (seen.tx_slope - seen.direct_slope) * edge_km
        nu = height_m * math.sqrt(per_wavelength * length_km / (edge_km * (length_km - edge_km)))
    edge_db = knife_edge_loss_db(nu)
    return edge_db + (1 - math.exp(-edge_db / 6)) * (10 + 0.02 * length_km)


def _checked(
    distances_km: npt.ArrayLike,
    terrain_m: npt.ArrayLike,
    tx_height_m: float,
    rx_height_m: float,
    frequency_hz: float,
    effective_radius_km: float,
) -> tuple[Floats, Floats]:
    distances = np.ascontiguousarray(distances_km, np.float64)
    terrain = np.ascontiguousarray(terrain_m, np.float64)
    if distances.ndim != 1 or distances.shape != terrain.shape or distances.size < 2:
        raise ValueError(
            f"distances_km and terrain_m have shapes {distances.shape} and {terrain.shape}: "
            "both must be (n,) with n of at least 2"
        )
    if distances[0] != 0 or not np.all(np.diff(distances) > 0) or not np.isfinite(distances[-1]):
        raise ValueError("distances_km must rise from 0 at the transmitter, point by point")
    if not np.isfinite(terrain).all():
        raise ValueError(f"terrain_m: point {int(np.argmin(np.isfinite(terrain)))} is not a finite number")
    positive = {
        "tx_height_m": tx_height_m,
        "rx_height_m": rx_height_m,
        "frequency_hz": frequency_hz,
        "effective_radius_km": effective_radius_km,
    }
    for name, value in positive.items():
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name} is {value!r}: it must be a positive finite number")
    return distances, terrain


@kernel
def horizons(
    distances_km: Floats, terrain_m: Floats, tx_m: float, rx_m: float, bulge: float
) -> tuple[float, float, float, float]:
    """Slopes from either end, greatest h / sqrt(a b) and lowest clearance; `bulge` is 500 / R, m per km^2.

    Without a point between the ends: no slope, no obstacle, and the lower antenna's height.
    """
    length_km = distances_km[-1]
    tx_slope, rx_slope, fresnel_height = -np.inf, -np.inf, -np.inf
    clearance_m = min(tx_m - terrain_m[0], rx_m - terrain_m[-1])
    direct_slope = (rx_m - tx_m) / length_km
    for i in range(1, distances_km.size - 1):
        a = distances_km[i]
        b = length_km - a
        ground_m = terrain_m[i] + bulge * a * b
        above_m = ground_m - (tx_m + direct_slope * a)
        tx_slope = max(tx_slope, (ground_m - tx_m) / a)
        rx_slope = max(rx_slope, (ground_m - rx_m) / b)
        fresnel_height = max(fresnel_height, above_m / np.sqrt(a * b))
        clearance_m = min(clearance_m, -above_m)
    return tx_slope, rx_slope, fresnel_height, clearance_m


@kernel
def moments(
    distances_km: Floats, terrain_m: Floats, tx_m: float, rx_m: float
) -> tuple[float, float, float, float, float]:
    """Sums v1 and v2 of the fitted line, highest ground above the antennas' line, and its slopes from the ends."""
    length_km = distances_km[-1]
    v1, v2, blocked_m, tx_steepest, rx_steepest = 0.0, 0.0, -np.inf, -np.inf, -np.inf
    for i in range(1, distances_km.size):
        before_km, here_km = distances_km[i - 1], distances_km[i]
        before_m, here_m = terrain_m[i - 1], terrain_m[i]
        v1 += (here_km - before_km) * (here_m + before_m)
        v2 += (here_km - before_km) * (here_m * (2 * here_km + before_km) + before_m * (here_km + 2 * before_km))
        if here_km < length_km:
            above_m = here_m - (tx_m * (length_km - here_km) + rx_m * here_km) / length_km
            blocked_m = max(blocked_m, above_m)
            tx_steepest = max(tx_steepest, above_m / here_km)
            rx_steepest = max(rx_steepest, above_m / (length_km - here_km))
    return v1, v2, blocked_m, tx_steepest, rx_steepest
