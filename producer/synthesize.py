"""One sample: what every receiver records of one transmission. A pure function of (spec, index).

The amplitude inside is in units of the noise's standard deviation per component; sqrt(mW) on the wire.
"""

import math
from dataclasses import dataclass

import numpy as np

from producer.channel import receive
from producer.emission import emit, half_bandwidth_hz
from producer.fading import gain_grid, tap_gains
from producer.ground import ground_of
from producer.impairments import Impaired, impair
from producer.occupied import Sent, measure
from producer.path import Path, draw_paths
from producer.quantise import Quantised, quantise
from producer.receiver import Reception, add_noise, chunk_ends
from producer.scenario import Scene, draw_scene
from producer.streams import Purpose, normal_stream, scalar_stream
from producer.tiles import NO_TILES, Tiles
from producer.truth import truth_of
from producer.version import GENERATOR_VERSION
from producer.waveform import Waveform, oversampling, waveform_rate_hz
from schemas import DatasetSpec, Impairments, IQFrame, Truth

_NO_IMPAIRMENTS = Impairments()
FIRST_CAPTURE_NS = 1_767_225_600_000_000_000
"""Sample 0 begins at 2026-01-01T00:00:00Z; recordings follow each other without a gap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One transmission as heard by all receivers, in the order of the spec."""

    sample_idx: int
    frames: tuple[IQFrame, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Transmission:
    """The waveform that all receivers hear; its sample `origin` is on the air when recording begins."""

    waveform: Waveform
    origin: int
    sent: Sent


class WrongGenerator(ValueError):
    """The spec was made for another generator, which gives other bytes."""


def synthesize_sample(spec: DatasetSpec, sample_idx: int, *, tiles: Tiles = NO_TILES) -> Sample:
    """Returns what the receivers of `spec` record of transmission `sample_idx`.

    Depends on the content of the spec and the index alone, not on dataset_id, name, version or samples
    (which the frames repeat), nor on what was made before. `tiles` gives the content of terrain tiles, which
    the spec names by their digest; procedural terrain needs none.

    Raises:
        WrongGenerator: the spec names another generator version.
        MissingTile: the spec names a terrain tile that `tiles` has not, or has with another content.
        ValueError: the emission does not fit into the recorded bandwidth, there is no land for it, or a signal is
            beyond what 32-bit floats hold.
    """
    if spec.generator_version != GENERATOR_VERSION:
        raise WrongGenerator(
            f"generator_version: the dataset was made by generator {spec.generator_version!r}, this is "
            f"{GENERATOR_VERSION!r}; use the release that has it, or submit the dataset again"
        )
    ground = ground_of(spec, tiles)
    scene = draw_scene(spec, scalar_stream(spec.seed, sample_idx, Purpose.SCENARIO), ground)
    paths = draw_paths(spec, sample_idx, scene, ground)
    transmission = transmit(spec, sample_idx, scene, paths)
    received = np.empty(spec.capture.samples, np.complex64)
    ends = chunk_ends(received.size, _samples(spec, spec.capture.chunk_ms))
    frames = []
    for path in paths:
        hear(spec, sample_idx, path, transmission, out=received)
        noise = normal_stream(spec.seed, sample_idx, Purpose.NOISE, path.number)
        reception = add_noise(received, ends, noise)
        impaired = impair_if_asked(spec, sample_idx, path, received)
        peak = impaired.peak if impaired else reception.peak
        _require_finite(path, reception, peak)
        quantised = quantise(received, peak, path.noise_sigma, spec.datatype)
        truth = truth_of(spec, scene, transmission.sent, path, reception, impaired, quantised)
        frames.append(_frame(spec, sample_idx, path, truth, quantised))
    return Sample(sample_idx=sample_idx, frames=tuple(frames))


def transmit(spec: DatasetSpec, sample_idx: int, scene: Scene, paths: tuple[Path, ...]) -> Transmission:
    """Returns the emission, early enough for the most distant receiver and late enough for the nearest."""
    shifts = [bundle.shift for path in paths for bundle in path.bundles]
    origin, rate_hz = max(shifts), waveform_rate_hz(spec.capture.sample_rate_hz)
    count = (spec.capture.samples - 1) * oversampling(spec.capture.sample_rate_hz) + 1 + origin - min(shifts)
    waveform = emit(scene.emission, count, sample_rate_hz=rate_hz, seed=spec.seed, sample_idx=sample_idx)
    sent = measure(waveform, rate_hz, half_bandwidth_hz(scene.emission))
    return Transmission(waveform=waveform, origin=origin, sent=sent)


def hear(
    spec: DatasetSpec,
    sample_idx: int,
    path: Path,
    transmission: Transmission,
    *,
    out: np.ndarray[tuple[int], np.dtype[np.complex64]],
) -> None:
    """Write the signal at one receiver, without noise, in units of the noise's standard deviation."""
    rate_hz = spec.capture.sample_rate_hz
    grid = gain_grid(out.size, rate_hz, path.motion.doppler_max_hz)
    gains, slopes = tap_gains(
        path.multipath,
        path.motion,
        path.mean_power,
        grid.block * grid.blocks / rate_hz,
        grid.nodes,
        scatter=normal_stream(spec.seed, sample_idx, Purpose.FADING, path.number),
    )
    receive(
        transmission.waveform,
        transmission.origin,
        oversampling(spec.capture.sample_rate_hz),
        path.bundles,
        path.stamped_arrival_us + np.array(path.multipath.delays_us),
        path.clock.rate_ppm,
        gains,
        slopes,
        grid,
        waveform_rate_hz=waveform_rate_hz(rate_hz),
        turns_per_sample=path.frequency_offset_hz / rate_hz,
        out=out,
    )


def impair_if_asked(
    spec: DatasetSpec, sample_idx: int, path: Path, received: np.ndarray[tuple[int], np.dtype[np.complex64]]
) -> Impaired | None:
    """Apply the receiver's impairments in place; None where it has none."""
    if spec.impairments == _NO_IMPAIRMENTS:
        return None
    return impair(
        received,
        spec.impairments,
        sample_rate_hz=spec.capture.sample_rate_hz,
        offset_turns=scalar_stream(spec.seed, sample_idx, Purpose.DC_OFFSET, path.number).random(),
        phase_noise=normal_stream(spec.seed, sample_idx, Purpose.PHASE_NOISE, path.number),
    )


def _require_finite(path: Path, reception: Reception, peak: float) -> None:
    """Raises ValueError where the link budget is beyond what a recording can hold."""
    if not all(map(math.isfinite, (path.signal_dbm, peak, *reception.signal_powers))):
        raise ValueError(
            f"receiver {path.receiver.rx_id}: a signal of {path.signal_dbm:g} dBm in noise of {path.noise_dbm:g} dBm "
            "cannot be held in 32-bit floats; look at the transmitter's power, gains, antenna heights and shadowing"
        )


def _frame(spec: DatasetSpec, sample_idx: int, path: Path, truth: Truth, quantised: Quantised) -> IQFrame:
    return IQFrame(
        dataset_id=spec.dataset_id,
        dataset_version=spec.dataset_version,
        sample_idx=sample_idx,
        receivers_expected=len(spec.receivers),
        clock_error_us=spec.clocks.error_us,
        receiver=path.receiver,
        captured_at_ns=FIRST_CAPTURE_NS + sample_idx * spec.capture.capture_ms * 1_000_000,
        center_frequency_hz=float(spec.frequency_hz),
        sample_rate_hz=float(spec.capture.sample_rate_hz),
        chunk_ms=spec.capture.chunk_ms,
        datatype=quantised.datatype,
        scale=quantised.scale,
        truth=truth,
        iq=quantised.iq,
    )


def _samples(spec: DatasetSpec, duration_ms: int) -> int:
    return max(1, round(spec.capture.sample_rate_hz * duration_ms / 1000))
