"""A part of a recording: the samples of its time, the signals of its band with their powers, and where both lie."""

from itertools import pairwise

import numpy as np
import pytest

from iqstream.dataset.part import part_of
from schemas import IQFrame, Receiver

RATE_HZ, CENTRE_HZ, COUNT = 200_000.0, 144e6, 20_000
TIMES_S = np.arange(COUNT) / RATE_HZ


def frame_of(samples):
    return IQFrame(
        dataset_id="00000000-0000-0000-0000-000000000000", dataset_version=1, sample_idx=0, receivers_expected=1,
        receiver=Receiver(rx_id="a", latitude=45.0, longitude=8.0, altitude_m=0.0), captured_at_ns=1_000_000,
        center_frequency_hz=CENTRE_HZ, sample_rate_hz=RATE_HZ, chunk_ms=10, datatype="cf32_le", scale=1.0, truth=None,
        iq=memoryview(samples.astype(np.complex64).tobytes()),
    )  # fmt: skip


NOISE = frame_of(np.random.default_rng(1).normal(size=(COUNT, 2)) @ [1, 1j])


def tones(amplitude_by_khz):
    return sum(
        amplitude * np.exp(2j * np.pi * float(khz) * 1000 * TIMES_S) for khz, amplitude in amplitude_by_khz.items()
    )


def test_without_edges_it_is_the_recording_itself():
    assert part_of(NOISE) is NOISE


def test_a_part_in_time_holds_its_samples_and_says_when_they_were_taken():
    part = part_of(NOISE, start_ms=10.0, stop_ms=20.5)
    np.testing.assert_array_equal(part.samples(), NOISE.samples()[2000:4100])
    assert part.captured_at_ns == NOISE.captured_at_ns + 10_000_000
    assert (part.sample_rate_hz, part.center_frequency_hz) == (RATE_HZ, CENTRE_HZ)
    np.testing.assert_array_equal(part_of(NOISE, start_ms=90.0, stop_ms=1e4).samples(), NOISE.samples()[18_000:])


@pytest.mark.parametrize(("low_khz", "high_khz"), [(-40.0, -10.0), (-3.0, 5.0), (60.0, None), (None, -60.0)])
def test_a_part_in_frequency_keeps_the_tones_of_its_band_where_they_were_and_no_other(low_khz, high_khz):
    lowest, highest = (-100.0 if low_khz is None else low_khz), (100.0 if high_khz is None else high_khz)
    inside = {str(lowest + share * (highest - lowest)): 0.5 + share for share in (0.3, 0.8)}
    outside = {str(edge): 3.0 for edge in (lowest - 5, highest + 5) if abs(edge) < 95}
    part = part_of(frame_of(tones(inside | outside)), low_khz=low_khz, high_khz=high_khz)
    assert part.sample_rate_hz == pytest.approx(1000 * (highest - lowest), rel=0.01)
    samples = part.samples()
    frequencies = np.fft.fftfreq(len(samples), 1 / part.sample_rate_hz) + part.center_frequency_hz - CENTRE_HZ
    spectrum = np.abs(np.fft.fft(samples)) / len(samples)
    loudest = sorted(zip(spectrum, frequencies, strict=True))[-2:]
    for (amplitude, at_hz), (khz, wanted) in zip(loudest, sorted(inside.items(), key=lambda one: one[1]), strict=True):
        assert (amplitude, at_hz) == pytest.approx((wanted, 1000 * float(khz)), rel=1e-3)
    power = sum(amplitude**2 for amplitude in inside.values())
    assert np.mean(np.abs(samples) ** 2) == pytest.approx(power, rel=1e-3)


def test_bands_side_by_side_hold_the_power_of_the_whole():
    edges = np.linspace(-100.005, 99.995, 8)
    parts = [part_of(NOISE, low_khz=low, high_khz=high) for low, high in pairwise(edges)]
    assert sum(len(part.samples()) for part in parts) == COUNT
    powers = [np.mean(np.abs(part.samples()) ** 2) for part in parts]
    assert sum(powers) == pytest.approx(np.mean(np.abs(NOISE.samples()) ** 2), rel=1e-4)


@pytest.mark.parametrize(
    ("part", "why"),
    [
        ({"start_ms": 20.0, "stop_ms": 10.0}, "no sample"), ({"start_ms": 10.0, "stop_ms": 10.0}, "no sample"),
        ({"start_ms": 100.0}, "no sample"), ({"low_khz": 1.001, "high_khz": 1.002}, "0 bins"),
        ({"low_khz": 5.0, "high_khz": -5.0}, "0 bins"), ({"low_khz": 150.0}, "0 bins"),
    ],
)  # fmt: skip
def test_a_part_that_holds_nothing_is_refused(part, why):
    with pytest.raises(ValueError, match=why):
        part_of(NOISE, **part)
