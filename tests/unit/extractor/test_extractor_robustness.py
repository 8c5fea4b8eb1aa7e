"""Signals that the design does not draw: finite figures that make sense, and confidences that do."""

import numpy as np
import pytest

from benchmarks.fidelity.signals import flat_band, gaussian_fm
from extractor.extract import chunk_features
from schemas import FEATURE_NAMES
from tests.extractor_signals import CHUNK, RATE_HZ, db, noise, power, shifted, tone, voice_fm


def measure(signal, rate_hz=RATE_HZ, chunk_s=0.2):
    row = chunk_features(signal.astype(np.complex64), rate_hz, chunk_s)[0]
    assert np.isfinite(row).all()
    return dict(zip(FEATURE_NAMES, row, strict=True))


def test_direct_current_is_a_carrier_at_the_centre():
    found = measure(3.0 + noise(np.random.default_rng(1)))
    assert found["signal_present"] == 1.0
    assert found["frequency_offset_hz"] == pytest.approx(0.0, abs=0.05)
    assert found["snr_db"] == pytest.approx(db(9.0), abs=0.2)
    assert found["delay_spread_confidence"] == 0.0


def test_a_carrier_without_any_noise_claims_no_delay_spread():
    for offset in (0.0, 12_345.6):
        found = measure(tone(offset))
        assert (found["multipath_delay_spread_us"], found["delay_spread_confidence"]) == (0.0, 0.0)
        assert found["frequency_offset_hz"] == pytest.approx(offset, abs=0.01)


def test_one_sample_and_silence_claim_nothing():
    for signal in (np.ones(1), np.zeros(CHUNK), np.ones(63)):
        found = measure(signal)
        assert found["signal_present"] == found["confidence_score"] == found["delay_spread_confidence"] == 0.0


def test_noise_clipped_to_two_levels_holds_no_signal():
    random = np.random.default_rng(2)
    signal = np.sign(noise(random).real) + 1j * np.sign(noise(random).imag)
    assert measure(signal)["signal_present"] == 0.0


def test_a_clipped_carrier_keeps_its_frequency():
    random = np.random.default_rng(3)
    signal = tone(20_010.0) * 5
    clipped = np.clip(signal.real, -1, 1) + 1j * np.clip(signal.imag, -1, 1)
    found = measure(clipped + noise(random, 1e-3))
    assert found["frequency_offset_hz"] == pytest.approx(20_010.0, abs=0.5)
    assert found["peak_to_avg_ratio_db"] < 3.1


def test_of_two_signals_the_stronger_is_measured():
    random = np.random.default_rng(4)
    weak, strong = shifted(voice_fm(random, 2500.0), 50e3) * 2, shifted(gaussian_fm(12.5e3)(random, CHUNK), -30e3) * 4
    found = measure(weak + strong + noise(random))
    assert found["frequency_offset_hz"] == pytest.approx(-30e3, abs=20.0)
    assert found["snr_db"] == pytest.approx(db(16.0), abs=0.3)
    assert -30e3 < found["spectral_centroid_hz"] < 50e3


def test_impulses_are_noise_and_the_signal_in_them_is_found():
    random = np.random.default_rng(5)
    impulses = np.where(random.random(CHUNK) < 0.002, 30.0, 0.0) * noise(random)
    background = noise(random) + impulses
    assert measure(background)["noise_floor_dbm"] == pytest.approx(db(power(background)), abs=0.2)
    found = measure(background + shifted(voice_fm(random, 5000.0), 2e4) * 3.2)
    assert found["snr_db"] == pytest.approx(db(10.24 / power(background)), abs=0.4)
    assert found["frequency_offset_hz"] == pytest.approx(2e4, abs=50.0)


@pytest.mark.parametrize("kind", ["tone", "FM", "wide"])
def test_a_signal_that_starts_half_way_counts_for_the_half_it_is_there(kind):
    random = np.random.default_rng(6)
    make = {"tone": lambda r, n: tone(0.0, n), "FM": gaussian_fm(12.5e3), "wide": flat_band(50e3)}[kind]
    signal = shifted(make(random, CHUNK), 2e4) * 3.2
    signal[: CHUNK // 2] = 0.0
    added = noise(random)
    found = measure(signal + added)
    assert found["snr_db"] == pytest.approx(db(power(signal) / power(added)), abs=0.3)
    assert found["frequency_offset_hz"] == pytest.approx(2e4, abs={"wide": 150.0}.get(kind, 50.0))


@pytest.mark.parametrize("rate_hz", [16e3, 48e3, 1e6])
def test_other_sample_rates_are_measured_alike(rate_hz):
    random = np.random.default_rng(7)
    count = int(0.2 * rate_hz)
    signal = 2.0 * np.exp(2j * np.pi * 0.2345 * np.arange(count))
    added = noise(random, count=count)
    found = measure(signal + added, rate_hz)
    # 4.34 sqrt(2 / (4 n)) dB and 4.34 / sqrt(n) dB; n = 3,200 at the lowest rate, in which Welch has two segments.
    assert found["snr_db"] == pytest.approx(db(4.0 / power(added)), abs=20 / np.sqrt(count) + 0.05)
    assert found["noise_floor_dbm"] == pytest.approx(db(power(added)), abs=20 / np.sqrt(count) + 0.02)
    assert found["frequency_offset_hz"] == pytest.approx(0.2345 * rate_hz, abs=1.0)
    assert found["confidence_score"] > 0.9


@pytest.mark.parametrize("count", [3_200, 9_600, 10_000])
def test_false_alarms_stay_rare_in_chunks_of_few_averages(count):
    random = np.random.default_rng(8)
    alarms = sum(measure(noise(random, count=count))["signal_present"] for _ in range(300))
    # Twice the goal of 0.3 %: 1.8 of 300; more than 8 come by chance once in 5,000 runs of another seed.
    assert alarms <= 8
