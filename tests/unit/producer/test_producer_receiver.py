"""Noise and what is measured of it."""

import math

import numpy as np
import pytest
from scipy import stats

from producer.receiver import add_noise, chunk_ends, power_dbm

KEY = np.array([21, 22], np.uint32)


def test_noise_power_is_within_a_twentieth_of_a_db_over_a_second():
    """2 units (one per component); the standard error of 200,000 samples is 0.01 dB."""
    y = np.zeros(200_000, np.complex64)
    reception = add_noise(y, (200_000,), KEY)
    assert abs(10 * math.log10(np.mean(np.abs(y.astype(np.complex128)) ** 2) / 2)) < 0.05
    assert reception.noise_powers[0] == pytest.approx(np.mean(np.abs(y.astype(np.complex128)) ** 2), rel=1e-5)
    assert reception.signal_powers == (0.0,)
    assert stats.kstest(y.real[:50_000].astype(float), "norm").pvalue > 1e-3


def test_noise_is_white():
    y = np.zeros(200_000, np.complex64)
    add_noise(y, (200_000,), KEY)
    spectrum = np.abs(np.fft.fft(y.reshape(200, 1000), axis=1)) ** 2 / 2000
    assert np.abs(spectrum.mean(axis=0) - 1).max() < 5 / math.sqrt(200)


def test_measured_powers_are_those_of_what_was_added():
    """Per chunk, at sizes that divide nothing, signal far from constant."""
    rng = np.random.default_rng(1)
    x = (np.exp(1j * np.linspace(0, 300, 10_007)) * np.linspace(0.1, 9, 10_007)).astype(np.complex64)
    x *= rng.uniform(0.5, 1, x.size).astype(np.float32)
    y = x.copy()
    ends = chunk_ends(x.size, 3_001)
    reception = add_noise(y, ends, KEY)
    noise = y.astype(np.complex128) - x
    for begin, end, signal, added in zip(
        (0, *ends), ends, reception.signal_powers, reception.noise_powers, strict=False
    ):
        assert signal == pytest.approx(np.mean(np.abs(x[begin:end].astype(np.complex128)) ** 2), rel=1e-5)
        assert added == pytest.approx(np.mean(np.abs(noise[begin:end]) ** 2), rel=1e-4)
    assert reception.peak == np.abs(y.view(np.float32)).max()


@pytest.mark.parametrize(
    ("count", "chunk", "ends"),
    [
        (1000, 200, (200, 400, 600, 800, 1000)),
        (1000, 1000, (1000,)),
        (1099, 200, (200, 400, 600, 800, 1000)),
        (1100, 200, (200, 400, 600, 800, 1000, 1100)),
        (5, 200, (5,)),
    ],
)
def test_chunks_are_whole_but_for_a_last_of_at_least_half(count, chunk, ends):
    assert chunk_ends(count, chunk) == ends


def test_noise_behind_the_last_chunk_is_there():
    y = np.zeros(1099, np.complex64)
    add_noise(y, chunk_ends(1099, 200), KEY)
    assert np.all(y != 0)


def test_silence_reads_minus_300_dbm():
    assert power_dbm(0.0) == -300.0
    assert power_dbm(1e-10) == pytest.approx(-100.0)
