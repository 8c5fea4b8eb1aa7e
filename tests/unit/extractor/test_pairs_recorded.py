"""Time differences of real recordings: rates of their own, times between samples, narrow bands, a receiver's own DC."""

import math

import msgspec
import numpy as np
import pytest

from extractor.pairs import measure, measure_pairs
from extractor.pairs.record import pair_record
from extractor.pairs.resample import HALF_WIDTH, resampled
from schemas import Lineage, Station
from schemas.recorded import why_not_compared
from tests.recorded import recorded_window
from tests.unit.extractor.test_pairs import frame

DENSE = 1 << 18
"""Points of a second of a signal: a straight line between two is within 1e-4 of it."""
GRID_NS = 1_511_779_318 * 10**9
NOWHERE = Lineage(topic="iq.frames", partition=0, offset=3, crc32=None)


def signal_of(random, width_hz):
    """A second of unit power around 0 Hz, as real and imaginary part."""
    lines = np.zeros(DENSE, complex)
    here = np.abs(np.fft.fftfreq(DENSE, 1 / DENSE)) < width_hz / 2
    lines[here] = random.standard_normal(2 * np.count_nonzero(here)).view(complex)
    signal = np.fft.ifft(lines)
    return signal / math.sqrt(np.mean(np.abs(signal) ** 2))


def recording(random, signal, number, rate_hz, *, delay_us=0.0, late_ns=0, noise=0.1, samples=None, **changed):
    """What a receiver records of a signal: from `late_ns` after the grid's second on, at a rate of its own."""
    count = samples or math.floor(rate_hz)
    at = (late_ns * 1e-9 + np.arange(count) / rate_hz - delay_us * 1e-6) * DENSE % DENSE
    known = np.arange(DENSE + 1)
    heard = np.interp(at, known, np.append(signal.real, signal.real[0])).astype(complex)
    heard.imag = np.interp(at, known, np.append(signal.imag, signal.imag[0]))
    heard += noise * math.sqrt(0.5) * random.standard_normal(2 * count).view(complex)
    fields = {
        "captured_at_ns": GRID_NS + late_ns,
        "center_frequency_hz": 77_500.0,
        "sample_rate_hz": rate_hz,
        "recorded": recorded_window(),
    }
    return frame(heard, number, **(fields | changed))


@pytest.mark.parametrize(
    ("rate_hz", "other_hz", "width_hz"), [(12_001.145, 12_001.202, 1_300.0), (12_001.145, 20_250.3, 2_600.0)]
)
def test_recordings_of_own_rates_and_starts_are_measured_to_what_they_say(rate_hz, other_hz, width_hz):
    """RMS over 24 draws; its own relative error is 1/sqrt(48) = 14 %."""
    random, errors, predicted = np.random.default_rng(31), [], []
    for _ in range(24):
        signal, delay_us = signal_of(random, width_hz), random.uniform(-150, 150)
        starts = random.integers(0, 83_000, 2).tolist()
        (pair,) = measure_pairs(
            [
                recording(random, signal, 0, rate_hz, delay_us=delay_us, late_ns=starts[0]),
                recording(random, signal, 1, other_hz, late_ns=starts[1]),
            ]
        )
        assert pair.found
        errors.append(pair.time_difference_us - delay_us)
        predicted.append(pair.standard_deviation_us)
    rms = math.sqrt(np.mean(np.square(errors)))
    assert 0.6 < rms / math.sqrt(np.mean(np.square(predicted))) < 1.6
    assert rms < 3.0  # a sample is 83 us


@pytest.mark.parametrize("step", [1.000005, 1.6874, 20.3])
def test_a_tone_keeps_amplitude_and_phase_and_one_beyond_the_lower_rate_is_gone(step):
    at = np.arange(4000)
    inside, beyond = 0.3 / step, 0.62 / step

    def of(frequency):
        tone = np.exp(2j * np.pi * frequency * at)
        return resampled(tone.astype(np.complex64).view(np.float32), 7.3, step).view(np.complex64)

    found = of(inside)
    assert found.size == math.ceil((4000 - 7.3) / step)
    middle = slice(HALF_WIDTH, -HALF_WIDTH)
    expected = np.exp(2j * np.pi * inside * (7.3 + step * np.arange(found.size)))
    assert np.abs(found - expected)[middle].max() < 2e-3
    if step > 1.1:
        assert np.abs(of(beyond))[middle].max() < 2e-3


