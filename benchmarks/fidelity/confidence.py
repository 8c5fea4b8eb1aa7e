"""Whether the confidences are the probabilities that they claim to be, on scenarios that nothing was fitted to."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.fidelity.signals import CHUNK, KINDS, RATE_HZ, noise, rayleigh_fading, shifted, unit
from extractor.extract import chunk_features
from extractor.features.confidence import OFFSET_TOLERANCE_HZ, SNR_TOLERANCE_DB
from schemas import FEATURE_NAMES, FEATURE_TABLE

LARGEST_ECE = FEATURE_TABLE["confidence_score"].goal().limit
BINS = 10
# Fitted on: tone, voice FM and flat bands of other widths (benchmarks/calibrate_confidence.py). Judged on: these.
UNSEEN = (
    "voice FM 5 kHz",
    "Gaussian FM 12.5 kHz",
    "Gaussian FM 25 kHz",
    "flat 12.5 kHz",
    "flat 50 kHz",
    "flat 120 kHz",
    "voice AM",
    "4FSK",
    "QPSK 18 kBd",
)
_PRESENT, _SNR, _OFFSET, _CONFIDENCE = map(
    FEATURE_NAMES.index, ("signal_present", "snr_db", "frequency_offset_hz", "confidence_score")
)


class Claims(NamedTuple):
    """Claimed probabilities and whether the claim came true, of one scenario."""

    scenario: str
    claimed: list[float]
    right: list[bool]


def score_claims(signal: str, draws: int, seed: int) -> Claims:
    """Chunks of one signal, -24 to 30 dB, half of them under Rayleigh fading of up to 15 Hz Doppler."""
    random = np.random.default_rng([seed, 0xC0F, list(KINDS).index(signal)])
    claims = Claims(signal, [], [])
    kind = KINDS[signal]
    for number in range(draws):
        clean = kind.make(random, CHUNK)
        if number % 2:
            clean = clean * rayleigh_fading(random, random.uniform(0.0, 15.0))
        clean = unit(clean) * 10.0 ** (random.uniform(-24.0, 30.0) / 20.0)
        offset_hz = random.uniform(-1.0, 1.0) * (0.97 * RATE_HZ / 2 - kind.reach_hz)
        added = noise(random)
        row = chunk_features((shifted(clean, offset_hz) + added).astype(np.complex64), RATE_HZ)[0]
        if not row[_PRESENT]:
            continue
        true_db = 10.0 * math.log10(float(np.mean(np.abs(clean) ** 2)) / float(np.mean(np.abs(added) ** 2)))
        claims.claimed.append(float(row[_CONFIDENCE]))
        claims.right.append(
            bool(abs(row[_SNR] - true_db) <= SNR_TOLERANCE_DB and abs(row[_OFFSET] - offset_hz) <= OFFSET_TOLERANCE_HZ)
        )
    return claims


class Reliability(NamedTuple):
    """Per bin of the claimed probability: chunks, mean claim, share that was right; and the expected calibration error.

    ECE = sum over the bins of (chunks / all) |mean claim - share right| (Naeini et al., AAAI 2015).
    """

    chunks: tuple[int, ...]
    claimed: tuple[float, ...]
    right: tuple[float, ...]
    ece: float


def reliability(claims: list[Claims]) -> Reliability:
    claimed = np.array([p for c in claims for p in c.claimed])
    right = np.array([r for c in claims for r in c.right], dtype=float)
    bins = np.minimum((claimed * BINS).astype(int), BINS - 1)
    chunks = np.bincount(bins, minlength=BINS)
    claimed_sums = np.bincount(bins, claimed, BINS)
    right_sums = np.bincount(bins, right, BINS)
    ece = float(np.abs(claimed_sums - right_sums).sum() / max(1, claimed.size))
    return Reliability(tuple(map(int, chunks)), _means(claimed_sums, chunks), _means(right_sums, chunks), ece)


def _means(sums: NDArray[np.float64], chunks: NDArray[np.int_]) -> tuple[float, ...]:
    return tuple(float(s / n) if n else 0.0 for s, n in zip(sums, chunks, strict=True))
