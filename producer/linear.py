"""Waveforms whose amplitude follows a signal: amplitude modulation and single sideband.

Their envelope may reach zero, where no derivative is a product of the waveform: x, x' and x'' are kept.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from producer.elementary import F32
from producer.kernel import kernel
from producer.spline import TILE, in_fours, locate, pick, pieces_of, require_nodes
from producer.waveform import BlockGains, every


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearlyModulated:
    """Samples of x, of x' per us and of x'' per us^2; complex64, shape (n,) each."""

    value: npt.NDArray[np.complex64]
    slope: npt.NDArray[np.complex64]
    curvature: npt.NDArray[np.complex64]

    def baseband(self, step: int) -> npt.NDArray[np.complex64]:
        """Every `step`-th sample of x, complex64."""
        return np.ascontiguousarray(self.value[::step])

    def add_echoes(
        self, received: npt.NDArray[np.complex64], gains: BlockGains, *, start: int, step: int, first: bool
    ) -> None:
        """Add H0 x - H1 x' + H2 x'' to `received`, shape (n,), from sample `start` by steps of `step`.

        The `first` bundle replaces what was there.
        """
        value, slope, curvature = (
            every(values, start, received.size, step).view(np.float32)
            for values in (self.value, self.slope, self.curvature)
        )
        add_linearly_modulated(
            received.view(np.float32),
            first,
            (value, slope, curvature),
            (gains.cosine, gains.sine, gains.ramp),
            gains.begins,
            gains.rises,
        )


def amplitude_following(
    nodes: npt.NDArray[np.complex64], count: int, *, node_rate_hz: float, sample_rate_hz: float
) -> LinearlyModulated:
    """A waveform that is a complex spline itself.

    Args:
        nodes: its coefficients, complex64; sample 0 lies on node 1.
        count: samples to make.
        node_rate_hz: of the coefficients.
        sample_rate_hz: of the waveform.

    Raises:
        ValueError: too few nodes.
    """
    per_sample = node_rate_hz / sample_rate_hz
    require_nodes(nodes.size, count, per_sample)
    waveform = LinearlyModulated(
        value=np.empty(count, np.complex64),
        slope=np.empty(count, np.complex64),
        curvature=np.empty(count, np.complex64),
    )
    interpolate(
        np.ascontiguousarray(nodes.real),
        np.ascontiguousarray(nodes.imag),
        per_sample,
        node_rate_hz * 1e-6,
        (waveform.value.view(np.float32), waveform.slope.view(np.float32), waveform.curvature.view(np.float32)),
    )
    return waveform


@kernel
def interpolate(
    real: npt.NDArray[np.float32],
    imaginary: npt.NDArray[np.float32],
    per_sample: float,
    nodes_per_us: float,
    waveform: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]],
) -> None:
    """Two splines and their first two derivatives at every sample, as pairs."""
    value, slope, curvature = waveform
    pieces = (pieces_of(real), pieces_of(imaginary))
    piece, along = np.empty(TILE, np.uint32), np.empty(TILE, np.float32)
    picked = (np.empty((4, TILE), np.float32), np.empty((4, TILE), np.float32))
    for start in range(0, value.size // 2, TILE):
        stop = min(start + TILE, value.size // 2)
        size = stop - start
        locate(0.0, per_sample, start, piece[:size], along[:size])
        fours = in_fours(piece[:size])
        for part in range(2):
            for order in range(4):
                pick(pieces[part][order], piece[:size], fours, picked[part][order, :size])
        _follow(
            picked[0],
            picked[1],
            along[:size],
            F32(nodes_per_us),
            value[2 * start : 2 * stop],
            slope[2 * start : 2 * stop],
            curvature[2 * start : 2 * stop],
        )


# Loops over slices of their own: so the compiler knows that no index is negative, and vectorises.
@kernel
def _follow(
    real: npt.NDArray[np.float32],
    imaginary: npt.NDArray[np.float32],
    along: npt.NDArray[np.float32],
    nodes_per_us: np.float32,
    value: npt.NDArray[np.float32],
    slope: npt.NDArray[np.float32],
    curvature: npt.NDArray[np.float32],
) -> None:
    for j in range(along.size):
        u = along[j]
        a0, a1, a2, a3 = real[0, j], real[1, j], real[2, j], real[3, j]
        b0, b1, b2, b3 = imaginary[0, j], imaginary[1, j], imaginary[2, j], imaginary[3, j]
        value[2 * j] = a0 + u * (a1 + u * (a2 + u * a3))
        value[2 * j + 1] = b0 + u * (b1 + u * (b2 + u * b3))
        slope[2 * j] = nodes_per_us * (a1 + u * (F32(2.0) * a2 + u * (F32(3.0) * a3)))
        slope[2 * j + 1] = nodes_per_us * (b1 + u * (F32(2.0) * b2 + u * (F32(3.0) * b3)))
        curvature[2 * j] = nodes_per_us * nodes_per_us * (F32(2.0) * a2 + u * (F32(6.0) * a3))
        curvature[2 * j + 1] = nodes_per_us * nodes_per_us * (F32(2.0) * b2 + u * (F32(6.0) * b3))


@kernel
def add_linearly_modulated(
    received: npt.NDArray[np.float32],
    first: bool,  # noqa: FBT001
    waveform: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]],
    tables: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]],
    begins: npt.NDArray[np.float32],
    rises: npt.NDArray[np.float32],
) -> None:
    """Add one bundle of echoes, block by block; all arrays are float32, complex ones in pairs."""
    value, slope, curvature = waveform
    block = tables[0].size
    for at in range(begins.shape[0]):
        start, stop = 2 * at * block, min(2 * (at + 1) * block, received.size)
        if first:
            received[start:stop] = F32(0.0)
        _add_block(
            received[start:stop],
            value[start:stop],
            slope[start:stop],
            curvature[start:stop],
            tables,
            begins[at],
            rises[at],
        )


@kernel
def _add_block(
    received: npt.NDArray[np.float32],
    value: npt.NDArray[np.float32],
    slope: npt.NDArray[np.float32],
    curvature: npt.NDArray[np.float32],
    tables: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]],
    begins: npt.NDArray[np.float32],
    rises: npt.NDArray[np.float32],
) -> None:
    turn_re, turn_im, ramp = tables
    a0, b0, a1, b1, a2, b2 = begins[0], begins[1], begins[2], begins[3], begins[4], begins[5]
    da0, db0, da1, db1, da2, db2 = rises[0], rises[1], rises[2], rises[3], rises[4], rises[5]
    for j in range(received.size // 2):
        u = ramp[j]
        re0, im0, re1, im1 = a0 + u * da0, b0 + u * db0, a1 + u * da1, b1 + u * db1
        re2, im2 = a2 + u * da2, b2 + u * db2
        x, y, dx, dy = value[2 * j], value[2 * j + 1], slope[2 * j], slope[2 * j + 1]
        ddx, ddy = curvature[2 * j], curvature[2 * j + 1]
        re = (re0 * x - im0 * y) + ((re1 * dx - im1 * dy) + (re2 * ddx - im2 * ddy))
        im = (re0 * y + im0 * x) + ((re1 * dy + im1 * dx) + (re2 * ddy + im2 * ddx))
        received[2 * j] += re * turn_re[j] - im * turn_im[j]
        received[2 * j + 1] += re * turn_im[j] + im * turn_re[j]
