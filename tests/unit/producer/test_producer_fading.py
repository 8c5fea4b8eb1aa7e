"""Multipath profile and fading statistics; tolerances follow from the number of draws."""

import math

import numpy as np
import pytest
from scipy import special, stats

from producer.fading import Motion, gain_grid, rayleigh_gains, tap_gains
from producer.multipath import Multipath, draw_multipath
from schemas import Channel

KEY = np.array([77, 1], np.uint32)


def rayleigh(taps, turns_per_node, nodes, power=1.0):
    arrivals = np.random.default_rng(5).random(taps)
    gains, _ = rayleigh_gains(np.full(taps, power), turns_per_node, nodes, arrivals=arrivals, scatter=KEY)
    return gains


def test_envelope_of_independent_taps_is_rayleigh():
    envelope = np.abs(rayleigh(4000, 0.01, 1, power=2.0)[:, 0])
    assert stats.kstest(envelope, stats.rayleigh.cdf).pvalue > 1e-3
    spread = math.sqrt((4 / math.pi - 1) / envelope.size)
    assert envelope.mean() / math.sqrt(2.0) == pytest.approx(0.8862, abs=0.8862 * 4 * spread)


@pytest.mark.parametrize("phase", [0.5, 1.0, 2.0, 3.8317, 9.0])
def test_autocorrelation_is_j0(phase):
    """E h(0) h*(t) = J0(2 pi f_d t); J0(1) = 0.7652, J0(2) = 0.2239, J0(3.8317) = -0.4028."""
    taps = 4000
    gains = rayleigh(taps, phase / (2 * math.pi), 2)
    products = gains[:, 0] * gains[:, 1].conj()
    assert abs(products.mean() - special.j0(phase)) < 4 * products.std() / math.sqrt(taps)


def test_level_crossing_rate_at_the_rms_level():
    """sqrt(2 pi) f_d rho exp(-rho^2) = 0.9221 f_d for rho = 1."""
    taps, doppler_periods, nodes = 400, 20, 2001
    above = np.abs(rayleigh(taps, doppler_periods / (nodes - 1), nodes)) > 1.0
    crossings = (above[:, :-1] & ~above[:, 1:]).sum(axis=1) / doppler_periods
    assert abs(crossings.mean() - 0.9221) < 4 * crossings.std() / math.sqrt(taps)


def test_slopes_are_the_derivatives_of_the_gains():
    gains, slopes = rayleigh_gains(np.ones(5), 0.001, 301, arrivals=np.linspace(0, 0.9, 5), scatter=KEY)
    differences = (gains[:, 2:] - gains[:, :-2]) / 2
    assert np.abs(differences - slopes[:, 1:-1]).max() < 1e-4 * np.abs(slopes).max() + 2e-6


def test_rician_tap_has_its_k():
    """Power of the mean over the power around it: |direct|^2 / scattered = K."""
    k_db, runs = 6.0, 1500
    path = Multipath(delays_us=(0.0,), powers=(1.0,), rician_k_db=k_db, arrivals=(0.3,), direct_turns=0.1)
    still = Motion(doppler_max_hz=0.0, direct_doppler_hz=0.0)
    gains = np.array(
        [tap_gains(path, still, 1.0, 1.0, 2, scatter=np.array([i, 9], np.uint32))[0][0, 0] for i in range(runs)]
    ).astype(np.complex128)
    direct, scattered = abs(gains.mean()) ** 2, gains.var()
    k = 10 ** (k_db / 10)
    # The mean errs by sqrt(scattered / runs), the variance by scattered / sqrt(runs).
    tolerance = 4 * math.sqrt((4 * k + 1) / (k * k) / runs / 2 + 1 / runs)
    assert direct / scattered == pytest.approx(k, rel=tolerance)
    assert np.mean(np.abs(gains) ** 2) == pytest.approx(1.0, abs=4 * np.std(np.abs(gains) ** 2) / math.sqrt(runs))


def test_direct_wave_turns_with_the_motion():
    path = Multipath(delays_us=(0.0,), powers=(1.0,), rician_k_db=200.0, arrivals=(0.0,), direct_turns=0.25)
    motion = Motion(doppler_max_hz=10.0, direct_doppler_hz=-5.0)
    gains, _ = tap_gains(path, motion, 4.0, 0.01, 50, scatter=KEY)
    expected = 2 * np.exp(2j * np.pi * (0.25 - 5.0 * 0.01 * np.arange(50)))
    assert np.abs(gains[0] - expected).max() < 1e-5


def test_a_standing_transmitter_has_constant_gains():
    gains = rayleigh(10, 0.0, 5)
    np.testing.assert_array_equal(gains, np.repeat(gains[:, :1], 5, axis=1))


def test_fading_changes_power():
    """Gains are drawn, never scaled to their mean."""
    powers = np.abs(rayleigh(500, 0.01, 1)[:, 0].astype(np.complex128)) ** 2
    assert powers.std() == pytest.approx(1.0, abs=4 * math.sqrt(8 / 500))


def test_profile_sums_to_one_begins_at_the_first_arrival_and_decays():
    stream = np.random.default_rng(2)
    for _ in range(200):
        path = draw_multipath(Channel(), stream)
        assert sum(path.powers) == pytest.approx(1.0, abs=1e-8)
        assert 3 <= len(path.powers) == len(path.delays_us) <= 6
        assert path.delays_us[0] == 0.0
        assert all(0.5 <= delay <= 5.0 for delay in path.delays_us[1:])
        decays = np.diff(np.log(path.powers)) / np.diff(path.delays_us)
        assert decays == pytest.approx(decays[0], rel=1e-5)
        assert 1 / 2.5 <= -decays[0] <= 1 / 0.5


def test_thirty_percent_of_the_first_taps_are_rician():
    stream, draws = np.random.default_rng(2), 2000
    paths = [draw_multipath(Channel(), stream) for _ in range(draws)]
    ks = [path.rician_k_db for path in paths if path.rician_k_db is not None]
    assert abs(len(ks) / draws - 0.3) < 4 * math.sqrt(0.3 * 0.7 / draws)
    assert min(ks) >= 3
    assert max(ks) <= 10


def test_echoes_without_delay_share_the_power():
    path = draw_multipath(Channel(taps_min=3, taps_max=3, delay_min_us=0, delay_max_us=0), np.random.default_rng(1))
    assert path.powers == pytest.approx((1 / 3,) * 3)
    assert path.rms_delay_spread_us == 0.0


@pytest.mark.parametrize(
    ("count", "rate_hz", "doppler_hz"),
    [(200_000, 200e3, 14.4), (200_000, 200e3, 0.0), (10, 200e3, 14.4), (1, 1e3, 0.0), (2000, 1e3, 1600.0)],
)
def test_the_gain_grid_covers_the_recording_and_follows_the_motion(count, rate_hz, doppler_hz):
    grid = gain_grid(count, rate_hz, doppler_hz)
    assert (grid.nodes - 1) * grid.blocks * grid.block >= count
    step_rad = 2 * math.pi * doppler_hz / rate_hz
    assert grid.block == 1 or grid.block * step_rad <= 0.08
    assert grid.blocks == 1 or grid.blocks * grid.block * step_rad <= 0.3
