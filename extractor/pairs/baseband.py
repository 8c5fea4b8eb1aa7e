"""The occupied band of a recording at a low rate, moved in frequency and time."""

import math

import numpy as np
from numpy.typing import NDArray

from extractor.kernel import kernel

Plane = NDArray[np.float32]

TAPS_PER_PHASE = 6
LARGEST_DECIMATION = 16
OVERSAMPLING = 2.0
"""The low rate is at least so many bandwidths."""
HALF_TAPS = 16
"""Of the filter that moves in time; with its middle 2 n + 1 taps."""
_CHUNK = 128
_FILTERED = 1024


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
        float32, shape (2, m): real and imaginary part. Sample i belongs to time (i step + (taps - 1) / 2) in samples.
    """
    count = TAPS_PER_PHASE * step if step > 1 else 1
    taps = _low_pass(count, step)
    turns = -2.0 * math.pi * cycles_per_sample
    outputs = max(0, (recording.size // 2 - count) // step + 1)
    chunks = -(-outputs // _CHUNK)
    out = np.empty((2, chunks * _CHUNK), np.float32)
    _mix_and_decimate(
        recording,
        *_circle(turns * np.arange(_CHUNK * step + count)),
        *_circle(turns * _CHUNK * step * np.arange(chunks)),
        taps,
        step,
        _CHUNK,
        out,
    )
    return np.ascontiguousarray(out[:, :outputs])


def _circle(angles: NDArray[np.floating]) -> tuple[Plane, Plane]:
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


def _low_pass(count: int, step: int) -> Plane:
    """Kaiser's window (60 dB) on a sinc, cut off at half the low rate."""
    at = np.arange(count) - (count - 1) / 2
    taps = np.sinc(at / step) * np.kaiser(count, 5.65)
    normalised: Plane = (taps / taps.sum()).astype(np.float32)
    return normalised


@kernel
def _mix_and_decimate(
    recording: NDArray[np.generic],
    cosines: Plane,
    sines: Plane,
    start_cosines: Plane,
    start_sines: Plane,
    taps: Plane,
    step: int,
    chunk: int,
    out: Plane,
) -> None:
    per_phase = (taps.size + step - 1) // step
    reach = chunk + per_phase
    real, imag = np.zeros((step, reach), np.float32), np.zeros((step, reach), np.float32)
    mixed_real, mixed_imag = np.empty(reach * step, np.float32), np.empty(reach * step, np.float32)
    sum_real, sum_imag = np.empty(chunk, np.float32), np.empty(chunk, np.float32)
    samples = recording.size // 2
    for c in range(out.shape[1] // chunk):
        first = c * chunk * step
        width = min(chunk * step + taps.size, samples - first)
        for i in range(width):
            x, y = np.float32(recording[2 * (first + i)]), np.float32(recording[2 * (first + i) + 1])
            mixed_real[i] = x * cosines[i] - y * sines[i]
            mixed_imag[i] = x * sines[i] + y * cosines[i]
        for p in range(step):
            for m in range((width - p + step - 1) // step):
                real[p, m] = mixed_real[m * step + p]
                imag[p, m] = mixed_imag[m * step + p]
        sum_real[:] = np.float32(0.0)
        sum_imag[:] = np.float32(0.0)
        for t in range(taps.size):
            p, late, tap = t % step, t // step, taps[t]
            x_late, y_late = real[p, late : late + chunk], imag[p, late : late + chunk]
            for m in range(chunk):
                sum_real[m] += tap * x_late[m]
                sum_imag[m] += tap * y_late[m]
        for m in range(chunk):
            out[0, c * chunk + m] = sum_real[m] * start_cosines[c] - sum_imag[m] * start_sines[c]
            out[1, c * chunk + m] = sum_real[m] * start_sines[c] + sum_imag[m] * start_cosines[c]


def aligned(
    low: Plane, delay: float, cycles_per_sample: float, width: float, first: int, count: int
) -> tuple[Plane, Plane]:
    """The band `delay` samples later, and its time derivative.

    Args:
        low: what `lower_rate` gave, shape (2, m).
        delay: in samples of it.
        cycles_per_sample: a frequency that is moved to zero as well, seen from the aligned time.
        width: of the band around zero that is kept, over the rate.
        first: sample, before the delay, that becomes the first of the result.
        count: samples of the result.

    Returns:
        Two of float32, shape (2, count); the derivative is per sample, and that of the signal before its frequency is
        moved.
    """
    whole = math.floor(delay + 0.5)
    at = np.arange(-HALF_TAPS, HALF_TAPS + 1) - (delay - whole)
    window = 0.5 + 0.5 * np.cos(np.pi * at / (HALF_TAPS + 1))
    window_slope = -0.5 * np.pi / (HALF_TAPS + 1) * np.sin(np.pi * at / (HALF_TAPS + 1))
    sinc = width * np.sinc(width * at)
    # Its derivative is 0 at 0, where the quotient is not defined.
    middle = np.abs(at) < 1e-6
    sinc_slope = np.where(middle, 0.0, (width * np.cos(np.pi * width * at) - sinc) / np.where(middle, 1.0, at))
    start = first + whole - HALF_TAPS
    span = slice(start, start + count + 2 * HALF_TAPS)
    turn = _circle(-2.0 * math.pi * cycles_per_sample * np.arange(_FILTERED))
    starts = _circle(-2.0 * math.pi * cycles_per_sample * np.arange(0, count, _FILTERED))
    both = []
    for taps in (sinc * window, -(sinc_slope * window + sinc * window_slope)):
        out = np.empty((2, count), np.float32)
        _filter(low[0, span], low[1, span], taps.astype(np.float32), *turn, *starts, out)
        both.append(out)
    return both[0], both[1]


@kernel
def _filter(
    real: Plane,
    imag: Plane,
    taps: Plane,
    cosines: Plane,
    sines: Plane,
    start_cosines: Plane,
    start_sines: Plane,
    out: Plane,
) -> None:
    count = out.shape[1]
    for begin in range(0, count, _FILTERED):
        size = min(_FILTERED, count - begin)
        sum_real, sum_imag = np.zeros(size, np.float32), np.zeros(size, np.float32)
        for t in range(taps.size):
            tap = taps[t]
            x, y = real[begin + t : begin + t + size], imag[begin + t : begin + t + size]
            for m in range(size):
                sum_real[m] += tap * x[m]
                sum_imag[m] += tap * y[m]
        c, s = start_cosines[begin // _FILTERED], start_sines[begin // _FILTERED]
        for m in range(size):
            x, y = sum_real[m] * c - sum_imag[m] * s, sum_real[m] * s + sum_imag[m] * c
            out[0, begin + m] = x * cosines[m] - y * sines[m]
            out[1, begin + m] = x * sines[m] + y * cosines[m]
