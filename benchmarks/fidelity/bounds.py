"""What no estimator can beat: formulas and where they are from."""

import math

import numpy as np
from numpy.typing import NDArray

# Bins one and two apart of a Hann spectrum correlate in power by (2/3)^2 and (1/6)^2 (Harris, Proc. IEEE 66 (1978)).
BIN_CORRELATION = 1.0 + 2.0 * (4.0 / 9.0 + 1.0 / 36.0)
DB = 10.0 / math.log(10.0)
_TAIL = 0.005
# The tail beyond the edge of the 99 % band is summed out to where a tenth of it is left.
_TAIL_END = 0.0005


def noise_floor_db(occupancy: float, count: int) -> float:
    """Spread of the noise power measured in the free share 1 - o of the band about that of the whole band.

    Both are chi-square means; they share the free part: sigma^2 = o / ((1 - o) n).
    """
    return DB * math.sqrt(occupancy / ((1.0 - occupancy) * count))


def snr_db(snr: float, occupancy: float, count: int) -> float:
    """Spread of S/N for a band known beforehand.

    The noise inside the band is only known from outside: o (1 + 1/S)^2 / ((1 - o) n); and the part of it in phase with
    the signal cannot be told from it: 2 / (S n), the Cramer-Rao bound of a power (Kay, Estimation Theory, 1993, 3.7).
    """
    inside = occupancy * (1.0 + 1.0 / snr) ** 2 / ((1.0 - occupancy) * count)
    return DB * math.sqrt(inside + 2.0 / (snr * count))


def carrier_frequency_hz(snr: float, rate_hz: float, count: int) -> float:
    """Cramer-Rao bound of a carrier, unmodulated or of known modulation (Rife and Boorstyn, IEEE IT-20 (1974))."""
    return math.sqrt(6.0) * rate_hz / (2.0 * math.pi * math.sqrt(snr) * count**1.5)


def centroid_hz(snr: float, rms_deviation_hz: float, count: int) -> float:
    """Spread of the centroid of FM from the signal-by-noise products alone: sigma_f sqrt(2 / (S n))."""
    return rms_deviation_hz * math.sqrt(2.0 / (snr * count))


def lost_cycles_hz(snr: float, width_hz: float, rms_deviation_hz: float, rate_hz: float, count: int) -> float:
    """Spread of a count of cycles: each click of a discriminator behind a filter of this width is one too many or few.

    Clicks a second: B / sqrt(12) erfc(sqrt(rho)) + E|f| exp(-rho), rho = S fs / B (Rice, in Rosenblatt (ed.), Time
    Series Analysis, 1963, ch. 25), E|f| = sqrt(2/pi) sigma_f.
    """
    rho = snr * rate_hz / width_hz
    clicks_per_s = width_hz / math.sqrt(12.0) * math.erfc(math.sqrt(rho))
    clicks_per_s += math.sqrt(2.0 / math.pi) * rms_deviation_hz * math.exp(-rho)
    return math.sqrt(clicks_per_s * rate_hz / count)


def edges_bins(noise_free: NDArray[np.float64], averages: float) -> tuple[float, float]:
    """Spread of the lower and upper edge of the 99 % bandwidth, in bins, for noise of 1 in every bin.

    The energy beyond an edge is a sum of noise-subtracted Welch bins; bin k of K averages has the variance
    (1 + 2 S_k) / K (chi-square noise and its product with the realised signal). Divided by the density at the edge
    that is a shift of the edge. Sums run out to where a tenth of the tail is left, so a real estimator, which must find
    that place, has more noise in its sum.
    """
    shares = np.cumsum(noise_free) / noise_free.sum()
    first, low, high, last = np.searchsorted(shares, [_TAIL_END, _TAIL, 1.0 - _TAIL, 1.0 - _TAIL_END])
    return (
        _edge_bins(noise_free, averages, first, low, noise_free[low]),
        _edge_bins(noise_free, averages, high, last, noise_free[high]),
    )


def _edge_bins(noise_free: NDArray[np.float64], averages: float, first: int, last: int, density: float) -> float:
    variance = float(np.sum(1.0 + 2.0 * noise_free[first : last + 1])) * BIN_CORRELATION / averages
    return math.sqrt(variance) / max(float(density), 1e-12)
