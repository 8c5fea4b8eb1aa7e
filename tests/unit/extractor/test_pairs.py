"""Time differences between receivers: against truth, against their bound, and on noise."""

import math

import msgspec
import numpy as np
import pytest

from extractor.pairs import measure_pairs
from extractor.pairs.measure import reach_us
from producer.synthesize import synthesize_sample
from producer.version import GENERATOR_VERSION
from schemas import DatasetSpec, IQFrame, Receiver
from schemas.pair_measurement import PAIR_TABLE, STRONGEST, PairMeasurement, pair_count

RATE_HZ = 200_000.0
SECOND = 200_000


def station(number):
    return Receiver(rx_id=f"rx{number}", latitude=45.0 + 0.3 * number, longitude=7.5, altitude_m=200.0)


def frame(samples, number, **changed):
    fields = {
        "dataset_id": "00000000-0000-4000-8000-000000000000",
        "dataset_version": 1,
        "sample_idx": 0,
        "receivers_expected": 2,
        "receiver": station(number),
        "captured_at_ns": 10**18,
        "center_frequency_hz": 144e6,
        "sample_rate_hz": RATE_HZ,
        "chunk_ms": 200,
        "datatype": "cf32_le",
        "scale": 1.0,
        "truth": None,
        "iq": memoryview(np.ascontiguousarray(samples, np.complex64).view(np.uint8)),
    }
    return IQFrame(**(fields | changed))


def noise(random, power=1.0):
    return random.standard_normal(2 * SECOND).view(complex) * math.sqrt(power / 2)


def band_noise(random, width_hz):
    """Unit power, periodic: a delay in its spectrum is exact."""
    lines = np.fft.fft(noise(random))
    lines[np.abs(np.fft.fftfreq(SECOND, 1 / RATE_HZ)) > width_hz / 2] = 0
    signal = np.fft.ifft(lines)
    return signal / math.sqrt(np.mean(np.abs(signal) ** 2))


def delayed(signal, delay_us, shift_hz=0.0):
    lines = np.fft.fft(signal) * np.exp(-2j * np.pi * np.fft.fftfreq(SECOND, 1 / RATE_HZ) * delay_us * 1e-6)
    return np.fft.ifft(lines) * np.exp(2j * np.pi * shift_hz * np.arange(SECOND) / RATE_HZ)


def bound_us(width_hz, snr_a, snr_b):
    """sqrt(3 / (2 pi^2 T B^3 g)) for a flat band of T = 1 s, SNR within the band."""
    g = snr_a * snr_b / (1 + snr_a + snr_b)
    return 1e6 * math.sqrt(3 / (2 * math.pi**2 * width_hz**3 * g))


@pytest.mark.thorough
@pytest.mark.parametrize(("width_hz", "snr_db"), [(10_000.0, 5.0), (10_000.0, 20.0), (30_000.0, 10.0)])
def test_a_gaussian_band_over_one_tap_is_measured_within_1_5_of_the_bound_and_says_so(width_hz, snr_db):
    """RMS over 24 draws; its own relative error is 1/sqrt(48) = 14 %, so 1.5 leaves a factor of 1.08 at 3 sigma."""
    random = np.random.default_rng(20)
    snr, errors, predicted = 10 ** (snr_db / 10), [], []
    for _ in range(24):
        signal = math.sqrt(snr * width_hz / RATE_HZ) * band_noise(random, width_hz)
        delay_us = random.uniform(-100, 100)
        a = delayed(signal, delay_us, random.uniform(-300, 300)) + noise(random)
        (pair,) = measure_pairs([frame(a, 0), frame(signal + noise(random), 1)])
        assert pair.found
        errors.append(pair.time_difference_us - delay_us)
        predicted.append(pair.standard_deviation_us)
    rms = math.sqrt(np.mean(np.square(errors)))
    assert rms < 1.5 * bound_us(width_hz, snr, snr)
    assert 0.6 < rms / math.sqrt(np.mean(np.square(predicted))) < 1.6


def test_unrelated_signals_are_found_in_no_more_pairs_than_the_stated_share():
    """1 in 1,000 by the threshold: in 84 pairs more than 2 come once in 10,000 (Poisson)."""
    random, found = np.random.default_rng(21), 0
    for _ in range(4):
        frames = [frame(band_noise(random, 8_000.0) + noise(random, 0.1), n) for n in range(7)]
        found += sum(pair.found for pair in measure_pairs(frames))
    assert found <= 2


def test_noise_alone_is_found_in_no_pair_and_says_that_nothing_is_known():
    random = np.random.default_rng(22)
    for _ in range(4):
        for pair in measure_pairs([frame(noise(random), n) for n in range(4)]):
            a, b = (station(int(rx_id[2:])) for rx_id in (pair.receiver_a, pair.receiver_b))
            assert not pair.found
            assert pair.time_difference_us == 0.0
            assert pair.standard_deviation_us == pytest.approx(reach_us(a, b) / math.sqrt(3))


