"""Where in the recordings the transmission lies: one band, and its frequency at each receiver, from a part of them."""

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from extractor.features.band import Band, measure_band
from extractor.features.detection import is_signal_present
from extractor.features.noise_floor import NoiseFloor, measure_noise_floor
from extractor.features.spectrum import SEGMENT, SHORTEST_SEGMENT, Spectrum
from extractor.kernel import kernel

SEGMENTS = 16
"""Spread evenly over the recording."""
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
    energies = {number: _energies(s.segments, f.power) for number, (s, f, _) in seen.items()}
    reach = max(1, round(OSCILLATOR_PPM * 1e-6 * center_hz / spectrum.bin_hz))
    shifts = {n: _shift_bins(energies[reference], energies[n], band.first, band.last, reach) for n in seen}
    first, last = band.first + band.margin, band.last - band.margin
    width = max(1, band.last - band.first)
    snr = {}
    for number, shift in shifts.items():
        bins = np.arange(band.first + round(shift), band.last + round(shift)) % size
        excess = float(seen[number][0].psd[bins].sum()) / seen[number][1].power - width
        snr[number] = max(excess, 0.0) * spectrum.bin_hz / max(band.bandwidth_hz, spectrum.bin_hz)
    return Overview(
        reference=reference,
        low_hz=(first - size // 2) * spectrum.bin_hz,
        high_hz=(max(last, first + 1) - size // 2) * spectrum.bin_hz,
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
    window = (0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(length) / length)) / np.sqrt(0.375)
    segments = np.empty((number, length), np.complex64)
    _cut(recording, starts, window.astype(np.float32), segments.view(np.float32))
    segments = scipy.fft.fft(segments, axis=1, workers=1, overwrite_x=True)
    power = segments.real.astype(np.float64) ** 2 + segments.imag.astype(np.float64) ** 2
    return Spectrum(np.fft.fftshift(power.mean(axis=0)) / length, segments, sample_rate_hz / length)


@kernel
def _cut(
    recording: NDArray[np.generic],
    starts: NDArray[np.int64],
    window: NDArray[np.float32],
    segments: NDArray[np.float32],
) -> None:
    for s in range(starts.size):
        for i in range(window.size):
            at = 2 * (starts[s] + i)
            segments[s, 2 * i] = np.float32(recording[at]) * window[i]
            segments[s, 2 * i + 1] = np.float32(recording[at + 1]) * window[i]


def _energies(segments: NDArray[np.complex64], noise: float) -> NDArray[np.float32]:
    """Energy above the noise of every bin of every segment, lowest frequency first, in noise; root against outliers."""
    length = segments.shape[1]
    power = (segments.real**2 + segments.imag**2) / np.float32(noise * length)
    return np.fft.fftshift(np.sqrt(power), axes=1) - np.float32(np.sqrt(np.pi) / 2)


def _shift_bins(reference: NDArray[np.float32], other: NDArray[np.float32], first: int, last: int, reach: int) -> float:
    """By how many bins the other's spectrogram lies above the reference's, with a parabola through the best three."""
    size = reference.shape[1]
    low, high = max(0, first - reach - 1), min(size, last + reach + 1)
    kept = reference[:, first:last]
    fits = np.full(2 * reach + 3, -np.inf)
    for at in range(fits.size):
        start = first + at - reach - 1
        if start >= low and start + last - first <= high:
            fits[at] = float(np.einsum("ij,ij->", kept, other[:, start : start + last - first]))
    best = int(np.argmax(fits[1:-1])) + 1
    below, top, above = fits[best - 1 : best + 2]
    curvature = below - 2.0 * top + above
    part = 0.5 * (below - above) / curvature if np.isfinite(curvature) and curvature < 0 else 0.0
    return best - reach - 1 + float(np.clip(part, -0.5, 0.5))
