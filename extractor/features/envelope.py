"""Power, envelope and zero crossings of a chunk, gathered in one pass over the samples."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from extractor.features.order_statistic import select_smallest
from extractor.kernel import kernel

_BLOCK = 128


class Envelope(NamedTuple):
    """Moments of a chunk. Powers in mW, amplitudes in sqrt(mW), the rate in sign changes per sample step."""

    mean_power: float
    mean_amplitude: float
    high_power: float
    peak_power: float
    zero_crossing_rate: float

    @property
    def relative_mean(self) -> float:
        """Mean of |x| over the rms: 1 for a carrier, sqrt(pi)/2 = 0.886 for a Rayleigh envelope."""
        return min(1.0, self.mean_amplitude / math.sqrt(self.mean_power))

    @property
    def relative_std(self) -> float:
        """Standard deviation of |x| over the rms: 0 for a carrier, 0.463 for a Rayleigh envelope."""
        return math.sqrt(1.0 - self.relative_mean**2)

    @property
    def relative_high(self) -> float:
        """99.9th percentile of |x| over the rms: 1 for a carrier, sqrt(ln 1000) = 2.63 for Rayleigh."""
        return math.sqrt(self.high_power / self.mean_power)

    @property
    def peak_to_average_db(self) -> float:
        """10 log10 of max |x|^2 over mean |x|^2."""
        return 10.0 * math.log10(max(1.0, self.peak_power / self.mean_power))


def measure_envelope(chunk: NDArray[np.complex64]) -> Envelope:
    """Measure a chunk, complex64 of shape ``(n,)``, n >= 1, in sqrt(mW).

    The percentile is the order statistic ``ceil(0.999 (n - 1))`` (NumPy's method ``higher``), exactly.
    """
    rank = chunk.size - -(-999 * (chunk.size - 1) // 1000)
    power_sum, amplitude_sum, crossings, high, peak = _measure(chunk.view(np.float32), rank)
    return Envelope(
        mean_power=power_sum / chunk.size,
        mean_amplitude=amplitude_sum / chunk.size,
        high_power=high,
        peak_power=peak,
        zero_crossing_rate=crossings / max(1, chunk.size - 1),
    )


@kernel
def _measure(values: NDArray[np.float32], rank: int) -> tuple[float, float, int, float, float]:
    """Sums of |x|^2 and |x|, sign changes of Re x, the ``rank``-th largest |x|^2 (1 is the largest) and the largest."""
    peaks = np.empty(-(-(values.size // 2) // _BLOCK), np.float32)
    power_sum, amplitude_sum, crossings = _scan(values, peaks)
    high = _power_of_rank(values, peaks, rank)
    peak = np.float32(0.0)
    for block in range(peaks.size):
        peak = max(peak, peaks[block])
    return power_sum, amplitude_sum, crossings, high, float(peak)


@kernel
def _scan(values: NDArray[np.float32], block_peaks: NDArray[np.float32]) -> tuple[float, float, int]:
    """Sum |x|^2 and |x|, count the sign changes of Re x, and keep the largest |x|^2 of every block.

    A block is summed by halving: element-wise steps, which fix the order of the sum, vectorise and hardly round.
    """
    count = values.size // 2
    power = np.zeros(_BLOCK, np.float32)
    amplitude = np.zeros(_BLOCK, np.float32)
    bits = power.view(np.int32)
    negative = np.zeros(_BLOCK + 1, np.int8)
    negative[0] = values[0] < 0
    power_sum = 0.0
    amplitude_sum = 0.0
    crossings = 0
    for block in range(block_peaks.size):
        start = block * _BLOCK
        width = min(_BLOCK, count - start)
        for i in range(width):
            re = values[2 * (start + i)]
            im = values[2 * (start + i) + 1]
            power[i] = re * re + im * im
            amplitude[i] = math.sqrt(power[i])
            negative[i + 1] = re < 0
        changes = 0
        for i in range(width):
            changes += negative[i] ^ negative[i + 1]
        crossings += changes
        negative[0] = negative[width]
        power[width:] = 0.0
        amplitude[width:] = 0.0
        # Powers are not negative, so they order like their bits, and an integer maximum vectorises.
        peak = np.int32(0)
        for i in range(_BLOCK):
            peak = max(peak, bits[i])
        block_peaks[block] = np.int32(peak).view(np.float32)
        half = _BLOCK // 2
        while half >= 1:
            for i in range(half):
                power[i] += power[i + half]
                amplitude[i] += amplitude[i + half]
            half //= 2
        power_sum += power[0]
        amplitude_sum += amplitude[0]
    return power_sum, amplitude_sum, crossings


@kernel
def _power_of_rank(values: NDArray[np.float32], block_peaks: NDArray[np.float32], rank: int) -> float:
    """Return the ``rank``-th largest |x|^2.

    At least ``rank`` values reach the ``rank``-th largest block peak, so the answer is not below it, and only
    the fewer than ``rank`` blocks with a larger peak can hold a larger value.
    """
    bound = -1.0
    if block_peaks.size >= rank:
        bound = select_smallest(block_peaks.copy(), block_peaks.size - rank)
    candidates = np.empty(min(rank, block_peaks.size) * _BLOCK, np.float32)
    found = _collect_larger(values, block_peaks, np.float32(bound), candidates)
    return bound if found < rank else select_smallest(candidates[:found], found - rank)


@kernel
def _collect_larger(
    values: NDArray[np.float32],
    block_peaks: NDArray[np.float32],
    bound: np.float32,
    candidates: NDArray[np.float32],
) -> int:
    """Gather every |x|^2 above the bound, looking only into blocks whose peak is; return how many."""
    found = 0
    powers = np.empty(_BLOCK, np.float32)
    for block in range(block_peaks.size):
        if block_peaks[block] > bound:
            pairs = values[2 * block * _BLOCK : 2 * (block + 1) * _BLOCK]
            for i in range(pairs.size // 2):
                powers[i] = pairs[2 * i] * pairs[2 * i] + pairs[2 * i + 1] * pairs[2 * i + 1]
            for power in powers[: pairs.size // 2]:
                if power > bound:
                    candidates[found] = power
                    found += 1
    return found
