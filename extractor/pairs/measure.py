"""Time differences between receivers that recorded one transmission. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from extractor.pairs.baseband import HALF_TAPS, Plane, aligned, decimation, lower_rate
from extractor.pairs.correlate import (
    block_ends,
    block_products,
    block_sums,
    lag_power,
    moments,
    take_means,
    without_carriers,
    without_ends,
)
from extractor.pairs.overview import Overview, look_over
from extractor.pairs.peak import summit, threshold, top_and_side, unrelated_coherence
from extractor.pairs.resample import resampled
from extractor.pairs.workspace import workspace
from schemas import IQFrame, Station
from schemas.iq_frame import component_dtype
from schemas.pair_measurement import ALL_PAIRS_UP_TO, STRONGEST, PairMeasurement

BLOCK_S = 0.005
"""One complex gain a block: oscillators and fading leave it alone for so long, speech does not."""
LEAST_BLOCKS = 2
SLACK_US = 50.0
"""What a difference may be beyond the time of flight between the receivers: echoes."""
CLOCK_DEVIATIONS = 4.0
"""As many standard deviations of two clocks' difference are looked through."""
LONGEST_CLOCK_PART = 1 / 8
"""Of the recording: what clocks may add to the differences that are looked through."""
SAME_CENTER_HZ = 1.0
"""Recordings whose centres are no farther apart are of one frequency; the rest is measured as their difference."""
EVERY = 8
"""Every eighth block serves to look for a better difference."""
MOST_PRODUCTS = 1e10
"""Of samples and lags of two recordings: where there are more, fewer blocks serve to look for the difference."""
_EARTH_RADIUS_M = 6_371_000.0
_LIGHT_M_PER_US = 299.792458


@dataclass(frozen=True, slots=True, kw_only=True)
class _Aligned:
    """A receiver's band, moved so that it agrees with the reference's, in blocks."""

    delay_us: float
    shift_hz: float
    bare: Plane
    """Without the carrier, which says nothing of time."""
    values: Plane
    slopes: Plane
    ends: Plane
    means: Plane
    """Sum of each block over the root of its length."""
    bare_powers: NDArray[np.float32]
    autocorrelation: NDArray[np.complex128]
    """Of `bare`, from lag 0 on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grid:
    """The low rate and its blocks."""

    rate_hz: float
    width: float
    """Of the band, over the rate."""
    length: int
    recorded: bool
    """Of real recordings, whose search may be that of the whole Earth."""

    @property
    def lobe(self) -> int:
        """Samples around a peak that belong to it: 1 / bandwidth."""
        return max(1, math.ceil(1.0 / self.width))


def measure_pairs(frames: Sequence[IQFrame]) -> tuple[PairMeasurement, ...]:
    """What each pair of receivers says of the transmitter's distance, in the order of the frames.

    Up to 8 receivers every pair; of more, the pairs with one of the 4 that hear best.

    Args:
        frames: of one sample, one per receiver. Recordings that begin apart are compared where they overlap, those of
            different rates at the lowest of them.

    Raises:
        ValueError: frames of several samples, of a receiver twice, of different frequencies, or that do not overlap;
            or a recording holds NaN or infinity.
    """
    if len(frames) < 2:
        return ()
    rate_hz = min(frame.sample_rate_hz for frame in frames)
    recordings, starts_us = _overlapping(frames, rate_hz)
    workspace.begin()
    overview = look_over(recordings, rate_hz, frames[0].center_frequency_hz)
    grid = _grid(overview, rate_hz, recorded=frames[0].recorded is not None) if overview else None
    heard = _align_all(frames, recordings, starts_us, overview, rate_hz, grid) if overview and grid else {}
    measured = []
    for a, b in _pairs(len(frames), overview):
        nothing = _nothing(frames[a], frames[b])
        if grid and a in heard and b in heard:
            measured.append(_measure(nothing, heard[a], heard[b], grid))
        else:
            measured.append(nothing)
    return tuple(measured)


def searched_us(one: IQFrame, other: IQFrame) -> float:
    """Largest time difference that is looked for: what the receivers' distance and their clocks allow."""
    clocks_us = CLOCK_DEVIATIONS * math.hypot(one.clock_error_us, other.clock_error_us)
    return reach_us(one.receiver, other.receiver) + min(clocks_us, LONGEST_CLOCK_PART * one.duration_ms * 1e3)


