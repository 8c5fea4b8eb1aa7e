"""Delay spread of the channel, read blind from what it does to a frequency-modulated signal.

A transmitter of constant envelope sweeps its frequency f(t); a channel with transfer function H turns that into
|y|^2 = |H(f)|^2, whose slope against f is to first order 2 Re(H' H*). Where H and its derivative H' fade
independently (taps of independent fading, delays counted from their mean) H' is complex normal with variance
(2 pi tau)^2 E|H|^2, tau being the rms delay spread, so that slope^2 / |H|^2 has the mean 8 pi^2 tau^2 E|H|^2.

The other quadrature of H' H* turns the phase only and cannot be told from the modulation, so a chunk, which holds
one to three fades, gives a coarse figure. The estimate is therefore drawn towards the mean of the channels it was
fitted on, the more so the less the chunk says.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from extractor.features.baseband import Baseband
from extractor.kernel import kernel

_BLOCK_S = 0.01
_SHORTEST_BLOCK = 32
_LEAST_TAU_US = 0.05

# Fitted by benchmarks/calibrate_confidence.py, part "delay", on samples of the default dataset, half of the recordings
# with noise added for 10 to 50 dB. With r = min(root of tau^2, LARGEST_ROOT_US), v the relative variation of the power
# over the blocks and g = 1 / (1 + (sigma / WEIGHT_SIGMA_US2)^2): tau = PRIOR_TAU_US + FIT . terms, for the least error
# of the mean over a recording; and the odds of |error| <= 0.3 us of one chunk, ODDS . odds_terms.
PRIOR_TAU_US = 1.028
FIT = (-0.374, 0.423, -0.39, 0.378)
LARGEST_ROOT_US = 2.2
WEIGHT_SIGMA_US2 = 3.0
ODDS = (0.284, -0.345, 0.961, -0.453, -0.208)

# A chunk says nothing when its frequency moves hardly more than noise alone moves it (a carrier, a pause), or with
# power ripple that neither noise nor FM explains (no constant envelope: AM, SSB, noise-like signals).
_LEAST_MODULATION = 1.5
_LEAST_DEVIATION_HZ = 10.0
_LARGEST_RIPPLE = 0.03
# Variance of a block's tau^2 for want of fades: that of the typical H'.
_BLOCK_SIGMA_US2 = 0.4


class Slope(NamedTuple):
    """What a chunk says about tau^2, in us^2: the noise-corrected figure and its standard deviation by noise.

    ``modulation`` is the variance of the frequency over that which noise alone (and rounding) would give it; ``ripple``
    the variance of the power, over its square, that neither fading, frequency nor noise explains.
    ``variation`` is the standard deviation of the blocks' powers over their mean: the more fading, the better.
    """

    tau2_us2: float
    sigma_us2: float
    modulation: float
    ripple: float
    variation: float

    @property
    def root_us(self) -> float:
        """Root of tau^2, held between 0 and the largest that the fit uses."""
        return min(math.sqrt(max(0.0, self.tau2_us2)), LARGEST_ROOT_US)

    @property
    def weight(self) -> float:
        """How much the chunk says: 1 without noise, 0 where noise is all."""
        return 1.0 / (1.0 + (self.sigma_us2 / WEIGHT_SIGMA_US2) ** 2)


class Delay(NamedTuple):
    """rms delay spread, and the probability that it is within 0.3 us of the channel's."""

    spread_us: float
    confidence: float

    @property
    def coherence_bandwidth_khz(self) -> float:
        """1 / (5 tau), with tau not below 0.05 us."""
        return 1e3 / (5.0 * max(self.spread_us, _LEAST_TAU_US))


UNIDENTIFIABLE = Delay(0.0, 0.0)


def measure_delay(baseband: Baseband, noise_density: float) -> Delay:
    """Estimate the rms delay spread of a chunk; tau 0 and confidence 0 where nothing identifies it.

    That is so without frequency modulation that stands out of the noise (``noise_density``, mW/Hz), as in a carrier
    or a pause of speech, and with a varying envelope.
    """
    slope = measure_slope(baseband, noise_density)
    if slope is None or not is_usable(slope):
        return UNIDENTIFIABLE
    return Delay(estimate_us(slope), delay_confidence(slope))


