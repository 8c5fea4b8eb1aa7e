"""How complex samples stand in a file: SigMF's names of datatypes."""

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_NAME = re.compile(r"c(f32|f64|i32|i16|u32|u16|i8|u8)(_le|_be)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Datatype:
    """I and Q interleaved, I first."""

    name: str
    component: np.dtype[np.generic]
    """Of I and of Q."""
    zero: int
    """Subtracted from the components: 2^(bits-1) of unsigned ones, else 0."""
    full_scale: float
    """Components minus `zero`, divided by this, are in -1..1. 1 for floats."""

    @property
    def sample_bytes(self) -> int:
        """Bytes of one complex sample."""
        return 2 * self.component.itemsize

    def to_complex(self, raw: npt.NDArray[np.generic]) -> npt.NDArray[np.complex64]:
        """Components (n, 2) as complex samples (n,), 1.0 being full scale.

        An unsigned byte v becomes (v - 128)/128. The zero of an RTL2832 lies at 127.4 to 127.5, so what has no signal
        has a mean of about -0.5/128 in I and in Q: half a step, -45.2 dBFS in all. `levels.mean_of` measures it.
        """
        # What float32 cannot hold becomes infinite; NaN of any kind stays NaN. Both are refused by who reads.
        with np.errstate(over="ignore", invalid="ignore"):
            values = raw.astype(np.float64)
            values -= self.zero
            values /= self.full_scale
            return np.ascontiguousarray(values.astype(np.float32)).view(np.complex64)[:, 0]


def parse_datatype(name: str) -> Datatype:
    """The datatype of a SigMF name, as `cu8`, `ci16_be` or `cf32_le`.

    Raises:
        ValueError: says what is wrong with the name.
    """
    if re.fullmatch(r"r(f32|f64|i32|i16|u32|u16|i8|u8)(_le|_be)?", name):
        raise ValueError(f"datatype {name} is of real samples; only complex ones (I and Q) are read")
    match = _NAME.fullmatch(name)
    if match is None:
        raise ValueError(f"datatype {name[:40]!r} is not known; allowed are cu8, ci8, ci16_le, cf32_le and their kind")
    kind, order = match[1][0], match[2]
    bits = int(match[1][1:])
    if bits > 8 and order is None:
        raise ValueError(f"datatype {name} has no byte order: {name}_le or {name}_be is meant")
    if bits == 8 and order is not None:
        raise ValueError(f"datatype {name} has a byte order, which bytes have not: c{match[1]} is meant")
    component = np.dtype(f"{'>' if order == '_be' else '<'}{kind}{bits // 8}")
    half = 2 ** (bits - 1)
    return Datatype(
        name=name, component=component, zero=half if kind == "u" else 0, full_scale=1.0 if kind == "f" else float(half)
    )
