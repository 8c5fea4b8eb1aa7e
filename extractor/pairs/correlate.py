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
        x, y = one[0, start : start + length], one[1, start : start + length]
        # Four samples at once: the sums are read and written less often.
        whole = length - length % 4
        for n in range(0, whole, 4):
            u, v = other[0, start + n + lowest :], other[1, start + n + lowest :]
            x0, x1, x2, x3, y0, y1, y2, y3 = x[n], x[n + 1], x[n + 2], x[n + 3], y[n], y[n + 1], y[n + 2], y[n + 3]
            for lag in range(lags):
                u0, u1, u2, u3 = u[lag], u[lag + 1], u[lag + 2], u[lag + 3]
                v0, v1, v2, v3 = v[lag], v[lag + 1], v[lag + 2], v[lag + 3]
                real[lag] += ((x0 * u0 + y0 * v0) + (x1 * u1 + y1 * v1)) + ((x2 * u2 + y2 * v2) + (x3 * u3 + y3 * v3))
                imag[lag] += ((y0 * u0 - x0 * v0) + (y1 * u1 - x1 * v1)) + ((y2 * u2 - x2 * v2) + (y3 * u3 - x3 * v3))
        for n in range(whole, length):
            u, v = other[0, start + n + lowest :], other[1, start + n + lowest :]
            for lag in range(lags):
                real[lag] += x[n] * u[lag] + y[n] * v[lag]
                imag[lag] += y[n] * u[lag] - x[n] * v[lag]
    return out


@kernel
def lag_power(products: Plane) -> Floats:
    """Sum over the blocks of |product|^2, shape (lags,), of what `block_products` gives."""
    power = np.zeros(products.shape[2])
    for k in range(products.shape[1]):
        for lag in range(power.size):
            x, y = np.float64(products[0, k, lag]), np.float64(products[1, k, lag])
            power[lag] += x * x + y * y
    return power


@kernel
def take_means(plane: Plane, sums: Plane) -> None:
    """Take the mean of every block off a signal, and so its carrier, if that lies at zero.

    Args:
        plane: shape (2, whole blocks), is written over.
        sums: of its blocks, shape (2, blocks).
    """
    length = plane.shape[1] // sums.shape[1]
    for part in range(2):
        for k in range(sums.shape[1]):
            mean = sums[part, k] / np.float32(length)
            block = plane[part, k * length : (k + 1) * length]
            for n in range(length):
                block[n] -= mean


@kernel
def moments(one: Plane, one_slope: Plane, other: Plane, other_slope: Plane) -> Plane:
    """Sums over each block of the products of two signals and their derivatives.

    Args: of shape (2, length, blocks), as `aligned` gives them.

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


@kernel
def without_ends(sums: Plane, one: Plane, other: Plane) -> None:
    """Make the slopes in `sums` (of `moments`) those of blocks whose end joins their beginning.

    A shift moves samples over the ends of a block, which tells nothing of time but brings the noise of a carrier's
    amplitude there. With a jump at the joint a' gains (a_begin - a_end) there, so that a' conj(b) - a conj(b') loses
    a_end conj(b_begin) - a_begin conj(b_end). `one` and `other` are of `block_ends`.
    """
    for k in range(sums.shape[1]):
        ar, ai, cr, ci = one[0, k + 1], one[1, k + 1], one[0, k], one[1, k]
        br, bi, dr, di = other[0, k], other[1, k], other[0, k + 1], other[1, k + 1]
        sums[2, k] -= (ar * br + ai * bi) - (cr * dr + ci * di)
        sums[3, k] -= (ai * br - ar * bi) - (ci * dr - cr * di)


@kernel
def block_sums(values: Plane) -> tuple[Plane, Plane]:
    """Sum of |y|^2 over each block, shape (blocks,), and of y, shape (2, blocks), of what `aligned` gives."""
    powers, sums = np.zeros(values.shape[2], np.float32), np.zeros((2, values.shape[2]), np.float32)
    real, imag = sums[0], sums[1]
    for n in range(values.shape[1]):
        x, y = values[0, n], values[1, n]
        for k in range(powers.size):
            powers[k] += x[k] * x[k] + y[k] * y[k]
            real[k] += x[k]
            imag[k] += y[k]
    return powers, sums


@kernel
def without_carriers(
    sums: Plane, one_means: Plane, other_means: Plane, one_powers: Plane, other_powers: Plane
) -> tuple[float, float, float]:
    """How much of the power two signals share, their carriers left out.

    Args:
        sums: what `moments` gave.
        one_means: sum of each block over the root of its length, shape (2, blocks).
        other_means: the same.
        one_powers: sum of |a|^2 over each block without its mean, shape (blocks,).
        other_powers: the same.

    Returns:
        Sums over the blocks of |sum a conj(b)|^2, of the product p of both powers, and of p^2.
    """
    alike, together, squares = 0.0, 0.0, 0.0
    for k in range(sums.shape[1]):
        ar, ai = np.float64(one_means[0, k]), np.float64(one_means[1, k])
        br, bi = np.float64(other_means[0, k]), np.float64(other_means[1, k])
        x, y = sums[0, k] - (ar * br + ai * bi), sums[1, k] - (ai * br - ar * bi)
        alike += x * x + y * y
        both = np.float64(one_powers[k]) * np.float64(other_powers[k])
        together += both
        squares += both * both
    return alike, together, squares
