"""How far the figures of a chunk can be trusted: the probability that its SNR and its offset are right."""

import math

from extractor.features.band import Band
from extractor.features.frequency import Frequency, FrequencyClass
from extractor.features.spectrum import BIN_CORRELATION, Spectrum

SNR_TOLERANCE_DB = 1.0
OFFSET_TOLERANCE_HZ = 50.0

# Each class: how many times the SNR's error exceeds its theory; the same for the offset; and the chance of a right
# band. Fitted by benchmarks/calibrate_confidence.py, part "score", for the greatest likelihood.
COEFFICIENTS: dict[FrequencyClass, tuple[float, float, float]] = {
    FrequencyClass.TONE: (1.0, 0.477, 1.0),
    FrequencyClass.FM: (0.339, 1.068, 1.0),
    FrequencyClass.NARROW: (1.193, 1.891, 0.9935),
    FrequencyClass.WIDE: (8.077, 1.175, 1.0),
}


def confidence_score(spectrum: Spectrum, band: Band, frequency: Frequency) -> float:
    """P(|SNR error| <= 1 dB and |offset error| <= 50 Hz) of a chunk with a detected band.

    The noise in a run of w bins of energy e (in noise powers of a bin) over K averages, and its product with the
    signal, give the SNR a relative variance of (w + 2 e) / (K e^2), more by the correlation of Hann bins. With the
    factors of the class this and the offset's standard error are taken as standard deviations of normal errors.
    """
    return score(spectrum, band, frequency, COEFFICIENTS[frequency.kind])


def score(spectrum: Spectrum, band: Band, frequency: Frequency, coefficients: tuple[float, float, float]) -> float:
    """Evaluate the model with the given coefficients of a class."""
    snr_factor, offset_factor, chance = coefficients
    variance = (band.last - band.first + 2.0 * band.energy) * BIN_CORRELATION / spectrum.averages
    snr_sigma_db = 10.0 / math.log(10.0) * math.sqrt(variance) / band.energy
    right_snr = _within(SNR_TOLERANCE_DB, snr_factor * snr_sigma_db)
    return chance * right_snr * _within(OFFSET_TOLERANCE_HZ, offset_factor * frequency.standard_error_hz)


def _within(tolerance: float, sigma: float) -> float:
    """Probability that a normal error of mean zero stays within the tolerance."""
    return math.erf(tolerance / (math.sqrt(2.0) * sigma)) if sigma > 0.0 else 1.0
