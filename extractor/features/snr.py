"""Signal-to-noise ratio in the full bandwidth: (P - N) / N, never (S + N) / N."""

import math

from extractor.features.band import Band
from extractor.features.noise_floor import NARROW, NoiseFloor

SNR_FLOOR_DB = -60.0


def snr_db(floor: NoiseFloor, band: Band | None) -> float:
    """Noise-subtracted power of the band over the noise in the full bandwidth, in dB, not below -60.

    Without a detected band it is that of the strongest 0.9 kHz (9 bins of 2048): in noise alone about -30 dB, the
    level under which a signal would not be seen, rather than a difference of two nearly equal powers.
    """
    bins = floor.narrow.size
    excess = band.energy if band is not None else NARROW * (float(floor.narrow.max()) / floor.power - 1.0)
    return max(SNR_FLOOR_DB, 10.0 * math.log10(max(excess / bins, 1e-30)))