def reach_us(station: Station, other_station: Station) -> float:
    """Largest time difference that the receivers' distance allows, with slack; where it is not known, any on Earth."""
    one, other = station.placed, other_station.placed
    if one is None or other is None:
        return math.pi * _EARTH_RADIUS_M / _LIGHT_M_PER_US + SLACK_US
    phi, theta = math.radians(one.latitude), math.radians(other.latitude)
    chord = math.sin((theta - phi) / 2) ** 2
    chord += math.cos(phi) * math.cos(theta) * math.sin(math.radians(other.longitude - one.longitude) / 2) ** 2
    ground_m = 2 * _EARTH_RADIUS_M * math.asin(min(1.0, math.sqrt(chord)))
    rise_m = one.altitude_m + one.antenna_height_m - other.altitude_m - other.antenna_height_m
    return math.hypot(ground_m, rise_m) / _LIGHT_M_PER_US + SLACK_US


def _overlapping(frames: Sequence[IQFrame], rate_hz: float) -> tuple[list[NDArray[np.generic]], list[float]]:
    """The components of each recording at a rate, from the latest start on, and by how much each begins late, in us."""
    first = frames[0]
    for frame in frames[1:]:
        if _sample(frame) != _sample(first):
            raise ValueError("frames: of more than one sample: give the recordings of one transmission")
        if not abs(frame.center_frequency_hz - first.center_frequency_hz) <= SAME_CENTER_HZ:
            raise ValueError(
                f"center_frequency_hz: {frame.center_frequency_hz:g} at {frame.receiver.rx_id}, "
                f"{first.center_frequency_hz:g} at {first.receiver.rx_id}: recordings are compared at one frequency"
            )
    ids = [frame.receiver.rx_id for frame in frames]
    if twice := sorted({rx_id for rx_id in ids if ids.count(rx_id) > 1}):
        raise ValueError(f"frames: {', '.join(twice)} more than once")
    latest_ns = max(frame.captured_at_ns for frame in frames)
    cut: list[NDArray[np.generic]] = []
    starts_us = []
    for frame in frames:
        components, late_ns = _components(frame), latest_ns - frame.captured_at_ns
        if frame.sample_rate_hz != rate_hz:
            skipped = late_ns * 1e-9 * frame.sample_rate_hz
            cut.append(resampled(components, skipped, frame.sample_rate_hz / rate_hz))
            starts_us.append(0.0)
            continue
        whole = round(late_ns * 1e-9 * rate_hz)
        cut.append(components[2 * whole :])
        starts_us.append(whole / rate_hz * 1e6 - late_ns * 1e-3)
    size = min(components.size for components in cut)
    if size == 0:
        raise ValueError("frames: the recordings do not overlap in time")
    return [components[:size] for components in cut], starts_us


def _components(frame: IQFrame) -> NDArray[np.generic]:
    """I and Q of a recording as it came, interleaved; the mean taken out where it is the receiver's own."""
    # Of one kind whatever memory holds the frame: a kernel is compiled for each.
    components = np.require(np.frombuffer(frame.iq, dtype=component_dtype(frame.datatype)), requirements="A")
    components.setflags(write=False)
    if components.dtype.kind == "f" and not np.isfinite(components).all():
        raise ValueError(f"the IQ of {frame.receiver.rx_id} holds NaN or infinity: remove or replace such samples")
    if frame.recorded is None or not frame.recorded.dc_of_device:
        return components
    samples = components.astype(np.float32).reshape(-1, 2)
    samples -= samples.mean(axis=0, dtype=np.float64).astype(np.float32)
    samples.setflags(write=False)
    return samples.ravel()


def _pairs(count: int, overview: Overview | None) -> list[tuple[int, int]]:
    pairs = list(combinations(range(count), 2))
    if count <= ALL_PAIRS_UP_TO:
        return pairs
    snr = overview.snr if overview else {}
    strongest = sorted(range(count), key=lambda number: (-snr.get(number, -1.0), number))[:STRONGEST]
    return [(a, b) for a, b in pairs if a in strongest or b in strongest]


def _grid(overview: Overview, sample_rate_hz: float, *, recorded: bool) -> _Grid:
    width_hz = min(overview.high_hz - overview.low_hz, sample_rate_hz)
    rate_hz = sample_rate_hz / decimation(sample_rate_hz, width_hz)
    return _Grid(rate_hz=rate_hz, width=width_hz / rate_hz, length=max(8, round(BLOCK_S * rate_hz)), recorded=recorded)


