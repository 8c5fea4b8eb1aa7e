"""What a receiver adds to the signal at its input, and what is measured while it does."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from producer.elementary import F32, U32
from producer.kernel import kernel
from producer.philox import StreamKey, normal_pair

LANES = 256
"""Sums run in this many lanes side by side: their order, and so their last bit, is the same on every CPU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reception:
    """What was added, per chunk, as mean power in units of one noise component's variance (2 = noise)."""

    signal_powers: tuple[float, ...]
    noise_powers: tuple[float, ...]
    peak: float
    """Largest magnitude of a component (I or Q) of signal plus noise."""


def add_noise(received: npt.NDArray[np.complex64], chunk_ends: tuple[int, ...], stream: StreamKey) -> Reception:
    """Add white complex noise with a variance of 1 per component to the signal, in place.

    Args:
        received: the noise-free signal in units of the noise's standard deviation per component, shape (n,).
        chunk_ends: where the measured chunks end, ascending, none beyond n.
        stream: of the noise.
    """
    ends = np.array([*chunk_ends, received.size], np.int64)
    powers = np.zeros((2, ends.size))
    peak = add_and_measure(received.view(np.float32), ends, stream, powers)
    chunks = len(chunk_ends)
    return Reception(
        signal_powers=tuple(powers[0, :chunks].tolist()),
        noise_powers=tuple(powers[1, :chunks].tolist()),
        peak=float(peak),
    )


def chunk_ends(count: int, chunk: int) -> tuple[int, ...]:
    """Where the chunks of a recording of `count` samples end.

    The rest behind the last whole chunk is one more if it is at least half a chunk, or all there is.
    """
    whole, rest = divmod(count, chunk)
    ends = [chunk * (i + 1) for i in range(whole)]
    if not whole or 2 * rest >= chunk:
        ends.append(count)
    return tuple(ends)


def power_dbm(power_mw: float) -> float:
    """10 log10 of a power in mW; -300 at and below 1e-30."""
    return 10 * math.log10(max(power_mw, 1e-30))


@kernel
def add_and_measure(
    received: npt.NDArray[np.float32],
    ends: npt.NDArray[np.int64],
    stream: StreamKey,
    powers: npt.NDArray[np.float64],
) -> np.float32:
    """Add the noise; mean powers of signal and noise go to `powers` (2, chunks), the peak is returned."""
    noise = np.empty(2 * LANES, np.float32)
    sums, peaks = np.zeros((2, LANES), np.float32), np.zeros(LANES, np.float32)
    begin = 0
    for chunk in range(ends.size):
        sums[:] = F32(0.0)
        end = ends[chunk]
        for start in range(begin, end, LANES):
            stop = min(start + LANES, end)
            piece = noise[: 2 * (stop - start)]
            _fill_noise(piece, start, stream[0], stream[1])
            _add_piece(received[2 * start : 2 * stop], piece, sums[0], sums[1], peaks)
        for kind in range(2):
            total = 0.0
            for lane in range(LANES):
                total += np.float64(sums[kind, lane])
            powers[kind, chunk] = total / max(end - begin, 1)
        begin = end
    peak = F32(0.0)
    for lane in range(LANES):
        peak = max(peak, peaks[lane])
    return peak


# Loops over slices of their own: so the compiler knows that no index is negative, and vectorises.
@kernel
def _fill_noise(out: npt.NDArray[np.float32], start: int, key: np.uint32, high: np.uint32) -> None:
    for j in range(out.size // 2):
        out[2 * j], out[2 * j + 1] = normal_pair(U32(U32(start) + U32(j)), high, key)


@kernel
def _add_piece(
    received: npt.NDArray[np.float32],
    noise: npt.NDArray[np.float32],
    signal_sums: npt.NDArray[np.float32],
    noise_sums: npt.NDArray[np.float32],
    peaks: npt.NDArray[np.float32],
) -> None:
    for j in range(noise.size // 2):
        re, im = received[2 * j], received[2 * j + 1]
        noise_re, noise_im = noise[2 * j], noise[2 * j + 1]
        signal_sums[j] += re * re + im * im
        noise_sums[j] += noise_re * noise_re + noise_im * noise_im
        re, im = re + noise_re, im + noise_im
        received[2 * j], received[2 * j + 1] = re, im
        larger = max(abs(re), abs(im))
        peaks[j] = max(larger, peaks[j])
