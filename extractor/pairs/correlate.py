"""Products of two signals over blocks: against the lag, and with their derivatives."""

import numpy as np
from numpy.typing import NDArray

from extractor.kernel import kernel
from extractor.pairs.baseband import Plane

Floats = NDArray[np.float64]


@kernel
def block_products(
    one: Plane, other: Plane, first: int, length: int, blocks: int, lowest: int, lags: int, every: int
) -> Plane:
    """Sum over a block of one(n) conj(other(n + lag)), for `lags` lags from `lowest` on.

    Args:
        one: shape (2, n), real and imaginary part.
        other: the same.
        first: sample of `one` with which block 0 begins; no lag may leave the signals.
        length: samples of a block.
        blocks: number of them in the recording.
        lowest: the first lag.
        lags: how many.
        every: only every so many blocks are taken.

    Returns:
        float32, shape (2, blocks taken, lags).
    """
    taken = (blocks + every - 1) // every
    out = np.zeros((2, taken, lags), np.float32)
    for k in range(taken):
        start = first + k * every * length
        real, imag = out[0, k], out[1, k]
        for n in range(start, start + length):
            x, y = one[0, n], one[1, n]
            u, v = other[0, n + lowest : n + lowest + lags], other[1, n + lowest : n + lowest + lags]
            for lag in range(lags):
                real[lag] += x * u[lag] + y * v[lag]
                imag[lag] += y * u[lag] - x * v[lag]
    return out


@kernel
def without_means(plane: Plane, length: int) -> Plane:
    """A signal less its mean in every block: without its carrier, if that lies at zero. Shape (2, whole blocks)."""
    blocks = plane.shape[1] // length
    out = np.empty((2, blocks * length), np.float32)
    for part in range(2):
        for k in range(blocks):
            total = np.float32(0.0)
            for n in range(k * length, (k + 1) * length):
                total += plane[part, n]
            mean = total / np.float32(length)
            for n in range(k * length, (k + 1) * length):
                out[part, n] = plane[part, n] - mean
    return out


@kernel
def by_block(plane: Plane, length: int) -> Plane:
    """Shape (2, n) as (2, length, blocks), so that a loop over blocks runs along memory."""
    blocks = plane.shape[1] // length
    out = np.empty((2, length, blocks), np.float32)
    for k in range(blocks):
        for n in range(length):
            out[0, n, k] = plane[0, k * length + n]
            out[1, n, k] = plane[1, k * length + n]
    return out


@kernel
def moments(one: Plane, one_slope: Plane, other: Plane, other_slope: Plane) -> Plane:
    """Sums over each block of the products of two signals and their derivatives.

    Args: of shape (2, length, blocks), as `by_block` gives them.

    Returns:
        float32, shape (6, blocks): a conj(b); a' conj(b) - a conj(b'); a' conj(b'); each real and imaginary.
    """
    length, blocks = one.shape[1], one.shape[2]
    sums = np.zeros((6, blocks), np.float32)
    s0, s1, s2, s3, s4, s5 = sums[0], sums[1], sums[2], sums[3], sums[4], sums[5]
    for n in range(length):
        ar, ai, br, bi = one[0, n], one[1, n], other[0, n], other[1, n]
        cr, ci, dr, di = one_slope[0, n], one_slope[1, n], other_slope[0, n], other_slope[1, n]
        for k in range(blocks):
            s0[k] += ar[k] * br[k] + ai[k] * bi[k]
            s1[k] += ai[k] * br[k] - ar[k] * bi[k]
            s2[k] += (cr[k] * br[k] + ci[k] * bi[k]) - (ar[k] * dr[k] + ai[k] * di[k])
            s3[k] += (ci[k] * br[k] - cr[k] * bi[k]) - (ai[k] * dr[k] - ar[k] * di[k])
            s4[k] += cr[k] * dr[k] + ci[k] * di[k]
            s5[k] += ci[k] * dr[k] - cr[k] * di[k]
    return sums


def block_ends(plane: Plane, length: int) -> Plane:
    """The signal half a sample before each block and half a sample after the last one, shape (2, blocks + 1)."""
    last = plane.shape[1] - 1
    starts = np.arange(0, plane.shape[1] + 1, length)
    out: Plane = np.float32(0.5) * (plane[:, np.maximum(starts - 1, 0)] + plane[:, np.minimum(starts, last)])
    return out


def without_ends(sums: Plane, one: Plane, other: Plane) -> None:
    """Make the slopes in `sums` (of `moments`) those of blocks whose end joins their beginning.

    A shift moves samples over the ends of a block, which tells nothing of time but brings the noise of a carrier's
    amplitude there. With a jump at the joint a' gains (a_begin - a_end) there, so that a' conj(b) - a conj(b') loses
    a_end conj(b_begin) - a_begin conj(b_end). `one` and `other` are of `block_ends`.
    """
    a, b = one[0] + 1j * one[1], other[0] - 1j * other[1]
    excess = a[1:] * b[:-1] - a[:-1] * b[1:]
    sums[2] -= excess.real
    sums[3] -= excess.imag


@kernel
def block_sums(values: Plane) -> tuple[Plane, Plane]:
    """Sum of |y|^2 over each block, shape (blocks,), and of y, shape (2, blocks), of what `by_block` gives."""
    powers, sums = np.zeros(values.shape[2], np.float32), np.zeros((2, values.shape[2]), np.float32)
    real, imag = sums[0], sums[1]
    for n in range(values.shape[1]):
        x, y = values[0, n], values[1, n]
        for k in range(powers.size):
            powers[k] += x[k] * x[k] + y[k] * y[k]
            real[k] += x[k]
            imag[k] += y[k]
    return powers, sums
