"""Noise power at a receiver: thermal, the receiver's own, and man-made."""

import math
from typing import Literal

BOLTZMANN_J_PER_K = 1.380649e-23
REFERENCE_TEMPERATURE_K = 290.0

_MAN_MADE_C = {"city": 76.8, "residential": 72.5, "rural": 67.2}


def thermal_noise_dbm(bandwidth_hz: float) -> float:
    """Thermal noise k T0 B, T0 = 290 K."""
    return 10 * math.log10(BOLTZMANN_J_PER_K * REFERENCE_TEMPERATURE_K * bandwidth_hz * 1000)


def man_made_noise_figure_db(frequency_hz: float, environment: Literal["city", "residential", "rural"]) -> float:
    """Median external noise figure Fam = c - 27.7 log10 f_MHz (ITU-R P.372, table 1)."""
    return _MAN_MADE_C[environment] - 27.7 * math.log10(frequency_hz / 1e6)


def noise_dbm(
    frequency_hz: float,
    bandwidth_hz: float,
    noise_figure_db: float,
    environment: Literal["city", "residential", "rural"],
) -> float:
    """Noise power at the input: k T0 B (fa + fr - 1), external noise plus the receiver's (P.372, eq. 2)."""
    external = 10 ** (man_made_noise_figure_db(frequency_hz, environment) / 10)
    receiver = 10 ** (noise_figure_db / 10)
    return thermal_noise_dbm(bandwidth_hz) + 10 * math.log10(external + receiver - 1)
