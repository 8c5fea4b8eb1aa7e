"""Chunks, statistics, sentinels, refusals, and any finite input."""

import itertools
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from extractor.aggregate import aggregate
from extractor.chunking import chunk_bounds
from extractor.extract import SILENCE, ChunkFeatures, chunk_features, extract_features
from schemas import FEATURE_NAMES
from tests.extractor_signals import CHUNK, RATE_HZ, noise, shifted, tone, voice_fm


def test_features_stand_in_the_published_order():
    assert ChunkFeatures._fields == FEATURE_NAMES


def test_statistics_are_those_of_numpy():
    values = np.random.default_rng(1).normal(size=(7, 18)) * 10.0 ** np.arange(-9, 9)
    expected = [values.mean(0), values.std(0), values.min(0), values.max(0)]
    np.testing.assert_allclose(aggregate(values), np.transpose(expected), rtol=1e-12, atol=0)


def test_mean_never_leaves_minimum_and_maximum():
    mean, std, low, high = aggregate(np.full((3, 1), 0.1))[0]
    assert low == mean == high
    assert std < 1e-16


def test_recording_is_the_statistics_of_its_chunks():
    random = np.random.default_rng(2)
    iq = (shifted(voice_fm(random, count=5 * CHUNK), 1e4) + noise(random, count=5 * CHUNK)).astype(np.complex64)
    chunks = chunk_features(iq, RATE_HZ)
    assert chunks.shape == (5, len(FEATURE_NAMES))
    assert extract_features(iq, RATE_HZ).shape == (len(FEATURE_NAMES), 4)
    np.testing.assert_array_equal(extract_features(iq, RATE_HZ), aggregate(chunks))


def test_chunks_of_a_whole_are_those_of_its_parts():
    random = np.random.default_rng(3)
    parts = [
        noise(random) * 1e-6,
        np.zeros(CHUNK),
        voice_fm(random) * 1e19,
        tone(3e4) + noise(random),
    ]
    parts = [part.astype(np.complex64) for part in parts]
    whole = chunk_features(np.concatenate(parts), RATE_HZ)
    np.testing.assert_array_equal(whole, np.concatenate([chunk_features(part, RATE_HZ) for part in parts]))


@given(count=st.integers(1, 10**7), rate_hz=st.floats(1.0, 1e8), chunk_s=st.floats(1e-3, 10.0))
def test_chunks_follow_each_other_and_leave_less_than_half(count, rate_hz, chunk_s):
    length = max(1, round(rate_hz * chunk_s))
    if count / length > 1000:
        return
    bounds = chunk_bounds(count, rate_hz, chunk_s)
    assert bounds[0][0] == 0
    assert all(stop == start for (_, stop), (start, _) in itertools.pairwise(bounds))
    assert all(stop - start == length for start, stop in bounds[:-1])
    left = count - bounds[-1][1]
    assert left >= 0
    assert 2 * left < length or not left
    assert len(bounds) == 1 or 2 * (bounds[-1][1] - bounds[-1][0]) >= length


def test_silence_reads_its_sentinels():
    for iq in (np.zeros(CHUNK), np.full(CHUNK, 1e-20), np.zeros(1)):
        np.testing.assert_array_equal(chunk_features(iq.astype(np.complex64), RATE_HZ), [np.array(SILENCE)])
    silent = dict(zip(FEATURE_NAMES, SILENCE, strict=True))
    assert silent["rssi_dbm"] == silent["noise_floor_dbm"] == -300.0
    assert silent["snr_db"] == -60.0
    assert silent["coherence_bandwidth_khz"] == 4000.0
    assert silent["confidence_score"] == silent["delay_spread_confidence"] == silent["signal_present"] == 0.0


