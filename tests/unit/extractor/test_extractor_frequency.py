"""The offset's class follows the signal, and every class is as exact as its method."""

import numpy as np
import pytest

from benchmarks.fidelity.signals import flat_band, gaussian_fm, qpsk, rayleigh_fading, voice_am
from extractor.extract import measure_chunks
from extractor.features.frequency import FrequencyClass
from schemas import FEATURE_NAMES
from tests.extractor_signals import CHUNK, RATE_HZ, noise, shifted, tone, voice_fm

OFFSET = FEATURE_NAMES.index("frequency_offset_hz")


def located(signal, rate_hz=RATE_HZ, chunk_s=0.2):
    chunk = measure_chunks(signal.astype(np.complex64), rate_hz, chunk_s)[0]
    return chunk.frequency_class, chunk.features[OFFSET]


def fm_at(rate_hz, count, random, deviation_hz=5000.0):
    """FM by Gaussian audio of 300-3000 Hz at any rate."""
    lines = np.fft.rfft(random.standard_normal(count))
    frequency = np.fft.rfftfreq(count, 1 / rate_hz)
    lines[(frequency < 300) | (frequency > 3000)] = 0
    audio = np.fft.irfft(lines, count)
    return np.exp(2j * np.pi * deviation_hz / rate_hz * np.cumsum(audio / audio.std() / 2))


@pytest.mark.parametrize(("snr_db", "goal_hz"), [(0.0, 20.0), (10.0, 3.0), (20.0, 3.0)])
def test_cycles_of_25_khz_fm_are_counted_far_below_its_centroids_spread(snr_db, goal_hz):
    random = np.random.default_rng(1)
    errors = []
    for _ in range(10):
        offset = random.uniform(-80e3, 80e3)
        signal = shifted(gaussian_fm(25e3)(random, CHUNK), offset) * 10 ** (snr_db / 20)
        kind, measured = located(signal + noise(random))
        assert kind is FrequencyClass.FM
        errors.append(measured - offset)
    # The centroid would scatter by 4,750 sqrt(2 / (S n)) = 34, 11 and 3.4 Hz by its noise products alone.
    assert np.sqrt(np.mean(np.square(errors))) < goal_hz


@pytest.mark.parametrize("rate_hz", [16e3, 48e3, 200e3, 2.4e6])
def test_fm_without_a_carrier_is_no_tone_however_coarse_the_bins(rate_hz):
    random = np.random.default_rng(2)
    count = int(0.2 * rate_hz)
    signal = fm_at(rate_hz, count, random) * np.exp(2j * np.pi * 0.11 * np.arange(count))
    kind, measured = located(signal * 10 + noise(random, count=count), rate_hz)
    assert kind is FrequencyClass.FM
    assert measured == pytest.approx(0.11 * rate_hz, abs=5.0)


@pytest.mark.parametrize("chunk_s", [0.05, 0.1, 1.0])
def test_fm_is_counted_in_chunks_of_any_length(chunk_s):
    random = np.random.default_rng(3)
    signal = shifted(gaussian_fm(12.5e3)(random, 5 * CHUNK), -31_234.5) * 5 + noise(random, count=5 * CHUNK)
    kind, measured = located(signal, chunk_s=chunk_s)
    assert kind is FrequencyClass.FM
    assert measured == pytest.approx(-31_234.5, abs=8.0)


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (flat_band(12.5e3), FrequencyClass.NARROW),
        (qpsk, FrequencyClass.NARROW),
        (flat_band(50e3), FrequencyClass.WIDE),
        (voice_am, FrequencyClass.TONE),
    ],
    ids=["noise-like", "QPSK", "wide", "AM"],
)
def test_what_has_no_constant_envelope_is_not_counted(make, kind):
    random = np.random.default_rng(4)
    assert located(shifted(make(random, CHUNK), 2e4) * 5 + noise(random))[0] is kind


def test_the_middle_of_a_flat_band_is_known_better_than_its_centroid():
    random = np.random.default_rng(5)
    errors = [located(flat_band(12.5e3)(random, CHUNK) * 3 + noise(random))[1] for _ in range(15)]
    # The centroid of 2,500 independent values scatters by 12,500 / sqrt(12) / 50 = 72 Hz.
    assert np.sqrt(np.mean(np.square(errors))) < 36.0


def test_fading_moves_the_offset_by_less_than_half_its_doppler_spread_and_the_goal():
    random = np.random.default_rng(6)
    errors = []
    for _ in range(12):
        signal = shifted(voice_fm(random, 5000.0) * rayleigh_fading(random, 10.0), 1e4) * 3.2
        errors.append(located(signal + noise(random))[1] - 1e4)
    assert np.sqrt(np.mean(np.square(errors))) < 8.0 + 0.5 * 10.0


def test_a_carrier_between_two_fft_lines_is_still_a_tone():
    random = np.random.default_rng(7)
    for part in np.linspace(0.0, 1.0, 9):
        offset = 1234.0 + part * RATE_HZ / (37 * 1024)
        kind, measured = located(tone(offset) + noise(random))
        assert kind is FrequencyClass.TONE
        assert measured == pytest.approx(offset, abs=0.1)
