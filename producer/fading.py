"""How the gain of each tap changes while the transmitter moves."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from producer.elementary import F32, U32, sine_cosine
from producer.kernel import inlined, kernel
from producer.multipath import Multipath
from producer.philox import StreamKey, fill_normals

SCATTERERS = 24
"""Plane waves that make up a Rayleigh tap. Lags up to about SCATTERERS / (2 pi f_d) see J0 in each single
realisation, longer ones on average over realisations."""

MAX_BLOCK = 256
LINEAR_STEP_RAD = 0.08
"""Doppler phase over a block between whose ends gains run straight: error below x^2 / 8 = -62 dB."""
CUBIC_STEP_RAD = 0.3
"""The same over an interval with Hermite cubics: error below x^4 / 384 = -94 dB."""

_TWO_PI = F32(2 * np.pi)


@dataclass(frozen=True, slots=True, kw_only=True)
class Motion:
    """What a moving transmitter does to a path."""

    doppler_max_hz: float
    direct_doppler_hz: float
    """Of the direct wave, by the angle between the way and the receiver."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Where gains are computed: nodes every `block * blocks` samples, between them block ends by cubics."""

    block: int
    blocks: int
    nodes: int


def gain_grid(count: int, sample_rate_hz: float, doppler_max_hz: float) -> Grid:
    """Returns the coarsest grid over `count` samples on which the interpolated gains are accurate."""
    step_rad = 2 * math.pi * doppler_max_hz / sample_rate_hz
    block = MAX_BLOCK
    while block > 1 and block * step_rad > LINEAR_STEP_RAD:
        block //= 2
    all_blocks = -(-count // block)
    blocks = all_blocks
    if step_rad > 0:
        blocks = max(1, int(min(all_blocks, CUBIC_STEP_RAD / (block * step_rad))))
    return Grid(block=block, blocks=blocks, nodes=-(-all_blocks // blocks) + 1)


def tap_gains(
    multipath: Multipath,
    motion: Motion,
    mean_power: float,
    node_s: float,
    nodes: int,
    scatter: StreamKey,
) -> tuple[npt.NDArray[np.complex64], npt.NDArray[np.complex64]]:
    """Returns the fading gains of all taps on nodes `node_s` apart, and their slopes per node.

    Returns:
        Two arrays, complex64, shape (taps, nodes); the mean of sum |h|^2 over realisations is `mean_power`.
    """
    powers = np.array(multipath.powers) * mean_power
    direct_power = multipath.direct_power * mean_power
    powers[0] = max(powers[0] - direct_power, 0.0)
    arrivals = np.array(multipath.arrivals)
    gains, slopes = rayleigh_gains(powers, motion.doppler_max_hz * node_s, nodes, arrivals=arrivals, scatter=scatter)
    if direct_power > 0:
        direct_wave(
            math.sqrt(direct_power),
            multipath.direct_turns,
            motion.direct_doppler_hz * node_s,
            gains[0].view(np.float32),
            slopes[0].view(np.float32),
        )
    return gains, slopes


def rayleigh_gains(
    powers: npt.NDArray[np.float64],
    turns_per_node: float,
    nodes: int,
    *,
    arrivals: npt.NDArray[np.float64],
    scatter: StreamKey,
) -> tuple[npt.NDArray[np.complex64], npt.NDArray[np.complex64]]:
    """Jakes fading of several taps on equidistant nodes: gains and their slopes per node.

    Each tap is the sum of SCATTERERS waves from directions spread evenly around the moving transmitter and
    turned by an arbitrary angle, with independent complex normal amplitudes. So every gain is exactly
    complex normal with the tap's power, and the autocorrelation over lag t is J0(2 pi f_d t).

    Args:
        powers: mean power of each tap, shape (taps,).
        turns_per_node: largest Doppler shift times the time from node to node.
        nodes: how many.
        arrivals: where the ring of directions begins, in [0, 1) of its spacing, shape (taps,).
        scatter: the normals.

    Returns:
        Two arrays, complex64, shape (taps, nodes).
    """
    normals = np.empty(2 * SCATTERERS * powers.size, np.float32)
    fill_normals(normals, scatter)
    gains = np.zeros((powers.size, nodes), np.complex64)
    slopes = np.zeros((powers.size, nodes), np.complex64)
    amplitudes = np.sqrt(powers * (0.5 / SCATTERERS)).astype(np.float32)
    scattered_waves(
        normals.reshape(powers.size, SCATTERERS, 2),
        amplitudes,
        arrivals,
        turns_per_node,
        gains.view(np.float32),
        slopes.view(np.float32),
    )
    return gains, slopes


@kernel
def scattered_waves(
    normals: npt.NDArray[np.float32],
    amplitudes: npt.NDArray[np.float32],
    arrivals: npt.NDArray[np.float64],
    turns_per_node: float,
    gains: npt.NDArray[np.float32],
    slopes: npt.NDArray[np.float32],
) -> None:
    """Add every scatterer's wave to its tap."""
    taps, waves = normals.shape[0], normals.shape[1]
    for tap in range(taps):
        for wave in range(waves):
            direction = (wave + arrivals[tap]) / waves
            _, cosine = sine_cosine(U32(np.int64(direction * 4294967296.0)))
            re = amplitudes[tap] * normals[tap, wave, 0]
            im = amplitudes[tap] * normals[tap, wave, 1]
            _add_wave(re, im, turns_per_node * np.float64(cosine), gains[tap], slopes[tap])


@kernel
def direct_wave(
    amplitude: float,
    start_turns: float,
    turns_per_node: float,
    gain: npt.NDArray[np.float32],
    slope: npt.NDArray[np.float32],
) -> None:
    """Add one steady wave, float32 pairs of shape (2 nodes,): the direct path of a Rician tap."""
    sine, cosine = sine_cosine(U32(np.int64(start_turns * 4294967296.0)))
    _add_wave(F32(amplitude) * cosine, F32(amplitude) * sine, turns_per_node, gain, slope)


@inlined
def _add_wave(re, im, turns_per_node, gain, slope):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    step = U32(np.int64(np.floor(turns_per_node * 4294967296.0 + 0.5)))
    omega = F32(turns_per_node) * _TWO_PI
    for node in range(gain.size // 2):
        sine, cosine = sine_cosine(U32(U32(node) * step))
        x = re * cosine - im * sine
        y = re * sine + im * cosine
        gain[2 * node] += x
        gain[2 * node + 1] += y
        slope[2 * node] -= omega * y
        slope[2 * node + 1] += omega * x
