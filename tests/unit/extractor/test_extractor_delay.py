"""Delay spread: what identifies it, what does not, and that it follows the channel."""

import numpy as np
import pytest

from extractor.extract import chunk_features
from schemas import FEATURE_NAMES
from tests.extractor_signals import CHUNK, RATE_HZ, band_limited, noise, shifted, tone, voice_fm

TAU, COHERENCE, CONFIDENCE = map(
    FEATURE_NAMES.index, ("multipath_delay_spread_us", "coherence_bandwidth_khz", "delay_spread_confidence")
)


def measure(signal):
    return chunk_features(signal.astype(np.complex64), RATE_HZ)[0]


def with_quadrature_echo(signal, delay_us):
    """Two equal paths in quadrature at the carrier: |H|^2 falls steeply with frequency."""
    frequency = np.fft.fftfreq(signal.size, 1 / RATE_HZ)
    response = 1 + 1j * np.exp(-2j * np.pi * frequency * delay_us * 1e-6)
    return np.fft.ifft(np.fft.fft(signal) * response)


def test_estimate_follows_the_echo():
    random = np.random.default_rng(1)
    signal = voice_fm(random, 5000.0)
    added = noise(random, 10**-3.5)
    short, long = (measure(with_quadrature_echo(signal, delay) + added)[TAU] for delay in (0.1, 2.0))
    assert long > short + 0.3


@pytest.mark.parametrize(
    "signal",
    [
        tone(1e4) * 10 + noise(np.random.default_rng(2)),
        tone(1e4) * (1 + 0.5 * np.sin(2 * np.pi * 700 / RATE_HZ * np.arange(CHUNK))) * 10
        + noise(np.random.default_rng(3)),
        band_limited(np.random.default_rng(4), 8e3) * 10 + noise(np.random.default_rng(4)),
        band_limited(np.random.default_rng(4), 60e3) * 10 + noise(np.random.default_rng(4)),
        noise(np.random.default_rng(5)),
    ],
    ids=["carrier", "AM", "noise-like", "wide", "no signal"],
)
def test_what_is_not_fm_claims_nothing(signal):
    row = measure(signal)
    assert (row[TAU], row[COHERENCE], row[CONFIDENCE]) == (0.0, 4000.0, 0.0)


def test_coherence_bandwidth_is_that_of_the_delay_spread():
    random = np.random.default_rng(6)
    row = measure(shifted(voice_fm(random, 5000.0), 3e4) * 30 + noise(random))
    assert row[CONFIDENCE] > 0.0
    assert row[COHERENCE] == pytest.approx(1e3 / (5 * max(row[TAU], 0.05)))
