"""Derive the fitted constants of the extractor: detection thresholds, delay spread and confidences.

Run ``python benchmarks/calibrate_confidence.py [detection|delay|score] ...`` (all by default; a few minutes on one
core) and copy what it prints into the module of that name. Everything is seeded: the same versions print the same
figures. Each fit is scored on the half of the draws that it has not seen.
"""

import math
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from extractor.features import confidence, delay
from extractor.features.band import Band, measure_band
from extractor.features.baseband import to_baseband
from extractor.features.detection import is_signal_present, significance
from extractor.features.frequency import FrequencyClass, frequency_class, frequency_offset_hz
from extractor.features.noise_floor import NoiseFloor, measure_noise_floor
from extractor.features.snr import snr_db
from extractor.features.spectrum import Spectrum, measure_spectrum
from producer.nbfm import nbfm
from producer.synthesize import synthesize_sample
from producer.version import GENERATOR_VERSION
from schemas import DatasetSpec

RATE_HZ = 200_000.0
CHUNK = 40_000


class Heard(NamedTuple):
    """One recording: the truth of its channel and the slopes of its usable chunks."""

    sample_idx: int
    truth_us: float
    deviation_hz: float
    snr_db: float
    noise_added: bool
    chunks: int
    slopes: list[delay.Slope]


Analysis = tuple[Spectrum, NoiseFloor, Band]


def calibrate_detection(chunks: int = 40_000) -> None:
    """Quantiles of the two statistics in noise, and the joint false-alarm rate of thresholds with equal shares."""
    random = np.random.default_rng(1)
    seen = np.empty((chunks, 2))
    for i in range(chunks):
        spectrum = measure_spectrum(noise(random, 1.0), RATE_HZ)
        assert spectrum is not None
        seen[i] = significance(measure_noise_floor(spectrum))
    for share in (0.003, 0.002, 0.0018, 0.0016, 0.0014, 0.0012, 0.001):
        narrow, broad = np.quantile(seen, 1.0 - share, axis=0)
        joint = np.mean((seen[:, 0] > narrow) | (seen[:, 1] > broad))
        print(f"detection: NARROW_SIGMAS {narrow:.2f} BROAD_SIGMAS {broad:.2f}: false alarms {100 * joint:.3f} %")


def calibrate_delay(samples: int = 800) -> None:
    """Fit the estimate on the mean over a recording, the odds on single chunks."""
    spec = DatasetSpec(
        dataset_id="00000000-0000-4000-8000-000000000001",
        name="calibration",
        samples=samples,
        generator_version=GENERATOR_VERSION,
        seed=20,
    )
    random = np.random.default_rng(2)
    recordings = [heard for index in range(samples) for heard in delays_of(spec, index, random)]
    learned = [r for r in recordings if r.sample_idx % 2 == 0]
    held_back = [r for r in recordings if r.sample_idx % 2 == 1]
    strong = [r for r in learned if r.snr_db >= 20.0 and r.slopes]
    rows = np.array([np.mean([fit_terms(s) for s in r.slopes], axis=0) for r in strong])
    prior = round(float(np.mean([r.truth_us for r in learned])), 3)
    fit = np.linalg.lstsq(rows, np.array([r.truth_us for r in strong]) - prior, rcond=None)[0]
    delay.PRIOR_TAU_US, delay.FIT = prior, as_constants(fit)
    print(f"delay: PRIOR_TAU_US {delay.PRIOR_TAU_US} FIT {delay.FIT}")
    x, right = odds_terms(learned)
    odds = minimize(lambda c: np.mean(np.logaddexp(0.0, np.where(right, -1.0, 1.0) * (x @ c))), np.zeros(5)).x
    delay.ODDS = as_constants(odds)
    print(f"delay: ODDS {delay.ODDS}")
    x, right = odds_terms(held_back)
    print(f"delay: held back: {report(1.0 / (1.0 + np.exp(-(x @ odds))), right)}")
    for added in (False, True):
        for deviation_hz in (2500.0, 5000.0):
            part = [
                r for r in held_back if r.deviation_hz == deviation_hz and r.snr_db >= 20.0 and r.noise_added == added
            ]
            truth = np.array([r.truth_us for r in part])
            # Chunks without a usable slope read 0 and enter the mean like all others.
            error = np.array([sum(map(delay.estimate_us, r.slopes)) / r.chunks for r in part]) - truth
            rms, constant = math.sqrt(np.mean(error**2)), truth.std()
            kind = "noise added" if added else "as drawn"
            print(
                f"delay: {deviation_hz:.0f} Hz, SNR >= 20 dB, {kind}, {truth.size} recordings:"
                f" rms {rms:.3f} us, best constant {constant:.3f} us, {100 * (1 - rms / constant):.0f} % less"
            )


