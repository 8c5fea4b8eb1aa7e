"""Short-time spectra of a chunk and their average, the power spectral density."""

import math
import threading
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from extractor.kernel import kernel

SEGMENT = 2048
SHORTEST_SEGMENT = 64

# Larger work arrays than this are not kept between chunks.
_KEPT_BYTES = 16 << 20


class Spectrum(NamedTuple):
    """Welch's estimate of one chunk.

    ``psd`` is float64 of shape ``(n,)``, lowest frequency first, zero frequency at ``n // 2``, in mW: white noise of
    power s over the full bandwidth reads s in every bin. ``segments`` is complex64 of shape ``(m, n)``, the
    windowed FFTs in FFT order; it is a view of a work array and valid until the next chunk of this thread.
    """

    psd: NDArray[np.float64]
    segments: NDArray[np.complex64]
    bin_hz: float

    @property
    def mean_power(self) -> float:
        """Mean of the bins: the power of the samples, as Welch's windows see it."""
        return float(np.add.reduce(self.psd)) / self.psd.size

    @property
    def duration_s(self) -> float:
        """From the first segment's start to the last one's end."""
        return (int(self.segments.shape[0]) + 1) / (2.0 * self.bin_hz)

    @property
    def averages(self) -> float:
        """Number of independent averages that m Hann segments with 50 % overlap are worth."""
        count = int(self.segments.shape[0])
        # Neighbouring segments' powers correlate by (1/6)^2: Welch, IEEE Trans. Audio AU-15 (1967), 70-73.
        return count / (1.0 + 2.0 * (1.0 - 1.0 / count) / 36.0)


# Neighbouring bins of a Hann spectrum correlate, one and two apart, by (2/3)^2 and (1/6)^2 in power: the variance of a
# sum over many bins is that much larger than of independent ones.
BIN_CORRELATION = 1.0 + 2.0 * (4.0 / 9.0 + 1.0 / 36.0)


class _Workspace(threading.local):
    """One work array for each thread: fresh pages would cost more than the arithmetic on them."""

    def __init__(self) -> None:
        self._flat = np.empty(0, np.complex64)

    def segments(self, count: int, length: int) -> NDArray[np.complex64]:
        size = count * length
        flat = self._flat if size <= self._flat.size else np.empty(size, np.complex64)
        if flat.nbytes <= _KEPT_BYTES:
            self._flat = flat
        return flat[:size].reshape(count, length)


_workspace = _Workspace()


def measure_spectrum(chunk: NDArray[np.complex64], sample_rate_hz: float) -> Spectrum | None:
    """Average the periodograms of Hann segments with 50 % overlap.

    Segments have 2048 samples, or the largest power of two that fits a shorter chunk. Below 64 samples there is
    no spectrum worth the name, and the answer is None.

    Args:
        chunk: complex64, shape ``(n,)``, sqrt(mW), components below 2^41.
        sample_rate_hz: the rate, which is the full bandwidth.
    """
    length = min(SEGMENT, 1 << (chunk.size.bit_length() - 1))
    if length < SHORTEST_SEGMENT:
        return None
    count = 2 * (chunk.size - length) // length + 1
    segments = _workspace.segments(count, length)
    _apply_window(chunk.view(np.float32), hann(length), segments.view(np.float32))
    segments = scipy.fft.fft(segments, axis=1, workers=1, overwrite_x=True)
    psd = np.empty(length)
    average_power(segments.view(np.float32), psd)
    return Spectrum(psd, segments, sample_rate_hz / length)


def expected_smoothing_sigma(averages: float, width: int) -> float:
    """Relative standard deviation of the mean of ``width`` neighbouring bins of white noise.

    The Hann window correlates the powers of bins one and two apart by (2/3)^2 and (1/6)^2.
    """
    correlation = 2.0 * (4.0 / 9.0 * (1.0 - 1.0 / width) + max(0.0, 1.0 - 2.0 / width) / 36.0)
    return math.sqrt((1.0 + correlation) / (averages * width))


@lru_cache(maxsize=8)
def hann(length: int) -> NDArray[np.float32]:
    """Periodic Hann window of unit rms, each value twice: for the real and the imaginary part."""
    window = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(length) / length)
    return np.repeat(window / math.sqrt(0.375), 2).astype(np.float32)


@kernel
def _apply_window(values: NDArray[np.float32], window: NDArray[np.float32], segments: NDArray[np.float32]) -> None:
    hop = window.size // 2
    for s in range(segments.shape[0]):
        start = s * hop
        for i in range(window.size):
            segments[s, i] = values[start + i] * window[i]


@kernel
def average_power(segments: NDArray[np.float32], psd: NDArray[np.float64]) -> None:
    """Write the mean of |F|^2 / n over the segments into `psd`, with zero frequency moved to the middle."""
    count, width = segments.shape
    squares = np.zeros(width, np.float32)
    for s in range(count):
        for i in range(width):
            squares[i] += segments[s, i] * segments[s, i]
    length = width // 2
    half = length // 2
    scale = 1.0 / (float(count) * length)
    for i in range(half):
        psd[half + i] = scale * (float(squares[2 * i]) + float(squares[2 * i + 1]))
        psd[i] = scale * (float(squares[2 * (half + i)]) + float(squares[2 * (half + i) + 1]))
