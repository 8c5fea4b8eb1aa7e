"""Where the correlation of two nearly aligned signals is highest, how sure that is, and how alike they are."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv

from extractor.kernel import kernel
from extractor.pairs.baseband import Plane

Floats = NDArray[np.float64]

FALSE_ALARM = 1e-3
"""Largest share of pairs of unrelated signals that pass as coherent."""
PART_BLOCKS = 8
"""Blocks whose errors are taken as one: longer than fading stays alike, shorter than the recording."""
_STEPS = 20


class Peak(NamedTuple):
    """In samples of the low rate; the deviation is infinite where the correlation has no summit."""

    offset: float
    deviation: float


def summit(sums: Plane, reach: float) -> Peak:
    """The offset D that maximises P(D) = sum over the blocks of |c(D)|^2, and its standard deviation.

    c(D) = sum of a(t + D/2) conj(b(t - D/2)) over a block is c0 + D/2 c1 - D^2/2 c2 to the second order, with c0, c1,
    c2 as `moments` gives them: each block may have a gain of its own, which |.| removes. Newton's steps on that. The
    deviation is that of an M-estimator, sqrt(sum g^2) / |P''| with the slopes g of parts of 8 blocks.

    Args:
        sums: what `moments` gave, shape (6, blocks).
        reach: farthest offset that is believed.
    """
    return Peak(*_climb(_powers(sums), reach))


@kernel
def _powers(sums: Plane) -> Floats:
    """|c(D)|^2 of every block as coefficients of D, D^2, D^3 and D^4, shape (4, blocks)."""
    out = np.empty((4, sums.shape[1]))
    for k in range(sums.shape[1]):
        x0, y0 = np.float64(sums[0, k]), np.float64(sums[1, k])
        x1, y1 = 0.5 * np.float64(sums[2, k]), 0.5 * np.float64(sums[3, k])
        x2, y2 = -0.5 * np.float64(sums[4, k]), -0.5 * np.float64(sums[5, k])
        out[0, k] = 2.0 * (x0 * x1 + y0 * y1)
        out[1, k] = x1 * x1 + y1 * y1 + 2.0 * (x0 * x2 + y0 * y2)
        out[2, k] = 2.0 * (x1 * x2 + y1 * y2)
        out[3, k] = x2 * x2 + y2 * y2
    return out


@kernel
def _slopes(polynomials: Floats, offset: float) -> tuple[float, float, float]:
    """Slope and curvature of the sum over the blocks, and the sum of the squared slopes of its parts."""
    total, curvature, scatter, part = 0.0, 0.0, 0.0, 0.0
    blocks = polynomials.shape[1]
    for k in range(blocks):
        p, q, r, s = polynomials[0, k], polynomials[1, k], polynomials[2, k], polynomials[3, k]
        slope = p + offset * (2.0 * q + offset * (3.0 * r + offset * 4.0 * s))
        curvature += 2.0 * q + offset * (6.0 * r + offset * 12.0 * s)
        total += slope
        part += slope
        if (k + 1) % PART_BLOCKS == 0 or k + 1 == blocks:
            scatter += part * part
            part = 0.0
    return total, curvature, scatter


@kernel
def _climb(polynomials: Floats, reach: float) -> tuple[float, float]:
    """Offset of the summit within `reach`, and its deviation."""
    offset = 0.0
    total, curvature, scatter = _slopes(polynomials, offset)
    for _ in range(_STEPS):
        step = -total / curvature if curvature < 0.0 else math.copysign(0.25 * reach, total)
        step = max(-0.5 * reach, min(0.5 * reach, step))
        offset = max(-reach, min(reach, offset + step))
        total, curvature, scatter = _slopes(polynomials, offset)
        if abs(step) < 1e-7:
            break
    if curvature >= 0.0 or abs(offset) >= reach:
        return offset, math.inf
    parts = -(-polynomials.shape[1] // PART_BLOCKS)
    return offset, math.sqrt(scatter * parts / max(1, parts - 1)) / -curvature


@kernel
def top_and_side(power: Floats, lobe: int, apart_us: float, step_us: float, allowed_us: float) -> tuple[float, float]:
    """Highest power around lag 0, and beside it.

    Args:
        power: at lags -n to n.
        lobe: lags on either side that belong to the peak; up to four times as many are always looked at beside it.
        apart_us: the difference that lag 0 stands for.
        step_us: how much less each further lag stands for.
        allowed_us: largest difference that is looked at.
    """
    top, side = 0.0, 0.0
    middle = power.size // 2
    for i in range(power.size):
        lag = i - middle
        if abs(lag) <= lobe:
            top = max(top, power[i])
        elif abs(lag) <= 4 * lobe or abs(apart_us - lag * step_us) <= allowed_us:
            side = max(side, power[i])
    return top, side


@kernel
def unrelated_coherence(one: NDArray[np.complex128], other: NDArray[np.complex128], length: int) -> float:
    """Mean of |sum a conj(b)|^2 / (sum |a|^2 sum |b|^2) over a block of unrelated signals of these spectra.

    Args:
        one: normalised autocorrelation at lags 0, 1, ... up to where it has died away.
        other: the same of the other signal.
        length: of the block.
    """
    total = 0.0
    for lag in range(1, one.size):
        total += (1.0 - lag / length) * (one[lag].real * other[lag].real + one[lag].imag * other[lag].imag)
    return min(max((1.0 + 2.0 * total) / length, 1.0 / length), 1.0)


def threshold(unrelated: float, freedom: float, lags: float) -> float:
    """What the squared coherence of unrelated signals exceeds once in 1,000 pairs, at the best of so many lags.

    The squared products of the blocks are exponential variables, weighted by the blocks' powers; their sum is taken
    as a gamma variable of the same first two moments (Satterthwaite 1946).

    Args:
        unrelated: what `unrelated_coherence` gave.
        freedom: (sum p)^2 / sum p^2 of the weights p.
        lags: how many were tried.
    """
    return unrelated * float(gammaincinv(freedom, 1.0 - FALSE_ALARM / max(1.0, lags))) / freedom
