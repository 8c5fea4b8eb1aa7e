"""A recording at a lower rate, from any moment between two of its samples on."""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from extractor.kernel import kernel
from extractor.pairs.baseband import Plane

HALF_WIDTH = 16
"""Samples of the lower rate on either side of a moment, of which its value is made."""
_STEPS = 512
"""Of the table for each of them: a straight line between two is within 2e-6 of the curve."""
_BETA = 5.65
"""Of Kaiser's window: 60 dB."""


def resampled(recording: NDArray[np.generic], first: float, step: float) -> Plane:
    """What lies around the centre, up to half the lower rate on either side; beyond the ends are zeros.

    Args:
        recording: interleaved I and Q, shape (2 n,).
        first: where the result begins, in samples of the recording; 0 or more.
        step: samples of the recording for one of the result, 1 or more.

    Returns:
        float32, interleaved I and Q, shape (2 m,), read-only: as many as begin within the recording.
    """
    count = max(0, math.ceil((recording.size // 2 - first) / step))
    out = np.empty(2 * count, np.float32)
    _interpolate(recording.astype(np.float32), first, step, _table(), out)
    out.setflags(write=False)
    return out


@lru_cache(maxsize=1)
def _table() -> Plane:
    """Kaiser's window on a sinc, from 0 to HALF_WIDTH, which are its zeros."""
    at = np.arange(HALF_WIDTH * _STEPS + 2) / _STEPS
    window = np.i0(_BETA * np.sqrt(np.maximum(0.0, 1.0 - (at / HALF_WIDTH) ** 2))) / np.i0(_BETA)
    table: Plane = (np.sinc(at) * window).astype(np.float32)
    table[HALF_WIDTH * _STEPS :] = 0.0
    return table


@kernel
def _interpolate(recording: Plane, first: float, step: float, table: Plane, out: Plane) -> None:
    last = recording.size // 2 - 1
    for m in range(out.size // 2):
        at = first + m * step
        low = max(0, math.ceil(at - HALF_WIDTH * step))
        high = min(last, math.floor(at + HALF_WIDTH * step))
        real, imag = 0.0, 0.0
        for n in range(low, high + 1):
            place = abs(at - n) / step * _STEPS
            whole = int(place)
            part = place - whole
            tap = table[whole] + part * (table[whole + 1] - table[whole])
            real += tap * recording[2 * n]
            imag += tap * recording[2 * n + 1]
        out[2 * m], out[2 * m + 1] = np.float32(real / step), np.float32(imag / step)
