"""Sine and cosine in float32 as polynomials: the same bits on every CPU, and they vectorise.

The C library and NumPy choose their implementation by CPU at run time, so their last bit differs between
machines. Coefficients: S. Moshier, Cephes, `sinf.c`.
"""

import numpy as np

from producer.kernel import inlined

F32, I32, U32 = np.float32, np.int32, np.uint32

_RADIANS_PER_COUNT = F32(2 * np.pi / 2**32)
_SIN = (F32(-1.9515295891e-4), F32(8.3321608736e-3), F32(-1.6666654611e-1))
_COS = (F32(2.443315711809948e-5), F32(-1.388731625493765e-3), F32(4.166664568298827e-2))
_HALF, _ONE = F32(0.5), F32(1.0)


@inlined
def sine_cosine(turns: np.uint32) -> tuple[np.float32, np.float32]:
    """(sin, cos) of 2 pi turns / 2^32 for a uint32: an angle that wraps by itself. Error below 1.2e-7."""
    quadrant = U32(U32(turns + U32(0x20000000)) >> U32(30))
    x = F32(I32(U32(turns - U32(quadrant << U32(30))))) * _RADIANS_PER_COUNT
    z = x * x
    s = ((_SIN[0] * z + _SIN[1]) * z + _SIN[2]) * z * x + x
    c = ((_COS[0] * z + _COS[1]) * z + _COS[2]) * z * z - _HALF * z + _ONE
    odd = (quadrant & U32(1)) != U32(0)
    sine, cosine = (c, s) if odd else (s, c)
    sine = -sine if (quadrant & U32(2)) != U32(0) else sine
    cosine = -cosine if (U32(quadrant + U32(1)) & U32(2)) != U32(0) else cosine
    return sine, cosine
