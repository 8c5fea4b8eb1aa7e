"""The places of which a locator takes the likeliest to begin its search there."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from iqstream.locate.estimate import EARTH_RADIUS_KM, Floats, distances_km
from schemas import Receiver

CELLS = 30_000
LEAST_MARGIN_KM = 50.0
"""Beyond the outermost receivers, however near to each other they are."""
_HIGHEST_DEG = 89.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cells:
    """n places, arrays of shape (n,), and their distance to r receivers, shape (n, r)."""

    latitudes: Floats
    longitudes: Floats
    distance_km: Floats
    log_prior: Floats
    """Log of the share of transmitters that is expected in each cell."""
    cell_km: float
    """From one to the next."""


def even_cells(receivers: Sequence[Receiver], *, cells: int = CELLS) -> Cells:
    """Cells of equal chance, on land and sea, over a network and as far again on every side of it.

    For transmitters of which nothing is known beforehand, as of real recordings.

    Args:
        receivers: at least one.
        cells: about how many.
    """
    places = np.array([[one.latitude, one.longitude] for one in receivers])
    places[:, 1] = np.unwrap(places[:, 1], period=360.0)  # a network may lie on both sides of 180 degrees
    south, west = places.min(axis=0)
    north, east = places.max(axis=0)
    degree_km = EARTH_RADIUS_KM * np.pi / 180
    narrower = float(np.cos(np.radians(min(_HIGHEST_DEG, max(abs(south), abs(north))))))
    margin_km = max(LEAST_MARGIN_KM, degree_km * (north - south), degree_km * narrower * (east - west))
    south, north = np.clip([south - margin_km / degree_km, north + margin_km / degree_km], -_HIGHEST_DEG, _HIGHEST_DEG)
    margin_deg = min(180.0, margin_km / degree_km / narrower)
    west, east = west - margin_deg, min(east + margin_deg, west - margin_deg + 360.0)
    cell_km = float(np.sqrt(degree_km**2 * narrower * (north - south) * (east - west) / cells))
    rows = max(2, round(degree_km * (north - south) / cell_km))
    columns = max(2, cells // rows)
    latitudes, longitudes = (
        axis.ravel()
        for axis in np.meshgrid(
            south + (np.arange(rows) + 0.5) * (north - south) / rows,
            west + (np.arange(columns) + 0.5) * (east - west) / columns,
            indexing="ij",
        )
    )
    longitudes = (longitudes + 180.0) % 360.0 - 180.0
    return Cells(
        latitudes=latitudes,
        longitudes=longitudes,
        distance_km=distances_km(latitudes, longitudes, places),
        log_prior=np.full(latitudes.size, -np.log(latitudes.size)),
        cell_km=cell_km,
    )
