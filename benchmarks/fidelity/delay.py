"""Delay spread over recordings of the default dataset against the best constant guess, and its confidence."""

import math
from typing import NamedTuple

import numpy as np

from benchmarks.fidelity.confidence import Claims
from extractor.extract import chunk_features
from producer.synthesize import synthesize_sample
from producer.version import GENERATOR_VERSION
from schemas import FEATURE_NAMES, FEATURE_TABLE, DatasetSpec
from schemas.features import NBFM_RECORDING

_GOAL = FEATURE_TABLE["multipath_delay_spread_us"].goal(NBFM_RECORDING)
LEAST_GAIN, LEAST_SNR_DB = _GOAL.limit, _GOAL.from_db
TOLERANCE_US = 0.3
# Not the seed of the calibration.
SEED = 77
_TAU, _CONFIDENCE, _OFFSET, _SNR, _PRESENT, _SCORE = map(
    FEATURE_NAMES.index,
    (
        "multipath_delay_spread_us",
        "delay_spread_confidence",
        "frequency_offset_hz",
        "snr_db",
        "signal_present",
        "confidence_score",
    ),
)


class Recording(NamedTuple):
    """One receiver's second: truth, the mean over its chunks, and what was claimed of every chunk."""

    deviation_hz: float
    snr_db: float
    truth_us: float
    mean_us: float
    chunk_claims: list[tuple[float, bool]]
    score_claims: list[tuple[float, bool]]


def recordings(first: int, count: int) -> list[Recording]:
    """Samples of the default dataset with another seed than the one that the constants were fitted on."""
    spec = DatasetSpec(
        dataset_id="00000000-0000-4000-8000-000000000002",
        name="fidelity",
        samples=first + count,
        generator_version=GENERATOR_VERSION,
        seed=SEED,
    )
    return [
        _recording(frame) for index in range(first, first + count) for frame in synthesize_sample(spec, index).frames
    ]


def _recording(frame: object) -> Recording:
    link, transmitter = frame.truth.link, frame.truth.transmitter
    rows = chunk_features(frame.samples(), frame.sample_rate_hz)
    signal = np.mean(10.0 ** (np.array(link.signal_dbm) / 10.0))
    noise = np.mean(10.0 ** (np.array(link.noise_realised_dbm) / 10.0))
    truth_us = link.rms_delay_spread_us
    return Recording(
        deviation_hz=transmitter.peak_deviation_hz,
        snr_db=10.0 * math.log10(float(signal / noise)),
        truth_us=truth_us,
        mean_us=float(rows[:, _TAU].mean()),
        chunk_claims=[
            (float(row[_CONFIDENCE]), bool(abs(row[_TAU] - truth_us) <= TOLERANCE_US))
            for row in rows
            if row[_CONFIDENCE] > 0.0
        ],
        score_claims=[
            (
                float(row[_SCORE]),
                bool(abs(row[_SNR] - true_db) <= 1.0 and abs(row[_OFFSET] - link.frequency_offset_hz) <= 50.0),
            )
            for row, true_db in zip(rows, link.snr_db, strict=True)
            if row[_PRESENT]
        ],
    )


class Gain(NamedTuple):
    """RMS error of the mean over a recording's chunks beside that of the best constant (the truths' own spread).

    ``standard_error`` is that of the gain, by the bootstrap.
    """

    deviation_hz: float
    recordings: int
    bias_us: float
    rms_us: float
    constant_us: float
    standard_error: float

    @property
    def gain(self) -> float:
        return 1.0 - self.rms_us / self.constant_us


def gains(heard: list[Recording]) -> list[Gain]:
    random = np.random.default_rng(5)
    found = []
    for deviation_hz in sorted({r.deviation_hz for r in heard}):
        strong = [r for r in heard if r.deviation_hz == deviation_hz and r.snr_db >= LEAST_SNR_DB]
        truth = np.array([r.truth_us for r in strong])
        error = np.array([r.mean_us for r in strong]) - truth
        draws = random.integers(truth.size, size=(500, truth.size))
        resampled = 1.0 - np.sqrt(np.mean(error[draws] ** 2, axis=1)) / truth[draws].std(axis=1)
        found.append(
            Gain(
                deviation_hz=deviation_hz,
                recordings=truth.size,
                bias_us=float(error.mean()),
                rms_us=float(np.sqrt(np.mean(error**2))),
                constant_us=float(truth.std()),
                standard_error=float(resampled.std()),
            )
        )
    return found


def claims_of(heard: list[Recording]) -> tuple[Claims, Claims]:
    """Of the delay and of the score, over all SNRs of the default dataset."""
    delays = [claim for r in heard for claim in r.chunk_claims]
    scores = [claim for r in heard for claim in r.score_claims]
    return (
        Claims("default dataset", [p for p, _ in delays], [right for _, right in delays]),
        Claims("default dataset", [p for p, _ in scores], [right for _, right in scores]),
    )
