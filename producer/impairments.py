"""Impairments by a receiver's analogue front end, of signal and noise alike; all off by default.

In the order of the way through a direct-conversion receiver: the local oscillator's phase noise, the two
branches' unequal gain and phase, their offset, the converter's limits.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from producer.elementary import F32, I32, U32, sine_cosine
from producer.kernel import kernel
from producer.philox import StreamKey, normal_pair
from producer.reproducible import reproducible
from schemas import Impairments

LANES = 256
"""Sums run in this many lanes side by side: their order is the same on every CPU."""
_LARGEST_STEP = F32(2**30)
"""A quarter of a turn from sample to sample: wider lines than the recording have no phase to follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Impaired:
    """The impairments as realised in one recording, in units of the noise's standard deviation per component."""

    peak: float
    """Largest magnitude of a component."""
    offset_turns: float
    """Direction of the offset, in [0, 1)."""
    clip_level: float | None
    clipped_share: float
    """Part of the components (I and Q) that stand at the limit."""


def impair(
    received: npt.NDArray[np.complex64],
    impairments: Impairments,
    *,
    sample_rate_hz: float,
    offset_turns: float,
    phase_noise: StreamKey,
) -> Impaired:
    """Change a recording in place.

    - Phase noise: a Wiener process with Var[phi(t + tau) - phi(t)] = 2 pi linewidth |tau|, so a carrier becomes
      a Lorentzian line of that full width at half maximum.
    - Imbalance: I = g_I Re(x exp(j phi / 2)), Q = g_Q Im(x exp(-j phi / 2)), g_I / g_Q the gain error, g_I g_Q = 1.
    - Offset: a constant of the given power over the noise's, in the direction `offset_turns`.
    - Clipping: of I and Q each at +-clip_level, in dB over the rms of one of them.

    Args:
        received: complex64, shape (n,), in units of the noise's standard deviation per component.
        impairments: which, and how much.
        sample_rate_hz: of the recording.
        offset_turns: direction of the offset, in [0, 1).
        phase_noise: the normals.
    """
    components = received.view(np.float32)
    if impairments.phase_noise_linewidth_hz > 0:
        turns = math.sqrt(impairments.phase_noise_linewidth_hz / (2 * math.pi * sample_rate_hz))
        wander(components, reproducible(turns * 2**32), phase_noise)
    gain_i, gain_q, cosine, sine = _branches(impairments)
    offset = 0.0
    if impairments.dc_offset_db is not None:
        offset = reproducible(math.sqrt(2 * 10 ** (impairments.dc_offset_db / 10)))
    mean_square = unbalance(components, (gain_i, gain_q, cosine, sine), offset, offset_turns)
    level = math.inf
    if impairments.clip_level_db is not None:
        level = reproducible(math.sqrt(mean_square / 2) * 10 ** (impairments.clip_level_db / 20))
    peak, clipped = clip(components, F32(level))
    return Impaired(
        peak=float(peak),
        offset_turns=offset_turns,
        clip_level=None if math.isinf(level) else level,
        clipped_share=clipped / components.size,
    )


def image_rejection_db(gain_error_db: float, phase_error_deg: float) -> float | None:
    """Power of a tone over that of its image, 10 log10((1 + g^2 + 2 g cos phi) / (1 + g^2 - 2 g cos phi)).

    None where there is no image.
    """
    gain, cosine = 10 ** (gain_error_db / 20), math.cos(math.radians(phase_error_deg))
    tone, image = 1 + gain * gain + 2 * gain * cosine, 1 + gain * gain - 2 * gain * cosine
    return reproducible(10 * math.log10(tone / image)) if image > 0 else None


def _branches(impairments: Impairments) -> tuple[float, float, float, float]:
    gain = 10 ** (impairments.iq_gain_error_db / 40)
    half_rad = math.radians(impairments.iq_phase_error_deg) / 2
    return (
        reproducible(gain),
        reproducible(1 / gain),
        reproducible(math.cos(half_rad)),
        reproducible(math.sin(half_rad)),
    )


@kernel
def wander(components: npt.NDArray[np.float32], counts: float, stream: StreamKey) -> None:
    """Turn each sample by the sum of all normals so far times `counts` (2^32 a turn); the first by none."""
    steps, phases = np.empty(2 * LANES, np.float32), np.empty(2 * LANES, np.uint32)
    phase = U32(0)
    for start in range(0, components.size // 2, 2 * LANES):
        stop = min(start + 2 * LANES, components.size // 2)
        _fill_steps(steps, U32(start // 2), stream[0], stream[1])
        for i in range(stop - start):
            phases[i] = phase
            step = min(max(steps[i] * F32(counts), -_LARGEST_STEP), _LARGEST_STEP)
            phase = U32(phase + U32(I32(step)))
        _turn(components[2 * start : 2 * stop], phases)


# Loops over slices of their own: so the compiler knows that no index is negative, and vectorises.
@kernel
def _fill_steps(steps: npt.NDArray[np.float32], first: np.uint32, key: np.uint32, high: np.uint32) -> None:
    for j in range(steps.size // 2):
        steps[2 * j], steps[2 * j + 1] = normal_pair(U32(first + U32(j)), high, key)


@kernel
def _turn(components: npt.NDArray[np.float32], phases: npt.NDArray[np.uint32]) -> None:
    for i in range(components.size // 2):
        sine, cosine = sine_cosine(phases[i])
        re, im = components[2 * i], components[2 * i + 1]
        components[2 * i] = re * cosine - im * sine
        components[2 * i + 1] = re * sine + im * cosine


@kernel
def unbalance(
    components: npt.NDArray[np.float32],
    branches: tuple[float, float, float, float],
    offset: float,
    offset_turns: float,
) -> float:
    """Apply unequal branches (gain of I, of Q, cos phi/2, sin phi/2) and offset; the mean of |x|^2 is returned."""
    gain_i, gain_q = F32(branches[0]), F32(branches[1])
    cosine, sine = F32(branches[2]), F32(branches[3])
    offset_sine, offset_cosine = sine_cosine(U32(np.int64(offset_turns * 4294967296.0)))
    offset_i, offset_q = F32(offset) * offset_cosine, F32(offset) * offset_sine
    sums, total = np.empty(LANES, np.float32), 0.0
    for start in range(0, components.size, 2 * LANES):
        piece = components[start : start + 2 * LANES]
        for i in range(piece.size // 2):
            re, im = piece[2 * i], piece[2 * i + 1]
            x = gain_i * (cosine * re - sine * im) + offset_i
            y = gain_q * (cosine * im - sine * re) + offset_q
            piece[2 * i], piece[2 * i + 1] = x, y
            sums[i] = x * x + y * y
        for i in range(piece.size // 2):
            total += np.float64(sums[i])
    return total / (components.size // 2)


@kernel
def clip(components: npt.NDArray[np.float32], level: np.float32) -> tuple[np.float32, int]:
    """Limit every component to +-level; returns the largest magnitude then, and how many are at the limit."""
    peak, clipped = F32(0.0), 0
    for i in range(components.size):
        value = components[i]
        magnitude = abs(value)
        if magnitude >= level:
            clipped += 1
            magnitude = level
            components[i] = level if value > F32(0.0) else -level
        peak = max(peak, magnitude)
    return peak, clipped
