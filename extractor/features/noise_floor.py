"""The noise power, read from the part of the spectrum that nothing occupies."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from extractor.features.order_statistic import select_smallest
from extractor.features.power import POWER_FLOOR_MW
from extractor.features.spectrum import Spectrum, expected_smoothing_sigma
from extractor.kernel import kernel

NARROW = 9
BROAD = 45

_OCCUPIED_SIGMAS = 3.5
_GUARD_BINS = 12
_START_QUANTILE = 0.1
# Neighbours of the broadly smoothed spectrum say the same: so many of its bins are looked at.
_START_VALUES = 128
# Where the start quantile of the broadly smoothed noise lies, in its sigmas under the mean (normal distribution).
_START_SIGMAS = 1.28
_PASSES = 2


class NoiseFloor(NamedTuple):
    """The floor, and what stands above it.

    ``power`` is the noise power in the full bandwidth, mW. ``narrow`` and ``broad`` are the spectrum smoothed over 9
    and 45 bins, ``narrow_peak`` and ``broad_peak`` their largest values; ``sigma_narrow`` and ``sigma_broad`` their
    relative standard deviations in noise.
    """

    power: float
    narrow: NDArray[np.float64]
    broad: NDArray[np.float64]
    narrow_peak: float
    broad_peak: float
    sigma_narrow: float
    sigma_broad: float

    @property
    def narrow_limit(self) -> float:
        """Where ``narrow`` is 3.5 sigma above the floor: a bin is occupied beyond it."""
        return self.power * (1.0 + _OCCUPIED_SIGMAS * self.sigma_narrow)

    @property
    def broad_limit(self) -> float:
        """The same of ``broad``."""
        return self.power * (1.0 + _OCCUPIED_SIGMAS * self.sigma_broad)


def measure_noise_floor(spectrum: Spectrum) -> NoiseFloor:
    """Plain mean of the bins that are not occupied, with a guard of 12 bins around each occupied one.

    The start is a low quantile of the broadly smoothed spectrum, corrected for its place in pure noise: unlike a
    clipped mean it is not pulled up by a weak signal that fills most of the band. Where fewer than a sixteenth of
    the bins are free the start is the answer.
    """
    sigma_narrow = expected_smoothing_sigma(spectrum.averages, NARROW)
    sigma_broad = expected_smoothing_sigma(spectrum.averages, BROAD)
    narrow = np.empty_like(spectrum.psd)
    broad = np.empty_like(spectrum.psd)
    power, narrow_peak, broad_peak = _measure(
        spectrum.psd,
        narrow,
        broad,
        1.0 + _OCCUPIED_SIGMAS * sigma_narrow,
        1.0 + _OCCUPIED_SIGMAS * sigma_broad,
        max(0.2, 1.0 - _START_SIGMAS * sigma_broad),
    )
    return NoiseFloor(max(power, POWER_FLOOR_MW), narrow, broad, narrow_peak, broad_peak, sigma_narrow, sigma_broad)


@kernel
def _measure(
    psd: NDArray[np.float64],
    narrow: NDArray[np.float64],
    broad: NDArray[np.float64],
    narrow_ratio: float,
    broad_ratio: float,
    start_place: float,
) -> tuple[float, float, float]:
    """Smooth the spectrum; return the floor and the largest values of the two smoothed ones.

    ``start_place`` is where the start quantile lies in noise, over the mean.
    """
    _smooth(psd, narrow, broad)
    low = broad[:: max(1, broad.size // _START_VALUES)].copy()
    start = select_smallest(low, int(_START_QUANTILE * low.size)) / start_place
    power = _guarded_mean(psd, narrow, broad, narrow_ratio, broad_ratio, start)
    return power, _largest(narrow), _largest(broad)


@kernel
def _largest(values: NDArray[np.float64]) -> float:
    # Powers are not negative, so they order like their bits, and an integer maximum vectorises.
    bits = values.view(np.int64)
    largest = np.int64(0)
    for i in range(bits.size):
        largest = max(largest, bits[i])
    return float(np.int64(largest).view(np.float64))


@kernel
def _smooth(psd: NDArray[np.float64], narrow: NDArray[np.float64], broad: NDArray[np.float64]) -> None:
    """Circular moving means of 9 and 45 bins; the second is made of five of the first, nothing is subtracted."""
    size = psd.size
    reach = BROAD // 2
    ring = np.empty(size + 2 * reach)
    ring[reach : reach + size] = psd
    ring[:reach] = psd[size - reach :]
    ring[reach + size :] = psd[:reach]
    nines = np.zeros(ring.size - NARROW + 1)
    for d in range(NARROW):
        for i in range(nines.size):
            nines[i] += ring[i + d]
    for i in range(size):
        narrow[i] = nines[i + reach - NARROW // 2] / NARROW
        total = nines[i] + nines[i + NARROW] + nines[i + 2 * NARROW]
        broad[i] = (total + nines[i + 3 * NARROW] + nines[i + 4 * NARROW]) / BROAD


@kernel
def _guarded_mean(
    psd: NDArray[np.float64],
    narrow: NDArray[np.float64],
    broad: NDArray[np.float64],
    narrow_ratio: float,
    broad_ratio: float,
    start: float,
) -> float:
    size = psd.size
    floor = start
    for _ in range(_PASSES):
        narrow_limit = floor * narrow_ratio
        broad_limit = floor * broad_ratio
        total = 0.0
        free = 0
        # A bin counts when the last occupied bin lies more than the guard behind it and the next one more than
        # the guard ahead: walk the ring once and add a run of free bins only when its far end is known.
        last = -_GUARD_BINS - 1
        for i in range(size + _GUARD_BINS + 1):
            if i < size and (narrow[i] > narrow_limit or broad[i] > broad_limit):
                last = i
            settled = i - _GUARD_BINS
            if 0 <= settled < size and last < settled - _GUARD_BINS:
                total += psd[settled]
                free += 1
        if free * 16 <= size:
            return start
        floor = total / free
    return floor
