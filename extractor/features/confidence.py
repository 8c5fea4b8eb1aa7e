"""How far the figures of a chunk can be trusted: the probability that its SNR and its offset are right."""

import math

from extractor.features.band import Band
from extractor.features.frequency import Frequency, FrequencyClass
from extractor.features.spectrum import Spectrum

SNR_TOLERANCE_DB = 1.0
OFFSET_TOLERANCE_HZ = 50.0

# Each class: how many times the SNR's error exceeds its theory; the same for the offset (for FM: its standard error);
# the offset's own randomness as a share of the equivalent width; and the chance of a right band. Fitted by
# benchmarks/calibrate_confidence.py, part "score", for the greatest likelihood on carriers, voice FM and band-limited noise of -26 to 30 dB.
COEFFICIENTS: dict[FrequencyClass, tuple[float, float, float, float]] = {
    FrequencyClass.TONE: (0.6852, 0.9649, 0.0, 1.0),
    FrequencyClass.FM: (2.3614, 1.0, 0.0, 1.0),
    FrequencyClass.NARROW: (2.3614, 2.3885, 0.006, 1.0),
    FrequencyClass.WIDE: (1.4013, 1.0605, 0.0005, 0.989),
}


def confidence_score(spectrum: Spectrum, band: Band, frequency: Frequency) -> float:
    """P(|SNR error| <= 1 dB and |offset error| <= 50 Hz) of a chunk with a detected band.

    The noise left in a run of w bins of energy e (in noise powers of a bin) over K averages has the standard
    deviation sqrt(w / K): 10/ln(10) sqrt(w / K) / e dB of the SNR, and sqrt(w^3 / 12 K) / e bins of a centroid or an
    edge. With the factors of the class these are taken as standard deviations of normal errors.
    """
    return score(spectrum, band, frequency, COEFFICIENTS[frequency.kind])


def score(
    spectrum: Spectrum, band: Band, frequency: Frequency, coefficients: tuple[float, float, float, float]
) -> float:
    """Evaluate the model with the given coefficients of a class."""
    snr_factor, offset_factor, randomness, chance = coefficients
    bins = band.last - band.first
    snr_sigma_db = 10.0 / math.log(10.0) * math.sqrt(bins / spectrum.averages) / band.energy
    if frequency.kind is FrequencyClass.FM:
        noise_sigma_hz = frequency.standard_error_hz
    else:
        noise_sigma_hz = math.sqrt(bins**3 / (12.0 * spectrum.averages)) / band.energy * spectrum.bin_hz
    offset_sigma_hz = math.hypot(offset_factor * noise_sigma_hz, randomness * band.equivalent_bins * spectrum.bin_hz)
    right_snr = _within(SNR_TOLERANCE_DB, snr_factor * snr_sigma_db)
    return chance * right_snr * _within(OFFSET_TOLERANCE_HZ, offset_sigma_hz)


def _within(tolerance: float, sigma: float) -> float:
    """Probability that a normal error of mean zero stays within the tolerance."""
    return math.erf(tolerance / (math.sqrt(2.0) * sigma)) if sigma > 0.0 else 1.0
