"""What was sent during a recording, measured: mean power and occupied bandwidth."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft

from producer.kernel import kernel
from producer.reproducible import reproducible
from producer.waveform import Waveform

OUTSIDE_SHARE = 0.005
"""Of the power on either side of the occupied bandwidth (ITU-R SM.328)."""
MARGIN = 1.5
"""The spectrum reaches this many times as far as the emission."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """Mean power and occupied bandwidth of the waveform while it is recorded."""

    mean_power_db: float
    """Over the rated power; -300 where nothing is sent."""
    occupied_bandwidth_hz: float
    """Between the frequencies below and above which lies 0.5 % of the power each."""


def measure(waveform: Waveform, sample_rate_hz: float, half_bandwidth_hz: float) -> Sent:
    """Power and occupied bandwidth, from the spectrum of the whole waveform.

    The emission is narrow against the waveform's rate, so every n-th sample carries all of it.
    """
    step = max(1, int(sample_rate_hz / (2 * MARGIN * max(half_bandwidth_hz, 1_000.0))))
    x = waveform.baseband(step)
    x = x[: fft.prev_fast_len(x.size)]
    total, low, high = _edges(fft.fft(x, workers=1))
    if total <= 0.0:
        return Sent(mean_power_db=-300.0, occupied_bandwidth_hz=0.0)
    return Sent(
        mean_power_db=reproducible(max(10 * math.log10(reproducible(total / x.size**2)), -300.0)),
        occupied_bandwidth_hz=reproducible(float(high - low) * sample_rate_hz / step / x.size),
    )


@kernel
def _edges(spectrum: npt.NDArray[np.complex64]) -> tuple[float, int, int]:
    """Total power, and the first bins, lowest frequency first, up to which there are 0.5 % and 99.5 % of it."""
    size = spectrum.size
    negative = size // 2
    cumulative = np.empty(size)
    total = 0.0
    for i in range(size):
        bin_ = spectrum[i + size - negative] if i < negative else spectrum[i - negative]
        re, im = np.float64(bin_.real), np.float64(bin_.imag)
        total += re * re + im * im
        cumulative[i] = total
    low, high = 0, 0
    while low < size - 1 and cumulative[low] < OUTSIDE_SHARE * total:
        low += 1
    high = low
    while high < size - 1 and cumulative[high] < (1 - OUTSIDE_SHARE) * total:
        high += 1
    return total, low, high
