"""The carrier's offset from the centre of the capture, by the class of the occupied band."""

import math
from enum import StrEnum
from typing import NamedTuple

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from extractor.features.band import TAIL, Band
from extractor.features.baseband import Baseband
from extractor.features.cycles import Cycles, count_cycles
from extractor.features.spectrum import BIN_CORRELATION, Spectrum
from extractor.kernel import kernel

_TONE_BINS = 4.0
# Of the band's power, within two bins of the peak of the whole chunk's spectrum: so much makes it a line.
_LINE_SHARE = 0.25
_LINE_REACH = 2
_NARROW_HZ = 30_000.0
# Of a constant envelope 1, of QPSK pulses 0.7 to 0.85, of a Gaussian signal 0.
_LEAST_CONSTANCY = 0.88
# Below this carrier-to-noise ratio more cycles are lost than the centroid errs.
_LEAST_CARRIER_TO_NOISE = 1.0
# (sum S)^2 / sum S^2 over the 99 % bandwidth: 1 for a flat band with sharp edges, 0.7 for a Gaussian one.
_FLAT = 0.85


class FrequencyClass(StrEnum):
    """How the offset of a band is measured."""

    TONE = "tone"
    """Less than 4 bins and mostly a line: peak of the spectrum of the whole chunk."""
    FM = "fm"
    """Constant envelope: cycles counted."""
    NARROW = "narrow"
    """Less than 30 kHz: centroid, or middle of the edges where the band is flat."""
    WIDE = "wide"
    """Middle of the edges."""


class Frequency(NamedTuple):
    """Offset in Hz, its class, and the standard error in Hz by the theory of that class."""

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
        line = _strongest_line(baseband)
        if line.power > _LINE_SHARE * band.energy * noise_density * spectrum.bin_hz:
            offset_hz = _inside(line.frequency_hz, spectrum)
            return Frequency(offset_hz, FrequencyClass.TONE, _tone_error_hz(spectrum, band))
    cycles = count_cycles(baseband, noise_density)
    if cycles is not None and _is_frequency_modulated(cycles):
        return Frequency(_inside(cycles.frequency_hz, spectrum), FrequencyClass.FM, cycles.standard_error_hz)
    kind = FrequencyClass.NARROW if band.bandwidth_hz < _NARROW_HZ else FrequencyClass.WIDE
    if kind is FrequencyClass.WIDE or band.equivalent_bins * spectrum.bin_hz > _FLAT * band.bandwidth_hz:
        return Frequency(band.midpoint_hz, kind, _edges_error_hz(spectrum, band))
    return Frequency(band.centroid_hz, kind, _centroid_error_hz(spectrum, band))


def _tone_error_hz(spectrum: Spectrum, band: Band) -> float:
    """Cramer-Rao bound sqrt(6) / (2 pi T sqrt(S n)); S n is the band's energy in each of the independent averages."""
    energy = band.energy * spectrum.averages / BIN_CORRELATION
    return math.sqrt(6.0 / energy) / (2.0 * math.pi) / spectrum.duration_s


def _edges_error_hz(spectrum: Spectrum, band: Band) -> float:
    """Noise summed over the margin, over the density at the edge; and the randomness of a Gaussian signal's edges.

    The energy beyond an edge, a share q = 0.005, is of q B T independent values: it scatters by sqrt(q B T) of them.
    """
    density = band.energy / band.equivalent_bins
    by_noise = math.sqrt(band.margin * BIN_CORRELATION / spectrum.averages) / density * spectrum.bin_hz
    by_signal = math.sqrt(TAIL * band.bandwidth_hz / spectrum.duration_s)
    return math.hypot(by_noise, by_signal) / math.sqrt(2.0)


def _centroid_error_hz(spectrum: Spectrum, band: Band) -> float:
    """First moments of the noise in the run and of its product with the signal; and a Gaussian signal's randomness."""
    bins, spread2 = band.last - band.first, band.equivalent_bins**2 / 12.0
    noise2 = (bins**3 / 12.0 + 2.0 * band.energy * spread2) * BIN_CORRELATION / spectrum.averages / band.energy**2
    width_hz = band.equivalent_bins * spectrum.bin_hz
    signal2 = spread2 / (width_hz * spectrum.duration_s)
    return math.sqrt(noise2 + signal2) * spectrum.bin_hz


def _inside(frequency_hz: float, spectrum: Spectrum) -> float:
    """The frequency within the capture that has the same samples."""
    rate_hz = spectrum.bin_hz * spectrum.psd.size
    return frequency_hz - rate_hz * round(frequency_hz / rate_hz)


def _is_frequency_modulated(cycles: Cycles) -> bool:
    return cycles.constancy > _LEAST_CONSTANCY and cycles.carrier_to_noise > _LEAST_CARRIER_TO_NOISE


class _Line(NamedTuple):
    """Hz from the centre of the capture, and mW."""

    frequency_hz: float
    power: float


def _strongest_line(baseband: Baseband) -> _Line:
    """Interpolated peak of the FFT of the whole chunk, without a window, and the power of the bins around it.

    The three-bin interpolator is that of C. Candan, "Analysis and further improvement of fine resolution frequency
    estimation method from three DFT samples", IEEE Signal Processing Letters 20 (2013), 913-916.
    """
    count = int(scipy.fft.prev_fast_len(baseband.samples.size))
    lines = scipy.fft.fft(baseband.samples[:count], workers=1)
    peak, around = _peak(lines, _LINE_REACH)
    before, here, after = (complex(lines[(peak + step) % count]) for step in (-1, 0, 1))
    curvature = 2.0 * here - before - after
    step = ((before - after) / curvature).real if curvature else 0.0
    fraction = count / math.pi * math.atan(math.tan(math.pi / count) * max(-1.0, min(1.0, step)))
    cycles = (peak + fraction) / count
    frequency_hz = baseband.centre_hz + (cycles - round(cycles)) * baseband.sample_rate_hz
    return _Line(frequency_hz, around / count**2)


@kernel
def _peak(lines: NDArray[np.complex64], reach: int) -> tuple[int, float]:
    """Where the strongest line stands, the first of equal ones, and the power of the lines around it."""
    powers = np.empty(lines.size, np.float32)
    bits = powers.view(np.int32)
    # Powers are not negative, so they order like their bits, and an integer maximum vectorises.
    largest = np.int32(0)
    for i in range(lines.size):
        powers[i] = lines[i].real * lines[i].real + lines[i].imag * lines[i].imag
        largest = max(largest, bits[i])
    peak = 0
    while bits[peak] != largest:
        peak += 1
    around = np.float32(0.0)
    for step in range(-reach, reach + 1):
        around += powers[(peak + step) % lines.size]
    return peak, float(around)