def is_usable(slope: Slope) -> bool:
    """Tell whether there is frequency modulation of a constant envelope."""
    return slope.modulation >= _LEAST_MODULATION and slope.ripple <= _LARGEST_RIPPLE


def estimate_us(slope: Slope) -> float:
    """Draw the root of tau^2 towards the mean of the fitted channels."""
    return max(0.0, PRIOR_TAU_US + sum(f * t for f, t in zip(FIT, terms(slope), strict=True)))


def terms(slope: Slope) -> tuple[float, ...]:
    """What the factors of ``FIT`` stand before."""
    g, r, v = slope.weight, slope.root_us, slope.variation
    return g, g * r, g * v, g * v * r


def delay_confidence(slope: Slope) -> float:
    """Probability that the estimate is within 0.3 us of the channel's delay spread."""
    odds = sum(f * t for f, t in zip(ODDS, odds_terms(slope), strict=True))
    return 1.0 / (1.0 + math.exp(-odds))


def odds_terms(slope: Slope) -> tuple[float, ...]:
    """What the factors of ``ODDS`` stand before."""
    r = slope.root_us
    return 1.0, slope.weight, r, r * r, slope.variation


def measure_slope(baseband: Baseband, noise_density: float) -> Slope | None:
    """Regress |y|^2 on the instantaneous frequency in blocks of 10 ms; None if too short."""
    block = round(_BLOCK_S * baseband.sample_rate_hz)
    count = (baseband.samples.size - 4) // block if block >= _SHORTEST_BLOCK else 0
    if count < 1:
        return None
    independent = min(1.0, baseband.width_hz / baseband.sample_rate_hz) * block
    fits = np.empty((count, 5))
    _regress(baseband.samples, baseband.sample_rate_hz, block, independent, fits)
    slope = Slope(*_combine(fits, noise_density * baseband.width_hz, baseband.width_hz**2 / 24.0))
    return slope if all(map(math.isfinite, slope)) else None


@kernel
def _regress(
    samples: NDArray[np.complex64],
    sample_rate_hz: float,
    block: int,
    independent: float,
    fits: NDArray[np.float64],
) -> None:
    """Fit |y|^2 = a + b t + c t^2 + slope f in every block, weighted by |y|^2: fading is slow, the audio is not.

    Each row of ``fits``: mean power, slope (mW/Hz), its variance by the residuals, residual variance of the power,
    variance of f.
    f is Im(y' y*) / (2 pi |y|^2) with a five-point derivative, good to 1 % up to a tenth of the rate. A block without
    frequency modulation has an infinite variance.
    """
    scale = sample_rate_hz / (24.0 * math.pi)
    powers, frequencies, times = np.empty(block), np.empty(block), np.empty(block)
    for i in range(block):
        times[i] = (2.0 * i + 1.0) / block - 1.0
    m = np.empty((5, 5))
    for b in range(fits.shape[0]):
        _modulation(samples[b * block : (b + 1) * block + 4], scale, powers, frequencies)
        _moments(times, frequencies, powers, m)
        # Gaussian elimination of 1, t, t^2 leaves the moments of f and |y|^2 about their trends.
        for p in range(3):
            if m[p, p] > 0.0:
                for q in range(p + 1, 5):
                    ratio = m[p, q] / m[p, p]
                    for r in range(q, 5):
                        m[q, r] -= ratio * m[p, r]
        mean = m[0, 0] / block
        fits[b, 0] = mean
        fits[b, 1] = m[3, 4] / m[3, 3] if m[3, 3] > 0.0 else 0.0
        residual = max(0.0, m[4, 4] - fits[b, 1] * m[3, 4])
        fits[b, 2] = residual / (m[3, 3] * independent) if m[3, 3] > 0.0 else np.inf
        fits[b, 3] = residual / m[0, 0] if m[0, 0] > 0.0 else 0.0
        fits[b, 4] = m[3, 3] / m[0, 0] if m[0, 0] > 0.0 else 0.0