def fit_terms(slope: delay.Slope) -> NDArray[np.float64]:
    r, v = slope.root_us, slope.variation
    return slope.weight * np.array([1.0, r, v, v * r])


def odds_terms(recordings: list[Heard]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    pairs = [(s, r.truth_us) for r in recordings for s in r.slopes]
    x = np.array([(1.0, s.weight, s.root_us, s.root_us**2, s.variation) for s, _ in pairs])
    return x, np.array([abs(delay.estimate_us(s) - truth_us) <= 0.3 for s, truth_us in pairs])


def as_constants(values: NDArray[np.float64]) -> Any:  # noqa: ANN401 - as many as the constant has
    return tuple(round(float(value), 3) for value in values)


def calibrate_score(chunks: int = 20_000) -> None:
    """Greatest likelihood of each class's coefficients."""
    random = np.random.default_rng(3)
    drawn = [outcome for i in range(chunks) if (outcome := score_outcome(random, i)) is not None]
    learned, held_back = drawn[::2], drawn[1::2]
    fitted = {}
    for kind in FrequencyClass:
        part = [(s, b, right) for s, b, right in learned if frequency_class(b) is kind]

        def unlikelihood(free: NDArray[np.float64], part: list[Any] = part) -> float:
            coefficients = constrained(free)
            p = np.array([confidence.score(s, b, coefficients) for s, b, _ in part]).clip(1e-6, 1 - 1e-6)
            right = np.array([r for *_, r in part])
            return float(-np.mean(np.where(right, np.log(p), np.log1p(-p))))

        best = minimize(unlikelihood, np.array([0.3, 0.3, -5.0, 4.0]), method="Nelder-Mead", options={"maxiter": 250}).x
        fitted[kind] = constrained(best)
        print(f"score: {kind}: {tuple(round(c, 4) for c in fitted[kind])} from {len(part)} chunks")
    for kind in (*FrequencyClass, None):
        part = [(s, b, r) for s, b, r in held_back if kind is None or frequency_class(b) is kind]
        p = np.array([confidence.score(s, b, fitted[frequency_class(b)]) for s, b, _ in part])
        print(f"score: held back, {kind or 'all'}: {report(p, np.array([r for *_, r in part]))}")


def constrained(free: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """Positive factors, a chance below 1."""
    return math.exp(free[0]), math.exp(free[1]), math.exp(free[2]), 1.0 / (1.0 + math.exp(-free[3]))


def report(probability: NDArray[np.float64], right: NDArray[np.bool_]) -> str:
    """Expected calibration error over ten bins of equal width, and the means."""
    bins = np.minimum((probability * 10).astype(int), 9)
    gaps = [
        abs(float(probability[bins == b].sum()) - float(right[bins == b].sum())) for b in range(10) if np.any(bins == b)
    ]
    return f"ECE {sum(gaps) / right.size:.3f}, mean {probability.mean():.3f}, right {right.mean():.3f}, n {right.size}"


def delays_of(spec: DatasetSpec, index: int, random: np.random.Generator) -> Iterator[Heard]:
    """What every receiver tells of its delay; every other one with noise added to reach 10-50 dB."""
    for number, frame in enumerate(synthesize_sample(spec, index).frames):
        truth = frame.truth
        assert truth is not None
        signal = float(np.mean(10 ** (np.array(truth.link.signal_dbm) / 10)))
        background = float(np.mean(10 ** (np.array(truth.link.noise_realised_dbm) / 10)))
        missing = signal * 10 ** (-random.uniform(10.0, 50.0) / 10) - background if (number + index) % 2 else 0.0
        iq = frame.samples()
        if missing > 0.0:
            iq = iq + noise(random, missing, iq.size)
        starts = range(0, iq.size, CHUNK)
        yield Heard(
            sample_idx=index,
            truth_us=truth.link.rms_delay_spread_us,
            deviation_hz=truth.transmitter.peak_deviation_hz,
            snr_db=10.0 * math.log10(signal / (background + max(0.0, missing))),
            noise_added=missing > 0.0,
            chunks=len(starts),
            slopes=[slope for start in starts if (slope := slope_of(iq[start : start + CHUNK])) is not None],
        )


def slope_of(chunk: NDArray[np.complex64]) -> delay.Slope | None:
    analysis = analyse(chunk)
    if analysis is None:
        return None
    spectrum, floor, band = analysis
    slope = delay.measure_slope(to_baseband(spectrum, band), band, floor)
    return slope if slope is not None and delay.is_usable(slope) else None


def score_outcome(random: np.random.Generator, index: int) -> tuple[Spectrum, Band, bool] | None:
    """Spectrum (without its segments), band, and whether both figures were right; None when nothing was detected."""
    signal = SIGNALS[int(random.choice(len(SIGNALS), p=SHARES))](random, index)
    added = noise(random, 1.0)
    signal = signal * (10.0 ** (random.uniform(-26.0, 30.0) / 20.0))
    offset_hz = random.uniform(-60e3, 60e3)
    shifted = signal * np.exp(2j * np.pi * offset_hz / RATE_HZ * np.arange(CHUNK))
    analysis = analyse((shifted + added).astype(np.complex64))
    if analysis is None:
        return None
    spectrum, floor, band = analysis
    true_db = 10.0 * math.log10(float(np.mean(np.abs(signal) ** 2)) / float(np.mean(np.abs(added) ** 2)))
    offset_error = frequency_offset_hz(band, to_baseband(spectrum, band)) - offset_hz
    right = abs(snr_db(floor, band) - true_db) <= confidence.SNR_TOLERANCE_DB
    kept = spectrum._replace(segments=np.empty_like(spectrum.segments))
    return kept, band, right and abs(offset_error) <= confidence.OFFSET_TOLERANCE_HZ


def analyse(chunk: NDArray[np.complex64]) -> Analysis | None:
    spectrum = measure_spectrum(chunk, RATE_HZ)
    assert spectrum is not None
    floor = measure_noise_floor(spectrum)
    band = measure_band(spectrum, floor) if is_signal_present(floor) else None
    return None if band is None else (spectrum, floor, band)


def noise(random: np.random.Generator, power: float, count: int = CHUNK) -> NDArray[np.complex64]:
    pairs = random.standard_normal(2 * count, dtype=np.float32) * np.float32(math.sqrt(power / 2))
    return pairs.view(np.complex64)


def carrier(random: np.random.Generator, _index: int) -> NDArray[Any]:
    return np.full(CHUNK, np.exp(2j * np.pi * random.random()))


def voice(random: np.random.Generator, index: int) -> NDArray[Any]:
    stream = np.array([index, 7], np.uint32)
    deviation_hz = random.choice([2500.0, 5000.0])
    whole = nbfm(5 * CHUNK, sample_rate_hz=RATE_HZ, peak_deviation_hz=deviation_hz, pace=random, noise=stream)
    start = int(random.integers(4 * CHUNK))
    return whole.baseband(1)[start : start + CHUNK]


def band_limited(random: np.random.Generator, _index: int) -> NDArray[Any]:
    width_hz = math.exp(random.uniform(math.log(8e3), math.log(80e3)))
    lines = np.fft.fft(noise(random, 1.0, 2 * CHUNK))
    lines[np.abs(np.fft.fftfreq(2 * CHUNK, 1.0 / RATE_HZ)) > width_hz / 2] = 0.0
    signal: NDArray[Any] = np.fft.ifft(lines)[CHUNK // 2 : -CHUNK // 2]
    unit: NDArray[Any] = signal / math.sqrt(float(np.mean(np.abs(signal) ** 2)))
    return unit


SIGNALS: tuple[Callable[[np.random.Generator, int], NDArray[Any]], ...] = (carrier, voice, band_limited)
SHARES = (0.25, 0.55, 0.2)
PARTS = {"detection": calibrate_detection, "delay": calibrate_delay, "score": calibrate_score}

if __name__ == "__main__":
    for part_name in sys.argv[1:] or PARTS:
        PARTS[part_name]()
