"""Procedural terrain: a coarse relief, fractal detail, and every receiver at its stated altitude."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from producer.fractal import Floats, Words, fill_fractal, octave_gains, octave_keys
from producer.kernel import inlined, kernel
from producer.relief import GRID_M, relief_at
from producer.reproducible import reproducible
from schemas import Receiver, Terrain

METRES_PER_DEGREE = 111_194.9266
"""Of a meridian, on a sphere of 6371 km."""
STATION_REACH_M = 10_000.0
"""How far around a receiver the ground is bent to its stated altitude."""
# Standard deviation of the detail: the plain's, and its growth with the relief's height above the plain.
_PLAIN_SIGMA_M, _PLAIN_M, _SIGMA_PER_M, _MOUNTAIN_SIGMA_M = 6.0, 120.0, 0.3, 360.0


@dataclass(frozen=True, slots=True)
class ProceduralGround:
    """Heights above sea level as a function of (receivers, terrain settings, place); continuous.

    Places are put on a plane around the receivers for the detail: east and north in metres, true to scale near
    them. Equal to `altitude_m`, to the last bit, at every receiver.
    """

    stations: Floats
    """Latitude, longitude, altitude, altitude less that of the ground as drawn; shape (receivers, 4)."""
    gains: Floats
    keys: Words
    east_m_per_degree: float
    floor_m: float
    """Sea level: 0, or the lowest receiver's altitude where that is lower."""

    def heights_m(self, latitudes: Floats, longitudes: Floats) -> Floats:
        """Ground above sea level, float64, shape (n,)."""
        heights = self.drawn_m(latitudes, longitudes)
        bend(latitudes, longitudes, self.stations, self.east_m_per_degree, self.floor_m, heights)
        return heights

    def drawn_m(self, latitudes: Floats, longitudes: Floats) -> Floats:
        """Returns the same before it is adjusted to the receivers' altitudes."""
        heights = np.empty(latitudes.size)
        fill_drawn(latitudes, longitudes, GRID_M, self.stations, self.gains, self.keys, self.east_m_per_degree, heights)
        return heights

    def is_sea(self, latitude: float, longitude: float) -> bool:
        """Returns whether both the coarse relief and the terrain are below sea level."""
        coarse_m, weight = coarse_relief(latitude, longitude, GRID_M, self.stations)
        if weight == 0.0 or coarse_m >= 0.0:
            return False
        return float(self.heights_m(np.array([latitude]), np.array([longitude]))[0]) <= self.floor_m


@lru_cache(maxsize=8)
def procedural_ground(receivers: tuple[Receiver, ...], terrain: Terrain) -> ProceduralGround:
    """The ground of a dataset with procedural terrain."""
    altitudes = [receiver.altitude_m for receiver in receivers]
    middle_rad = math.radians(math.fsum(receiver.latitude for receiver in receivers) / len(receivers))
    ground = ProceduralGround(
        stations=np.array([[r.latitude, r.longitude, r.altitude_m, 0.0] for r in _one_per_spot(receivers)]),
        gains=octave_gains(terrain.hurst) * terrain.detail,
        keys=octave_keys(terrain.seed),
        east_m_per_degree=reproducible(METRES_PER_DEGREE * max(math.cos(middle_rad), 0.01)),
        floor_m=min(0.0, *altitudes),
    )
    drawn_m = ground.drawn_m(*np.ascontiguousarray(ground.stations.T[:2]))
    ground.stations[:, 3] = ground.stations[:, 2] - drawn_m
    ground.stations.setflags(write=False)
    return ground


def _one_per_spot(receivers: Sequence[Receiver]) -> list[Receiver]:
    return list({(receiver.latitude, receiver.longitude): receiver for receiver in receivers}.values())


@kernel
def fill_drawn(
    latitudes: Floats,
    longitudes: Floats,
    grid_m: Floats,
    stations: Floats,
    gains: Floats,
    keys: Words,
    east_m_per_degree: float,
    out: Floats,
) -> None:
    """Relief and detail at every place, before they are adjusted to the receivers."""
    east_m, north_m, detail = np.empty(out.size), np.empty(out.size), np.empty(out.size)
    for i in range(out.size):
        east_m[i] = _turned(longitudes[i] - stations[0, 1]) * east_m_per_degree
        north_m[i] = latitudes[i] * METRES_PER_DEGREE
    fill_fractal(east_m, north_m, gains, keys, detail)
    for i in range(out.size):
        coarse_m, _ = _coarse(latitudes[i], longitudes[i], grid_m, stations)
        sigma_m = min(_PLAIN_SIGMA_M + _SIGMA_PER_M * max(coarse_m - _PLAIN_M, 0.0), _MOUNTAIN_SIGMA_M)
        out[i] = coarse_m + sigma_m * detail[i]


@kernel
def bend(
    latitudes: Floats, longitudes: Floats, stations: Floats, east_m_per_degree: float, floor_m: float, out: Floats
) -> None:
    """Correct the drawn ground in `out` so that it passes through every station, and put the sea on top.

    Shepard's weights of limited reach (Franke and Little) against a weight 1 / reach^2 for no correction.
    """
    for i in range(out.size):
        total, weights = 0.0, 1.0 / (STATION_REACH_M * STATION_REACH_M)
        for station in range(stations.shape[0]):
            north_m = (latitudes[i] - stations[station, 0]) * METRES_PER_DEGREE
            if abs(north_m) >= STATION_REACH_M:
                continue
            east_m = _turned(longitudes[i] - stations[station, 1]) * east_m_per_degree
            distance_m = np.sqrt(north_m * north_m + east_m * east_m)
            if distance_m < 1e-3:
                out[i], total = stations[station, 2], 0.0
                break
            nearness = max(1.0 / distance_m - 1.0 / STATION_REACH_M, 0.0)
            total += nearness * nearness * stations[station, 3]
            weights += nearness * nearness
        out[i] = max(out[i] + total / weights, floor_m)


@kernel
def coarse_relief(latitude: float, longitude: float, grid_m: Floats, stations: Floats) -> tuple[float, float]:
    """The relief of the region where it is known, else the receivers' altitudes; and the weight of the former."""
    return _coarse(latitude, longitude, grid_m, stations)


@inlined
def _coarse(latitude: float, longitude: float, grid_m: Floats, stations: Floats) -> tuple[float, float]:
    known_m, weight = relief_at(latitude, longitude, grid_m)
    if weight == 1.0:
        return known_m, weight
    total, weights = 0.0, 0.0
    for station in range(stations.shape[0]):
        north = latitude - stations[station, 0]
        east = _turned(longitude - stations[station, 1])
        nearness = 1.0 / (north * north + east * east + 1e-3)
        total += nearness * stations[station, 2]
        weights += nearness
    return weight * known_m + (1.0 - weight) * (total / weights), weight


@inlined
def _turned(degrees: float) -> float:
    # The same difference of longitudes the short way round.
    if degrees > 180.0:
        return degrees - 360.0
    if degrees < -180.0:
        return degrees + 360.0
    return degrees
