"""What a locator is given and what it answers."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from schemas.recorded import LevelReference

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

EARTH_RADIUS_KM = 6371.0
LIGHT_KM_PER_US = 0.299792458


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """The time differences that were found, arrays of shape (p,)."""

    one: Indices
    """Number of receiver a."""
    other: Indices
    difference_us: Floats
    """Arrival at a less that at b."""
    deviation_us: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One transmission; arrays of shape (r,), one element per receiver of the network."""

    level_dbm: Floats
    """Power of the signal, noise left out."""
    snr_db: Floats
    detected: Flags
    pairs: Pairs
    level_reference: LevelReference = "dbm"
    """Of a receiver without a calibration `dbfs`: nobody knows its levels as powers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A place in degrees and its uncertainty: a covariance in km^2, (2, 2), axes east and north."""

    latitude: float
    longitude: float
    covariance_km2: Floats

    def distance2(self, latitude: float, longitude: float) -> float:
        """Squared Mahalanobis distance of a place: 4.61 on the edge of a Gaussian's 90 % region."""
        offset = offset_km(self.latitude, self.longitude, np.array(latitude), np.array(longitude))
        return float(offset @ np.linalg.solve(self.covariance_km2, offset))


class Locator(Protocol):
    """Answers where the transmitter of an observation stands."""

    def locate(self, observation: Observation) -> Estimate:
        """The most likely place, with its uncertainty."""
        ...


def offset_km(latitude: float, longitude: float, latitudes: Floats, longitudes: Floats) -> Floats:
    """East and north from a place to others near it, shape (..., 2)."""
    degree_km = EARTH_RADIUS_KM * np.pi / 180
    north = (latitudes - latitude) * degree_km
    east = (longitudes - longitude) * degree_km * np.cos(np.radians(latitude))
    return np.stack([east, north], axis=-1)


def moved(latitude: float, longitude: float, step_km: Floats) -> tuple[float, float]:
    """The place so many km east and north."""
    degree_km = EARTH_RADIUS_KM * np.pi / 180
    return (
        latitude + float(step_km[1]) / degree_km,
        longitude + float(step_km[0]) / degree_km / float(np.cos(np.radians(latitude))),
    )


def distances_km(latitudes: Floats, longitudes: Floats, places: Floats) -> Floats:
    """Great-circle distances, shape (n, r), of n places from r receivers with (latitude, longitude, ...) in rows."""
    phi, theta = np.radians(latitudes)[:, None], np.radians(places[:, 0])[None]
    half = np.radians(longitudes[:, None] - places[None, :, 1]) / 2
    chord = np.sin((theta - phi) / 2) ** 2 + np.cos(phi) * np.cos(theta) * np.sin(half) ** 2
    found: Floats = 2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.minimum(chord, 1.0)))
    return found


def gaussian(weights: Floats, latitudes: Floats, longitudes: Floats, *, least_km: float) -> Estimate:
    """Mean and covariance of weighted places; no axis is surer than `least_km`."""
    share = weights / weights.sum()
    latitude, longitude = float(share @ latitudes), float(share @ longitudes)
    offsets = offset_km(latitude, longitude, latitudes, longitudes)
    covariance = (offsets * share[:, None]).T @ offsets + least_km**2 * np.eye(2)
    return Estimate(latitude=latitude, longitude=longitude, covariance_km2=covariance)
