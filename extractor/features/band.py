"""The occupied part of the spectrum: where it lies, how wide it is and how much energy it holds."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from extractor.features.noise_floor import NoiseFloor
from extractor.features.spectrum import Spectrum
from extractor.kernel import kernel

_GUARD_BINS = 12
_GROWTH = 0.1
_LEAST_GROWTH_BINS = 4
# Noise in the margin moves the edges of a wide band by more than its skirts hold.
_LARGEST_GROWTH_BINS = 24
# Share of the energy left out at either end of the 99 % occupied bandwidth (ITU-R SM.328, SM.443).
TAIL = 0.005
_ROLLOFF = 0.85
# The broad mask smears by its own width, so it is used only for what the narrow one shows in fragments.
_BROAD_ADVANTAGE = 1.5


class Band(NamedTuple):
    """The strongest occupied run, noise-subtracted. Frequencies in Hz from the centre of the capture.

    ``first`` and ``last`` (exclusive) are its bins; ``margin`` how many of them at either end were added to those that
    stand out of the noise; ``energy`` its power over the noise power of one bin; ``equivalent_bins``
    (sum S)^2 / sum S^2, the width of a flat band of the same peakedness.
    """

    first: int
    last: int
    margin: int
    energy: float
    centroid_hz: float
    low_hz: float
    high_hz: float
    equivalent_bins: float

    @property
    def bandwidth_hz(self) -> float:
        """99 % occupied bandwidth."""
        return max(0.0, self.high_hz - self.low_hz)

    @property
    def midpoint_hz(self) -> float:
        """Middle of the 99 % occupied bandwidth."""
        return 0.5 * (self.low_hz + self.high_hz)


class Shape(NamedTuple):
    """Centroid of everything above the noise, and the half-width around it that holds 85 % of its energy, Hz."""

    centroid_hz: float
    rolloff_hz: float


def measure_band(spectrum: Spectrum, floor: NoiseFloor) -> Band | None:
    """Find the strongest run of occupied bins, grow it by 10 % (4 to 24 bins) at either side and measure it.

    None when no bin is occupied or nothing but noise is left in the run.
    """
    first, last, growth, measures = _find_and_measure(
        spectrum.psd, floor.power, floor.narrow, floor.narrow_limit, floor.broad, floor.broad_limit
    )
    total, centroid, low, high, equivalent = measures
    if not total > 0.0:
        return None
    middle, bin_hz = spectrum.psd.size // 2, spectrum.bin_hz
    return Band(
        first=first,
        last=last,
        margin=growth,
        energy=total / floor.power,
        centroid_hz=(centroid - middle) * bin_hz,
        low_hz=(low - middle) * bin_hz,
        high_hz=(high - middle) * bin_hz,
        equivalent_bins=equivalent,
    )


def measure_shape(spectrum: Spectrum, floor: NoiseFloor) -> Shape:
    """Centroid and 85 % half-width over all occupied runs; zeros when nothing is occupied.

    The half-width is taken around the centroid, so that it grows with the bandwidth wherever the signal lies.
    """
    centroid, rolloff = _measure_shape(
        spectrum.psd, floor.power, floor.narrow, floor.narrow_limit, floor.broad, floor.broad_limit
    )
    if rolloff <= 0.0:
        return Shape(0.0, 0.0)
    return Shape((centroid - spectrum.psd.size // 2) * spectrum.bin_hz, rolloff * spectrum.bin_hz)


@kernel
def _find_and_measure(
    psd: NDArray[np.float64],
    floor: float,
    narrow: NDArray[np.float64],
    narrow_limit: float,
    broad: NDArray[np.float64],
    broad_limit: float,
) -> tuple[int, int, int, tuple[float, float, float, float, float]]:
    """Bounds of the grown run, its growth and its measures."""
    first, last, energy = _strongest_run(narrow > narrow_limit, psd, floor)
    wide_first, wide_last, wide_energy = _strongest_run(broad > broad_limit, psd, floor)
    if wide_energy > _BROAD_ADVANTAGE * energy:
        first, last = wide_first, wide_last
    growth = min(max(_LEAST_GROWTH_BINS, int(_GROWTH * (last - first))), _LARGEST_GROWTH_BINS)
    first, last = max(0, first - growth), min(psd.size, last + growth)
    return first, last, growth, _measure_run(psd, floor, first, last)


@kernel
def _strongest_run(occupied: NDArray[np.bool_], psd: NDArray[np.float64], floor: float) -> tuple[int, int, float]:
    """Bounds and excess of the strongest run; gaps of up to two guards do not end it."""
    best_first, best_last, best_excess = 0, 0, 0.0
    i = 0
    while i < psd.size:
        if not occupied[i]:
            i += 1
            continue
        first = i
        last = i + 1
        while i < min(psd.size, last + 2 * _GUARD_BINS):
            if occupied[i]:
                last = i + 1
            i += 1
        excess = 0.0
        for j in range(first, last):
            excess += psd[j] - floor
        if excess > best_excess:
            best_first, best_last, best_excess = first, last, excess
        i = last
        while i < psd.size and not occupied[i]:
            i += 1
    best_first, best_last = _trim(occupied, psd, floor, best_first, best_last, TAIL * best_excess)
    return best_first, best_last, best_excess


@kernel
def _trim(
    occupied: NDArray[np.bool_], psd: NDArray[np.float64], floor: float, first: int, last: int, least: float
) -> tuple[int, int]:
    """Leave out what stands a guard or more apart at either end with less energy than the bandwidth leaves out."""
    for _ in range(psd.size):
        i, excess = first, 0.0
        while i < last and occupied[i]:
            excess += psd[i] - floor
            i += 1
        end = i
        while i < last and not occupied[i]:
            i += 1
        if i == last or i - end < _GUARD_BINS or excess >= least:
            break
        first = i
    for _ in range(psd.size):
        i, excess = last, 0.0
        while i > first and occupied[i - 1]:
            i -= 1
            excess += psd[i] - floor
        end = i
        while i > first and not occupied[i - 1]:
            i -= 1
        if i == first or end - i < _GUARD_BINS or excess >= least:
            break
        last = i
    return first, last


@kernel
def _measure_run(
    psd: NDArray[np.float64], floor: float, first: int, last: int
) -> tuple[float, float, float, float, float]:
    """Energy, centroid, lower and upper edge (in bins; bin k covers k - 1/2 to k + 1/2) and equivalent width.

    Noise makes the running sum cross a level several times. The mean of the first and the last crossing leans
    neither outwards nor inwards.
    """
    total, moment, squares = 0.0, 0.0, 0.0
    for i in range(first, last):
        excess = psd[i] - floor
        total += excess
        moment += excess * (i - first)
        squares += excess * excess
    if not total > 0.0:
        return 0.0, 0.0, 0.0, 0.0, 0.0
    edges = np.empty(2)
    for side in range(2):
        level = total * (TAIL if side == 0 else 1.0 - TAIL)
        running, first_crossing, last_crossing = 0.0, float(last), float(last)
        for i in range(first, last):
            after = running + psd[i] - floor
            if (running < level) != (after < level):
                last_crossing = i - 0.5 + (level - running) / (after - running)
                first_crossing = min(first_crossing, last_crossing)
            running = after
        edges[side] = 0.5 * (first_crossing + last_crossing)
    centroid = first + min(max(moment / total, 0.0), float(last - first))
    return total, centroid, edges[0], edges[1], total * total / squares


@kernel
def _measure_shape(
    psd: NDArray[np.float64],
    floor: float,
    narrow: NDArray[np.float64],
    narrow_limit: float,
    broad: NDArray[np.float64],
    broad_limit: float,
) -> tuple[float, float]:
    """Centroid and half-width in bins, over the occupied bins and a guard around them."""
    size = psd.size
    excess = np.zeros(size)
    last = -_GUARD_BINS - 1
    for i in range(size + _GUARD_BINS):
        if i < size and (narrow[i] > narrow_limit or broad[i] > broad_limit):
            last = i
        settled = i - _GUARD_BINS
        if 0 <= settled < size and last >= settled - _GUARD_BINS:
            excess[settled] = psd[settled] - floor
    total, moment = 0.0, 0.0
    for i in range(size):
        total += excess[i]
        moment += excess[i] * i
    if not total > 0.0:
        return 0.0, 0.0
    centroid = min(max(moment / total, 0.0), size - 1.0)
    # Open the window bin by bin, always at the side that is nearer to the centroid.
    left = int(centroid)
    right = left + 1
    running = 0.0
    while left >= 0 or right < size:
        to_left = centroid - left if left >= 0 else 2.0 * size
        to_right = right - centroid if right < size else 2.0 * size
        step = excess[left] if to_left <= to_right else excess[right]
        distance = min(to_left, to_right)
        if running + step >= _ROLLOFF * total:
            return centroid, distance + 0.5
        running += step
        if to_left <= to_right:
            left -= 1
        else:
            right += 1
    return centroid, 0.5 * size
