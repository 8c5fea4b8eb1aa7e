"""From the transmitted waveform to the noise-free signal at one receiver.

All echoes of a path that arrive within a few microseconds are one product of the waveform and its
derivatives with slow gains: with t_k the delay of tap k beyond a whole number of samples and h_k its gain,

    sum_k h_k(t) x(t - t_k) = H0 x - H1 x' + H2 x'' + ...,   H_i = sum_k h_k t_k^i / i!.

The whole samples are a shift into the shared waveform. Echoes too far apart for one such `Bundle` get
several. The carrier's constant rotation over a delay needs no term: the phase of every tap is random.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from producer.elementary import F32, U32, sine_cosine
from producer.fading import Grid
from producer.kernel import inlined, kernel
from producer.multipath import Multipath
from producer.waveform import BlockGains, Waveform

MAX_BUNDLE_US = 5.0
"""Longest distance of the taps in one bundle; the series' error stays below -60 dB (tests)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """Consecutive taps (first .. stop - 1) heard through one shift of the waveform by whole samples."""

    first: int
    stop: int
    shift: int


def bundle_taps(multipath: Multipath, arrival_us: float, waveform_rate_hz: float) -> tuple[Bundle, ...]:
    """Cut the taps into bundles; each is shifted by its mean delay, rounded to whole waveform samples."""
    delays, powers = multipath.delays_us, multipath.powers
    starts = [0]
    for tap, delay in enumerate(delays):
        if delay - delays[starts[-1]] > MAX_BUNDLE_US:
            starts.append(tap)
    bundles = []
    for first, stop in zip(starts, [*starts[1:], len(delays)], strict=True):
        total = sum(powers[first:stop])
        mean_us = sum(p * d for p, d in zip(powers[first:stop], delays[first:stop], strict=True)) / total
        shift = round((arrival_us + mean_us) * 1e-6 * waveform_rate_hz)
        bundles.append(Bundle(first=first, stop=stop, shift=shift))
    return tuple(bundles)


