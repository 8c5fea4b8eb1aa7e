"""Locators that know time differences, alone or together with levels."""

from dataclasses import dataclass

import numpy as np

from iqstream.locate.estimate import (
    LIGHT_KM_PER_US,
    Estimate,
    Floats,
    Observation,
    Pairs,
    distances_km,
    gaussian,
    moved,
)
from iqstream.locate.levels import LevelGrid
from iqstream.locate.loss_map import LossMap

ECHO_US = 0.6
"""Standard deviation of one receiver's group delay under the default channel's echoes; see ADR 74."""
TAIL = 3.0
"""Degrees of freedom of Student's t: how often a difference is far off."""
STARTS = 4
"""Cells from which the search runs on."""
_STEPS = 30


@dataclass(frozen=True, slots=True)
class RobustLeastSquares:
    """Every difference for itself, with the tails of Student's t."""

    loss: LossMap
    receivers: Floats
    """(latitude, longitude) in rows."""
    echo_us: float = ECHO_US

    def locate(self, observation: Observation) -> Estimate:
        """The best summit of the likelihood among those reached from the best cells."""
        pairs = observation.pairs
        if pairs.one.size < 2:
            return _prior(self.loss)
        scale = np.sqrt(pairs.deviation_us**2 + 2 * self.echo_us**2)
        return _search(self.loss, self.receivers, pairs, scale, np.diag(pairs.deviation_us**2 + 2 * self.echo_us**2))


@dataclass(frozen=True, slots=True)
class MaximumLikelihood:
    """The differences with what they share: a receiver's echoes delay all its pairs alike.

    Their covariance is that of the pairs, plus echo_us^2 A A^T with +1 and -1 in the columns of a pair's receivers.
    With `levels` a place counts by the levels' posterior as well.
    """

    loss: LossMap
    receivers: Floats
    echo_us: float = ECHO_US
    levels: LevelGrid | None = None

    def locate(self, observation: Observation) -> Estimate:
        """The best summit of the likelihood among those reached from the best cells; without pairs the levels alone."""
        pairs = observation.pairs
        if pairs.one.size < 2:
            return self.levels.locate(observation) if self.levels else _prior(self.loss)
        incidence = np.zeros((pairs.one.size, len(self.receivers)))
        rows = np.arange(pairs.one.size)
        incidence[rows, pairs.one], incidence[rows, pairs.other] = 1.0, -1.0
        covariance = np.diag(pairs.deviation_us**2) + self.echo_us**2 * incidence @ incidence.T
        scale = np.sqrt(np.diag(covariance))
        prior = self.levels.log_posterior(observation) if self.levels else self.loss.log_prior
        return _search(self.loss, self.receivers, pairs, scale, covariance, prior=prior)


def _prior(loss: LossMap) -> Estimate:
    return gaussian(np.exp(loss.log_prior), loss.latitudes, loss.longitudes, least_km=loss.cell_km)


def _search(
    loss: LossMap, receivers: Floats, pairs: Pairs, scale: Floats, covariance: Floats, *, prior: Floats | None = None
) -> Estimate:
    """Refine from the best cells, each apart from the others; the highest likelihood wins.

    Args:
        loss: the map whose cells are tried.
        receivers: their places.
        pairs: what was measured.
        scale: of every difference, us.
        covariance: of the differences, (p, p), us^2.
        prior: log of what each cell counts beforehand.
    """
    beforehand = loss.log_prior if prior is None else prior
    delays = loss.distance_km / LIGHT_KM_PER_US
    misfit = delays[:, pairs.one] - delays[:, pairs.other] - pairs.difference_us
    # The nearest cell's centre is up to 0.7 cells away.
    coarse = np.sqrt(scale**2 + (0.7 * loss.cell_km / LIGHT_KM_PER_US) ** 2)
    likelihood = beforehand - 0.5 * (TAIL + 1) * np.log1p((misfit / coarse) ** 2 / TAIL).sum(axis=1)
    reached = []
    for _ in range(STARTS):
        cell = int(np.argmax(likelihood))
        reached.append(_refine(loss, receivers, pairs, scale, covariance, cell, beforehand))
        near = np.hypot(
            (loss.latitudes - loss.latitudes[cell]) * 111.2,
            (loss.longitudes - loss.longitudes[cell]) * 111.2 * np.cos(np.radians(loss.latitudes[cell])),
        )
        likelihood = np.where(near < 6 * loss.cell_km, -np.inf, likelihood)
    return max(reached, key=lambda one: one[0])[1]


def _refine(
    loss: LossMap,
    receivers: Floats,
    pairs: Pairs,
    scale: Floats,
    covariance: Floats,
    cell: int,
    beforehand: Floats,
) -> tuple[float, Estimate]:
    """Gauss-Newton on reweighted differences (Student's t as a mixture of normals), and the log likelihood reached."""
    latitude, longitude = float(loss.latitudes[cell]), float(loss.longitudes[cell])
    information, inverse = np.eye(2), np.linalg.inv(covariance)
    for _ in range(_STEPS):
        misfit, slopes = _misfit(latitude, longitude, receivers, pairs)
        weight = np.sqrt((TAIL + 1) / (TAIL + (misfit / scale) ** 2))
        precision = inverse * np.outer(weight, weight)
        information = slopes.T @ precision @ slopes + 1e-6 * np.eye(2)
        step = np.linalg.solve(information, -slopes.T @ precision @ misfit)
        length = float(np.hypot(*step))
        step *= min(1.0, 5.0 / max(length, 1e-12))
        latitude, longitude = moved(latitude, longitude, step)
        if length < 1e-3:
            break
    misfit, _ = _misfit(latitude, longitude, receivers, pairs)
    near = int(np.argmin((loss.latitudes - latitude) ** 2 + (0.7 * (loss.longitudes - longitude)) ** 2))
    value = float(beforehand[near]) - 0.5 * (TAIL + 1) * float(np.log1p((misfit / scale) ** 2 / TAIL).sum())
    found = np.linalg.inv(information) + 1e-4 * np.eye(2)
    return value, Estimate(latitude=latitude, longitude=longitude, covariance_km2=found)


def _misfit(latitude: float, longitude: float, receivers: Floats, pairs: Pairs) -> tuple[Floats, Floats]:
    """Expected less measured differences at a place, us, shape (p,), and their slopes to east and north, us/km."""
    step_km = 0.05
    places = [(latitude, longitude)] + [moved(latitude, longitude, step_km * axis) for axis in np.eye(2)]
    lat, lon = np.array(places).T
    delays = distances_km(lat, lon, receivers) / LIGHT_KM_PER_US
    differences = delays[:, pairs.one] - delays[:, pairs.other]
    slopes: Floats = ((differences[1:] - differences[0]) / step_km).T
    return differences[0] - pairs.difference_us, slopes
