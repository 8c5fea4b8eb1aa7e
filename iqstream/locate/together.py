"""Levels and time differences together."""

from dataclasses import dataclass

import numpy as np

from iqstream.locate.differences import ECHO_US, difference_scale, least_squares, log_likelihood
from iqstream.locate.estimate import Estimate, Flags, Floats, Observation, distances_km, moved
from iqstream.locate.levels import LevelGrid
from iqstream.locate.loss_map import LossMap

LEVEL_WEIGHT = 0.3
"""What the log posterior of the levels counts beside that of the differences; see ADR 92."""
_ACROSS = np.linspace(-3.0, 3.0, 13)
_ALONG = np.linspace(-3.5, 3.5, 29)
"""Where the joint posterior is looked at: standard deviations of the differences along both axes of their region."""
_SMOOTHED_CELLS = 0.6
"""Standard deviation of the kernel by which the levels are read between the cells of the map, in cells."""


@dataclass(frozen=True, slots=True)
class LevelsAndDifferences:
    """Where levels and differences together are most likely, near the place that the differences give.

    Levels decide between places that the differences leave open, and move the estimate along the long axis of a region.
    The p differences of r receivers hold r - 1 that are independent, so they count (r - 1) / p.
    """

    levels: LevelGrid
    receivers: Floats
    """(latitude, longitude) in rows."""
    echo_us: float = ECHO_US
    weight: float = LEVEL_WEIGHT

    @property
    def loss(self) -> LossMap:
        """The map of the levels."""
        return self.levels.loss

    def locate(self, observation: Observation) -> Estimate:
        """The summit of the joint posterior, with its covariance around it; without pairs that of the levels."""
        pairs = observation.pairs
        if pairs.one.size < 2:
            return self.levels.locate(observation)
        level = self.weight * self.levels.log_posterior(observation)
        first = least_squares(self.loss, self.receivers, pairs, self.echo_us, prior=level)
        independent = np.unique(np.concatenate([pairs.one, pairs.other])).size - 1
        share = min(1.0, independent / pairs.one.size)
        variances, axes = np.linalg.eigh(first.covariance_km2 / share)
        offsets = self._offsets(np.sqrt(variances), axes)
        latitudes, longitudes = np.array([moved(first.latitude, first.longitude, one) for one in offsets]).T
        delays = distances_km(latitudes, longitudes, self.receivers)
        posterior = share * log_likelihood(delays, pairs, difference_scale(pairs, self.echo_us))
        reach_km = float(np.abs(offsets).max()) + 5 * self.loss.cell_km
        posterior += self._between_cells(level, latitudes, longitudes, reach_km)
        weights = np.exp(posterior - posterior.max())
        weights /= weights.sum()
        best = offsets[int(np.argmax(posterior))]
        latitude, longitude = moved(first.latitude, first.longitude, best)
        around = offsets - best
        covariance = (around * weights[:, None]).T @ around + 1e-4 * np.eye(2)
        return Estimate(latitude=latitude, longitude=longitude, covariance_km2=covariance)

    def _offsets(self, deviations_km: Floats, axes: Floats) -> Floats:
        """East and north of the places to look at, km, shape (n, 2)."""
        across, along = np.meshgrid(_ACROSS, _ALONG, indexing="ij")
        steps = np.stack([across.ravel() * deviations_km[0], along.ravel() * deviations_km[1]], axis=1)
        offsets: Floats = steps @ axes.T
        return offsets

    def _between_cells(self, level: Floats, latitudes: Floats, longitudes: Floats, reach_km: float) -> Floats:
        """The levels' log posterior at places that lie close together, shape (n,); 0 where no cell is near."""
        near = self._near(float(latitudes.mean()), float(longitudes.mean()), reach_km)
        if not near.any():
            return np.zeros(latitudes.size)
        places = np.stack([self.loss.latitudes[near], self.loss.longitudes[near]], axis=1)
        apart = distances_km(latitudes, longitudes, places) / (_SMOOTHED_CELLS * self.loss.cell_km)
        nearest = apart.min(axis=1, keepdims=True)
        kernel = np.exp(-0.5 * (apart**2 - nearest**2))
        smoothed: Floats = (kernel @ level[near]) / kernel.sum(axis=1)
        return smoothed

    def _near(self, latitude: float, longitude: float, reach_km: float) -> Flags:
        here = distances_km(self.loss.latitudes, self.loss.longitudes, np.array([[latitude, longitude]]))
        near: Flags = here[:, 0] < reach_km
        return near
