"""Standard normal numbers by counter: the i-th number of a stream is a function of (key, i).

Philox-2x32 with 10 rounds (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011) gives two
32-bit words per counter; Box and Muller turn them into two normals. There is no state to carry from one
number to the next, so the loop vectorises.
"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from producer.elementary import F32, I32, U32
from producer.kernel import inlined, kernel

StreamKey: TypeAlias = npt.NDArray[np.uint32]
"""Two words: the key of the cipher and the upper half of its counter. 2^64 streams of 2^32 pairs."""

_MULTIPLIER = np.uint64(0xD256D193)
_WEYL = U32(0x9E3779B9)
_UNIFORM_STEP = F32(2.0**-24)
_SQRT_HALF_BITS = I32(0x3F3504F3)
_ONE, _MINUS_TWO_LN2 = F32(1.0), F32(-1.3862943611198906)
_EIGHTH_TURN = F32(np.pi / 4 / 2**31)
# Least-maximum fits, coefficients from the lowest power; far finer than any sample can tell from a normal.
# -2 ln(1 + m) / m for 1 + m in [sqrt(1/2), sqrt(2)], relative error 1.5e-5
_LOG = (F32(-2.0000091), F32(0.9998044), F32(-0.6651605), F32(0.5080654), F32(-0.44111866), F32(0.28584117))
# sin(x) / x and cos(x) as polynomials in x^2 for |x| <= pi / 4, errors 1.4e-6 and 1e-5
_SIN = (F32(0.99999857), F32(-0.1666248), F32(0.0081516355))
_COS = (F32(0.99999005), F32(-0.49970815), F32(0.040398534))


@inlined
def philox_2x32(counter: np.uint32, counter_high: np.uint32, key: np.uint32) -> tuple[np.uint32, np.uint32]:
    """Two uint32 words of Philox-2x32-10."""
    for _ in range(10):
        product = np.uint64(counter) * _MULTIPLIER
        counter = U32(U32(product >> np.uint64(32)) ^ key ^ counter_high)
        counter_high = U32(product)
        key = U32(key + _WEYL)
    return counter, counter_high


@inlined
def normal_pair(index: np.uint32, counter_high: np.uint32, key: np.uint32) -> tuple[np.float32, np.float32]:
    """Two independent standard normals, float32; no magnitude exceeds 5.77 (the radius has 24 bits)."""
    radius_word, angle_word = philox_2x32(index, counter_high, key)
    radius = np.sqrt(_minus_two_log(F32(I32(U32(U32(radius_word >> U32(8)) | U32(1)))) * _UNIFORM_STEP))
    x, y = _direction(angle_word)
    return radius * x, radius * y


@inlined
def _minus_two_log(uniform: np.float32) -> np.float32:
    # uniform = 2^exponent (1 + m); never negative, since exponent = 0 comes with m < 0.
    bits = np.float32(uniform).view(np.int32)
    exponent = I32(I32(bits - _SQRT_HALF_BITS) >> I32(23))
    m = np.int32(I32(bits - I32(exponent << I32(23)))).view(np.float32) - _ONE
    q = ((((_LOG[5] * m + _LOG[4]) * m + _LOG[3]) * m + _LOG[2]) * m + _LOG[1]) * m + _LOG[0]
    return m * q + _MINUS_TWO_LN2 * F32(exponent)


@inlined
def _direction(word: np.uint32) -> tuple[np.float32, np.float32]:
    # An angle within an eighth of a turn of the x axis; two more bits choose among the four quarters.
    angle = F32(I32(word)) * _EIGHTH_TURN
    z = angle * angle
    sine = angle * ((_SIN[2] * z + _SIN[1]) * z + _SIN[0])
    cosine = (_COS[2] * z + _COS[1]) * z + _COS[0]
    cosine = np.uint32(np.float32(cosine).view(np.uint32) ^ U32(word << U32(31))).view(np.float32)
    swapped = U32(word & U32(2)) != U32(0)
    return (sine if swapped else cosine), (cosine if swapped else sine)


@kernel
def fill_normals(out: npt.NDArray[np.float32], stream: StreamKey) -> None:
    """Fill `out`, float32 of even length, with the first normals of the stream."""
    key, high = stream[0], stream[1]
    for i in range(out.size // 2):
        out[2 * i], out[2 * i + 1] = normal_pair(U32(i), high, key)
