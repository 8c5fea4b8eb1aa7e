"""Receivers' clocks: how they err, that it is told, and that an ideal one changes nothing."""

import math

import msgspec
import numpy as np
import pytest

from extractor.pairs import measure_pairs
from producer.clock import draw_clock
from producer.synthesize import synthesize_sample
from schemas import Capture, Clocks, Propagation, Scenario
from tests.producer_specs import FREE_SPACE, ONE_TAP, SHORT, variant

N = 2000


def drawn(spec, number=0):
    clocks = [draw_clock(spec, index, number) for index in range(N)]
    return [np.array([getattr(clock, name) for clock in clocks]) for name in ("offset_us", "rate_ppm", "carrier_hz")]


def assert_normal(values, deviation):
    """Mean and spread within four standard errors."""
    assert abs(values.mean()) < 4 * deviation / math.sqrt(N)
    assert values.std() == pytest.approx(deviation, rel=4 / math.sqrt(2 * N))


def test_a_gnss_clock_steers_samples_and_carrier():
    offset_us, rate_ppm, carrier_hz = drawn(variant(clocks=Clocks(kind="gnss", offset_us=0.2, rate_ppm=0.01)))
    assert_normal(offset_us, 0.2)
    assert_normal(rate_ppm, 0.01)
    np.testing.assert_allclose(carrier_hz, rate_ppm * 144, rtol=1e-8)


def test_a_free_clock_errs_as_its_carrier_does_today():
    offset_us, rate_ppm, carrier_hz = drawn(variant(clocks=Clocks(kind="free", offset_us=300.0)))
    assert_normal(offset_us, 300.0)
    np.testing.assert_allclose(rate_ppm * 144, carrier_hz, rtol=1e-8)
    np.testing.assert_array_equal(carrier_hz, drawn(SHORT)[2])
    assert np.abs(rate_ppm).max() <= 2.0


def test_every_receiver_has_its_own_and_an_ideal_one_none():
    one, other = (drawn(variant(clocks=Clocks(kind="gnss")), number)[0] for number in range(2))
    assert abs(np.corrcoef(one, other)[0, 1]) < 4 / math.sqrt(N)
    assert not np.concatenate(drawn(variant(clocks=Clocks(offset_us=9.0)))[:2]).any()


def test_an_ideal_clock_changes_no_byte_and_no_truth_is_told():
    plain, named = (
        synthesize_sample(spec, 1).frames for spec in (SHORT, variant(clocks=Clocks(offset_us=9.0, rate_ppm=1.0)))
    )
    assert plain == named
    assert all(frame.truth.receiver is None for frame in plain)


def test_the_truth_tells_the_clock_and_nothing_else_moves():
    plain = synthesize_sample(SHORT, 1).frames
    clocked = synthesize_sample(variant(clocks=Clocks(kind="gnss", offset_us=50.0)), 1).frames
    assert len({frame.truth.receiver.clock_offset_us for frame in clocked}) == len(clocked)
    for one, other in zip(plain, clocked, strict=True):
        same = msgspec.structs.replace(
            other.truth.link,
            **{
                name: getattr(one.truth.link, name)
                for name in ("frequency_offset_hz", "signal_dbm", "snr_db", "quantisation_noise_dbm")
            },
        )
        assert same == one.truth.link
        assert other.truth.receiver.clipped_share == 0.0


@pytest.mark.parametrize(
    "clocks", [Clocks(kind="gnss", offset_us=20.0), *(Clocks(kind="free", offset_us=us) for us in (200.0, 3000.0))],
    ids=str,
)  # fmt: skip
def test_time_differences_are_all_found_that_the_clocks_make(clocks):
    """To 0.5 us in the middle of the recording, no fading, SNR at least 20 dB at both receivers."""
    spec = variant(
        clocks=clocks,
        channel=ONE_TAP,
        capture=Capture(capture_ms=400, chunk_ms=100),
        scenario=Scenario(eirp_min_w=50.0, oscillator_ppm=5.0),
        propagation=Propagation(shadowing_sigma_db=0.0),
        terrain=FREE_SPACE,
    )
    frames = synthesize_sample(spec, 0).frames
    stamped = {
        f.receiver.rx_id: f.truth.link.arrival_delay_us
        + f.truth.receiver.clock_offset_us
        + f.truth.receiver.clock_rate_ppm * 0.2
        for f in frames
        if f.truth.link.mean_snr_db > 20
    }
    measured = [p for p in measure_pairs(frames) if p.found and p.receiver_a in stamped and p.receiver_b in stamped]
    assert len(measured) == math.comb(len(stamped), 2) >= 3
    for pair in measured:
        assert pair.time_difference_us == pytest.approx(stamped[pair.receiver_a] - stamped[pair.receiver_b], abs=0.5)
