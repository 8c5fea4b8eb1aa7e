"""Waveforms of constant envelope, x = exp(j phi): frequency modulation and the carrier.

Their derivatives are exact products of x: x' = j w x and x'' = (j w' - w^2) x with w = phi'. So such a
waveform is kept as x, w and w'.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from producer.elementary import F32, I32, U32, sine_cosine
from producer.kernel import kernel
from producer.spline import TILE, in_fours, locate, pick, pieces_of, require_nodes
from producer.waveform import BlockGains, every


@dataclass(frozen=True, slots=True, kw_only=True)
class AngleModulated:
    """Samples of x = cosine + j sine, w in rad/us and w' in rad/us^2; float32, shape (n,) each."""

    cosine: npt.NDArray[np.float32]
    sine: npt.NDArray[np.float32]
    rate: npt.NDArray[np.float32]
    rate_slope: npt.NDArray[np.float32]

    def baseband(self, step: int) -> npt.NDArray[np.complex64]:
        """Every `step`-th sample of x, complex64."""
        x = np.empty(-(-self.cosine.size // step), np.complex64)
        x.real, x.imag = self.cosine[::step], self.sine[::step]
        return x

    def add_echoes(
        self, received: npt.NDArray[np.complex64], gains: BlockGains, *, start: int, step: int, first: bool
    ) -> None:
        """Add (H0 - j w H1 + (j w' - w^2) H2) x to `received`, shape (n,), from sample `start` on.

        The `first` bundle replaces what was there.
        """
        cosine, sine, rate, rate_slope = (
            every(values, start, received.size, step) for values in (self.cosine, self.sine, self.rate, self.rate_slope)
        )
        add_angle_modulated(
            received.view(np.float32),
            first,
            (cosine, sine, rate, rate_slope),
            (gains.cosine, gains.sine, gains.ramp),
            gains.begins,
            gains.rises,
        )


def carrier(count: int) -> AngleModulated:
    """An unmodulated carrier."""
    return AngleModulated(
        cosine=np.ones(count, np.float32),
        sine=np.zeros(count, np.float32),
        rate=np.zeros(count, np.float32),
        rate_slope=np.zeros(count, np.float32),
    )


def frequency_modulated(
    nodes: npt.NDArray[np.float32],
    count: int,
    *,
    node_rate_hz: float,
    sample_rate_hz: float,
    deviation_hz: float,
    first: float = 0.0,
) -> AngleModulated:
    """A carrier whose frequency follows a spline: w = 2 pi deviation s(t).

    Args:
        nodes: coefficients of s, float32.
        count: samples to make.
        node_rate_hz: of the coefficients.
        sample_rate_hz: of the waveform.
        deviation_hz: frequency deviation where s is 1.
        first: where sample 0 lies behind node 1, in [0, 1).

    Raises:
        ValueError: too few nodes.
    """
    per_sample = node_rate_hz / sample_rate_hz
    require_nodes(nodes.size, count, per_sample)
    waveform = AngleModulated(
        cosine=np.empty(count, np.float32),
        sine=np.empty(count, np.float32),
        rate=np.empty(count, np.float32),
        rate_slope=np.empty(count, np.float32),
    )
    modulate(
        nodes,
        first,
        per_sample,
        deviation_hz / node_rate_hz,
        2 * math.pi * deviation_hz * 1e-6,
        node_rate_hz * 1e-6,
        (waveform.cosine, waveform.sine, waveform.rate, waveform.rate_slope),
    )
    return waveform


@kernel
def modulate(
    nodes: npt.NDArray[np.float32],
    first: float,
    per_sample: float,
    turns_per_node: float,
    peak_rate: float,
    nodes_per_us: float,
    waveform: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]],
) -> None:
    """Integrate the spline's pieces into a phase (uint32, 2^32 counts a turn) and write x, w, w'."""
    cosine, sine, rate, rate_slope = waveform
    counts = F32(turns_per_node * 4294967296.0)
    w, slope = F32(peak_rate), F32(peak_rate * nodes_per_us)
    pieces = pieces_of(nodes)
    at_node = np.empty(pieces.shape[1], np.uint32)
    phase = U32(0)
    for node in range(at_node.size):
        at_node[node] = phase
        whole = nodes[node] + nodes[node + 3] + F32(11.0) * (nodes[node + 1] + nodes[node + 2])
        phase = U32(phase + U32(I32(counts * (whole * F32(1 / 24)))))
    piece, phases = np.empty(TILE, np.uint32), np.empty(TILE, np.uint32)
    along, picked = np.empty(TILE, np.float32), np.empty((4, TILE), np.float32)
    for start in range(0, rate.size, TILE):
        stop = min(start + TILE, rate.size)
        size = stop - start
        locate(first, per_sample, start, piece[:size], along[:size])
        fours = in_fours(piece[:size])
        pick(at_node, piece[:size], fours, phases[:size])
        for order in range(4):
            pick(pieces[order], piece[:size], fours, picked[order, :size])
        _follow(picked, along[:size], counts, w, slope, phases[:size], rate[start:stop], rate_slope[start:stop])
        _oscillate(phases[:size], cosine[start:stop], sine[start:stop])