@kernel
def _modulation(
    samples: NDArray[np.complex64], scale: float, powers: NDArray[np.float64], frequencies: NDArray[np.float64]
) -> None:
    """|y|^2 and the instantaneous frequency of all samples but two at either end."""
    for i in range(powers.size):
        y = samples[i + 2]
        re = 8.0 * (samples[i + 3].real - samples[i + 1].real) - (samples[i + 4].real - samples[i].real)
        im = 8.0 * (samples[i + 3].imag - samples[i + 1].imag) - (samples[i + 4].imag - samples[i].imag)
        power = float(y.real) * y.real + float(y.imag) * y.imag
        powers[i] = power
        frequencies[i] = scale * (im * y.real - re * y.imag) / power if power > 0.0 else 0.0


@kernel
def _moments(
    times: NDArray[np.float64], frequencies: NDArray[np.float64], powers: NDArray[np.float64], m: NDArray[np.float64]
) -> None:
    """Upper triangle of the moments of 1, t, t^2, f and |y|^2, weighted by |y|^2.

    A variable for each: so they stay in registers.
    """
    m00, m01, m02, m03, m04 = 0.0, 0.0, 0.0, 0.0, 0.0
    m11, m12, m13, m14 = 0.0, 0.0, 0.0, 0.0
    m22, m23, m24 = 0.0, 0.0, 0.0
    m33, m34, m44 = 0.0, 0.0, 0.0
    for i in range(powers.size):
        t, f, p = times[i], frequencies[i], powers[i]
        t2 = t * t
        pt, pt2, pf = p * t, p * t2, p * f
        m00, m01, m02, m03, m04 = m00 + p, m01 + pt, m02 + pt2, m03 + pf, m04 + p * p
        m11, m12, m13, m14 = m11 + pt * t, m12 + pt * t2, m13 + pt * f, m14 + pt * p
        m22, m23, m24 = m22 + pt2 * t2, m23 + pt2 * f, m24 + pt2 * p
        m33, m34, m44 = m33 + pf * f, m34 + pf * p, m44 + p * p * p
    m[0, 0], m[0, 1], m[0, 2], m[0, 3], m[0, 4] = m00, m01, m02, m03, m04
    m[1, 1], m[1, 2], m[1, 3], m[1, 4] = m11, m12, m13, m14
    m[2, 2], m[2, 3], m[2, 4] = m22, m23, m24
    m[3, 3], m[3, 4], m[4, 4] = m33, m34, m44


@kernel
def _combine(
    fits: NDArray[np.float64], noise: float, noise_frequency2: float
) -> tuple[float, float, float, float, float]:
    """The five figures of a Slope; a sigma of infinity where nothing can be read.

    ``noise_frequency2`` over the carrier-to-noise ratio is the variance that noise, flat in the filter, gives the
    frequency (Hz^2).
    """
    count = fits.shape[0]
    mean = 0.0
    for b in range(count):
        mean += fits[b, 0] / count
    mean_level = max(mean - noise, 0.05 * mean)
    if not mean_level > 0.0:
        return 0.0, np.inf, 0.0, 0.0, 0.0
    moved, moved_by_noise = 0.0, 0.0
    weights, tau2, variance, ripple, spread = 0.0, 0.0, 0.0, 0.0, 0.0
    for b in range(count):
        moved += fits[b, 4] * fits[b, 0]
        moved_by_noise += noise_frequency2 * noise + _LEAST_DEVIATION_HZ**2 * fits[b, 0]
        ripple += fits[b, 3] / mean_level**2 / count
        spread += (fits[b, 0] - mean) ** 2 / count
        level = max(fits[b, 0] - noise, 0.05 * fits[b, 0])
        if not level > 0.0:
            continue
        to_us2 = 1e12 / (8.0 * np.pi**2 * level * mean_level)
        by_noise = to_us2 * fits[b, 2]
        excess = to_us2 * fits[b, 1] ** 2 - by_noise
        weight = 1.0 / (by_noise + _BLOCK_SIGMA_US2) ** 2
        if weight > 0.0:
            weights += weight
            tau2 += weight * excess
            variance += weight**2 * (2.0 * by_noise**2 + 4.0 * by_noise * max(0.0, excess))
    if not weights > 0.0:
        return 0.0, np.inf, 0.0, 0.0, 0.0
    modulation = moved / moved_by_noise if moved_by_noise > 0.0 else 0.0
    ripple_by_noise = noise / mean_level * (2.0 + noise / mean_level)
    sigma = math.sqrt(variance) / weights
    return tau2 / weights, sigma, modulation, ripple - ripple_by_noise, math.sqrt(spread) / mean
