"""Features that are plain arithmetic on the samples, against NumPy in double precision."""

from typing import NamedTuple

import numpy as np

from benchmarks.fidelity.signals import CHUNK, KINDS, RATE_HZ, noise
from extractor.extract import chunk_features
from schemas import FEATURE_NAMES


class Exact(NamedTuple):
    """Largest difference over all signals, and the value of a carrier and of noise beside theory."""

    feature: str
    largest_difference: float
    carrier: float
    carrier_theory: str
    noise: float
    noise_theory: str


def exact_features(seed: int) -> list[Exact]:
    """One chunk of every kind of signal at 10 dB and at powers of -150 to +30 dBm; a carrier; and noise."""
    random = np.random.default_rng([seed, 0xE])
    largest = dict.fromkeys(THEORY, 0.0)
    for number, kind in enumerate(KINDS.values()):
        level = 10.0 ** ((-150.0 + 15.0 * number) / 20.0)
        iq = ((kind.make(random, CHUNK) * 10.0**0.5 + noise(random)) * level).astype(np.complex64)
        measured = dict(zip(FEATURE_NAMES, chunk_features(iq, RATE_HZ)[0], strict=True))
        for name, value in in_double_precision(iq).items():
            largest[name] = max(largest[name], abs(measured[name] - value))
    carrier, alone = np.ones(CHUNK, np.complex64), noise(random).astype(np.complex64)
    of_carrier, of_noise = (
        dict(zip(FEATURE_NAMES, chunk_features(x, RATE_HZ)[0], strict=True)) for x in (carrier, alone)
    )
    return [
        Exact(name, largest[name], of_carrier[name], THEORY[name][0], of_noise[name], THEORY[name][1])
        for name in THEORY
    ]


THEORY = {
    "rssi_dbm": ("0", "0"),
    "envelope_mean": ("1", "sqrt(pi)/2 = 0.886"),
    "envelope_std": ("0", "sqrt(1 - pi/4) = 0.463"),
    "envelope_max": ("1", "sqrt(ln 1000) = 2.63"),
    "peak_to_avg_ratio_db": ("0", "about 10.5"),
    "zero_crossing_rate": ("0", "0.5"),
}


def in_double_precision(iq: np.ndarray) -> dict[str, float]:
    x = iq.astype(np.complex128)
    amplitude = np.abs(x)
    rms = np.sqrt(np.mean(amplitude**2))
    return {
        "rssi_dbm": 20.0 * float(np.log10(rms)),
        "envelope_mean": float(amplitude.mean() / rms),
        "envelope_std": float(amplitude.std() / rms),
        "envelope_max": float(np.quantile(amplitude, 0.999, method="higher") / rms),
        "peak_to_avg_ratio_db": 20.0 * float(np.log10(amplitude.max() / rms)),
        "zero_crossing_rate": float(np.mean((x.real[1:] < 0) != (x.real[:-1] < 0))),
    }