def test_carriers_tell_no_time_and_are_not_found():
    random = np.random.default_rng(23)
    carrier = np.exp(2j * np.pi * 12_345.0 * np.arange(SECOND) / RATE_HZ)
    (pair,) = measure_pairs([frame(carrier + noise(random, 0.1), n) for n in range(2)])
    assert not pair.found


@pytest.fixture(scope="module")
def samples():
    spec = DatasetSpec(
        dataset_id="00000000-0000-4000-8000-000000000000",
        name="pairs",
        samples=100,
        generator_version=GENERATOR_VERSION,
        seed=7,
    )
    return [synthesize_sample(spec, index).frames for index in range(16)]


def rows(samples):
    for frames in samples:
        links = {one.receiver.rx_id: one.truth.link for one in frames}
        for pair in measure_pairs(frames):
            a, b = links[pair.receiver_a], links[pair.receiver_b]
            yield pair, a.arrival_delay_us - b.arrival_delay_us, min(np.mean(a.snr_db), np.mean(b.snr_db))


def test_the_default_spec_is_measured_to_0_9_us_median_from_0_db_on(samples):
    errors = [abs(pair.time_difference_us - truth) for pair, truth, snr_db in rows(samples) if snr_db >= 0]
    assert len(errors) > 80
    assert np.median(errors) <= 0.9


def test_every_quantity_of_the_table_is_a_finite_field(samples):
    names = [name for name in PairMeasurement.__struct_fields__ if not name.startswith("receiver_")]
    assert names == list(PAIR_TABLE)
    for pair, _, _ in rows(samples[:2]):
        assert all(math.isfinite(getattr(pair, name)) for name in names)


def test_frames_in_another_order_give_the_same_pairs(samples):
    """Exchanged receivers only change signs."""
    there = {(p.receiver_a, p.receiver_b): p for p in measure_pairs(samples[0])}
    for pair in measure_pairs(samples[0][::-1]):
        other = there[pair.receiver_b, pair.receiver_a]
        assert pair.time_difference_us == pytest.approx(-other.time_difference_us, abs=1e-3)
        assert pair.found == other.found


def test_the_same_frames_give_the_same_bits(samples):
    assert measure_pairs(samples[1]) == measure_pairs(samples[1])


def test_a_recording_that_begins_later_gives_the_same_difference(samples):
    """Cut by 300.5 samples' time: the half sample is in the start, not in the signal."""
    first, *others = samples[2]
    cut = first.samples()[301:]
    late = msgspec.structs.replace(
        first,
        captured_at_ns=first.captured_at_ns + round(301 / RATE_HZ * 1e9),
        datatype="cf32_le",
        scale=1.0,
        iq=memoryview(np.ascontiguousarray(cut).view(np.uint8)),
    )
    both = zip(measure_pairs(samples[2]), measure_pairs([late, *others]), strict=True)
    for pair, again in both:
        if pair.found and pair.standard_deviation_us < 1.0:
            assert again.time_difference_us == pytest.approx(pair.time_difference_us, abs=0.5)


def test_beyond_8_receivers_pairs_hold_one_of_the_4_strongest():
    random = np.random.default_rng(24)
    signal = band_noise(random, 8_000.0)
    frames = [frame(signal * (2 - 0.1 * n) + noise(random, 0.5), n) for n in range(10)]
    pairs = measure_pairs(frames)
    strongest = {f"rx{n}" for n in range(STRONGEST)}
    assert len(pairs) == 4 * 6 + 6 == pair_count(10)
    assert all({pair.receiver_a, pair.receiver_b} & strongest for pair in pairs)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"sample_idx": 1}, "more than one sample"),
        ({"generation": 1}, "more than one sample"),
        ({"center_frequency_hz": 145e6}, "center_frequency_hz"),
        ({"receiver": station(0)}, "rx0 more than once"),
        ({"captured_at_ns": 10**18 + 2 * 10**9}, "do not overlap"),
    ],
)
def test_frames_that_cannot_be_compared_are_refused_by_name(changed, words):
    samples = noise(np.random.default_rng(25))
    with pytest.raises(ValueError, match=words):
        measure_pairs([frame(samples, 0), frame(samples, 1, **changed)])


def test_nan_in_a_recording_is_refused():
    samples = noise(np.random.default_rng(26))
    samples[7] = np.nan
    with pytest.raises(ValueError, match="rx1 holds NaN"):
        measure_pairs([frame(noise(np.random.default_rng(27)), 0), frame(samples, 1)])


@pytest.mark.parametrize("count", [1, 40, 100, 3000])
def test_short_or_silent_recordings_have_no_difference(count):
    for samples in (np.zeros(count), np.ones(count), noise(np.random.default_rng(28))[:count]):
        (pair,) = measure_pairs([frame(samples, 0), frame(samples, 1)])
        assert all(math.isfinite(getattr(pair, name)) for name in PAIR_TABLE)
