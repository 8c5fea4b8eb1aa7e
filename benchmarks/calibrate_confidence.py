"""Derive the fitted constants of the extractor: detection thresholds, delay spread and confidences.

Run ``python -m benchmarks.calibrate_confidence [detection|delay|score] ...`` (all by default; a few minutes on two
cores) and copy what it prints into the module of that name. Everything is seeded: the same versions print the same
figures. How good the fit is on scenarios that it has not seen, ``make fidelity`` tells.
"""

import itertools
import math
import os
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from benchmarks.fidelity.signals import (
    CHUNK,
    RATE_HZ,
    flat_band,
    gaussian_fm,
    noise,
    pulses,
    rayleigh_fading,
    shifted,
    tone,
    unit,
    voice_fm,
)
from extractor.features import confidence, delay
from extractor.features.band import Band, measure_band
from extractor.features.baseband import Baseband, to_baseband
from extractor.features.detection import is_signal_present, significance
from extractor.features.envelope import measure_envelope
from extractor.features.frequency import Frequency, FrequencyClass, measure_frequency
from extractor.features.noise_floor import NoiseFloor, measure_noise_floor
from extractor.features.snr import snr_db
from extractor.features.spectrum import Spectrum, measure_spectrum
from producer.synthesize import synthesize_sample
from producer.version import GENERATOR_VERSION
from schemas import DatasetSpec, IQFrame

PER_TASK = 25


class Analysis(NamedTuple):
    """What the extractor sees of a chunk. The spectrum's segments are gone after the next one."""

    spectrum: Spectrum
    floor: NoiseFloor
    band: Band
    baseband: Baseband


def analyse(chunk: NDArray[np.complex64]) -> Analysis | None:
    spectrum = measure_spectrum(chunk, RATE_HZ)
    assert spectrum is not None
    floor = measure_noise_floor(spectrum)
    band = measure_band(spectrum, floor) if is_signal_present(floor) else None
    return None if band is None else Analysis(spectrum, floor, band, to_baseband(spectrum, band))


def in_parallel(work: Callable[[int], list[Any]], count: int) -> list[Any]:
    """Returns the results of all tasks in their order."""
    with ProcessPoolExecutor() as executor:
        return list(itertools.chain.from_iterable(executor.map(work, range(0, count, PER_TASK))))


# Detection


def calibrate_detection(chunks: int = 40_000) -> None:
    """Quantiles of the two statistics in noise, and the joint false-alarm rate of thresholds with equal shares."""
    seen = np.array(in_parallel(significances, chunks))
    for share in (0.003, 0.002, 0.0018, 0.0016, 0.0014, 0.0012, 0.001):
        narrow, broad = np.quantile(seen, 1.0 - share, axis=0)
        joint = np.mean((seen[:, 0] > narrow) | (seen[:, 1] > broad))
        print(f"detection: NARROW_SIGMAS {narrow:.2f} BROAD_SIGMAS {broad:.2f}: false alarms {100 * joint:.3f} %")


def significances(first: int) -> list[tuple[float, float]]:
    random = np.random.default_rng([10, first])
    found = []
    for _ in range(PER_TASK):
        pairs = random.standard_normal(2 * CHUNK, dtype=np.float32)
        spectrum = measure_spectrum(pairs.view(np.complex64), RATE_HZ)
        assert spectrum is not None
        found.append(significance(measure_noise_floor(spectrum)))
    return found


# Delay


class Heard(NamedTuple):
    """One recording: the truth of its channel and the slopes of its usable chunks."""

    truth_us: float
    snr_db: float
    chunks: int
    slopes: list[delay.Slope]


def calibrate_delay(samples: int = 6000) -> None:
    """Fit the estimate on the mean over a recording, the odds on single chunks."""
    recordings = in_parallel(delays, samples)
    strong = [r for r in recordings if r.snr_db >= 20.0 and r.slopes]
    prior = round(float(np.mean([r.truth_us for r in recordings])), 3)
    rows = np.array([np.mean([delay.terms(s) for s in r.slopes], axis=0) for r in strong])
    fit = np.linalg.lstsq(rows, np.array([r.truth_us for r in strong]) - prior, rcond=None)[0]
    delay.PRIOR_TAU_US, delay.FIT = prior, as_constants(fit)
    print(f"delay: PRIOR_TAU_US = {delay.PRIOR_TAU_US}\ndelay: FIT = {delay.FIT}")
    pairs = [(s, r.truth_us) for r in recordings for s in r.slopes]
    x = np.array([delay.odds_terms(s) for s, _ in pairs])
    right = np.array([abs(delay.estimate_us(s) - truth_us) <= 0.3 for s, truth_us in pairs])
    odds = minimize(lambda c: np.mean(np.logaddexp(0.0, np.where(right, -1.0, 1.0) * (x @ c))), np.zeros(x.shape[1])).x
    print(f"delay: ODDS = {as_constants(odds)}")


def delays(first: int) -> list[Heard]:
    """What every receiver of some samples tells of its delay; every other one with noise added to reach 10-50 dB."""
    spec = DatasetSpec(
        dataset_id="00000000-0000-4000-8000-000000000001",
        name="calibration",
        samples=first + PER_TASK,
        generator_version=GENERATOR_VERSION,
        seed=20,
    )
    random = np.random.default_rng([11, first])
    return [
        heard_of(frame, random if (number + index) % 2 else None)
        for index in range(first, first + PER_TASK)
        for number, frame in enumerate(synthesize_sample(spec, index).frames)
    ]


