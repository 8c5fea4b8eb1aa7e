"""Whether a chunk holds a signal at all."""

import math

from extractor.features.noise_floor import NoiseFloor

# Significance of the largest smoothed bin, in sigmas, at 9 and at 45 bins. Set jointly on noise of 40,000
# samples (benchmarks/calibrate_confidence.py, part "detection") for a false alarm rate of at most 0.3 %.
NARROW_SIGMAS = 4.84
BROAD_SIGMAS = 4.71


def is_signal_present(floor: NoiseFloor) -> bool:
    """Tell whether the spectrum, smoothed over 9 or over 45 bins, rises above what noise alone does.

    Two scales because a signal is found best by a filter of its own width: 0.9 kHz for carriers and voice,
    4.4 kHz for anything that fills tens of kilohertz.
    """
    narrow, broad = significance(floor)
    return narrow > NARROW_SIGMAS or broad > BROAD_SIGMAS


def significance(floor: NoiseFloor) -> tuple[float, float]:
    """Significance of the largest smoothed bin as sigmas of a normal distribution: at 9 bins and at 45 bins."""
    narrow = _sigmas(floor.narrow_peak / floor.power, floor.sigma_narrow)
    broad = _sigmas(floor.broad_peak / floor.power, floor.sigma_broad)
    return narrow, broad


def _sigmas(ratio: float, sigma: float) -> float:
    """Normal deviate of a mean of exponential variables of this relative standard deviation.

    The cube root of a chi-square variable is nearly normal (E. B. Wilson and M. M. Hilferty, Proc. Nat. Acad. Sci. 17
    (1931), 684-688), so that the thresholds hold for chunks of few averages too.
    """
    ninth = sigma * sigma / 9.0
    return (math.cbrt(ratio) - (1.0 - ninth)) / math.sqrt(ninth)
