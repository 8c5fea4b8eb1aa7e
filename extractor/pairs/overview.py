"""Where in the recordings the transmission lies: one band, and its frequency at each receiver, from a part of them."""

import math
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from extractor.features.band import Band, measure_band
from extractor.features.detection import is_signal_present
from extractor.features.noise_floor import NoiseFloor, measure_noise_floor
from extractor.features.spectrum import SEGMENT, SHORTEST_SEGMENT, Spectrum, average_power, hann
from extractor.kernel import kernel

SEGMENTS = 16
"""Spread evenly over the recording."""
SKIRT = 0.5
"""Share of the 99 % occupied bandwidth that is kept on either side of it, as far as it stands out of the noise."""
OSCILLATOR_PPM = 10.0
"""Largest difference of two receivers' frequencies that is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The band as the best receiver hears it, and the receivers that hear it."""

    reference: int
    low_hz: float
    high_hz: float
    shift_hz: dict[int, float]
    """By receiver's number: its frequency less the reference's. Those without a signal are missing."""
    snr: dict[int, float]
    """By receiver's number: signal over noise within the band."""


def look_over(recordings: list[NDArray[np.generic]], sample_rate_hz: float, center_hz: float) -> Overview | None:
    """Find the strongest band and what hears it; None where no receiver hears anything.

    Args:
        recordings: interleaved I and Q of any number type, shape (2 n,), one per receiver, of one length.
        sample_rate_hz: of all.
        center_hz: of the recorded window: what an oscillator's error is relative to.
    """
    seen: dict[int, tuple[Spectrum, NoiseFloor, Band]] = {}
    for number, recording in enumerate(recordings):
        spectrum = sparse_spectrum(recording, sample_rate_hz)
        if spectrum is None:
            return None
        floor = measure_noise_floor(spectrum)
        if spectrum.psd.max() > 0.0 and is_signal_present(floor):
            band = measure_band(spectrum, floor)
            if band is not None:
                seen[number] = spectrum, floor, band
    if not seen:
        return None
    reference = max(seen, key=lambda number: (seen[number][2].energy, -number))
    spectrum, floor, band = seen[reference]
    size = spectrum.psd.size
    reach = max(1, round(OSCILLATOR_PPM * 1e-6 * center_hz / spectrum.bin_hz))
    kept = _energies(spectrum, floor, band.first, band.last)
    shifts = {n: 0.0 if n == reference else _shift_bins(kept, s, f, band.first, reach) for n, (s, f, _) in seen.items()}
    skirt_hz = SKIRT * band.bandwidth_hz
    first, last = band.first + band.margin, max(band.first + band.margin + 1, band.last - band.margin)
    width = max(1, band.last - band.first)
    snr = {}
    for number, shift in shifts.items():
        bins = np.arange(band.first + round(shift), band.last + round(shift)) % size
        excess = float(seen[number][0].psd[bins].sum()) / seen[number][1].power - width
        snr[number] = max(excess, 0.0) * spectrum.bin_hz / max(band.bandwidth_hz, spectrum.bin_hz)
    return Overview(
        reference=reference,
        low_hz=max((first - size // 2) * spectrum.bin_hz, band.low_hz - skirt_hz),
        high_hz=min((last - size // 2) * spectrum.bin_hz, band.high_hz + skirt_hz),
        shift_hz={number: shift * spectrum.bin_hz for number, shift in shifts.items()},
        snr=snr,
    )


def sparse_spectrum(recording: NDArray[np.generic], sample_rate_hz: float) -> Spectrum | None:
    """Welch's estimate from segments spread over the recording; None where there are fewer than 64 samples."""
    count = recording.size // 2
    length = min(SEGMENT, 1 << (count.bit_length() - 1)) if count else 0
    if length < SHORTEST_SEGMENT:
        return None
    number = max(1, min(SEGMENTS, count // length))
    starts = (np.arange(number) * (count - length) // max(1, number - 1)).astype(np.int64)
    segments = np.empty((number, length), np.complex64)
    _cut(recording, starts, hann(length), segments.view(np.float32))
    segments = scipy.fft.fft(segments, axis=1, workers=1, overwrite_x=True)
    psd = np.empty(length)
    average_power(segments.view(np.float32), psd)
    return Spectrum(psd, segments, sample_rate_hz / length)


@kernel
def _cut(
    recording: NDArray[np.generic],
    starts: NDArray[np.int64],
    window: NDArray[np.float32],
    segments: NDArray[np.float32],
) -> None:
    for s in range(starts.size):
        values, segment = recording[2 * starts[s] :], segments[s]
        for i in range(window.size):
            segment[i] = np.float32(values[i]) * window[i]


def _energies(spectrum: Spectrum, floor: NoiseFloor, first: int, last: int) -> NDArray[np.float32]:
    """Energy above the noise, in noise, of bins of every segment, lowest frequency first; root against outliers."""
    length = spectrum.segments.shape[1]
    lines = spectrum.segments[:, (np.arange(first, last) + length // 2) % length]
    power = (lines.real**2 + lines.imag**2) / np.float32(floor.power * length)
    energies: NDArray[np.float32] = np.sqrt(power) - np.float32(np.sqrt(np.pi) / 2)
    return energies


def _shift_bins(kept: NDArray[np.float32], spectrum: Spectrum, floor: NoiseFloor, first: int, reach: int) -> float:
    """By how many bins a spectrogram lies above the reference's, with a parabola through the best three.

    Args:
        kept: the reference's energies in the band.
        spectrum: the other's.
        floor: its noise.
        first: bin of the reference at which the band begins.
        reach: largest shift that is looked for.
    """
    lowest = first - reach - 1
    low, high = max(0, lowest), min(spectrum.psd.size, first + kept.shape[1] + reach + 1)
    fits = np.full(2 * reach + 3, -np.inf)
    inner = _fits(kept, _energies(spectrum, floor, low, high))
    fits[low - lowest : low - lowest + inner.size] = inner
    best = int(np.argmax(fits[1:-1])) + 1
    below, top, above = fits[best - 1 : best + 2].tolist()
    curvature = below - 2.0 * top + above
    part = 0.5 * (below - above) / curvature if math.isfinite(curvature) and curvature < 0 else 0.0
    return best - reach - 1 + min(max(part, -0.5), 0.5)


@kernel
def _fits(kept: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float64]:
    """Sum of the products of two spectrograms at every shift that leaves `kept` within `other`."""
    out = np.zeros(other.shape[1] - kept.shape[1] + 1)
    for s in range(kept.shape[0]):
        for i in range(kept.shape[1]):
            energy = np.float64(kept[s, i])
            for shift in range(out.size):
                out[shift] += energy * np.float64(other[s, i + shift])
    return out
