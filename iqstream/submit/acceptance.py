"""Which samples of a dataset will be accepted, told from their link budgets before any IQ is made.

The SNR of a chunk is the budget's mean SNR times the mean of |sum of the taps' gains|^2 over the chunk, with the gains
that this very sample has (an emission much narrower than 1 / delay hears all taps as one), times the power of the voice
in the chunk, where the power follows it. `sink.quality.assess` judges as it judges whole recordings. What receivers'
impairments add is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from producer.emission import Emission, emit
from producer.fading import gain_grid, tap_gains
from producer.ground import ground_of
from producer.path import Path as RadioPath
from producer.path import draw_paths
from producer.scenario import Scene, draw_scene
from producer.streams import Purpose, normal_stream, scalar_stream
from producer.terrain import Ground
from producer.tiles import NO_TILES, Tiles
from schemas import FEATURE_TABLE, DatasetSpec, FeatureRecord, Receiver
from schemas.features import NBFM
from sink.quality import Accepted, Rejected, assess

LEAST_SNR_DB = FEATURE_TABLE["signal_present"].goal(NBFM).from_db
"""A narrow voice in 200 kHz is noticed in 99 % of the chunks from here on."""
POINTS_PER_CHUNK = 64
VOICE_RATE_HZ = 16_000.0


class Transmission(NamedTuple):
    """Stands in for a record's truth."""

    transmitter: Scene


@dataclass(frozen=True, slots=True)
class Heard:
    """What `assess` asks of a receiver's record, from the SNR of its chunks."""

    recorded: ClassVar = None

    receiver: Receiver
    truth: Transmission
    chunks_db: npt.NDArray[np.float64]

    @property
    def transmitter(self) -> Scene:
        """Where the transmitter stands."""
        return self.truth.transmitter

    def value(self, feature: str) -> float:
        """The mean of a feature over the chunks; the confidence counts for nothing here."""
        means = {
            "snr_db": self.chunks_db.mean(),
            "signal_present": np.mean(self.chunks_db > LEAST_SNR_DB),
            "confidence_score": 1.0,
        }
        return float(means[feature])


def hear(spec: DatasetSpec, sample_idx: int, *, ground: Ground | None = None, tiles: Tiles = NO_TILES) -> list[Heard]:
    """Returns one sample at all receivers.

    Raises:
        ValueError: there is no land for a transmitter, or the emission does not fit into the recorded bandwidth.
        MissingTile: as `synthesize_sample`.
    """
    ground = ground or ground_of(spec, tiles)
    scene = draw_scene(spec, scalar_stream(spec.seed, sample_idx, Purpose.SCENARIO), ground)
    paths = draw_paths(spec, sample_idx, scene, ground)
    voice_db = _voice_db(spec, sample_idx, scene.emission)
    return [
        Heard(path.receiver, Transmission(scene), chunk_snrs_db(spec, sample_idx, path) + voice_db) for path in paths
    ]


def verdict(spec: DatasetSpec, heard: list[Heard]) -> Accepted | Rejected:
    """Returns what the sink would say."""
    return assess(cast("list[FeatureRecord]", heard), spec.limits)


def chunk_snrs_db(spec: DatasetSpec, sample_idx: int, path: RadioPath) -> npt.NDArray[np.float64]:
    """Returns the SNR of each chunk for an emission of constant power; shape (chunks,)."""
    capture = spec.capture
    grid = gain_grid(capture.samples, capture.sample_rate_hz, path.motion.doppler_max_hz)
    node_s = grid.block * grid.blocks / capture.sample_rate_hz
    gains, _ = tap_gains(
        path.multipath,
        path.motion,
        path.mean_power,
        node_s,
        grid.nodes,
        scatter=normal_stream(spec.seed, sample_idx, Purpose.FADING, path.number),
    )
    together = gains.sum(axis=0, dtype=np.complex128)
    chunks = _chunks(spec)
    at_s = (np.arange(chunks * POINTS_PER_CHUNK) + 0.5) * capture.chunk_ms / (1000 * POINTS_PER_CHUNK)
    powers = np.abs(np.interp(at_s, np.arange(grid.nodes) * node_s, together)) ** 2
    # The noise of both components has a power of 2.
    means = powers.reshape(chunks, POINTS_PER_CHUNK).mean(axis=1)
    decibels: npt.NDArray[np.float64] = 10 * np.log10(np.maximum(means / 2, 1e-30))
    return decibels


def _voice_db(spec: DatasetSpec, sample_idx: int, emission: Emission) -> npt.NDArray[np.float64]:
    """Power of the emission in each chunk over its rated one, shape (chunks,); 0 where it is constant."""
    chunks = _chunks(spec)
    if emission.modulation not in {"am", "ssb"}:
        return np.zeros(chunks)
    per_chunk = max(1, round(VOICE_RATE_HZ * spec.capture.chunk_ms / 1000))
    waveform = emit(emission, chunks * per_chunk, sample_rate_hz=VOICE_RATE_HZ, seed=spec.seed, sample_idx=sample_idx)
    powers = np.abs(waveform.baseband(1)).astype(np.float64).reshape(chunks, per_chunk) ** 2
    decibels: npt.NDArray[np.float64] = 10 * np.log10(np.maximum(powers.mean(axis=1), 1e-6))
    return decibels


def _chunks(spec: DatasetSpec) -> int:
    return max(1, spec.capture.capture_ms // spec.capture.chunk_ms)
