"""The mean frequency of a signal of constant envelope, by counting its cycles.

The phase of a frequency-modulated carrier at the end of a stretch less that at its beginning is the mean of its
frequency over the stretch, whatever the modulation did in between: noise enters at the two ends alone, where the
centroid of the spectrum collects it all the way (variance 2 sigma_f^2 / (SNR n) even for a perfectly known band).
Below a carrier-to-noise ratio of about 10 dB in the filter whole cycles get lost or counted twice.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from extractor.features.baseband import Baseband
from extractor.kernel import kernel

_BLOCK_S = 0.01
_CELLS = 10
_LEAST_CELL = 4
_LEAST_BLOCKS = 3
# A short chunk has shorter blocks.
_WANTED_BLOCKS = 8


class Cycles(NamedTuple):
    """Mean frequency (Hz from the centre of the capture) and what tells how far it can be trusted.

    ``standard_error_hz`` is that of the mean over blocks of 10 ms, taken as independent: it holds lost cycles,
    randomness of the modulation and fading alike. ``constancy`` is 1 for a constant envelope, fading apart, and 0
    for a Gaussian signal. ``carrier_to_noise`` is the power ratio in the filter.
    """

    frequency_hz: float
    standard_error_hz: float
    constancy: float
    carrier_to_noise: float


def count_cycles(baseband: Baseband, noise_density: float) -> Cycles | None:
    """Count the cycles of a baseband; None where it is too short.

    Blocks of 10 ms are weighted by the signal's share of their power, since a fade counts noise, and the ends taper
    over a block, so that unfinished swings of the modulation do not count.

    Args:
        baseband: the signal, filtered.
        noise_density: mW/Hz.
    """
    steps = baseband.samples.size - 1
    longest = round(_BLOCK_S / _CELLS * baseband.sample_rate_hz)
    cell = max(_LEAST_CELL, min(longest, steps // (_WANTED_BLOCKS * _CELLS)))
    blocks = steps // (cell * _CELLS)
    if blocks < _LEAST_BLOCKS:
        return None
    turns, error, constancy, ratio = _count(
        baseband.samples, cell, blocks, noise_density * baseband.width_hz, np.empty(cell, np.int64)
    )
    if not math.isfinite(turns + error + constancy + ratio):
        return None
    rate_hz = baseband.sample_rate_hz
    return Cycles(baseband.centre_hz + turns * rate_hz, error * rate_hz, constancy, ratio)


@kernel
def _count(
    samples: NDArray[np.complex64], cell: int, blocks: int, noise: float, wraps: NDArray[np.int64]
) -> tuple[float, float, float, float]:
    """Mean turns per sample and its standard error, constancy and carrier-to-noise ratio.

    The phase advanced in a cell is the difference of the arguments at its ends and a turn for every crossing of the
    negative real axis on the way. The moments of a power p = |s + n|^2 of constant |s|^2 and Gaussian noise give
    2 mean(p)^2 - mean(p^2) = |s|^4, and 0 for a Gaussian s.
    """
    start = (samples.size - 1 - blocks * cell * _CELLS) // 2
    total, total_weight, fourth, squares, signal = 0.0, 0.0, 0.0, 0.0, 0.0
    means = np.empty(blocks)
    weights = np.empty(blocks)
    before = math.atan2(samples[start].imag, samples[start].real)
    for b in range(blocks):
        power, power2 = 0.0, 0.0
        turned, tapered, taper_sum = 0.0, 0.0, 0.0
        for c in range(_CELLS):
            k = start + (b * _CELLS + c) * cell
            for i in range(cell):
                a, z = samples[k + i], samples[k + i + 1]
                cross = np.float64(a.real) * z.imag - np.float64(a.imag) * z.real
                up = (a.imag >= 0.0) & (z.imag < 0.0) & (cross > 0.0)
                down = (a.imag < 0.0) & (z.imag >= 0.0) & (cross < 0.0)
                wraps[i] = np.int64(up) - np.int64(down)
                re, im = np.float64(a.real), np.float64(a.imag)
                p = re * re + im * im
                power += p
                power2 += p * p
            after = math.atan2(samples[k + cell].imag, samples[k + cell].real)
            advance = (after - before) / (2.0 * math.pi) + wraps.sum()
            before = after
            step = (c + 0.5) / _CELLS
            taper = step if b == 0 else (1.0 - step if b == blocks - 1 else 1.0)
            turned += advance
            tapered += taper * advance
            taper_sum += taper
        n = cell * _CELLS
        power /= n
        excess = max(0.0, power - noise)
        fourth += 2.0 * power * power - power2 / n
        squares += excess * excess
        signal += excess
        share = excess / power if power > 0.0 else 0.0
        means[b] = turned / n
        weights[b] = share
        total += share * tapered
        total_weight += share * taper_sum * cell
    if not (total_weight > 0.0 and squares > 0.0):
        return math.nan, 0.0, 0.0, 0.0
    mean = total / total_weight
    scatter, weight, weight2 = 0.0, 0.0, 0.0
    for b in range(blocks):
        scatter += weights[b] ** 2 * (means[b] - mean) ** 2
        weight += weights[b]
        weight2 += weights[b] ** 2
    error = math.sqrt(scatter) / weight * math.sqrt(blocks / (blocks - 1.0))
    ratio = signal / (blocks * noise) if noise > 0.0 else 1e30
    return mean, error, fourth / squares, ratio