def test_receivers_that_satellites_do_not_give_the_time_are_left_out_of_the_record_and_said():
    random = np.random.default_rng(32)
    signal = signal_of(random, 1_300.0)
    sources = {"rx0": "gnss", "rx1": "ntp", "rx2": "gnss", "rx3": "arrival"}
    frames = [
        recording(random, signal, int(rx_id[2]), 12_001.1, recorded=recorded_window(time_source=source))
        for rx_id, source in sources.items()
    ]
    (pair,) = pair_record(frames, NOWHERE).pairs
    assert (pair.receiver_a, pair.receiver_b, pair.found) == ("rx0", "rx2", True)
    assert why_not_compared(sources) == (
        "the time of rx1 (ntp), rx3 (arrival) is not exact enough: time differences need gnss"
    )
    for few in (frames[:1], frames[1:2], frames[:2]):
        assert pair_record(few, NOWHERE).pairs == ()
        assert why_not_compared({one.receiver.rx_id: one.recorded.time_source for one in few})
    assert why_not_compared({"rx0": "gnss", "rx2": "gnss"}) == ""


def test_the_dc_of_a_receiver_is_not_what_they_have_in_common():
    random = np.random.default_rng(33)
    signal = signal_of(random, 1_300.0)
    frames = []
    for number in range(2):
        iq = recording(random, signal, number, 12_001.1, delay_us=40.0 * number).samples() + 30.0
        window = recorded_window(dc_of_device=True)
        frames.append(frame(iq, number, sample_rate_hz=12_001.1, center_frequency_hz=77_500.0, recorded=window))
    (pair,) = measure_pairs(frames)
    assert pair.found
    assert pair.time_difference_us == pytest.approx(-40.0, abs=4 * pair.standard_deviation_us)
    assert pair.bandwidth_hz > 1_000.0


def test_centres_up_to_a_hertz_apart_are_one_frequency_and_the_rest_a_difference():
    random = np.random.default_rng(34)
    signal = signal_of(random, 1_300.0)
    one, other = (recording(random, signal, number, 12_001.1) for number in range(2))
    (same,) = measure_pairs([one, other])
    (apart,) = measure_pairs([one, msgspec.structs.replace(other, center_frequency_hz=77_500.6)])
    assert apart.found
    assert apart.frequency_difference_hz == pytest.approx(same.frequency_difference_hz - 0.6, abs=1e-9)
    with pytest.raises(ValueError, match=r"center_frequency_hz: 77501\.1 at rx1, 77500 at rx0"):
        measure_pairs([one, msgspec.structs.replace(other, center_frequency_hz=77_501.1)])


def test_a_search_over_the_whole_earth_takes_fewer_blocks_and_finds_the_same(monkeypatch):
    """Receivers of unknown place in a wide band would take minutes."""
    random = np.random.default_rng(35)
    signal = signal_of(random, 2_600.0)
    frames = [
        recording(
            random, signal, number, 12_001.1, delay_us=900.0 * number,
            receiver=Station(rx_id=f"rx{number}", latitude=None, longitude=None, altitude_m=None),
        )
        for number in range(2)
    ]  # fmt: skip
    (all_blocks,) = measure_pairs(frames)
    monkeypatch.setattr(measure, "MOST_PRODUCTS", 1e6)
    (fewer,) = measure_pairs(frames)
    for pair in (all_blocks, fewer):
        assert pair.found
        assert pair.time_difference_us == pytest.approx(-900.0, abs=4 * pair.standard_deviation_us)
    assert fewer != all_blocks
    assert fewer.time_difference_us == pytest.approx(all_blocks.time_difference_us, abs=0.01)
