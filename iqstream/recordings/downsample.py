"""Fewer samples per second, without what would fold into the band. More per second is refused: it adds nothing."""

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from scipy.signal import firwin, kaiserord, oaconvolve, resample_poly

from iqstream.recordings.windows import Window

PASS_SHARE = 0.4
"""Of the new rate: within that distance of the centre nothing changes (by 0.01 dB at most)."""
STOP_DB = 80.0
"""Attenuation of what would fold: all beyond half the new rate. Signals between the two are weakened."""
_DESIGN_DB = 86.0
_MAX_DENOMINATOR = 2000
_RATIO_TOLERANCE = Fraction(1, 1000)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Downsampling:
    """`up` samples come out for `down` that go in."""

    sample_rate_hz: float
    """Of what goes in."""
    up: int
    down: int
    taps: npt.NDArray[np.float64]
    """Symmetric FIR filter at `up` times the rate that goes in."""

    @property
    def new_rate_hz(self) -> float:
        """Exactly what comes out; within 0.1 % of the wanted rate."""
        return self.sample_rate_hz * self.up / self.down

    @property
    def context_samples(self) -> int:
        """That have to stand on either side of a window: half the filter, in whole steps of `down`."""
        half = math.ceil((len(self.taps) // 2) / self.up)
        return -(-half // self.down) * self.down

    def read(self, window: Window) -> npt.NDArray[np.complex64]:
        """A window at the new rate, its first sample at the time of the window's first.

        Returns floor(window.samples * up / down) samples. `windows_of` gives windows that have the context.

        Raises:
            BadRecording: see `Storage.read`.
            ValueError: the context is not within the file.
        """
        if self.up == self.down:
            return window.read()
        context = self.context_samples
        iq = window.recording.read(window.first_sample - context, window.samples + 2 * context)
        taps = self.taps.astype(np.float32)
        low: npt.NDArray[np.complex64]
        if self.up == 1:  # by FFT: six times as fast as the sum at a tenth of the rate
            low = oaconvolve(iq, taps, mode="same")[:: self.down]
        else:
            low = resample_poly(iq, self.up, self.down, window=taps)
        first = context // self.down * self.up
        return np.ascontiguousarray(low[first : first + window.samples * self.up // self.down])


def plan_downsampling(sample_rate_hz: float, wanted_hz: float) -> Downsampling:
    """How to get from one rate to a lower one; nothing is filtered where they are the same.

    Raises:
        ValueError: the wanted rate is higher, or much lower (by more than 2000 times).
    """
    if not 0 < wanted_hz <= sample_rate_hz:
        raise ValueError(f"{sample_rate_hz:g} Hz cannot become {wanted_hz:g} Hz: recordings are resampled down only")
    wanted = Fraction(wanted_hz) / Fraction(sample_rate_hz)
    ratio = wanted.limit_denominator(_MAX_DENOMINATOR)
    if abs(ratio - wanted) > wanted * _RATIO_TOLERANCE:
        raise ValueError(
            f"{sample_rate_hz:g} Hz cannot become {wanted_hz:g} Hz: no ratio of numbers to {_MAX_DENOMINATOR} is near"
        )
    up, down = ratio.numerator, ratio.denominator
    taps = np.ones(1)
    if up != down:
        # In units of half the filter's rate, which is `up` times the rate that goes in.
        width = (0.5 - PASS_SHARE) * 2 / down
        count, beta = kaiserord(_DESIGN_DB, width)
        taps = firwin(count | 1, (0.5 + PASS_SHARE) / down, window=("kaiser", beta))
    return Downsampling(sample_rate_hz=sample_rate_hz, up=up, down=down, taps=taps)
