"""Terrain under a path: where heights come from, and the profile between two places."""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from producer.geometry import ground_distance_m, midpoint
from producer.kernel import kernel
from producer.reproducible import reproducible

Floats = npt.NDArray[np.float64]

SHORTEST_M = 50.0
"""A profile is never shorter: lower end of the loss model's range."""


class Ground(Protocol):
    """Heights above sea level as a function of place."""

    def heights_m(self, latitudes: Floats, longitudes: Floats) -> Floats:
        """Of the ground at places in degrees, float64, shape (n,)."""
        ...

    def is_sea(self, latitude: float, longitude: float) -> bool:
        """Whether there is water instead of ground."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Ground between two places; float64, shape (n,), n >= 2, equidistant."""

    distances_km: Floats
    heights_m: Floats


def height_m(ground: Ground, latitude: float, longitude: float) -> float:
    """Returns the terrain height at one place, metres above sea level."""
    return float(ground.heights_m(np.array([latitude]), np.array([longitude]))[0])


def profile(
    ground: Ground, start: tuple[float, float, float], end: tuple[float, float, float], *, step_m: float
) -> Profile:
    """Returns the terrain between two places along the great circle, in steps of at most `step_m`.

    The way is the parabola in degrees through both ends and the great circle's midpoint: at 330 km it is
    nowhere farther than 20 m from the great circle, at 100 km 0.6 m.

    Args:
        ground: all heights but those of the ends come from it.
        start: latitude, longitude, ground altitude (m).
        end: latitude, longitude, ground altitude (m).
        step_m: along the ground.
    """
    length_m = max(reproducible(ground_distance_m(*start[:2], *end[:2])), SHORTEST_M)
    count = max(math.ceil(length_m / step_m), 1) + 1
    latitudes, longitudes, distances_km = np.empty((3, count))
    latitude, longitude = midpoint(*start[:2], *end[:2])
    middle = reproducible(latitude), reproducible(longitude)
    walk(start[:2], middle, end[:2], length_m / 1000, latitudes, longitudes, distances_km)
    heights_m = ground.heights_m(latitudes, longitudes)
    heights_m[0], heights_m[-1] = start[2], end[2]
    return Profile(distances_km=distances_km, heights_m=heights_m)


@kernel
def walk(
    start: tuple[float, float],
    middle: tuple[float, float],
    end: tuple[float, float],
    length_km: float,
    latitudes: Floats,
    longitudes: Floats,
    distances_km: Floats,
) -> None:
    """Equidistant places on the parabola through three places; longitudes run the short way round."""
    last = latitudes.size - 1
    to_middle = middle[1] - start[1]
    to_middle -= 360.0 * np.floor((to_middle + 180.0) / 360.0)
    to_end = end[1] - start[1]
    to_end -= 360.0 * np.floor((to_end + 180.0) / 360.0)
    for i in range(latitudes.size):
        t = i / last
        at_middle, at_end = 4.0 * t * (1.0 - t), t * (2.0 * t - 1.0)
        latitudes[i] = start[0] + at_middle * (middle[0] - start[0]) + at_end * (end[0] - start[0])
        longitude = start[1] + at_middle * to_middle + at_end * to_end
        longitudes[i] = longitude - 360.0 * np.floor((longitude + 180.0) / 360.0)
        distances_km[i] = t * length_km
