"""The carrier's offset from the centre of the capture, by the class of the occupied band."""

import math
from enum import StrEnum
from typing import NamedTuple

import numpy as np
import scipy.fft

from extractor.features.band import Band
from extractor.features.baseband import Baseband
from extractor.features.cycles import Cycles, count_cycles
from extractor.features.spectrum import Spectrum

_TONE_BINS = 4.0
_NARROW_HZ = 30_000.0
# Between a constant envelope (1) and a Gaussian signal (0).
_LEAST_CONSTANCY = 0.5
# Below this carrier-to-noise ratio more cycles are lost than the centroid errs.
_LEAST_CARRIER_TO_NOISE = 1.0
# (sum S)^2 / sum S^2 over the 99 % bandwidth: 1 for a flat band with sharp edges, 0.7 for a Gaussian one.
_FLAT = 0.85


class FrequencyClass(StrEnum):
    """How the offset of a band is measured."""

    TONE = "tone"
    """A line: peak of the spectrum of the whole chunk."""
    FM = "fm"
    """Constant envelope: cycles counted."""
    NARROW = "narrow"
    """Less than 30 kHz: centroid, or middle of the edges where the band is flat."""
    WIDE = "wide"
    """Middle of the edges."""


class Frequency(NamedTuple):
    """Offset in Hz, its class, and for FM the standard error of the count in Hz (else 0)."""

    offset_hz: float
    kind: FrequencyClass
    standard_error_hz: float


def measure_frequency(spectrum: Spectrum, band: Band, baseband: Baseband, noise_density: float) -> Frequency:
    """Offset of a band.

    Args:
        spectrum: the chunk's.
        band: its strongest band.
        baseband: that band's samples.
        noise_density: mW/Hz.
    """
    if band.equivalent_bins < _TONE_BINS:
        return Frequency(_inside(_strongest_tone_hz(baseband), spectrum), FrequencyClass.TONE, 0.0)
    cycles = count_cycles(baseband, noise_density)
    if cycles is not None and _is_frequency_modulated(cycles):
        return Frequency(_inside(cycles.frequency_hz, spectrum), FrequencyClass.FM, cycles.standard_error_hz)
    kind = FrequencyClass.NARROW if band.bandwidth_hz < _NARROW_HZ else FrequencyClass.WIDE
    by_edges = kind is FrequencyClass.WIDE or band.equivalent_bins * spectrum.bin_hz > _FLAT * band.bandwidth_hz
    return Frequency(band.midpoint_hz if by_edges else band.centroid_hz, kind, 0.0)


def _inside(frequency_hz: float, spectrum: Spectrum) -> float:
    """The frequency within the capture that has the same samples."""
    rate_hz = spectrum.bin_hz * spectrum.psd.size
    return frequency_hz - rate_hz * round(frequency_hz / rate_hz)


def _is_frequency_modulated(cycles: Cycles) -> bool:
    return cycles.constancy > _LEAST_CONSTANCY and cycles.carrier_to_noise > _LEAST_CARRIER_TO_NOISE


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
