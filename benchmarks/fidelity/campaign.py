"""Errors of the estimators: signals of known truth in white noise, against what was realised in each chunk."""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.fidelity import bounds
from benchmarks.fidelity.goals import goal_of
from benchmarks.fidelity.signals import CHUNK, KINDS, RATE_HZ, noise, shifted
from extractor.extract import chunk_features
from extractor.features.spectrum import measure_spectrum
from schemas import FEATURE_NAMES

SNRS_DB = (-5.0, 0.0, 10.0, 20.0, 40.0)
# Errors in percent of the truth; the others are in the feature's own unit.
RELATIVE = ("bandwidth_hz", "spectral_rolloff_hz")
FEATURES = (
    "noise_floor_dbm",
    "snr_db",
    "frequency_offset_hz",
    "bandwidth_hz",
    "spectral_centroid_hz",
    "spectral_rolloff_hz",
)
# Not their task: an upper side band does not tell where its carrier would be.
_WITHOUT = {"voice SSB": ("frequency_offset_hz",)}


class Cell(NamedTuple):
    """Errors of one feature over the draws of one signal at one SNR. ``standard_error`` is that of the RMS."""

    feature: str
    signal: str
    snr_db: float
    n: int
    bias: float
    rms: float
    standard_error: float
    bound: float | None
    goal: float | None

    @property
    def met(self) -> bool | None:
        return None if self.goal is None else self.rms <= self.goal


class Truth(NamedTuple):
    """Of one chunk, and the bound of its band's edges in Hz."""

    values: dict[str, float]
    bandwidth_bound: float
    midpoint_bound_hz: float


def run_cell(signal: str, snr_db: float, draws: int, seed: int) -> list[Cell]:
    """Returns the errors of all features for one signal at one SNR."""
    random = np.random.default_rng([seed, list(KINDS).index(signal), round(10 * snr_db) + 1000])
    errors: dict[str, list[float]] = {name: [] for name in FEATURES if name not in _WITHOUT.get(signal, ())}
    edge_bounds = []
    for _ in range(draws):
        clean, added, offset_hz = draw(signal, snr_db, random)
        truth = truth_of(clean, added, offset_hz)
        row = chunk_features((clean + added).astype(np.complex64), RATE_HZ)[0]
        measured = dict(zip(FEATURE_NAMES, row, strict=True))
        for name, seen in errors.items():
            error = measured[name] - truth.values[name]
            seen.append(100.0 * error / truth.values[name] if name in RELATIVE else error)
        edge_bounds.append((truth.bandwidth_bound, truth.midpoint_bound_hz))
    widest = np.sqrt(np.mean(np.square(edge_bounds), axis=0))
    return [
        _cell(name, signal, snr_db, np.array(seen), float(widest[0]), float(widest[1])) for name, seen in errors.items()
    ]


def draw(signal: str, snr_db: float, random: np.random.Generator) -> tuple[NDArray[Any], NDArray[Any], float]:
    """A signal at a random place of the window, noise of power 1, and the place."""
    kind = KINDS[signal]
    clean = kind.make(random, CHUNK) * 10.0 ** (snr_db / 20.0)
    offset_hz = float(random.uniform(-1.0, 1.0)) * (0.97 * RATE_HZ / 2 - kind.reach_hz)
    return shifted(clean, offset_hz), noise(random), offset_hz


def truth_of(clean: NDArray[Any], added: NDArray[Any], offset_hz: float) -> Truth:
    """What was realised; the band's figures by the features' own definitions on the chunk without noise."""
    spectrum = measure_spectrum(clean.astype(np.complex64), RATE_HZ)
    assert spectrum is not None
    psd, bin_hz = spectrum.psd, spectrum.bin_hz
    noise_power = float(np.mean(np.abs(added) ** 2))
    frequency_hz = (np.arange(psd.size) - psd.size // 2) * bin_hz
    shares = np.concatenate([[0.0], np.cumsum(psd) / psd.sum()])
    low, high = np.interp([0.005, 0.995], shares, np.arange(psd.size + 1) - 0.5)
    centroid_hz = float(np.sum(psd * frequency_hz) / psd.sum())
    by_distance = np.argsort(np.abs(frequency_hz - centroid_hz), kind="stable")
    held = np.cumsum(psd[by_distance]) / psd.sum()
    rolloff_hz = float(np.abs(frequency_hz - centroid_hz)[by_distance][np.searchsorted(held, 0.85)]) + bin_hz / 2
    edges = bounds.edges_bins(psd / noise_power, spectrum.averages)
    return Truth(
        values={
            "noise_floor_dbm": 10.0 * math.log10(noise_power),
            "snr_db": 10.0 * math.log10(float(np.mean(np.abs(clean) ** 2)) / noise_power),
            "frequency_offset_hz": offset_hz,
            "bandwidth_hz": (high - low) * bin_hz,
            "spectral_centroid_hz": centroid_hz,
            "spectral_rolloff_hz": rolloff_hz,
        },
        bandwidth_bound=100.0 * math.hypot(*edges) / (high - low),
        midpoint_bound_hz=math.hypot(*edges) / 2.0 * bin_hz,
    )


def _cell(
    feature: str, signal: str, snr_db: float, errors: NDArray[np.float64], bandwidth_bound: float, midpoint_hz: float
) -> Cell:
    rms = float(np.sqrt(np.mean(errors**2)))
    bound = {"bandwidth_hz": bandwidth_bound}.get(feature, _bound(feature, signal, 10.0 ** (snr_db / 10.0)))
    if feature == "frequency_offset_hz" and KINDS[signal].family == "flat":
        bound = midpoint_hz
    return Cell(
        feature=feature,
        signal=signal,
        snr_db=snr_db,
        n=errors.size,
        bias=float(errors.mean()),
        rms=rms,
        standard_error=rms / math.sqrt(2.0 * errors.size),
        bound=bound,
        goal=goal_of(feature, signal, snr_db),
    )


def _bound(feature: str, signal: str, snr: float) -> float | None:
    kind = KINDS[signal]
    if feature == "noise_floor_dbm":
        return bounds.noise_floor_db(kind.occupancy, CHUNK)
    if feature == "snr_db":
        return bounds.snr_db(snr, kind.occupancy, CHUNK)
    if feature == "frequency_offset_hz" and kind.family in {"tone", "NBFM"}:
        lost = 0.0
        if kind.rms_deviation_hz:
            lost = bounds.lost_cycles_hz(snr, kind.occupancy * RATE_HZ, kind.rms_deviation_hz, RATE_HZ, CHUNK)
        return math.hypot(bounds.carrier_frequency_hz(snr, RATE_HZ, CHUNK), lost)
    return None
