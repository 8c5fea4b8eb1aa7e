"""The occupied band of a recording at a low rate, moved in frequency and time."""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from extractor.kernel import kernel
from extractor.pairs.workspace import workspace

Plane = NDArray[np.float32]

TAPS_PER_PHASE = 6
LARGEST_DECIMATION = 16
OVERSAMPLING = 2.0
"""The low rate is at least so many bandwidths."""
HALF_TAPS = 16
"""Of the filter that moves in time; with its middle 2 n + 1 taps."""
_CHUNK = 128
_GROUP = 16
"""Blocks that are filtered at once: as many as fill a line of the cache."""


def decimation(sample_rate_hz: float, bandwidth_hz: float) -> int:
    """The largest number, up to 16, that leaves room beside the band."""
    return int(min(max(1.0, sample_rate_hz // (OVERSAMPLING * bandwidth_hz)), LARGEST_DECIMATION))


def lower_rate(recording: NDArray[np.generic], cycles_per_sample: float, step: int) -> Plane:
    """Move a frequency to zero and keep every `step`-th sample of what lies around it.

    Args:
        recording: interleaved I and Q, shape (2 n,).
        cycles_per_sample: the frequency.
        step: the decimation.

    Returns:
        float32, shape (2, m), of the workspace: real and imaginary part. Sample i belongs to time
        (i step + (taps - 1) / 2) in samples.
    """
    taps = _low_pass(step)
    count = taps.size if step > 1 else 1
    turns = -2.0 * math.pi * cycles_per_sample
    out = workspace.array(2, max(0, (recording.size // 2 - count) // step + 1))
    chunks = -(-out.shape[1] // _CHUNK)
    _mix_and_decimate(
        recording,
        *_circle(turns * np.arange((_CHUNK + TAPS_PER_PHASE) * step)),
        *_circle(turns * _CHUNK * step * np.arange(chunks)),
        taps,
        out,
    )
    return out


def _circle(angles: NDArray[np.floating]) -> tuple[Plane, Plane]:
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


@lru_cache(maxsize=LARGEST_DECIMATION)
def _low_pass(step: int) -> Plane:
    """Kaiser's window (60 dB) on a sinc, cut off at half the low rate, shape (TAPS_PER_PHASE, step)."""
    count = TAPS_PER_PHASE * step
    if step == 1:
        return np.eye(1, count, dtype=np.float32).reshape(count, 1)
    at = np.arange(count) - (count - 1) / 2
    taps = np.sinc(at / step) * np.kaiser(count, 5.65)
    normalised: Plane = (taps / taps.sum()).astype(np.float32).reshape(TAPS_PER_PHASE, step)
    return normalised


@kernel
def _mix_and_decimate(
    recording: NDArray[np.generic],
    cosines: Plane,
    sines: Plane,
    start_cosines: Plane,
    start_sines: Plane,
    taps: Plane,
    out: Plane,
) -> None:
    step = taps.shape[1]
    reach = _CHUNK + TAPS_PER_PHASE
    mixed = np.zeros(2 * reach * step, np.float32)
    samples = mixed.view(np.float64)  # two float32 in one move
    phase = np.empty(2 * reach, np.float32)
    phase_samples = phase.view(np.float64)
    sums = np.empty(2 * _CHUNK, np.float32)
    for c in range(start_cosines.size):
        values = recording[2 * c * _CHUNK * step :]
        for i in range(min(reach * step, values.size // 2)):
            x, y = np.float32(values[2 * i]), np.float32(values[2 * i + 1])
            mixed[2 * i] = x * cosines[i] - y * sines[i]
            mixed[2 * i + 1] = x * sines[i] + y * cosines[i]
        sums[:] = np.float32(0.0)
        for p in range(step):
            for m in range(reach):
                phase_samples[m] = samples[m * step + p]
            t0, t1, t2, t3, t4, t5 = taps[0, p], taps[1, p], taps[2, p], taps[3, p], taps[4, p], taps[5, p]
            for m in range(2 * _CHUNK):
                early = t0 * phase[m] + t1 * phase[m + 2] + t2 * phase[m + 4]
                sums[m] += early + (t3 * phase[m + 6] + t4 * phase[m + 8] + t5 * phase[m + 10])
        real, imag = out[0, c * _CHUNK :], out[1, c * _CHUNK :]
        turn_cosine, turn_sine = start_cosines[c], start_sines[c]
        for m in range(min(_CHUNK, real.size)):
            real[m] = sums[2 * m] * turn_cosine - sums[2 * m + 1] * turn_sine
            imag[m] = sums[2 * m] * turn_sine + sums[2 * m + 1] * turn_cosine


def aligned(
    low: Plane, delay: float, cycles_per_sample: float, width: float, first: int, length: int, blocks: int
) -> tuple[Plane, Plane, Plane]:
    """The band `delay` samples later, and its time derivative.

    Args:
        low: what `lower_rate` gave, shape (2, m).
        delay: in samples of it.
        cycles_per_sample: a frequency that is moved to zero as well, seen from the aligned time.
        width: of the band around zero that is kept, over the rate.
        first: sample, before the delay, that becomes the first of the result.
        length: of a block.
        blocks: how many.

    Returns:
        Three of float32, of the workspace: the signal, shape (2, blocks length), and the signal and its derivative
        so that a loop over blocks runs along memory, shape (2, length, blocks). The derivative is per sample, and
        that of the signal before its frequency is moved.
    """
    whole = math.floor(delay + 0.5)
    at = np.arange(-HALF_TAPS, HALF_TAPS + 1) - (delay - whole)
    window = 0.5 + 0.5 * np.cos(np.pi * at / (HALF_TAPS + 1))
    window_slope = -0.5 * np.pi / (HALF_TAPS + 1) * np.sin(np.pi * at / (HALF_TAPS + 1))
    # At 0 the quotients are not defined: there the sinc is its width, its derivative 0.
    middle = np.abs(at) < 1e-6
    known = np.where(middle, 1.0, at)
    sinc = np.where(middle, width, np.sin(np.pi * width * at) / (np.pi * known))
    sinc_slope = np.where(middle, 0.0, (width * np.cos(np.pi * width * at) - sinc) / known)
    count = length * blocks
    start = first + whole - HALF_TAPS
    span = slice(start, start + count + 2 * HALF_TAPS)
    flat = workspace.array(2, count)
    values, slopes = workspace.array(2, length, blocks), workspace.array(2, length, blocks)
    turns = -2.0 * math.pi * cycles_per_sample
    _filter(
        low[0, span],
        low[1, span],
        (sinc * window).astype(np.float32),
        (-(sinc_slope * window + sinc * window_slope)).astype(np.float32),
        *_circle(turns * np.arange(_GROUP * length)),
        *_circle(turns * _GROUP * length * np.arange(-(-blocks // _GROUP))),
        flat,
        values,
        slopes,
    )
    return flat, values, slopes


@kernel
def _filter(
    low_real: Plane,
    low_imag: Plane,
    taps: Plane,
    slope_taps: Plane,
    cosines: Plane,
    sines: Plane,
    start_cosines: Plane,
    start_sines: Plane,
    flat: Plane,
    values: Plane,
    slopes: Plane,
) -> None:
    length, blocks = values.shape[1], values.shape[2]
    sum_real, sum_imag = np.empty(_GROUP * length, np.float32), np.empty(_GROUP * length, np.float32)
    for group in range(start_cosines.size):
        first = group * _GROUP
        size = min(_GROUP, blocks - first) * length
        real, imag = flat[0, first * length :], flat[1, first * length :]
        # The slopes first: the values stay in `flat`.
        for kept, out in ((slope_taps, slopes), (taps, values)):
            sum_real[:] = np.float32(0.0)
            sum_imag[:] = np.float32(0.0)
            for t in range(0, kept.size, 3):  # 33 taps
                t0, t1, t2 = kept[t], kept[t + 1], kept[t + 2]
                x, y = low_real[first * length + t :], low_imag[first * length + t :]
                for n in range(size):
                    sum_real[n] += t0 * x[n] + t1 * x[n + 1] + t2 * x[n + 2]
                    sum_imag[n] += t0 * y[n] + t1 * y[n + 1] + t2 * y[n + 2]
            turn_cosine, turn_sine = start_cosines[group], start_sines[group]
            for n in range(size):
                cosine = cosines[n] * turn_cosine - sines[n] * turn_sine
                sine = cosines[n] * turn_sine + sines[n] * turn_cosine
                real[n] = sum_real[n] * cosine - sum_imag[n] * sine
                imag[n] = sum_real[n] * sine + sum_imag[n] * cosine
            for part, plane in enumerate((real, imag)):
                for n in range(length):
                    row = out[part, n, first:]
                    for k in range(size // length):
                        row[k] = plane[k * length + n]
