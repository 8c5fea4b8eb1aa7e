"""Whether a chunk holds a signal at all."""

from extractor.features.noise_floor import NoiseFloor

# Excess of the largest smoothed bin over the floor, in sigmas, at 9 and at 45 bins. Set jointly on noise of 40,000
# samples (benchmarks/calibrate_confidence.py, part "detection") for a false alarm rate of at most 0.3 %.
NARROW_SIGMAS = 5.41
BROAD_SIGMAS = 4.95


def is_signal_present(floor: NoiseFloor) -> bool:
    """Tell whether the spectrum, smoothed over 9 or over 45 bins, rises above what noise alone does.

    Two scales because a signal is found best by a filter of its own width: 0.9 kHz for carriers and voice,
    4.4 kHz for anything that fills tens of kilohertz.
    """
    narrow, broad = significance(floor)
    return narrow > NARROW_SIGMAS or broad > BROAD_SIGMAS


def significance(floor: NoiseFloor) -> tuple[float, float]:
    """Excess of the largest smoothed bin over the floor in sigmas: at 9 bins and at 45 bins."""
    narrow = (float(floor.narrow.max()) / floor.power - 1.0) / floor.sigma_narrow
    broad = (float(floor.broad.max()) / floor.power - 1.0) / floor.sigma_broad
    return narrow, broad
