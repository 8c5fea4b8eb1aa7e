"""The fading channel against theory, over independent draws.

Seeds are fixed, so these tests either hold or do not; what a docstring gives as its false-failure probability is
that of another seed. A mean of n independent values is tested to 4 of its standard errors: 6e-5 where it is
normal, below 1e-3 in the skewed cases. A Kolmogorov-Smirnov or chi-square test fails at p < 1e-3.
"""

import math

import numpy as np
import pytest
from scipy import special, stats

from producer.fading import Motion, rayleigh_gains, tap_gains
from producer.multipath import Multipath, draw_multipath
from producer.receiver import add_noise
from schemas import Channel

STILL = Motion(doppler_max_hz=0.0, direct_doppler_hz=0.0)


def rayleigh(taps, turns_per_node, nodes, power=1.0, key=(77, 1)):
    arrivals = np.random.default_rng(5).random(taps)
    gains, _ = rayleigh_gains(
        np.full(taps, power), turns_per_node, nodes, arrivals=arrivals, scatter=np.array(key, np.uint32)
    )
    return gains.astype(np.complex128)


def rician(k_db, runs):
    path = Multipath(delays_us=(0.0,), powers=(1.0,), rician_k_db=k_db, arrivals=(0.3,), direct_turns=0.1)
    draws = [tap_gains(path, STILL, 1.0, 1.0, 1, scatter=np.array([i, 9], np.uint32))[0][0, 0] for i in range(runs)]
    return np.array(draws, np.complex128)


@pytest.fixture(scope="module")
def profiles():
    stream = np.random.default_rng(2)
    return [draw_multipath(Channel(), stream) for _ in range(4000)]


def test_rayleigh_envelope():
    """KS over 4000 independent taps. False failures: 1e-3."""
    envelope = np.abs(rayleigh(4000, 0.01, 1, power=2.0)[:, 0])
    assert stats.kstest(envelope, stats.rayleigh.cdf).pvalue > 1e-3


def test_mean_over_rms_of_a_rayleigh_envelope_is_0_8862():
    """4 standard errors of sqrt((4 / pi - 1) / n) = 0.8 % for 4000 taps, of known rms. False failures: 6e-5."""
    envelope = np.abs(rayleigh(4000, 0.01, 1)[:, 0])
    assert envelope.mean() == pytest.approx(0.8862, rel=4 * math.sqrt((4 / math.pi - 1) / envelope.size))


def test_taps_of_a_path_are_uncorrelated():
    """|E h_1 h_2*| over 4000 pairs has an rms of 1 / sqrt(n); 4 of them are exceeded with exp(-16) = 1e-7."""
    gains = rayleigh(8000, 0.01, 1)[:, 0]
    assert abs(np.mean(gains[::2] * gains[1::2].conj())) < 4 / math.sqrt(4000)


@pytest.mark.parametrize("k_db", [3.0, 6.5, 10.0])
def test_rician_envelope(k_db):
    """KS over 1500 independent draws against Rice of the K asked for: share and spread at once. False: 1e-3 each."""
    k = 10 ** (k_db / 10)
    sigma = math.sqrt(0.5 / (k + 1))
    law = stats.rice(math.sqrt(k / (k + 1)) / sigma, scale=sigma)
    assert stats.kstest(np.abs(rician(k_db, 1500)), law.cdf).pvalue > 1e-3


def test_thirty_percent_of_the_first_taps_are_rician_with_k_uniform_from_3_to_10_db(profiles):
    """The share within 4 binomial standard errors (6e-5), K by KS (1e-3)."""
    ks = [path.rician_k_db for path in profiles if path.rician_k_db is not None]
    assert abs(len(ks) / len(profiles) - 0.3) < 4 * math.sqrt(0.3 * 0.7 / len(profiles))
    assert stats.kstest(ks, stats.uniform(3, 7).cdf).pvalue > 1e-3


@pytest.mark.parametrize(("phase", "j0"), [(1.0, 0.7652), (2.0, 0.2239), (3.8317, -0.4028)])
def test_autocorrelation_is_j0_of_the_doppler_phase(phase, j0):
    """E h(0) h*(t) = J0(2 pi f_d t), 4 standard errors of 8000 products, real and imaginary. False: 1e-4 each."""
    gains = rayleigh(8000, phase / (2 * math.pi), 2)
    products = gains[:, 0] * gains[:, 1].conj()
    assert special.j0(phase) == pytest.approx(j0, abs=1e-4)
    assert abs(products.real.mean() - j0) < 4 * products.real.std() / math.sqrt(products.size) + 1e-4
    assert abs(products.imag.mean()) < 4 * products.imag.std() / math.sqrt(products.size)


