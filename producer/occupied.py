"""What was sent during a recording, measured: mean power and occupied bandwidth."""

import math
from dataclasses import dataclass

import numpy as np
from scipy import fft

from producer.reproducible import reproducible
from producer.waveform import Waveform

OUTSIDE_SHARE = 0.005
"""Of the power on either side of the occupied bandwidth (ITU-R SM.328)."""
MARGIN = 1.5
"""The spectrum reaches this many times as far as the emission."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """Of the waveform while it is recorded."""

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
    spectrum = fft.fftshift(fft.fft(x, workers=1)).astype(np.complex128)
    cumulative = np.cumsum(spectrum.real * spectrum.real + spectrum.imag * spectrum.imag)
    total = float(cumulative[-1])
    if total <= 0.0:
        return Sent(mean_power_db=-300.0, occupied_bandwidth_hz=0.0)
    low, high = np.searchsorted(cumulative, [OUTSIDE_SHARE * total, (1 - OUTSIDE_SHARE) * total])
    return Sent(
        mean_power_db=reproducible(max(10 * math.log10(reproducible(total / x.size**2)), -300.0)),
        occupied_bandwidth_hz=reproducible(float(high - low) * sample_rate_hz / step / x.size),
    )