# Loops over slices of their own: so the compiler knows that no index is negative, and vectorises.
@kernel
def _follow(
    pieces: npt.NDArray[np.float32],
    along: npt.NDArray[np.float32],
    counts: np.float32,
    w: np.float32,
    slope: np.float32,
    phases: npt.NDArray[np.uint32],
    rate: npt.NDArray[np.float32],
    rate_slope: npt.NDArray[np.float32],
) -> None:
    for j in range(rate.size):
        u, k0, k1, k2, k3 = along[j], pieces[0, j], pieces[1, j], pieces[2, j], pieces[3, j]
        turned = u * (k0 + u * (F32(0.5) * k1 + u * (F32(1 / 3) * k2 + u * (F32(0.25) * k3))))
        phases[j] = U32(phases[j] + U32(I32(counts * turned)))
        rate[j] = w * (k0 + u * (k1 + u * (k2 + u * k3)))
        rate_slope[j] = slope * (k1 + u * (F32(2.0) * k2 + u * (F32(3.0) * k3)))


@kernel
def _oscillate(phases: npt.NDArray[np.uint32], cosine: npt.NDArray[np.float32], sine: npt.NDArray[np.float32]) -> None:
    for i in range(phases.size):
        sine[i], cosine[i] = sine_cosine(phases[i])


@kernel
def add_angle_modulated(
    received: npt.NDArray[np.float32],
    first: bool,  # noqa: FBT001
    waveform: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]],
    tables: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]],
    begins: npt.NDArray[np.float32],
    rises: npt.NDArray[np.float32],
) -> None:
    """Add one bundle of echoes, block by block; all arrays are float32, complex ones in pairs."""
    cosine, sine, rate, rate_slope = waveform
    block = tables[0].size
    for at in range(begins.shape[0]):
        start = at * block
        stop = min(start + block, rate.size)
        if first:
            received[2 * start : 2 * stop] = F32(0.0)
        _add_block(
            received[2 * start : 2 * stop],
            cosine[start:stop],
            sine[start:stop],
            rate[start:stop],
            rate_slope[start:stop],
            tables,
            begins[at],
            rises[at],
        )


@kernel
def _add_block(
    received: npt.NDArray[np.float32],
    cosine: npt.NDArray[np.float32],
    sine: npt.NDArray[np.float32],
    rate: npt.NDArray[np.float32],
    rate_slope: npt.NDArray[np.float32],
    tables: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]],
    begins: npt.NDArray[np.float32],
    rises: npt.NDArray[np.float32],
) -> None:
    turn_re, turn_im, ramp = tables
    a0, b0, a1, b1, a2, b2 = begins[0], begins[1], begins[2], begins[3], begins[4], begins[5]
    da0, db0, da1, db1, da2, db2 = rises[0], rises[1], rises[2], rises[3], rises[4], rises[5]
    for j in range(rate.size):
        u, w, v = ramp[j], rate[j], rate_slope[j]
        re2, im2 = a2 + u * da2, b2 + u * db2
        re = (a0 + u * da0) - w * ((b1 + u * db1) + w * re2) - v * im2
        im = (b0 + u * db0) + w * ((a1 + u * da1) - w * im2) + v * re2
        turned_re = re * turn_re[j] - im * turn_im[j]
        turned_im = re * turn_im[j] + im * turn_re[j]
        x, y = cosine[j], sine[j]
        received[2 * j] += turned_re * x - turned_im * y
        received[2 * j + 1] += turned_re * y + turned_im * x
