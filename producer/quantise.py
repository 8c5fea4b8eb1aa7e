"""Which numbers go on the wire: bytes where they are fine enough, else 16-bit integers, or floats on request."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from producer.elementary import F32
from producer.kernel import kernel
from schemas.iq_frame import Datatype

MIN_NOISE_SIGMA_LSB = 9.2
"""With the noise this large, quantisation stays 30 dB under it: 10 log10(12 * 9.2^2) = 30.07."""
FULL_SCALE = {"ci8": 127, "ci16_le": 32767}
_TO_NEAREST = F32(1.5 * 2**23)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantised:
    """A recording as it goes on the wire."""

    datatype: Datatype
    scale: float
    iq: memoryview


def choose_datatype(peak: float, requested: Literal["auto", "cf32_le"]) -> Datatype:
    """ci8 where a full scale at `peak` leaves the noise at least 9.2 steps, else ci16_le.

    Args:
        peak: largest magnitude of a component, in units of the noise's standard deviation per component.
        requested: "cf32_le" keeps floats.
    """
    if requested == "cf32_le":
        return "cf32_le"
    return "ci8" if FULL_SCALE["ci8"] / peak >= MIN_NOISE_SIGMA_LSB else "ci16_le"


def quantise(
    received: npt.NDArray[np.complex64], peak: float, sigma: float, requested: Literal["auto", "cf32_le"]
) -> Quantised:
    """Round a recording, shape (n,), in units of `sigma` (sqrt(mW)), to the wire's numbers.

    The full scale is the peak, so that nothing clips and the step is as small as it can be.
    """
    datatype = choose_datatype(peak, requested)
    components = received.view(np.float32)
    if datatype == "cf32_le":
        return Quantised(datatype=datatype, scale=1.0, iq=_bytes_of(components * F32(sigma)))
    full_scale = FULL_SCALE[datatype]
    integers = np.empty(components.size, np.int8 if datatype == "ci8" else np.dtype("<i2"))
    round_to_integers(components, F32(full_scale / peak), integers)
    return Quantised(datatype=datatype, scale=peak / full_scale * sigma, iq=_bytes_of(integers))


def quantisation_noise_mw(quantised: Quantised) -> float:
    """scale^2 / 12 for each component; 0 for floats."""
    return 0.0 if quantised.datatype == "cf32_le" else quantised.scale**2 / 6


def _bytes_of(numbers: npt.NDArray[np.generic]) -> memoryview:
    return numbers.view(np.uint8).data


@kernel
def round_to_integers(
    components: npt.NDArray[np.float32],
    per_unit: np.float32,
    integers: npt.NDArray[np.int8] | npt.NDArray[np.int16],
) -> None:
    """Multiply and round to the nearest integer, ties to even.

    Adding 1.5 * 2^23 leaves no bits for a fraction: the addition rounds.
    """
    for i in range(components.size):
        integers[i] = np.int32((components[i] * per_unit + _TO_NEAREST) - _TO_NEAREST)
