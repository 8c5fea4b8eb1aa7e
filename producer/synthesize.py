"""One sample: what every receiver records of one transmission. A pure function of (spec, index).

The amplitude inside is in units of the noise's standard deviation per component; sqrt(mW) on the wire.
"""

from dataclasses import dataclass

import numpy as np

from producer.audio import speech_like_audio
from producer.channel import receive
from producer.fading import gain_grid, tap_gains
from producer.ground import ground_of
from producer.path import Path, draw_paths
from producer.quantise import Quantised, quantise
from producer.receiver import Reception, add_noise, chunk_ends
from producer.scenario import Scene, draw_scene
from producer.streams import Purpose, normal_stream, scalar_stream
from producer.tiles import NO_TILES, Tiles
from producer.truth import truth_of
from producer.version import GENERATOR_VERSION
from producer.waveform import Waveform, audio_step, carrier, nbfm, oversampling, waveform_rate_hz
from schemas import DatasetSpec, IQFrame

FIRST_CAPTURE_NS = 1_767_225_600_000_000_000
"""Sample 0 begins at 2026-01-01T00:00:00Z; recordings follow each other without a gap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One transmission as heard by all receivers, in the order of the spec."""

    sample_idx: int
    frames: tuple[IQFrame, ...]


class WrongGenerator(ValueError):
    """The spec was made for another generator, which gives other bytes."""


def synthesize_sample(spec: DatasetSpec, sample_idx: int, *, tiles: Tiles = NO_TILES) -> Sample:
    """What the receivers of `spec` record of transmission `sample_idx`.

    Depends on the content of the spec and the index alone, not on dataset_id, name, version or samples
    (which the frames repeat), nor on what was made before. `tiles` gives the content of terrain tiles, which
    the spec names by their digest; made-up terrain needs none.

    Raises:
        WrongGenerator: the spec names another generator version.
        MissingTile: the spec names a terrain tile that `tiles` has not, or has with another content.
        ValueError: the emission does not fit into the recorded bandwidth, or there is no land for it.
    """
    if spec.generator_version != GENERATOR_VERSION:
        raise WrongGenerator(
            f"generator_version: the dataset was made by generator {spec.generator_version!r}, this is "
            f"{GENERATOR_VERSION!r}; use the release that has it, or submit the dataset again"
        )
    ground = ground_of(spec, tiles)
    scene = draw_scene(spec, scalar_stream(spec.seed, sample_idx, Purpose.SCENARIO), ground)
    paths = draw_paths(spec, sample_idx, scene, ground)
    origin, waveform = transmit(spec, sample_idx, scene, paths)
    received = np.empty(spec.capture.samples, np.complex64)
    frames = []
    for path in paths:
        hear(spec, sample_idx, path, waveform, origin, out=received)
        ends = chunk_ends(received.size, _samples(spec, spec.capture.chunk_ms))
        noise = normal_stream(spec.seed, sample_idx, Purpose.NOISE, path.number)
        reception = add_noise(received, ends, noise)
        quantised = quantise(received, reception.peak, path.noise_sigma, spec.datatype)
        frames.append(_frame(spec, sample_idx, scene, path, reception, quantised))
    return Sample(sample_idx=sample_idx, frames=tuple(frames))


def transmit(spec: DatasetSpec, sample_idx: int, scene: Scene, paths: tuple[Path, ...]) -> tuple[int, Waveform]:
    """The waveform that all receivers hear, and which of its samples is on the air when recording begins.

    It begins early enough for the most distant receiver and lasts long enough for the nearest.
    """
    shifts = [bundle.shift for path in paths for bundle in path.bundles]
    origin, rate_hz = max(shifts), waveform_rate_hz(spec.capture.sample_rate_hz)
    count = (spec.capture.samples - 1) * oversampling(spec.capture.sample_rate_hz) + 1 + origin - min(shifts)
    if spec.scenario.modulation == "carrier":
        return origin, carrier(count)
    step = audio_step(rate_hz)
    audio = speech_like_audio(
        (count / step + 4) / (rate_hz / step),
        rate_hz / step,
        pace=scalar_stream(spec.seed, sample_idx, Purpose.AUDIO),
        noise=normal_stream(spec.seed, sample_idx, Purpose.AUDIO, 0),
    )
    return origin, nbfm(audio, count, sample_rate_hz=rate_hz, peak_deviation_hz=scene.peak_deviation_hz)


def hear(
    spec: DatasetSpec,
    sample_idx: int,
    path: Path,
    waveform: Waveform,
    origin: int,
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
        waveform,
        origin,
        oversampling(spec.capture.sample_rate_hz),
        path.bundles,
        path.arrival_us + np.array(path.multipath.delays_us),
        gains,
        slopes,
        grid,
        waveform_rate_hz=waveform_rate_hz(rate_hz),
        turns_per_sample=path.frequency_offset_hz / rate_hz,
        out=out,
    )


def _frame(
    spec: DatasetSpec, sample_idx: int, scene: Scene, path: Path, reception: Reception, quantised: Quantised
) -> IQFrame:
    return IQFrame(
        dataset_id=spec.dataset_id,
        dataset_version=spec.dataset_version,
        sample_idx=sample_idx,
        receivers_expected=len(spec.receivers),
        receiver=path.receiver,
        captured_at_ns=FIRST_CAPTURE_NS + sample_idx * spec.capture.capture_ms * 1_000_000,
        center_frequency_hz=float(spec.frequency_hz),
        sample_rate_hz=float(spec.capture.sample_rate_hz),
        chunk_ms=spec.capture.chunk_ms,
        datatype=quantised.datatype,
        scale=quantised.scale,
        truth=truth_of(spec, scene, path, reception, quantised),
        iq=quantised.iq,
    )


def _samples(spec: DatasetSpec, duration_ms: int) -> int:
    return max(1, round(spec.capture.sample_rate_hz * duration_ms / 1000))