def _align_all(
    frames: Sequence[IQFrame],
    recordings: list[NDArray[np.generic]],
    starts_us: list[float],
    overview: Overview,
    rate_hz: float,
    grid: _Grid,
) -> dict[int, _Aligned]:
    """Every receiver that hears something, moved in time and frequency onto the one that hears best."""
    step = round(rate_hz / grid.rate_hz)
    middle_hz = 0.5 * (overview.low_hz + overview.high_hz)
    low = {
        number: lower_rate(recordings[number], (middle_hz + shift_hz) / rate_hz, step)
        for number, shift_hz in overview.shift_hz.items()
    }
    best = frames[overview.reference]
    reaches = {n: math.ceil(searched_us(best, frames[n]) * 1e-6 * grid.rate_hz) for n in low}
    reach = max(reaches.values()) + 4 * grid.lobe
    first = HALF_TAPS + 1 + reach
    blocks = (next(iter(low.values())).shape[1] - 2 * first) // grid.length
    if blocks < LEAST_BLOCKS:
        return {}
    reference = low[overview.reference]
    carrier = _carrier(reference, grid, first, blocks)
    heard = {}
    for n, plane in low.items():
        delay, cycles, center_hz = 0.0, 0.0, frames[n].center_frequency_hz - best.center_frequency_hz
        if n != overview.reference:
            delay, cycles = _delay_to(reference, plane, grid, blocks, first, max(reaches[n], grid.lobe))
        heard[n] = _aligned_receiver(
            *aligned(plane, delay, cycles + carrier, grid.width, first, grid.length, blocks),
            grid,
            delay_us=delay / grid.rate_hz * 1e6 + starts_us[n],
            shift_hz=overview.shift_hz[n] + cycles * grid.rate_hz + center_hz,
        )
    return heard


