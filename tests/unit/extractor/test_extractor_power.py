"""Power, noise floor, SNR and envelope against what was put in."""

import numpy as np
import pytest

from extractor.extract import chunk_features
from extractor.features.envelope import measure_envelope
from schemas import FEATURE_NAMES
from tests.extractor_signals import CHUNK, RATE_HZ, band_limited, db, noise, power, shifted, tone, voice_fm

COLUMN = {name: i for i, name in enumerate(FEATURE_NAMES)}
DB_POWERS = ("rssi_dbm", "noise_floor_dbm", "psd_dbm_per_hz")


def measure(signal, rate_hz=RATE_HZ):
    return dict(zip(FEATURE_NAMES, chunk_features(signal.astype(np.complex64), rate_hz)[0], strict=True))


@pytest.mark.parametrize("level_dbm", [-150.0, -100.0, -30.0, 0.0, 60.0])
def test_rssi_is_exact_to_a_hundredth_of_a_db(level_dbm):
    signal = noise(np.random.default_rng(1)) * 10 ** (level_dbm / 20)
    assert measure(signal)["rssi_dbm"] == pytest.approx(db(power(signal)), abs=0.01)


@pytest.mark.parametrize("gain_db", [-120.0, -37.3, 80.0])
def test_gain_moves_powers_and_nothing_else(gain_db):
    random = np.random.default_rng(2)
    signal = shifted(voice_fm(random), 31e3) * 3 + noise(random)
    plain, scaled = measure(signal), measure(signal * 10 ** (gain_db / 20))
    for name in FEATURE_NAMES:
        moved = gain_db if name in DB_POWERS else 0.0
        # Samples are float32: rounding moves a mean of 40,000 of them by about 1e-7.
        assert scaled[name] - moved == pytest.approx(plain[name], rel=2e-5, abs=2e-4), name


@pytest.mark.parametrize("exponent", [30, 63, 120])
def test_amplitudes_near_the_end_of_float32_move_powers_and_nothing_else(exponent):
    random = np.random.default_rng(3)
    signal = (shifted(voice_fm(random), 31e3) * 3 + noise(random)).astype(np.complex64)
    plain, huge = measure(signal), measure(signal * np.float32(2.0**exponent))
    for name in FEATURE_NAMES:
        moved = 20 * np.log10(2) * exponent if name in DB_POWERS else 0.0
        assert huge[name] - moved == pytest.approx(plain[name], rel=1e-9, abs=1e-9), name


def test_noise_floor_of_noise_is_its_power():
    random = np.random.default_rng(4)
    errors = [measure(noise(random))["noise_floor_dbm"] for _ in range(60)]
    # The bound of 40,000 samples is 4.34 / sqrt(40,000) = 0.022 dB; the goal is 0.05 dB.
    assert np.sqrt(np.mean(np.square(errors))) < 0.04


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 10.0, 30.0, 40.0])
@pytest.mark.parametrize("kind", ["tone", "voice", 12.5e3, 50e3, 80e3])
def test_floor_and_snr_keep_to_their_goals(kind, snr_db):
    random = np.random.default_rng(5)
    floor_errors, snr_errors = [], []
    for _ in range(12):
        signal = {"tone": lambda: tone(0.0), "voice": lambda: voice_fm(random)}.get(
            kind, lambda: band_limited(random, kind)
        )()
        signal = shifted(signal, random.uniform(-45e3, 45e3)) * 10 ** (snr_db / 20)
        added = noise(random)
        measured = measure(signal + added)
        floor_errors.append(measured["noise_floor_dbm"])
        snr_errors.append(measured["snr_db"] - db(power(signal) / power(added)))
    # An rms over 12 draws scatters by 1/sqrt(24) = 20 %: three sigma over the goals of signals.md.
    slack = 1.6
    goal = {-5.0: 0.12, 0.0: 0.08}.get(snr_db, 0.06)
    assert np.sqrt(np.mean(np.square(floor_errors))) < slack * (0.1 if snr_db >= 40 else 0.05)
    assert np.sqrt(np.mean(np.square(snr_errors))) < slack * goal


def test_snr_of_noise_alone_lies_below_anything_detectable():
    random = np.random.default_rng(6)
    assert max(measure(noise(random))["snr_db"] for _ in range(40)) < -26.0


def test_peak_of_the_noise_spectrum_reads_2_db_above_its_density():
    random = np.random.default_rng(7)
    density = -10 * np.log10(RATE_HZ)
    excess = [measure(noise(random))["psd_dbm_per_hz"] - density for _ in range(40)]
    # The largest of some 1,000 independent bins scatters by 0.24 dB from chunk to chunk.
    assert np.mean(excess) == pytest.approx(2.2, abs=4 * 0.24 / np.sqrt(40))
    assert np.mean(np.abs(np.array(excess) - 2.2) < 0.6) >= 0.9


def test_envelope_of_a_carrier_is_flat():
    measured = measure(tone(12_345.0))
    assert measured["envelope_mean"] == pytest.approx(1.0, abs=1e-6)
    assert measured["envelope_std"] == pytest.approx(0.0, abs=1e-3)
    assert measured["envelope_max"] == pytest.approx(1.0, abs=1e-5)
    assert measured["peak_to_avg_ratio_db"] == pytest.approx(0.0, abs=1e-4)


def test_envelope_of_noise_is_rayleigh():
    measured = measure(noise(np.random.default_rng(8)))
    sigma = 0.463 / np.sqrt(CHUNK)
    assert measured["envelope_mean"] == pytest.approx(np.sqrt(np.pi) / 2, abs=4 * sigma)
    assert measured["envelope_std"] == pytest.approx(np.sqrt(1 - np.pi / 4), abs=4 * sigma)
    # Density of |x| at the quantile is 2 * 2.63 * 0.001, so its sigma is sqrt(0.001 / 40,000) / 0.00526 = 0.03.
    assert measured["envelope_max"] == pytest.approx(np.sqrt(np.log(1000)), abs=0.12)
    assert 8.5 < measured["peak_to_avg_ratio_db"] < 13.5


@pytest.mark.parametrize("count", [1, 2, 127, 128, 129, 1000, 4097, CHUNK])
@pytest.mark.parametrize("kind", ["noise", "constant", "spikes"])
def test_percentile_is_the_order_statistic_of_numpy(kind, count):
    random = np.random.default_rng(9)
    signal = noise(random, count=count) if kind != "constant" else np.ones(count)
    if kind == "spikes":
        signal[random.integers(count, size=3)] *= 50
    signal = signal.astype(np.complex64)
    powers = signal.real**2 + signal.imag**2
    rank = -(-999 * (count - 1) // 1000)
    assert measure_envelope(signal).high_power == np.sort(powers)[rank]


def test_zero_crossings_are_those_of_the_real_part():
    random = np.random.default_rng(10)
    # Independent signs change with probability 1/2: sigma = 0.5 / sqrt(40,000).
    assert measure(noise(random))["zero_crossing_rate"] == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(CHUNK))
    assert measure(tone(5e3))["zero_crossing_rate"] == pytest.approx(0.05, abs=1e-4)
    # Every step a change: more of them in a row than a small counter holds.
    assert measure(np.resize([1.0, -1.0], CHUNK) + 0j)["zero_crossing_rate"] == 1.0