def heard_of(frame: IQFrame, noise_source: np.random.Generator | None) -> Heard:
    truth = frame.truth
    assert truth is not None
    signal = float(np.mean(10 ** (np.array(truth.link.signal_dbm) / 10)))
    background = float(np.mean(10 ** (np.array(truth.link.noise_realised_dbm) / 10)))
    iq = frame.samples()
    if noise_source is not None:
        missing = signal * 10 ** (-noise_source.uniform(10.0, 50.0) / 10) - background
        if missing > 0.0:
            iq = (iq + noise(noise_source, missing, iq.size)).astype(np.complex64)
            background += missing
    starts = range(0, iq.size, CHUNK)
    return Heard(
        truth_us=truth.link.rms_delay_spread_us,
        snr_db=10.0 * math.log10(signal / background),
        chunks=len(starts),
        slopes=[slope for start in starts if (slope := slope_of(iq[start : start + CHUNK])) is not None],
    )


def slope_of(chunk: NDArray[np.complex64]) -> delay.Slope | None:
    found = analyse(chunk)
    slope = None if found is None else delay.measure_slope(found.baseband, found.floor.power / RATE_HZ)
    return slope if slope is not None and delay.is_usable(slope) else None


def as_constants(values: Iterable[float]) -> Any:  # noqa: ANN401 - as many as the constant has
    return tuple(round(float(value), 3) for value in values)


# Score


class Outcome(NamedTuple):
    """What the confidence is made from, and whether both figures were right."""

    spectrum: Spectrum
    band: Band
    frequency: Frequency
    right: bool


def calibrate_score(chunks: int = 8_000) -> None:
    """Greatest likelihood of each class's coefficients."""
    outcomes = in_parallel(score_outcomes, chunks)
    for kind in FrequencyClass:
        part = [o for o in outcomes if o.frequency.kind is kind]
        right = np.array([o.right for o in part])

        def unlikelihood(
            free: NDArray[np.float64], part: list[Outcome] = part, right: NDArray[np.bool_] = right
        ) -> float:
            coefficients = constrained(free)
            p = np.array([confidence.score(*o[:3], coefficients) for o in part]).clip(1e-6, 1 - 1e-6)
            return float(-np.mean(np.where(right, np.log(p), np.log1p(-p))))

        best = minimize(unlikelihood, np.array([0.3, 0.3, 4.0]), method="Nelder-Mead", options={"maxiter": 250}).x
        values = ", ".join(f"{c:.4f}" for c in constrained(best))
        print(f"score: FrequencyClass.{kind.name}: ({values}),  # {len(part)} chunks, {right.mean():.3f} right")


def constrained(free: NDArray[np.float64]) -> tuple[float, float, float]:
    """Positive factors, a chance below 1."""
    return math.exp(free[0]), math.exp(free[1]), 1.0 / (1.0 + math.exp(-free[2]))


def score_outcomes(first: int) -> list[Outcome]:
    random = np.random.default_rng([12, first])
    return [outcome for _ in range(PER_TASK) if (outcome := score_outcome(random)) is not None]


def score_outcome(random: np.random.Generator) -> Outcome | None:
    """Returns the outcome of a chunk, None if nothing was detected. Half of the signals fade; -26 to 30 dB."""
    clean = SIGNALS[int(random.integers(len(SIGNALS)))](random)
    if random.random() < 0.5:
        clean = clean * rayleigh_fading(random, random.uniform(0.0, 15.0))
    clean = unit(clean) * 10.0 ** (random.uniform(-26.0, 30.0) / 20.0)
    offset_hz, added = random.uniform(-55e3, 55e3), noise(random)
    iq = (shifted(clean, offset_hz) + added).astype(np.complex64)
    found = analyse(iq)
    if found is None:
        return None
    frequency = measure_frequency(found.spectrum, found.band, found.baseband, found.floor.power / RATE_HZ)
    measured_db = snr_db(found.spectrum, found.floor, found.band, measure_envelope(iq).mean_power)
    true_db = 10.0 * math.log10(float(np.mean(np.abs(clean) ** 2)) / float(np.mean(np.abs(added) ** 2)))
    right = (
        abs(measured_db - true_db) <= confidence.SNR_TOLERANCE_DB
        and abs(frequency.offset_hz - offset_hz) <= confidence.OFFSET_TOLERANCE_HZ
    )
    count = found.spectrum.segments.shape[0]
    light = found.spectrum._replace(psd=np.empty(0), segments=np.empty((count, 0), np.complex64))
    return Outcome(light, found.band, frequency, bool(right))


def some_qpsk(random: np.random.Generator) -> NDArray[Any]:
    """2,000 to 12,000 symbols a second."""
    rate_hz = math.exp(random.uniform(math.log(2e3), math.log(12e3)))
    symbols = random.choice([1, 1j, -1, -1j], size=int(CHUNK * rate_hz / RATE_HZ) + 20)
    return pulses(symbols, rate_hz, 0.25, CHUNK)


# Those of the fidelity report's confidences are others: other widths, deviations and modulations.
SIGNALS: tuple[Callable[[np.random.Generator], NDArray[Any]], ...] = (
    tone,
    lambda random: voice_fm(random.uniform(1.5e3, 4e3))(random),
    lambda random: voice_fm(random.uniform(1.5e3, 4e3))(random),
    lambda random: gaussian_fm(random.uniform(9e3, 20e3))(random),
    lambda random: flat_band(math.exp(random.uniform(math.log(5e3), math.log(90e3))))(random),
    lambda random: flat_band(math.exp(random.uniform(math.log(5e3), math.log(90e3))))(random),
    some_qpsk,
)
PARTS = {"detection": calibrate_detection, "delay": calibrate_delay, "score": calibrate_score}

if __name__ == "__main__":
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    for part_name in sys.argv[1:] or PARTS:
        PARTS[part_name]()