def _carrier(reference: Plane, grid: _Grid, first: int, blocks: int) -> float:
    """Where a carrier lies, in cycles per sample: what stays alike for a quarter of a block."""
    lag = max(1, grid.length // 4)
    products = block_products(reference, reference, first, grid.length, blocks, lag, 1, 1).sum(axis=1, dtype=np.float64)
    return -math.atan2(products[1, 0], products[0, 0]) / (2.0 * math.pi * lag)


def _delay_to(reference: Plane, other: Plane, grid: _Grid, blocks: int, first: int, reach: int) -> tuple[float, float]:
    """Delay in samples, and the frequency that is left in cycles per sample, of a signal against the reference."""
    every = _thinned(blocks * grid.length * (2 * reach + 1), grid)
    products = block_products(reference, other, first, grid.length, blocks, -reach, 2 * reach + 1, every)
    power = lag_power(products)
    best = int(np.argmax(power))
    part = 0.0
    if 0 < best < power.size - 1 and power[best - 1 : best + 2].min() > 0.0:
        below, top, above = (math.log(value) for value in power[best - 1 : best + 2])
        curvature = below - 2.0 * top + above
        part = 0.5 * (below - above) / curvature if curvature < 0.0 else 0.0
    at_best = products[:, :, best]
    if every > 1:
        at_best = block_products(reference, other, first, grid.length, blocks, best - reach, 1, 1)[:, :, 0]
    line = at_best[0].astype(np.float64) + 1j * at_best[1]
    turn = np.vdot(line[:-1], line[1:])
    # The product turns by the reference's frequency less the other's.
    return best - reach + float(part), -math.atan2(turn.imag, turn.real) / (2.0 * math.pi * grid.length)


def _thinned(products: int, grid: _Grid) -> int:
    """Every how many blocks are taken, so that a wide search in a wide band of recordings ends in seconds."""
    return max(1, math.ceil(products / MOST_PRODUCTS)) if grid.recorded else 1


def _aligned_receiver(
    flat: Plane, values: Plane, slopes: Plane, grid: _Grid, *, delay_us: float, shift_hz: float
) -> _Aligned:
    ends = block_ends(flat, grid.length)
    powers, sums = block_sums(values)
    means = sums / np.float32(math.sqrt(grid.length))
    take_means(flat, sums)
    lags = max(1, grid.length // 3)
    blocks = max(1, powers.size - 1)
    products = block_products(flat, flat, 0, grid.length - lags, blocks, 0, lags, EVERY // 2).sum(
        axis=1, dtype=np.float64
    )
    whole = products[0] + 1j * products[1]
    return _Aligned(
        delay_us=delay_us,
        shift_hz=shift_hz,
        bare=flat,
        values=values,
        slopes=slopes,
        ends=ends,
        means=means,
        bare_powers=np.maximum(powers - means[0] ** 2 - means[1] ** 2, np.float32(0.0)),
        autocorrelation=whole / whole[0].real if whole[0].real > 0.0 else whole,
    )


def _measure(nothing: PairMeasurement, a: _Aligned, b: _Aligned, grid: _Grid) -> PairMeasurement:
    """What two aligned receivers say; `nothing` is the answer where they say nothing."""
    sums = moments(a.values, a.slopes, b.values, b.slopes)
    without_ends(sums, a.ends, b.ends)
    shared, together, squares = without_carriers(sums, a.means, b.means, a.bare_powers, b.bare_powers)
    if not squares > 0.0:
        return nothing
    allowed_us = nothing.standard_deviation_us * math.sqrt(3.0)
    peak = summit(sums, grid.lobe)
    difference_us = a.delay_us - b.delay_us + peak.offset / grid.rate_hz * 1e6
    deviation_us = peak.deviation / grid.rate_hz * 1e6
    alike = shared / together
    unrelated = unrelated_coherence(a.autocorrelation, b.autocorrelation, grid.length)
    lags = 2.0 * allowed_us * 1e-6 * grid.rate_hz * grid.width
    ratio_db, highest = _sidelobe(a, b, grid, allowed_us)
    found = (
        alike > threshold(unrelated, together**2 / squares, lags)
        and highest
        and abs(difference_us) <= allowed_us
        and deviation_us < nothing.standard_deviation_us
    )
    coherence = math.sqrt(min(max((alike - unrelated) / max(1.0 - unrelated, 1e-9), 0.0), 1.0))
    return PairMeasurement(
        receiver_a=nothing.receiver_a,
        receiver_b=nothing.receiver_b,
        time_difference_us=difference_us if found else 0.0,
        standard_deviation_us=deviation_us if found else nothing.standard_deviation_us,
        coherence=coherence,
        peak_to_sidelobe_db=ratio_db,
        frequency_difference_hz=a.shift_hz - b.shift_hz,
        bandwidth_hz=grid.width * grid.rate_hz,
        found=found,
    )


def _sidelobe(a: _Aligned, b: _Aligned, grid: _Grid, allowed_us: float) -> tuple[float, bool]:
    """Peak to highest sidelobe in dB, and whether nothing else within the allowed differences is higher."""
    apart_us = a.delay_us - b.delay_us
    lags = max(math.ceil((allowed_us + abs(apart_us)) * 1e-6 * grid.rate_hz), 4 * grid.lobe)
    skipped = -(-lags // grid.length)
    blocks = a.bare.shape[1] // grid.length - 2 * skipped
    if blocks < 1:
        return 0.0, False
    every = EVERY * _thinned(blocks * grid.length * (2 * lags + 1), grid)
    products = block_products(a.bare, b.bare, skipped * grid.length, grid.length, blocks, -lags, 2 * lags + 1, every)
    # A lag moves b's signal back; the difference that it stands for is a's delay less b's, less the lag.
    top, side = top_and_side(lag_power(products), grid.lobe, apart_us, 1e6 / grid.rate_hz, allowed_us)
    if not (top > 0.0 and side > 0.0):
        return 0.0, False
    return 10.0 * math.log10(top / side), top > side


def _nothing(a: IQFrame, b: IQFrame) -> PairMeasurement:
    return PairMeasurement(
        receiver_a=a.receiver.rx_id,
        receiver_b=b.receiver.rx_id,
        time_difference_us=0.0,
        standard_deviation_us=searched_us(a, b) / math.sqrt(3.0),
        coherence=0.0,
        peak_to_sidelobe_db=0.0,
        frequency_difference_hz=0.0,
        bandwidth_hz=0.0,
        found=False,
    )


def _sample(frame: IQFrame) -> tuple[str, int, int, int]:
    return frame.dataset_id, frame.dataset_version, frame.sample_idx, frame.generation
