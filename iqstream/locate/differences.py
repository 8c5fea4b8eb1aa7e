"""Locators that know time differences alone."""

from dataclasses import dataclass

import numpy as np

from iqstream.locate.cells import Cells
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

ECHO_US = 0.6
"""Standard deviation of one receiver's group delay under the default channel's echoes; see ADR 74."""
LEAST_DEVIATION_US = 0.1
"""Of one difference beside the delays that receivers share."""
TAIL = 3.0
"""Degrees of freedom of Student's t: how often a difference is far off."""
STARTS = 4
"""Cells from which the search runs on."""
_STEPS = 30


@dataclass(frozen=True, slots=True)
class RobustLeastSquares:
    """Every difference for itself, with the tails of Student's t."""

    cells: Cells
    receivers: Floats
    """(latitude, longitude) in rows."""
    echo_us: float = ECHO_US

    def locate(self, observation: Observation) -> Estimate:
        """The best summit of the likelihood among those reached from the best cells."""
        if observation.pairs.one.size < 2:
            return _prior(self.cells)
        return least_squares(self.cells, self.receivers, observation.pairs, self.echo_us)


@dataclass(frozen=True, slots=True)
class MaximumLikelihood:
    """The differences with what they share: a receiver's echoes delay all its pairs alike.

    Place and one delay for each receiver are sought together. A difference errs by its own deviation, a delay by
    `echo_us`, both with the tails of Student's t: one false difference, or one receiver that hears nothing but
    reflections, does not decide.
    """

    cells: Cells
    receivers: Floats
    echo_us: float = ECHO_US

    def locate(self, observation: Observation) -> Estimate:
        """The best summit of the likelihood among those reached from the best cells."""
        pairs = observation.pairs
        if pairs.one.size < 2:
            return _prior(self.cells)
        shared = np.zeros((pairs.one.size, len(self.receivers)))
        rows = np.arange(pairs.one.size)
        shared[rows, pairs.one], shared[rows, pairs.other] = 1.0, -1.0
        scale = difference_scale(pairs, self.echo_us)
        own = np.maximum(pairs.deviation_us, LEAST_DEVIATION_US)
        return _search(self.cells, self.receivers, pairs, scale, own, shared, self.echo_us)


def least_squares(
    cells: Cells, receivers: Floats, pairs: Pairs, echo_us: float, *, prior: Floats | None = None
) -> Estimate:
    """The place where at least two differences agree best; `prior`: log of what each cell counts beforehand."""
    scale = difference_scale(pairs, echo_us)
    return _search(cells, receivers, pairs, scale, scale, np.zeros((pairs.one.size, 0)), echo_us, prior=prior)


def difference_scale(pairs: Pairs, echo_us: float) -> Floats:
    """Standard deviation of every difference with the echoes of both receivers, us, shape (p,)."""
    scale: Floats = np.sqrt(pairs.deviation_us**2 + 2 * echo_us**2)
    return scale


def log_likelihood(distances: Floats, pairs: Pairs, scale: Floats) -> Floats:
    """Of places by their distances to the receivers, km, shape (n, r), up to a constant, shape (n,)."""
    delays = distances / LIGHT_KM_PER_US
    misfit = delays[:, pairs.one] - delays[:, pairs.other] - pairs.difference_us
    found: Floats = -0.5 * (TAIL + 1) * np.log1p((misfit / scale) ** 2 / TAIL).sum(axis=1)
    return found


def _prior(cells: Cells) -> Estimate:
    return gaussian(np.exp(cells.log_prior), cells.latitudes, cells.longitudes, least_km=cells.cell_km)


def _search(
    cells: Cells,
    receivers: Floats,
    pairs: Pairs,
    scale: Floats,
    own: Floats,
    shared: Floats,
    echo_us: float,
    *,
    prior: Floats | None = None,
) -> Estimate:
    """Refine from the best cells, each apart from the others; the highest likelihood wins.

    Args:
        cells: the places that are tried.
        receivers: their places.
        pairs: what was measured.
        scale: of every difference with all that delays it, us.
        own: of every difference once the receivers' delays are known, us.
        shared: which delays add to a difference, shape (p, delays).
        echo_us: scale of the delays.
        prior: log of what each cell counts beforehand.
    """
    beforehand = cells.log_prior if prior is None else prior
    # The nearest cell's centre is up to 0.7 cells away.
    coarse = np.sqrt(scale**2 + (0.7 * cells.cell_km / LIGHT_KM_PER_US) ** 2)
    likelihood = beforehand + log_likelihood(cells.distance_km, pairs, coarse)
    reached = []
    for _ in range(STARTS):
        cell = int(np.argmax(likelihood))
        reached.append(_refine(cells, receivers, pairs, scale, own, shared, echo_us, cell, beforehand))
        near = np.hypot(
            (cells.latitudes - cells.latitudes[cell]) * 111.2,
            (cells.longitudes - cells.longitudes[cell]) * 111.2 * np.cos(np.radians(cells.latitudes[cell])),
        )
        likelihood = np.where(near < 6 * cells.cell_km, -np.inf, likelihood)
    return max(reached, key=lambda one: one[0])[1]


def _refine(
    cells: Cells,
    receivers: Floats,
    pairs: Pairs,
    scale: Floats,
    own: Floats,
    shared: Floats,
    echo_us: float,
    cell: int,
    beforehand: Floats,
) -> tuple[float, Estimate]:
    """Gauss-Newton on reweighted errors (Student's t as a mixture of normals), and the log likelihood reached."""
    latitude, longitude = float(cells.latitudes[cell]), float(cells.longitudes[cell])
    delays = np.zeros(shared.shape[1])
    information, believed = np.eye(2 + delays.size), scale
    for _ in range(_STEPS):
        misfit, slopes = _misfit(latitude, longitude, receivers, pairs)
        misfit += shared @ delays
        columns = np.hstack([slopes, shared])
        weight = (TAIL + 1) / (TAIL + (misfit / believed) ** 2) / own**2
        ties = (TAIL + 1) / (TAIL + (delays / echo_us) ** 2) / echo_us**2
        information = (columns * weight[:, None]).T @ columns + np.diag(np.concatenate([[1e-6, 1e-6], ties]))
        gradient = columns.T @ (weight * misfit) + np.concatenate([[0.0, 0.0], ties * delays])
        step = np.linalg.solve(information, -gradient)
        length = float(np.hypot(*step[:2]))
        step *= min(1.0, 5.0 / max(length, 1e-12))
        latitude, longitude = moved(latitude, longitude, step[:2])
        delays += step[2:]
        if length < 1e-3 and believed is own:
            break
        # The first step is a cell away from the place: there no difference is false yet.
        believed = own
    misfit = _misfit(latitude, longitude, receivers, pairs)[0] + shared @ delays
    near = int(np.argmin((cells.latitudes - latitude) ** 2 + (0.7 * (cells.longitudes - longitude)) ** 2))
    errors = np.concatenate([misfit / own, delays / echo_us])
    value = float(beforehand[near]) - 0.5 * (TAIL + 1) * float(np.log1p(errors**2 / TAIL).sum())
    found = np.linalg.inv(information)[:2, :2] + 1e-4 * np.eye(2)
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
