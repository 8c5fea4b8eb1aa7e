"""What the transmitter sends, at zero frequency, as a function of continuous time.

Receivers hear one waveform at many delays that are no multiple of a sample. A delay of a few microseconds
is short against a narrow signal, so it needs the waveform and its first two derivatives alone (channel.py).
There are two kinds: `AngleModulated` (angle.py), whose derivatives are products of the waveform itself, and
`LinearlyModulated` (linear.py), which keeps them beside it.
"""

import math
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

T = TypeVar("T", bound=np.generic)

MIN_WAVEFORM_RATE_HZ = 200_000.0
"""Recordings slower than this hear a waveform made at a multiple of their rate, so that the part of a delay
that is no whole sample stays short."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockGains:
    """The gains H0, -H1, H2 of one bundle of echoes, turned to the received frequency; see channel.py.

    Within a block they run straight: begins + rises * ramp, shapes (blocks, 6) and (block,), three complex
    numbers as pairs; then they turn by (cosine, sine), shape (block,).
    """

    begins: npt.NDArray[np.float32]
    rises: npt.NDArray[np.float32]
    ramp: npt.NDArray[np.float32]
    cosine: npt.NDArray[np.float32]
    sine: npt.NDArray[np.float32]


class Waveform(Protocol):
    """Samples of x, x' and x'', in a form of its own."""

    def baseband(self, step: int) -> npt.NDArray[np.complex64]:
        """Every `step`-th sample of x, complex64."""

    def add_echoes(
        self, received: npt.NDArray[np.complex64], gains: BlockGains, *, start: int, step: int, first: bool
    ) -> None:
        """Add H0 x - H1 x' + H2 x'' to `received`, shape (n,), from sample `start` by steps of `step`.

        The `first` bundle replaces what was there.
        """


def oversampling(sample_rate_hz: float) -> int:
    """Waveform samples per recorded sample."""
    return math.ceil(MIN_WAVEFORM_RATE_HZ / sample_rate_hz)


def waveform_rate_hz(sample_rate_hz: float) -> float:
    """Returns the sample rate of the waveform for recordings of this rate, Hz."""
    return sample_rate_hz * oversampling(sample_rate_hz)


def every(values: npt.NDArray[T], start: int, count: int, step: int) -> npt.NDArray[T]:
    """Every `step`-th value from `start`, `count` of them; contiguous, a view where step is 1."""
    return np.ascontiguousarray(values[start : start + (count - 1) * step + 1 : step])
