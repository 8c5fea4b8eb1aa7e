"""Signal-to-noise ratio in the full bandwidth: (P - N) / N, never (S + N) / N."""

import math

from extractor.features.band import Band
from extractor.features.noise_floor import NARROW, NoiseFloor
from extractor.features.spectrum import Spectrum

SNR_FLOOR_DB = -60.0


def snr_db(spectrum: Spectrum, floor: NoiseFloor, band: Band | None, mean_power: float) -> float:
    """Noise-subtracted power of the band over the noise in the full bandwidth, in dB, not below -60.

    Welch's windows see the ends of a chunk less than its middle. What the plain ``mean_power`` of the samples has more
    than the spectrum is the signal's to the share S^2 / (S^2 + N^2), for it is made of fluctuations of both powers.

    Without a detected band it is that of the strongest 0.9 kHz (9 bins of 2048): in noise alone about -30 dB, the
    level under which a signal would not be seen, rather than a difference of two nearly equal powers.
    """
    bins = floor.narrow.size
    if band is None:
        ratio = NARROW * (floor.narrow_peak / floor.power - 1.0) / bins
    else:
        ratio = band.energy / bins
        unseen = (mean_power - spectrum.mean_power) / floor.power
        ratio += unseen / (1.0 + ratio**-2)
    return max(SNR_FLOOR_DB, 10.0 * math.log10(max(ratio, 1e-30)))