def receive(
    waveform: Waveform,
    origin: int,
    step: int,
    bundles: tuple[Bundle, ...],
    delays_us: npt.NDArray[np.float64],
    rate_ppm: float,
    gains: npt.NDArray[np.complex64],
    slopes: npt.NDArray[np.complex64],
    grid: Grid,
    *,
    waveform_rate_hz: float,
    turns_per_sample: float,
    out: npt.NDArray[np.complex64],
) -> None:
    """Write the noise-free signal of one receiver to `out`, complex64, shape (n,).

    Args:
        waveform: shared by the receivers; its sample `origin` is on the air at the first recorded instant.
        origin: at least the largest shift of the bundles.
        step: waveform samples per recorded sample.
        bundles: of the taps.
        delays_us: from the air to the first sample, by the receiver's clock, of each tap, shape (taps,).
        rate_ppm: by how much that clock is fast: delays grow by so many us a second.
        gains: from `tap_gains` on the grid.
        slopes: from `tap_gains` on the grid.
        grid: of the gains.
        waveform_rate_hz: of the waveform.
        turns_per_sample: frequency of the received signal over the recording's sample rate.
        out: replaced.
    """
    blocks = -(-out.size // grid.block)
    cosine, sine, ramp = (np.empty(grid.block, np.float32) for _ in range(3))
    fill_tables(turns_per_sample, cosine, sine, ramp)
    drift_us = rate_ppm * grid.block * grid.blocks * step / waveform_rate_hz
    for bundle in bundles:
        taps = slice(bundle.first, bundle.stop)
        remainders_us = delays_us[taps] - bundle.shift / waveform_rate_hz * 1e6
        series = np.zeros((3, 2 * ((grid.nodes - 1) * grid.blocks + 1)), np.float32)
        series_gains(
            gains[taps].view(np.float32),
            slopes[taps].view(np.float32),
            remainders_us.astype(np.float32),
            F32(drift_us),
            grid.blocks,
            series,
        )
        begins, rises = np.empty((blocks, 6), np.float32), np.empty((blocks, 6), np.float32)
        turn_gains(series, grid.block, turns_per_sample, begins, rises)
        turned = BlockGains(begins=begins, rises=rises, ramp=ramp, cosine=cosine, sine=sine)
        waveform.add_echoes(out, turned, start=origin - bundle.shift, step=step, first=bundle.first == 0)


@kernel
def series_gains(
    gains: npt.NDArray[np.float32],
    slopes: npt.NDArray[np.float32],
    remainders_us: npt.NDArray[np.float32],
    drift_us: np.float32,
    blocks: int,
    series: npt.NDArray[np.float32],
) -> None:
    """Returns H0, -H1 and H2 of a bundle at every block end, float32 pairs (3, 2 ((nodes - 1) blocks + 1)).

    Taps are summed on the nodes, the sums run as Hermite cubics between them. Delays grow by `drift_us` from one node
    to the next.
    """
    taps, pairs = gains.shape
    values = np.zeros((3, pairs), np.float32)
    tilts = np.zeros((3, pairs), np.float32)
    for tap in range(taps):
        delay = remainders_us[tap]
        weight = F32(1.0)
        for order in range(3):
            for i in range(pairs):
                values[order, i] += weight * gains[tap, i]
                tilts[order, i] += weight * slopes[tap, i]
            weight = weight * -delay / F32(order + 1)
    if drift_us != F32(0.0):
        _add_drift(gains, slopes, remainders_us, drift_us, values, tilts)
    for order in range(3):
        for node in range(pairs // 2 - 1):
            for part in range(2):
                i = 2 * node + part
                a, b = values[order, i], tilts[order, i]
                c, d = values[order, i + 2], tilts[order, i + 2]
                c2 = F32(3.0) * (c - a) - F32(2.0) * b - d
                c3 = F32(2.0) * (a - c) + b + d
                for j in range(blocks):
                    u = F32(j) / F32(blocks)
                    series[order, 2 * (node * blocks + j) + part] = a + u * (b + u * (c2 + u * c3))
        series[order, -2] = values[order, pairs - 2]
        series[order, -1] = values[order, pairs - 1]


@kernel
def _add_drift(
    gains: npt.NDArray[np.float32],
    slopes: npt.NDArray[np.float32],
    remainders_us: npt.NDArray[np.float32],
    drift_us: np.float32,
    values: npt.NDArray[np.float32],
    tilts: npt.NDArray[np.float32],
) -> None:
    """What delays that grow add to -H1 and H2: -d g and d (t + d / 2) g, where a delay is t + d at a node."""
    for tap in range(gains.shape[0]):
        delay = remainders_us[tap]
        for i in range(gains.shape[1]):
            grown, gain, slope = drift_us * F32(i // 2), gains[tap, i], slopes[tap, i]
            half = grown * (delay + F32(0.5) * grown)
            values[1, i] -= grown * gain
            tilts[1, i] -= grown * slope + drift_us * gain
            values[2, i] += half * gain
            tilts[2, i] += half * slope + drift_us * (delay + grown) * gain


@kernel
def turn_gains(
    series: npt.NDArray[np.float32],
    block: int,
    turns_per_sample: float,
    begins: npt.NDArray[np.float32],
    rises: npt.NDArray[np.float32],
) -> None:
    """H0, -H1, H2 at each block's start and their rise over it, turned by the received signal's phase there.

    `series` holds them at the block ends; `begins` and `rises` have the shape (blocks, 6).
    """
    step = _counts_per_sample(turns_per_sample)
    for at in range(begins.shape[0]):
        sine, cosine = sine_cosine(U32(U32(at * block) * step))
        for order in range(3):
            re, im = series[order, 2 * at], series[order, 2 * at + 1]
            begins[at, 2 * order] = re * cosine - im * sine
            begins[at, 2 * order + 1] = re * sine + im * cosine
            re, im = series[order, 2 * at + 2] - re, series[order, 2 * at + 3] - im
            rises[at, 2 * order] = re * cosine - im * sine
            rises[at, 2 * order + 1] = re * sine + im * cosine


@kernel
def fill_tables(
    turns_per_sample: float,
    cosine: npt.NDArray[np.float32],
    sine: npt.NDArray[np.float32],
    ramp: npt.NDArray[np.float32],
) -> None:
    """The turn within a block, and the way through it."""
    step = _counts_per_sample(turns_per_sample)
    for j in range(ramp.size):
        sine[j], cosine[j] = sine_cosine(U32(U32(j) * step))
        ramp[j] = F32(j) / F32(ramp.size)


@inlined
def _counts_per_sample(turns_per_sample: float) -> np.uint32:
    return U32(np.int64(np.floor(turns_per_sample * 4294967296.0 + 0.5)))
