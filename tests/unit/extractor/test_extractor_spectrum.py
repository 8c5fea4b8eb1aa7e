"""Frequency, bandwidth and shape of the spectrum against what was put in."""

import math

import numpy as np
import pytest

from extractor.features.band import measure_band, measure_shape
from extractor.features.baseband import LARGEST_DECIMATION, to_baseband
from extractor.features.frequency import FrequencyClass, measure_frequency
from extractor.features.noise_floor import measure_noise_floor
from extractor.features.spectrum import measure_spectrum
from tests.extractor_signals import CHUNK, RATE_HZ, band_limited, noise, occupied_99_hz, shifted, tone, voice_fm


def analyse(signal):
    spectrum = measure_spectrum(signal.astype(np.complex64), RATE_HZ)
    floor = measure_noise_floor(spectrum)
    return spectrum, floor, measure_band(spectrum, floor)


def frequency_of(signal):
    spectrum, floor, band = analyse(signal)
    return measure_frequency(spectrum, band, to_baseband(spectrum, band), floor.power / RATE_HZ)


def offset_of(signal):
    return frequency_of(signal).offset_hz


def rms(values):
    return np.sqrt(np.mean(np.square(values)))


@pytest.mark.parametrize("snr_db", [0.0, 20.0, 40.0])
def test_tone_is_located_within_twice_the_cramer_rao_bound(snr_db):
    random = np.random.default_rng(1)
    errors = []
    for _ in range(40):
        frequency = random.uniform(-95e3, 95e3)
        errors.append(offset_of(tone(frequency) * 10 ** (snr_db / 20) + noise(random)) - frequency)
    bound = math.sqrt(6) * RATE_HZ / (2 * math.pi * math.sqrt(10 ** (snr_db / 10)) * CHUNK**1.5)
    assert rms(errors) < 2 * bound


@pytest.mark.parametrize(("snr_db", "goal_hz"), [(-5.0, 40.0), (0.0, 20.0), (10.0, 8.0), (20.0, 3.0)])
def test_voice_fm_is_located_by_its_cycles(snr_db, goal_hz):
    random = np.random.default_rng(2)
    errors = []
    for _ in range(15):
        frequency = random.uniform(-80e3, 80e3)
        signal = shifted(voice_fm(random, 5000.0), frequency) * 10 ** (snr_db / 20)
        errors.append(offset_of(signal + noise(random)) - frequency)
    assert rms(errors) < goal_hz


@pytest.mark.parametrize(("snr_db", "goal"), [(-5.0, 0.007), (0.0, 0.007), (20.0, 0.007)])
def test_wide_band_is_located_by_its_edges(snr_db, goal):
    random = np.random.default_rng(3)
    errors = []
    for _ in range(15):
        frequency = random.uniform(-50e3, 50e3)
        signal = shifted(band_limited(random, 80e3), frequency) * 10 ** (snr_db / 20)
        errors.append(offset_of(signal + noise(random)) - frequency)
    # The rms of 15 draws scatters by 18 %: two sigma.
    assert rms(errors) < 1.4 * goal * 80e3


@pytest.mark.parametrize(("snr_db", "goal"), [(-5.0, 0.06), (0.0, 0.035), (10.0, 0.025), (30.0, 0.025)])
@pytest.mark.parametrize("width_hz", [12.5e3, 50e3])
def test_bandwidth_holds_99_percent_of_the_energy(width_hz, snr_db, goal):
    random = np.random.default_rng(4)
    errors = []
    for _ in range(10):
        signal = shifted(band_limited(random, width_hz), random.uniform(-60e3, 60e3))
        measured = analyse(signal * 10 ** (snr_db / 20) + noise(random))[2].bandwidth_hz
        errors.append(measured / occupied_99_hz(signal) - 1)
    assert rms(errors) < goal


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda _: tone(7e3), FrequencyClass.TONE),
        (lambda r: voice_fm(r, 5000.0), FrequencyClass.FM),
        (lambda r: band_limited(r, 12.5e3), FrequencyClass.NARROW),
        (lambda r: band_limited(r, 50e3), FrequencyClass.WIDE),
    ],
)
def test_class_follows_the_band(make, kind):
    random = np.random.default_rng(5)
    assert frequency_of(make(random) * 3 + noise(random)).kind is kind


def test_centroid_of_two_signals_lies_between_them():
    random = np.random.default_rng(6)
    signal = tone(-40e3) * 2 + tone(60e3) * 2 + noise(random)
    spectrum, floor, band = analyse(signal)
    shape = measure_shape(spectrum, floor)
    assert shape.centroid_hz == pytest.approx(10e3, abs=500)
    assert shape.rolloff_hz == pytest.approx(50e3, abs=500)
    assert min(abs(band.centroid_hz + 40e3), abs(band.centroid_hz - 60e3)) < 100


def test_rolloff_grows_with_the_bandwidth():
    random = np.random.default_rng(7)
    spectra = [analyse(band_limited(random, width) * 3 + noise(random)) for width in (5e3, 12.5e3, 25e3, 50e3, 90e3)]
    rolloffs = [measure_shape(spectrum, floor).rolloff_hz for spectrum, floor, _ in spectra]
    assert rolloffs == sorted(rolloffs)
    # A flat band holds 85 % of its energy in 85 % of its width.
    assert rolloffs[-1] == pytest.approx(0.425 * 90e3, rel=0.05)


def test_baseband_is_the_signal_filtered_shifted_and_decimated():
    frequency = 20_310.0
    spectrum, _, band = analyse(voice_fm(np.random.default_rng(8), 5000.0) * tone(frequency))
    baseband = to_baseband(spectrum, band)
    original = shifted(voice_fm(np.random.default_rng(8), 5000.0) * tone(frequency), -baseband.centre_hz)
    half_segment = 1024
    expected = original[half_segment::LARGEST_DECIMATION][: baseband.samples.size]
    assert rms(np.abs(baseband.samples - expected)) < 1e-3
    assert baseband.sample_rate_hz == RATE_HZ / LARGEST_DECIMATION


def test_a_signal_at_the_edge_of_the_capture_stays_inside():
    random = np.random.default_rng(9)
    for frequency in (-99.9e3, 99.9e3):
        spectrum, floor, _ = analyse(tone(frequency) * 3 + noise(random))
        assert abs(offset_of(tone(frequency) * 3 + noise(random))) <= RATE_HZ / 2
        assert abs(measure_shape(spectrum, floor).centroid_hz) <= RATE_HZ / 2
