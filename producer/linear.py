"""Waveforms whose amplitude follows a signal: amplitude modulation and single sideband.

Their envelope may reach zero, where no derivative is a product of the waveform: x, x' and x'' are kept.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from producer.elementary import F32
from producer.kernel import kernel
from producer.spline import cubic, require_nodes
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
        nodes.view(np.float32),
        per_sample,
        node_rate_hz * 1e-6,
        waveform.value.view(np.float32),
        waveform.slope.view(np.float32),
        waveform.curvature.view(np.float32),
    )
    return waveform


@kernel
def interpolate(
    nodes: npt.NDArray[np.float32],
    per_sample: float,
    nodes_per_us: float,
    value: npt.NDArray[np.float32],
    slope: npt.NDArray[np.float32],
    curvature: npt.NDArray[np.float32],
) -> None:
    """The spline and its first two derivatives at every sample; pairs (real, imaginary)."""
    first, second = F32(nodes_per_us), F32(nodes_per_us * nodes_per_us)
    for i in range(value.size // 2):
        position = i * per_sample
        node = np.int64(position)
        u = F32(position - node)
        for part in range(2):
            j = 2 * node + part
            k0, k1, k2, k3 = cubic(nodes[j], nodes[j + 2], nodes[j + 4], nodes[j + 6])
            value[2 * i + part] = k0 + u * (k1 + u * (k2 + u * k3))
            slope[2 * i + part] = first * (k1 + u * (F32(2.0) * k2 + u * (F32(3.0) * k3)))
            curvature[2 * i + part] = second * (F32(2.0) * k2 + u * (F32(6.0) * k3))


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
