"""The speech-like audio: band, syllables, pauses, peak."""

import numpy as np
import pytest
from scipy import signal

from producer.audio import AUDIO_RATE_HZ, analytic_speech, speech_like_audio

SECONDS = 20.0
"""60 to 100 syllables."""


def voice(seconds=1.0, seed=4, make=speech_like_audio):
    return make(seconds, AUDIO_RATE_HZ, pace=np.random.default_rng(seed), noise=np.array([seed, 8], np.uint32))


def at_nodes(coefficients):
    return (coefficients[:-2] + 4 * coefficients[1:-1] + coefficients[2:]) / 6


def test_audio_lies_between_300_and_3000_hz():
    frequency_hz, density = signal.welch(voice(3.0), AUDIO_RATE_HZ, nperseg=8192)
    inside = (frequency_hz >= 280) & (frequency_hz <= 3020)
    assert density[inside].sum() / density.sum() > 0.9999


def test_the_spectrum_is_that_of_pre_emphasised_speech():
    """-9 dB an octave above 500 Hz and +6 by pre-emphasis: from 1 to 2 kHz -3 dB, from 350 to 490 Hz +6 an octave.

    Bands of some 200 Hz over 20 s hold 2 * 200 * 10 independent values: 0.07 dB each; syllables smear nothing here.
    """
    frequency_hz, density = signal.welch(voice(SECONDS), AUDIO_RATE_HZ, nperseg=8192)

    def level_db(centre_hz, width_hz):
        return 10 * np.log10(density[np.abs(frequency_hz - centre_hz) <= width_hz / 2].mean())

    assert level_db(2000, 200) - level_db(1000, 200) == pytest.approx(-3.0, abs=0.5)
    assert level_db(460, 50) - level_db(345, 50) == pytest.approx(20 * np.log10(460 / 345), abs=0.7)


@pytest.mark.parametrize("seed", range(6))
def test_syllables_come_at_3_to_5_hz_and_sound_40_to_60_percent_of_the_time(seed):
    """A syllable cut at an end moves the count by 1 and the share by half a syllable's period of 1/3 s."""
    audio = voice(SECONDS, seed)
    sounded = audio != 0
    syllables = np.count_nonzero(sounded[1:] & ~sounded[:-1])
    assert 3 * SECONDS - 1 <= syllables <= 5 * SECONDS + 1
    assert 0.4 - 0.17 / SECONDS <= sounded.mean() <= 0.6 + 0.17 / SECONDS


def test_paces_and_shares_differ_from_voice_to_voice():
    shares = {round(float(np.mean(voice(2.0, seed) != 0)), 2) for seed in range(10)}
    assert len(shares) >= 5


@pytest.mark.parametrize("make", [speech_like_audio, analytic_speech])
@pytest.mark.parametrize("seed", range(4))
def test_audio_peaks_at_one(make, seed):
    assert np.abs(at_nodes(voice(2.0, seed, make))).max() == pytest.approx(1.0, abs=1e-6)


def test_analytic_speech_has_positive_frequencies_alone():
    x = at_nodes(voice(3.0, make=analytic_speech))
    frequency_hz, density = signal.welch(
        x, AUDIO_RATE_HZ, nperseg=8192, window="blackmanharris", detrend=False, return_onesided=False
    )
    assert density[frequency_hz < -50].sum() / density.sum() < 1e-6


def test_a_short_recording_hears_a_part_of_a_transmission_of_a_second():
    assert voice(0.01).size == voice(1.0).size


@pytest.mark.parametrize("seconds", [1.0, 1.00001, 1.23457])
def test_audio_is_as_long_as_asked(seconds):
    assert voice(seconds).size > seconds * AUDIO_RATE_HZ - 1
