"""The counter-based normals."""

import math

import numpy as np
import pytest
from scipy import stats

from producer.elementary import sine_cosine
from producer.kernel import kernel
from producer.philox import fill_normals, philox_2x32

N = 1_000_000


@kernel
def words(counter, high, key):
    return philox_2x32(np.uint32(counter), np.uint32(high), np.uint32(key))


@kernel
def sines(turns, out):
    for i in range(turns.size):
        out[0, i], out[1, i] = sine_cosine(turns[i])


@pytest.fixture(scope="module")
def normals():
    out = np.empty(N, np.float32)
    fill_normals(out, np.array([12, 34], np.uint32))
    return out.astype(np.float64)


@pytest.mark.parametrize(
    ("counter", "high", "key", "expected"),
    [
        (0x00000000, 0x00000000, 0x00000000, (0xFF1DAE59, 0x6CD10DF2)),
        (0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, (0x2C3F628B, 0xAB4FD7AD)),
        (0x243F6A88, 0x85A308D3, 0x13198A2E, (0xDD7CE038, 0xF62A4C12)),
    ],
)
def test_the_cipher_gives_the_published_words(counter, high, key, expected):
    """Known answers of the Random123 distribution for philox2x32, 10 rounds."""
    assert words(counter, high, key) == expected


def test_moments_are_those_of_a_standard_normal(normals):
    assert abs(normals.mean()) < 4 / math.sqrt(N)
    assert abs(normals.var() - 1) < 4 * math.sqrt(2 / N)
    assert abs(stats.skew(normals)) < 4 * math.sqrt(6 / N)
    assert abs(stats.kurtosis(normals)) < 4 * math.sqrt(24 / N)


def test_distribution_is_normal(normals):
    assert stats.kstest(normals[:200_000], "norm").pvalue > 1e-3


def test_the_two_of_a_pair_and_neighbours_are_uncorrelated(normals):
    for first, second in ((normals[::2], normals[1::2]), (normals[:-2], normals[2:])):
        assert abs(np.mean(first * second)) < 4 / math.sqrt(first.size)


def test_angles_are_uniform_over_the_whole_turn(normals):
    angles = np.arctan2(normals[1::2], normals[::2])
    counts, _ = np.histogram(angles, bins=64, range=(-np.pi, np.pi))
    assert stats.chisquare(counts).pvalue > 1e-3


def test_a_number_depends_on_its_place_alone():
    short, long = np.empty(100, np.float32), np.empty(5_000, np.float32)
    for out in (short, long):
        fill_normals(out, np.array([5, 6], np.uint32))
    np.testing.assert_array_equal(short, long[:100])


@pytest.mark.parametrize("other", [(5, 7), (4, 6)])
def test_another_key_or_stream_gives_other_numbers(other):
    one, two = np.empty(1000, np.float32), np.empty(1000, np.float32)
    fill_normals(one, np.array([5, 6], np.uint32))
    fill_normals(two, np.array(other, np.uint32))
    assert abs(np.corrcoef(one, two)[0, 1]) < 4 / math.sqrt(1000)


def test_sine_and_cosine_are_accurate_over_the_whole_turn():
    turns = np.arange(0, 2**32, 4093, dtype=np.uint32)
    out = np.empty((2, turns.size), np.float32)
    sines(turns, out)
    angles = turns * (2 * np.pi / 2**32)
    assert np.abs(out - np.array([np.sin(angles), np.cos(angles)])).max() < 1.2e-7
