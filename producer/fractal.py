"""Fractal detail of the ground: value noise in octaves, a function of (seed, place) alone.

Every octave has random heights on a square lattice of its own size and direction, with smooth passages between
them; an octave of half the size has 2^-e of the height. Root mean square differences over 200 m to 3.2 km grow
with the distance as r^H (H: Hurst exponent); were there octaves of any size, e would be H. Only sums, products
and whole numbers are used: the same bits on every CPU.
"""

import numpy as np
import numpy.typing as npt

from producer.kernel import inlined, kernel
from producer.reproducible import reproducible

LARGEST_M = 25_600.0
OCTAVES = 8
"""From 25.6 km down to 200 m, twice the longest step of a profile."""
_ONE_OCTAVE_SIGMA = 0.4290
"""Standard deviation of value noise with heights uniform in +-1: 13/35 is the mean square of the passage."""
_NO_CELL, _NEXT = np.inf, np.int64(1)

Floats = npt.NDArray[np.float64]
Words = npt.NDArray[np.uint64]


def octave_gains(hurst: float) -> Floats:
    """Heights of the octaves, largest first, so that the standard deviation of their sum is 1; shape (OCTAVES,)."""
    beyond = hurst - 0.8
    exponent = 0.868 + 1.855 * beyond + 3.05 * beyond * beyond  # fitted to the differences measured for e = 0.65-1.2
    gains = [2.0 ** (-exponent * octave) for octave in range(OCTAVES)]
    sigma = _ONE_OCTAVE_SIGMA * sum(gain * gain for gain in gains) ** 0.5
    return np.array([reproducible(gain / sigma) for gain in gains])


def octave_keys(seed: int) -> Words:
    """One key per octave; shape (OCTAVES,)."""
    return np.random.SeedSequence(entropy=seed).generate_state(OCTAVES, np.uint64).astype(np.uint64)


@inlined
def lattice_height(column: np.int64, row: np.int64, key: np.uint64) -> float:
    """Height of a lattice point, uniform in [-1, 1): the finaliser of SplitMix64 over the point's numbers."""
    word = key + np.uint64(column) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(row) * np.uint64(0xD1B54A32D192ED03)
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    word = word ^ (word >> np.uint64(31))
    return np.float64(np.int64(word >> np.uint64(11))) * 2.0**-52 - 1.0


@kernel
def fill_fractal(east_m: Floats, north_m: Floats, gains: Floats, keys: Words, out: Floats) -> None:
    """Sum of the octaves at every place, standard deviation 1; all arrays (n,). Neighbours should lie together."""
    x, y = east_m / LARGEST_M, north_m / LARGEST_M
    out[:] = 0.0
    for octave in range(gains.size):
        _add_octave(x, y, gains[octave], keys[octave], out)


@kernel
def _add_octave(x: Floats, y: Floats, gain: float, key: np.uint64, out: Floats) -> None:
    """Add one octave, and go over to the next one's lattice: half the size, and turned by the angle of the
    triangle 3-4-5, so that the lattices share no line.
    """
    at_column, at_row = _NO_CELL, _NO_CELL
    corner, by_u, by_v, by_uv = 0.0, 0.0, 0.0, 0.0
    for i in range(out.size):
        column, row = np.floor(x[i]), np.floor(y[i])
        if column != at_column or row != at_row:  # the last place's square serves as long as it is this one's
            at_column, at_row = column, row
            j, k = np.int64(column), np.int64(row)
            corner = gain * lattice_height(j, k, key)
            by_u = gain * lattice_height(j + _NEXT, k, key) - corner
            by_v = gain * lattice_height(j, k + _NEXT, key) - corner
            by_uv = gain * lattice_height(j + _NEXT, k + _NEXT, key) - corner - by_u - by_v
        u, v = x[i] - column, y[i] - row
        u, v = u * u * (3.0 - 2.0 * u), v * v * (3.0 - 2.0 * v)
        out[i] += corner + u * by_u + v * (by_v + u * by_uv)
        x[i], y[i] = 1.6 * x[i] - 1.2 * y[i] + 0.37, 1.2 * x[i] + 1.6 * y[i] + 0.71
