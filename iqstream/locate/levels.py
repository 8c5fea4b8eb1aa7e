"""Locators that know levels alone."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import log_ndtr, logsumexp

from iqstream.locate.estimate import Estimate, Floats, Observation, gaussian
from iqstream.locate.loss_map import LossMap

POWERS = 8
"""Of the transmitter, evenly between the limits, that are tried."""
NOT_HEARD_DB = -30.0
"""What the SNR of a receiver that did not detect the signal counts as among neighbours."""


@dataclass(frozen=True, slots=True)
class Constant:
    """The mean of known places, whatever is observed: what any other locator has to beat."""

    places: Floats
    """(latitude, longitude) in rows."""

    def locate(self, observation: Observation) -> Estimate:  # noqa: ARG002
        """The mean place, with the places' covariance."""
        return gaussian(np.ones(len(self.places)), *self.places.T, least_km=0.1)


@dataclass(frozen=True, slots=True)
class WeightedCentroid:
    """The mean of the receivers' places, weighted by linear SNR to a power."""

    receivers: Floats
    """(latitude, longitude) in rows."""
    power: float = 0.3

    def locate(self, observation: Observation) -> Estimate:
        """The weighted mean, with the covariance of the weighted places."""
        weights = np.where(observation.detected, 10 ** (self.power * observation.snr_db / 10), 1e-12)
        return gaussian(weights, *self.receivers[:, :2].T, least_km=10.0)


@dataclass(frozen=True, slots=True)
class NearestNeighbours:
    """The mean place of the k known transmissions whose levels were most alike."""

    snr_db: Floats
    """Of known transmissions, shape (n, r); NOT_HEARD_DB where not detected."""
    places: Floats
    """(latitude, longitude) in rows."""
    k: int = 7

    def locate(self, observation: Observation) -> Estimate:
        """Mean and covariance of the neighbours' places; levels count against their mean: nobody knows the power."""
        heard = np.where(observation.detected, observation.snr_db, NOT_HEARD_DB)
        apart = self.snr_db - heard
        apart = apart - 0.7 * apart.mean(axis=1, keepdims=True)
        nearest = np.argsort((apart**2).sum(axis=1), kind="stable")[: self.k]
        return gaussian(np.ones(nearest.size), *self.places[nearest].T, least_km=2.0)


@dataclass(frozen=True, slots=True)
class LevelGrid:
    """The posterior over the cells of a map of the terrain's loss, with unknown power between two limits.

    A level is the EIRP, less the cell's loss, with a normal error for shadowing, fading and the unknown height. A
    receiver that did not detect the signal says that its level was under the threshold.
    """

    loss: LossMap
    eirp_dbm: tuple[float, float]
    threshold_dbm: float
    sigma_db: float = 9.0

    def log_posterior(self, observation: Observation) -> Floats:
        """Of every cell, shape (n,), up to a constant.

        Raises:
            ValueError: the levels are no powers at the antenna.
        """
        if observation.level_reference != "dbm":
            raise ValueError(
                f"levels of reference {observation.level_reference} are no powers at the antenna, which this locator "
                "compares with a transmitter's: calibrate the receivers, or locate by time differences"
            )
        heard = observation.detected
        missed = _missed(self.loss, self.eirp_dbm, self.threshold_dbm, self.sigma_db)
        each = np.empty((POWERS, self.loss.latitudes.size))
        for row, power in enumerate(np.linspace(*self.eirp_dbm, POWERS)):
            misfit = (observation.level_dbm[heard] - power + self.loss.loss_db[:, heard]) / self.sigma_db
            each[row] = missed[row][:, ~heard].sum(axis=1) - 0.5 * np.einsum("ij,ij->i", misfit, misfit)
        posterior: Floats = logsumexp(each, axis=0) + self.loss.log_prior
        return posterior

    def locate(self, observation: Observation) -> Estimate:
        """Mean and covariance of the posterior."""
        posterior = self.log_posterior(observation)
        weights = np.exp(posterior - posterior.max())
        return gaussian(weights, self.loss.latitudes, self.loss.longitudes, least_km=self.loss.cell_km)


@lru_cache(maxsize=2)
def _missed(loss: LossMap, eirp_dbm: tuple[float, float], threshold_dbm: float, sigma_db: float) -> Floats:
    """Log of the probability that a level stays under the threshold, shape (powers, cells, receivers)."""
    powers = np.linspace(*eirp_dbm, POWERS)
    under: Floats = log_ndtr((threshold_dbm - powers[:, None, None] + loss.loss_db) / sigma_db)
    return under
