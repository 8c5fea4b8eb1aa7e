"""False alarms in noise alone, and the share of weak signals that are detected."""

import math
from typing import NamedTuple

import numpy as np

from benchmarks.fidelity.signals import CHUNK, KINDS, RATE_HZ, noise, shifted
from extractor.features.detection import is_signal_present
from extractor.features.noise_floor import measure_noise_floor
from extractor.features.spectrum import measure_spectrum
from producer.philox import fill_normals
from schemas import FEATURE_TABLE
from schemas.features import FLAT, NBFM, NOISE, TONE

_GOAL = FEATURE_TABLE["signal_present"].goal
LARGEST_FALSE_ALARM_RATE = _GOAL(NOISE).limit
LEAST_DETECTION_RATE = _GOAL(NBFM).limit
WEAK = tuple(
    (signal, _GOAL(of).from_db)
    for signal, of in (
        ("voice FM 5 kHz", NBFM),
        ("tone", TONE),
        ("flat 50 kHz", f"{FLAT} of 50 kHz"),
        ("flat 120 kHz", f"{FLAT} of 120 kHz"),
    )
)
"""Signals, and the SNR from which they shall be found."""


class Share(NamedTuple):
    """In how many of the chunks a signal was detected."""

    signal: str
    snr_db: float | None
    chunks: int
    present: int

    @property
    def rate(self) -> float:
        return self.present / self.chunks

    @property
    def standard_error(self) -> float:
        """Binomial, of the goal's rate where none or all were present."""
        rate = min(max(self.rate, 1.0 / self.chunks), 1.0 - 1.0 / self.chunks)
        return math.sqrt(rate * (1.0 - rate) / self.chunks)


def false_alarms(chunks: int, seed: int) -> Share:
    """Chunks of noise (of the producer's generator, the fastest at hand) that were said to hold a signal."""
    pairs = np.empty(2 * CHUNK, np.float32)
    present = 0
    for chunk in range(chunks):
        fill_normals(pairs, np.array([chunk, 0xA1A00000 + seed], np.uint32))
        spectrum = measure_spectrum(pairs.view(np.complex64), RATE_HZ)
        assert spectrum is not None
        present += is_signal_present(measure_noise_floor(spectrum))
    return Share("noise", None, chunks, present)


def detections(signal: str, snr_db: float, chunks: int, seed: int) -> Share:
    """Chunks of a weak signal at random places that were found."""
    random = np.random.default_rng([seed, 0xDE7, list(KINDS).index(signal)])
    kind, present = KINDS[signal], 0
    for _ in range(chunks):
        offset_hz = random.uniform(-1.0, 1.0) * (0.97 * RATE_HZ / 2 - kind.reach_hz)
        clean = shifted(kind.make(random, CHUNK), offset_hz) * 10.0 ** (snr_db / 20.0)
        spectrum = measure_spectrum((clean + noise(random)).astype(np.complex64), RATE_HZ)
        assert spectrum is not None
        present += is_signal_present(measure_noise_floor(spectrum))
    return Share(signal, snr_db, chunks, present)
