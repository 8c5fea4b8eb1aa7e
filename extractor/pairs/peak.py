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
    polynomials = _powers(sums)
    offset, (total, curvature, scatter) = 0.0, _slopes(polynomials, 0.0)
    for _ in range(_STEPS):
        step = -total / curvature if curvature < 0.0 else math.copysign(0.25 * reach, total)
        step = max(-0.5 * reach, min(0.5 * reach, step))
        offset = max(-reach, min(reach, offset + step))
        total, curvature, scatter = _slopes(polynomials, offset)
        if abs(step) < 1e-7:
            break
    if curvature >= 0.0 or abs(offset) >= reach:
        return Peak(offset, math.inf)
    parts = -(-polynomials.shape[1] // PART_BLOCKS)
    return Peak(offset, math.sqrt(scatter * parts / max(1, parts - 1)) / -curvature)


def _powers(sums: Plane) -> Floats:
    """|c(D)|^2 of every block as coefficients of D, D^2, D^3 and D^4, shape (4, blocks)."""
    c = sums.astype(np.float64)
    c0, c1, c2 = c[0] + 1j * c[1], 0.5 * (c[2] + 1j * c[3]), -0.5 * (c[4] + 1j * c[5])
    out = np.empty((4, c0.size))
    out[0] = 2.0 * np.real(c0.conj() * c1)
    out[1] = np.abs(c1) ** 2 + 2.0 * np.real(c0.conj() * c2)
    out[2] = 2.0 * np.real(c1.conj() * c2)
    out[3] = np.abs(c2) ** 2
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


def unrelated_coherence(one: NDArray[np.complex128], other: NDArray[np.complex128], length: int) -> float:
    """Mean of |sum a conj(b)|^2 / (sum |a|^2 sum |b|^2) over a block of unrelated signals of these spectra.

    Args:
        one: normalised autocorrelation at lags 0, 1, ... up to where it has died away.
        other: the same of the other signal.
        length: of the block.
    """
    fading = 1.0 - np.arange(1, one.size) / length
    mean = (1.0 + 2.0 * float(np.sum(fading * np.real(one * other.conj())[1:]))) / length
    return min(max(mean, 1.0 / length), 1.0)


def threshold(unrelated: float, powers: Floats, lags: float) -> float:
    """What the squared coherence of unrelated signals exceeds once in 1,000 pairs, at the best of so many lags.

    The squared products of the blocks are exponential variables, weighted by the blocks' powers; their sum is taken
    as a gamma variable of the same first two moments (Satterthwaite 1946).
    """
    weight = powers / powers.sum()
    freedom = 1.0 / float(np.sum(weight**2))
    return unrelated * float(gammaincinv(freedom, 1.0 - FALSE_ALARM / max(1.0, lags))) / freedom
