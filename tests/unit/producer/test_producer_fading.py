"""How gains are computed: slopes, the direct wave, the grid (statistics: test_producer_channel_statistics.py)."""

import math

import numpy as np
import pytest

from producer.fading import Motion, gain_grid, rayleigh_gains, tap_gains
from producer.multipath import Multipath, draw_multipath
from schemas import Channel

KEY = np.array([77, 1], np.uint32)


def rayleigh(taps, turns_per_node, nodes, power=1.0):
    arrivals = np.random.default_rng(5).random(taps)
    gains, _ = rayleigh_gains(np.full(taps, power), turns_per_node, nodes, arrivals=arrivals, scatter=KEY)
    return gains


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
