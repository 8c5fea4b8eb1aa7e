"""The transmitted voice and its derivatives."""

import math

import numpy as np
import pytest
from scipy import signal

from producer.audio import speech_like_audio
from producer.waveform import audio_step, carrier, nbfm, oversampling, waveform_rate_hz

RATE_HZ = 200_000.0


def voice(seconds=1.0, seed=4):
    return speech_like_audio(seconds, 50_000.0, pace=np.random.default_rng(seed), noise=np.array([seed, 8], np.uint32))


def modulated(deviation_hz, seed=4):
    waveform = nbfm(voice(1.01, seed), 200_000, sample_rate_hz=RATE_HZ, peak_deviation_hz=deviation_hz)
    return waveform, waveform.cosine + 1j * waveform.sine.astype(np.complex128)


@pytest.mark.parametrize("deviation_hz", [2500.0, 5000.0])
def test_peak_deviation_is_a_peak(deviation_hz):
    _, x = modulated(deviation_hz)
    frequency_hz = np.angle(x[1:] * x[:-1].conj()) * RATE_HZ / (2 * math.pi)
    assert np.abs(frequency_hz).max() == pytest.approx(deviation_hz, rel=0.01)
    assert np.sqrt(np.mean(frequency_hz**2)) < 0.3 * deviation_hz


def test_the_waveform_has_constant_envelope():
    _, x = modulated(5000.0)
    assert np.abs(np.abs(x) - 1).max() < 3e-7


def test_rate_and_slope_are_the_derivatives_of_the_phase():
    """Central differences of the unwrapped phase over 5 us, in rad/us and rad/us^2."""
    waveform, x = modulated(5000.0)
    phase = np.unwrap(np.angle(x))
    first = (phase[2:] - phase[:-2]) / 10.0
    second = (phase[2:] - 2 * phase[1:-1] + phase[:-2]) / 25.0
    assert np.abs(first - waveform.rate[1:-1]).max() < 2e-3 * np.abs(waveform.rate).max()
    # Rounding of the phase (1e-7 rad) stands in the second difference as 1e-8; the slope itself has corners.
    assert np.sqrt(np.mean((second - waveform.rate_slope[1:-1]) ** 2)) < 0.03 * waveform.rate_slope.std()


def test_audio_lies_between_300_and_3000_hz():
    frequency_hz, density = signal.welch(voice(3.0), 50_000.0, nperseg=8192)
    inside = (frequency_hz >= 280) & (frequency_hz <= 3020)
    assert density[inside].sum() / density.sum() > 0.999


def test_audio_peaks_at_one_and_is_active_half_of_the_time():
    for seed in range(10):
        audio = voice(2.0, seed)
        assert np.abs(audio).max() == pytest.approx(1.0, abs=1e-6)
        syllables = np.flatnonzero((audio[1:] != 0) & (audio[:-1] == 0)).size
        assert 5 <= syllables <= 11
        # A cut syllable at either end moves the share by up to one in six.
        assert 0.33 <= np.mean(audio != 0) <= 0.7


def test_a_short_recording_hears_a_part_of_a_transmission_of_a_second():
    assert voice(0.01).size == voice(1.0).size


def test_a_carrier_stands_still():
    waveform = carrier(5)
    np.testing.assert_array_equal(waveform.cosine + 1j * waveform.sine, np.ones(5))
    assert not waveform.rate.any()
    assert not waveform.rate_slope.any()


def test_too_little_audio_is_refused():
    with pytest.raises(ValueError, match="carry 28 samples, not 29"):
        nbfm(np.zeros(10, np.float32), 29, sample_rate_hz=RATE_HZ, peak_deviation_hz=1.0)


@pytest.mark.parametrize("rate_hz", [1e3, 16e3, 48e3, 199_999.0, 200e3, 250e3, 2e6, 20e6])
def test_waveforms_are_made_finely_enough(rate_hz):
    assert waveform_rate_hz(rate_hz) >= 200e3
    assert waveform_rate_hz(rate_hz) == rate_hz * oversampling(rate_hz)
    assert 50e3 <= waveform_rate_hz(rate_hz) / audio_step(waveform_rate_hz(rate_hz)) < 62.6e3


def test_every_nth_sample_of_a_part():
    waveform = carrier(20)
    waveform.rate[:] = np.arange(20)
    np.testing.assert_array_equal(waveform.part(3, 4, 5).rate, [3, 8, 13, 18])
    assert waveform.part(2, 6, 1).rate.base is waveform.rate
