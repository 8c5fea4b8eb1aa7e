"""The carrier's offset from the centre of the capture, by the class of the occupied band."""

import math
from enum import Enum

import numpy as np
import scipy.fft

from extractor.features.band import Band
from extractor.features.baseband import Baseband

_TONE_BINS = 4.0
_NARROW_HZ = 30_000.0


class FrequencyClass(Enum):
    """How the offset of a band is measured."""

    TONE = "tone"
    NARROW = "narrow"
    WIDE = "wide"


def frequency_class(band: Band) -> FrequencyClass:
    """Class of a band: a tone spreads over less than 4 equivalent bins, a narrow signal over less than 30 kHz."""
    if band.equivalent_bins < _TONE_BINS:
        return FrequencyClass.TONE
    return FrequencyClass.NARROW if band.bandwidth_hz < _NARROW_HZ else FrequencyClass.WIDE


def frequency_offset_hz(band: Band, baseband: Baseband) -> float:
    """Peak of a zoomed FFT for a tone, centroid of a narrow band, midpoint of a wide one.

    The centroid of voice FM is its carrier; the edges of a flat wide band are known better than its centroid.
    """
    kind = frequency_class(band)
    if kind is FrequencyClass.TONE:
        return _strongest_tone_hz(baseband)
    return band.centroid_hz if kind is FrequencyClass.NARROW else band.midpoint_hz


def _strongest_tone_hz(baseband: Baseband) -> float:
    """Interpolated peak of the FFT of the whole chunk, without a window.

    The three-bin interpolator is that of C. Candan, "Analysis and further improvement of fine resolution frequency
    estimation method from three DFT samples", IEEE Signal Processing Letters 20 (2013), 913-916.
    """
    count = int(scipy.fft.prev_fast_len(baseband.samples.size))
    lines = scipy.fft.fft(baseband.samples[:count], workers=1)
    peak = int(np.argmax(lines.real**2 + lines.imag**2))
    before, here, after = (complex(lines[(peak + step) % count]) for step in (-1, 0, 1))
    curvature = 2.0 * here - before - after
    step = ((before - after) / curvature).real if curvature else 0.0
    fraction = count / math.pi * math.atan(math.tan(math.pi / count) * max(-1.0, min(1.0, step)))
    cycles = (peak + fraction) / count
    return baseband.centre_hz + (cycles - round(cycles)) * baseband.sample_rate_hz