HOSTILE = {
    "silence": np.zeros(CHUNK),
    "direct current": np.full(CHUNK, 1 + 1j),
    "one sample": np.ones(1),
    "short": tone(3e3, 700),
    "63 samples": tone(3e3, 63),
    "64 samples": tone(3e3, 64),
    "full scale": np.sign(noise(np.random.default_rng(4)).real) + 1j,
    "clipped": np.clip(tone(3e3).real * 5, -1, 1) + 1j * np.clip(tone(3e3).imag * 5, -1, 1),
    "two signals": tone(-3e4) + tone(7e4),
    "one impulse": np.eye(1, CHUNK, 20_000)[0],
    "impulses": np.tile(np.eye(1, 1000)[0], 40) * 1e3,
    "starts half-way": np.concatenate([np.zeros(CHUNK // 2), tone(2e4, CHUNK // 2)]),
    "denormal": np.full(CHUNK, 1e-40),
    "tiny": tone(2e4) * 3e-15,
    "huge": tone(2e4) * 3e38,
    "huge noise": np.clip(noise(np.random.default_rng(5)).real * 1e38, -3e38, 3e38),
    "huge and tiny": np.where(np.arange(CHUNK) % 2, 1e-38, 3e38),
    "Nyquist": np.resize([1.0, -1.0], CHUNK),
    "ragged end": noise(np.random.default_rng(6), count=3 * CHUNK + 123),
    "strong": tone(2e4) * 1e5 + noise(np.random.default_rng(7)),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_finite_input_gives_finite_features(kind):
    iq = HOSTILE[kind].astype(np.complex64)
    for rate_hz in (RATE_HZ, 1e-3, 1e12):
        assert np.isfinite(chunk_features(iq, rate_hz, 0.2 * RATE_HZ / rate_hz)).all()


@settings(max_examples=60, deadline=None)
@given(
    iq=arrays(
        np.complex64, st.integers(1, 5000), elements=st.complex_numbers(width=64, allow_nan=False, allow_infinity=False)
    ),
    chunk=st.integers(1, 6000),
)
def test_any_finite_input_gives_finite_features_in_their_ranges(iq, chunk):
    if iq.size > 40 * chunk:
        return
    rows = chunk_features(iq, 1000.0, chunk / 1000.0)
    assert np.isfinite(rows).all()
    named = dict(zip(FEATURE_NAMES, rows.T, strict=True))
    assert (np.abs(named["frequency_offset_hz"]) <= 500.0).all()
    assert ((named["bandwidth_hz"] >= 0) & (named["bandwidth_hz"] <= 1000.0 + 1e-6)).all()
    assert (named["snr_db"] >= -60.0).all()
    for share in ("zero_crossing_rate", "delay_spread_confidence", "confidence_score", "envelope_mean"):
        assert ((named[share] >= 0) & (named[share] <= 1)).all(), share
    assert set(named["signal_present"]) <= {0.0, 1.0}


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1j * np.nan])
@pytest.mark.parametrize("position", [0, 250, 250 + 1])
def test_nan_and_infinity_are_refused_even_where_no_chunk_reaches(bad, position):
    iq = np.ones(252, np.complex64)
    iq[position] = bad
    with pytest.raises(ValueError, match=f"NaN or infinity, first at sample {position}"):
        chunk_features(iq, 1000.0, 0.2)


@pytest.mark.parametrize(
    ("iq", "rate_hz", "chunk_s", "message"),
    [
        ([1j], 1e3, 0.2, "type list"),
        (np.ones(10), 1e3, 0.2, "float64"),
        (np.ones(10, np.complex128), 1e3, 0.2, "complex128"),
        (np.ones((2, 10), np.complex64), 1e3, 0.2, r"shape \(2, 10\)"),
        (np.ones(0, np.complex64), 1e3, 0.2, "no samples"),
        (np.ones(10, np.complex64), 0.0, 0.2, "sample_rate_hz"),
        (np.ones(10, np.complex64), np.nan, 0.2, "sample_rate_hz"),
        (np.ones(10, np.complex64), 1e3, -0.2, "chunk_s"),
        (np.ones(10, np.complex64), 1e3, np.inf, "chunk_s"),
    ],
)
def test_wrong_arguments_are_refused_by_name(iq, rate_hz, chunk_s, message):
    with pytest.raises(ValueError, match=message):
        chunk_features(iq, rate_hz, chunk_s)


def test_layout_in_memory_does_not_matter():
    iq = noise(np.random.default_rng(8), count=5000).astype(np.complex64)
    expected = chunk_features(iq, RATE_HZ)
    strided = np.repeat(iq, 2)[::2]
    shifted_bytes = np.frombuffer(b"x" + iq.tobytes(), np.complex64, offset=1)
    for same in (strided, shifted_bytes, np.frombuffer(iq.tobytes(), np.complex64)):
        np.testing.assert_array_equal(chunk_features(same, RATE_HZ), expected)


def test_input_is_left_alone():
    iq = noise(np.random.default_rng(9)).astype(np.complex64)
    before = iq.copy()
    chunk_features(iq, RATE_HZ)
    np.testing.assert_array_equal(iq, before)


def test_threads_do_not_disturb_each_other():
    random = np.random.default_rng(10)
    recordings = [(tone(f) * 3 + noise(random, count=CHUNK)).astype(np.complex64) for f in (-7e4, 0.0, 5e4, 9e4)]
    expected = [chunk_features(iq, RATE_HZ) for iq in recordings]
    seen = [[] for _ in recordings]

    def run(i):
        seen[i].extend(chunk_features(recordings[i], RATE_HZ) for _ in range(10))

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(recordings))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for results, wanted in zip(seen, expected, strict=True):
        assert len(results) == 10
        for result in results:
            np.testing.assert_array_equal(result, wanted)


def test_other_threads_run_while_features_are_extracted():
    iq = noise(np.random.default_rng(11), count=20 * CHUNK).astype(np.complex64)
    chunk_features(iq, RATE_HZ)

    def longest_pause_s():
        longest, done = 0.0, threading.Event()

        def watch():
            nonlocal longest
            last = time.monotonic()
            while not done.wait(0.0005):
                now = time.monotonic()
                longest, last = max(longest, now - last), now

        watcher = threading.Thread(target=watch)
        watcher.start()
        for _ in range(5):
            chunk_features(iq, RATE_HZ)
        done.set()
        watcher.join()
        return longest

    # A heartbeat is due every 3 s. A machine that stands still does so once, a kernel that holds the lock every time.
    assert min(longest_pause_s() for _ in range(3)) < 1.0