@pytest.mark.parametrize("rho", [0.3, 1.0, 1.5])
def test_level_crossing_rate(rho):
    """sqrt(2 pi) f_d rho exp(-rho^2); 0.9221 f_d at rho = 1. 4 standard errors over 400 independent taps of 20
    Doppler periods (the standard error is that of the taps' own counts). False failures: 6e-5 each.
    """
    taps, periods, nodes = 400, 20, 2001
    above = np.abs(rayleigh(taps, periods / (nodes - 1), nodes)) > rho
    rates = (above[:, :-1] & ~above[:, 1:]).sum(axis=1) / periods
    expected = math.sqrt(2 * math.pi) * rho * math.exp(-rho * rho)
    assert abs(rates.mean() - expected) < 4 * rates.std() / math.sqrt(taps)


def test_average_fade_duration():
    """(exp(rho^2) - 1) / (rho f_d sqrt(2 pi)): share below rho over the rate of crossings, rho = 0.5.

    Share and rate err by their taps' spread; the quotient is tested to 4 of both. False failures: below 1e-3.
    """
    taps, periods, nodes, rho = 400, 20, 2001, 0.5
    above = np.abs(rayleigh(taps, periods / (nodes - 1), nodes)) > rho
    rates, below = (above[:, :-1] & ~above[:, 1:]).sum(axis=1) / periods, (~above).mean(axis=1)
    expected = (math.exp(rho * rho) - 1) / (rho * math.sqrt(2 * math.pi))
    spread = math.hypot(rates.std() / rates.mean(), below.std() / below.mean()) / math.sqrt(taps)
    assert below.mean() / rates.mean() == pytest.approx(expected, rel=4 * spread)


def test_echoes_come_uniformly_between_half_a_microsecond_and_five(profiles):
    """KS over all echoes of 4000 paths. False failures: 1e-3."""
    echoes = [delay for path in profiles for delay in path.delays_us[1:]]
    assert stats.kstest(echoes, stats.uniform(0.5, 4.5).cdf).pvalue > 1e-3


def test_the_power_delay_profile_is_exponential(profiles):
    """ln P falls straight with the delay in every path; its constant is uniform, 0.5-2.5 us (KS, 1e-3)."""
    constants = []
    for path in profiles:
        slopes = np.diff(np.log(path.powers)) / np.diff(path.delays_us)
        # Powers are rounded to 1e-9: close echoes magnify that.
        assert slopes == pytest.approx(slopes[0], abs=1e-7 / np.diff(path.delays_us).min())
        longest = int(np.argmax(path.delays_us))
        constants.append(-path.delays_us[longest] / math.log(path.powers[longest] / path.powers[0]))
        assert sum(path.powers) == pytest.approx(1.0, abs=1e-8)
    assert stats.kstest(constants, stats.uniform(0.5, 2.0).cdf).pvalue > 1e-3


def test_three_to_six_taps_equally_often(profiles):
    """Chi-square. False failures: 1e-3."""
    counts = np.bincount([len(path.powers) for path in profiles], minlength=7)
    assert counts[:3].sum() == 0
    assert stats.chisquare(counts[3:]).pvalue > 1e-3


def test_fading_changes_power_by_what_its_taps_say(profiles):
    """Sum |h|^2 of a path has mean 1 and variance sum p_k^2 (Rician: less), never normalised away.

    Over 1000 paths: the mean to 4 of its standard errors (6e-5); a channel scaled to its power would have variance 0.
    """
    powers, variances = [], []
    for number, path in enumerate(profiles[:1000]):
        gains, _ = tap_gains(path, STILL, 1.0, 1.0, 1, scatter=np.array([number, 3], np.uint32))
        powers.append(np.sum(np.abs(gains.astype(np.complex128)) ** 2))
        scattered = path.powers[0] - path.direct_power
        variances.append(sum(p * p for p in path.powers[1:]) + scattered**2 + 2 * scattered * path.direct_power)
    assert np.mean(powers) == pytest.approx(1.0, abs=4 * np.std(powers) / math.sqrt(len(powers)))
    expected = float(np.mean(variances))
    fourth = np.std((np.array(powers) - 1) ** 2) / math.sqrt(len(powers))
    assert np.var(powers) == pytest.approx(expected, abs=4 * fourth)


@pytest.mark.parametrize("receiver", range(3))
def test_noise_power_of_a_second_is_within_a_twentieth_of_a_db(receiver):
    """200,000 complex samples: a standard error of 10 / ln 10 / sqrt(n) = 0.0097 dB, 0.05 dB is 5.1 of them (3e-7)."""
    y = np.zeros(200_000, np.complex64)
    reception = add_noise(y, (200_000,), np.array([receiver, 22], np.uint32))
    power_db = 10 * math.log10(np.mean(np.abs(y.astype(np.complex128)) ** 2) / 2)
    assert abs(power_db) < 0.05
    assert 10 * math.log10(reception.noise_powers[0] / 2) == pytest.approx(power_db, abs=1e-4)
