"""What the transmitter sends, at zero frequency, as a function of continuous time.

Receivers hear one waveform at many delays that are no multiple of a sample. A delay of a few microseconds
is short against a narrow signal, so it needs the waveform and its first two derivatives alone; those of a
frequency-modulated carrier x = exp(j phi) are exact products of x: x' = j w x and x'' = (j w' - w^2) x with
w = phi'. So a waveform is kept as x, w and w'.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from producer.audio import HIGHEST_HZ
from producer.elementary import F32, I32, U32, sine_cosine
from producer.kernel import kernel

AUDIO_RATE_HZ = 50_000.0
"""At least this many nodes a second carry the audio; cubic pieces lie between them."""
MIN_WAVEFORM_RATE_HZ = 200_000.0
"""Recordings slower than this hear a waveform made at a multiple of their rate, so that the part of a delay
that is no whole sample stays short."""
TILE = 1024
"""Samples that are worked on while they are in the processor's first cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waveform:
    """Samples of x = cosine + j sine, w in rad/us and w' in rad/us^2; float32, shape (n,) each."""

    cosine: npt.NDArray[np.float32]
    sine: npt.NDArray[np.float32]
    rate: npt.NDArray[np.float32]
    rate_slope: npt.NDArray[np.float32]

    def part(self, start: int, count: int, step: int) -> "Waveform":
        """Every `step`-th sample from `start`, `count` of them; contiguous, a view where step is 1."""
        selected = slice(start, start + (count - 1) * step + 1, step)
        return Waveform(
            cosine=np.ascontiguousarray(self.cosine[selected]),
            sine=np.ascontiguousarray(self.sine[selected]),
            rate=np.ascontiguousarray(self.rate[selected]),
            rate_slope=np.ascontiguousarray(self.rate_slope[selected]),
        )


def half_bandwidth_hz(modulation: Literal["nbfm", "carrier"], peak_deviation_hz: float) -> float:
    """Half the occupied bandwidth by Carson's rule: deviation + highest audio frequency; 0 for a carrier."""
    return peak_deviation_hz + HIGHEST_HZ if modulation == "nbfm" else 0.0


def carrier(count: int) -> Waveform:
    """An unmodulated carrier."""
    return Waveform(
        cosine=np.ones(count, np.float32),
        sine=np.zeros(count, np.float32),
        rate=np.zeros(count, np.float32),
        rate_slope=np.zeros(count, np.float32),
    )


def oversampling(sample_rate_hz: float) -> int:
    """Waveform samples per recorded sample."""
    return math.ceil(MIN_WAVEFORM_RATE_HZ / sample_rate_hz)


def waveform_rate_hz(sample_rate_hz: float) -> float:
    """Samples a second of the waveform behind recordings of this rate."""
    return sample_rate_hz * oversampling(sample_rate_hz)


def audio_step(sample_rate_hz: float) -> int:
    """Waveform samples from one node of the audio to the next."""
    return max(1, int(sample_rate_hz // AUDIO_RATE_HZ))


def nbfm(audio: npt.NDArray[np.float32], count: int, *, sample_rate_hz: float, peak_deviation_hz: float) -> Waveform:
    """A carrier whose frequency follows the audio: w = 2 pi peak_deviation audio(t).

    Args:
        audio: nodes at sample_rate_hz / audio_step(sample_rate_hz), float32 within +-1; between nodes
            1 .. n - 3 it is the Catmull-Rom cubic. Sample 0 lies on node 1.
        count: samples to make; needs count <= (n - 3) audio_step.
        sample_rate_hz: of the waveform.
        peak_deviation_hz: frequency deviation where the audio is 1.
    """
    step = audio_step(sample_rate_hz)
    if count > (audio.size - 3) * step:
        raise ValueError(f"{audio.size} nodes of audio carry {(audio.size - 3) * step} samples, not {count}")
    waveform = Waveform(
        cosine=np.empty(count, np.float32),
        sine=np.empty(count, np.float32),
        rate=np.empty(count, np.float32),
        rate_slope=np.empty(count, np.float32),
    )
    modulate(
        audio,
        step,
        peak_deviation_hz * step / sample_rate_hz,
        2 * math.pi * peak_deviation_hz * 1e-6,
        sample_rate_hz / step * 1e-6,
        waveform.cosine,
        waveform.sine,
        waveform.rate,
        waveform.rate_slope,
    )
    return waveform


@kernel
def modulate(
    audio: npt.NDArray[np.float32],
    step: int,
    turns_per_node: float,
    peak_rate: float,
    nodes_per_us: float,
    cosine: npt.NDArray[np.float32],
    sine: npt.NDArray[np.float32],
    rate: npt.NDArray[np.float32],
    rate_slope: npt.NDArray[np.float32],
) -> None:
    """Integrate the audio's cubic pieces into a phase (uint32, 2^32 counts a turn) and write x, w, w'."""
    counts = F32(turns_per_node * 4294967296.0)
    w, slope = F32(peak_rate), F32(peak_rate * nodes_per_us)
    fractions = np.empty(step, np.float32)
    for j in range(step):
        fractions[j] = F32(j / step)
    tile = max(1, TILE // step)
    phases = np.empty(tile * step, np.uint32)
    phase = U32(0)
    for start in range(0, rate.size, tile * step):
        stop = min(start + tile * step, rate.size)
        node = start // step
        for first in range(start, stop, step):
            a, b, c, d = audio[node], audio[node + 1], audio[node + 2], audio[node + 3]
            node += 1
            c1 = F32(0.5) * (c - a)
            c2 = a - F32(2.5) * b + F32(2.0) * c - F32(0.5) * d
            c3 = F32(1.5) * (b - c) + F32(0.5) * (d - a)
            i1, i2, i3 = F32(0.5) * c1, F32(1 / 3) * c2, F32(0.25) * c3
            s2, s3 = F32(2.0) * c2, F32(3.0) * c3
            for j in range(min(step, stop - first)):
                u = fractions[j]
                turned = I32(counts * (u * (b + u * (i1 + u * (i2 + u * i3)))))
                phases[first - start + j] = U32(phase + U32(turned))
                rate[first + j] = w * (b + u * (c1 + u * (c2 + u * c3)))
                rate_slope[first + j] = slope * (c1 + u * (s2 + u * s3))
            phase = U32(phase + U32(I32(counts * (b + i1 + i2 + i3))))
        _oscillate(phases[: stop - start], cosine[start:stop], sine[start:stop])


@kernel
def _oscillate(phases: npt.NDArray[np.uint32], cosine: npt.NDArray[np.float32], sine: npt.NDArray[np.float32]) -> None:
    for i in range(phases.size):
        sine[i], cosine[i] = sine_cosine(phases[i])
