"""Power in dBm: |x|^2 is milliwatt, so dBm = 10 log10 |x|^2."""

import math

import numpy as np
from numpy.typing import NDArray

from extractor.kernel import kernel

POWER_FLOOR_DBM = -300.0
POWER_FLOOR_MW = 1e-30

# Amplitudes up to 2^40 keep every power and every FFT bin of a segment well inside float32.
_LARGEST_EXPONENT = 40


def power_dbm(power_mw: float) -> float:
    """10 log10 of a power in milliwatt, not below the floor of -300 dBm that stands for silence."""
    return 10.0 * math.log10(max(power_mw, POWER_FLOOR_MW))


def largest_component(samples: NDArray[np.complex64]) -> float:
    """Largest magnitude of a real or imaginary part; infinity or NaN if there is one in the samples."""
    bits = _largest_magnitude_bits(samples.view(np.uint32))
    return float(np.uint32(bits).view(np.float32))


def is_absurdly_strong(largest: float) -> bool:
    """Tell whether powers of samples with this largest component may leave float32."""
    return largest > 2.0**_LARGEST_EXPONENT


def within_range(chunk: NDArray[np.complex64]) -> tuple[NDArray[np.complex64], float]:
    """Scale absurdly strong samples down by a power of two, so that their powers fit float32.

    Returns:
        The chunk (the same array unless it had to be scaled) and the gain in dB to add to its powers.
    """
    excess = math.frexp(largest_component(chunk))[1] - _LARGEST_EXPONENT
    if excess <= 0:
        return chunk, 0.0
    return chunk * np.float32(2.0**-excess), 20.0 * excess * math.log10(2.0)


@kernel
def _largest_magnitude_bits(words: NDArray[np.uint32]) -> np.uint32:
    # Magnitudes of IEEE floats order like their bits, and an integer maximum vectorises.
    largest = np.uint32(0)
    for i in range(words.size):
        magnitude = np.uint32(words[i] & np.uint32(0x7FFFFFFF))
        largest = max(largest, magnitude)
    return largest
