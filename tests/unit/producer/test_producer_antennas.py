"""Antennas gain what their patterns say, it is told, and constant ones change nothing."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest

from producer import antennas as module
from producer.antennas import (
    GAINS_DBI,
    LEAST_DB,
    RECEIVING_SHARES,
    TRANSMITTING_SHARES,
    Antenna,
    collinear_db,
    dipole_db,
    draw_receiving,
    draw_transmitting,
    yagi_db,
)
from producer.geometry import bearing_rad
from producer.synthesize import synthesize_sample
from schemas import Antennas, encode
from schemas.dataset import MAX_RECEIVERS
from tests.producer_specs import SHORT, ring_of, variant

ELEVATIONS = np.linspace(-math.pi / 2, math.pi / 2, 20_001)


def directivity_db(pattern_db):
    """Of an antenna that is alike all around: 2 / integral of its power over the sphere's height."""
    power = 10 ** (np.array([pattern_db(e) for e in ELEVATIONS]) / 10)
    return 10 * math.log10(2 / np.trapezoid(power * np.cos(ELEVATIONS), ELEVATIONS))


@pytest.mark.parametrize(("kind", "pattern_db"), [("dipole", dipole_db), ("collinear", collinear_db)])
def test_an_antenna_without_losses_gains_what_its_pattern_concentrates(kind, pattern_db):
    """To 0.1 dB; the floor under the nulls takes a little."""
    assert directivity_db(pattern_db) == pytest.approx(GAINS_DBI[kind], abs=0.1)
    assert pattern_db(0.0) == 0.0


def test_a_dipoles_half_power_lies_at_39_degrees_and_its_null_above():
    assert dipole_db(math.radians(39)) == pytest.approx(-3.0, abs=0.1)
    assert dipole_db(math.pi / 2) == LEAST_DB


def test_a_collinears_first_null_is_where_its_dipoles_cancel():
    assert collinear_db(math.asin(1 / (4 * 0.75))) == LEAST_DB


@pytest.mark.parametrize(("azimuth", "elevation", "expected"), [(30, 0, -3), (-30, 0, -3), (0, 35, -3), (180, 0, -18)])
def test_a_yagi_aims(azimuth, elevation, expected):
    assert yagi_db(math.radians(azimuth), math.radians(elevation)) == pytest.approx(expected)
    turned = Antenna(kind="yagi", strongest_dbi=9.0, azimuth_rad=3.0)
    assert turned.gain_dbi(3.0 + math.radians(azimuth) - 2 * math.pi, math.radians(elevation)) == pytest.approx(
        9.0 + expected
    )


def assert_shares(drawn, shares, count):
    """Each within four standard errors."""
    for kind, share in shares.items():
        assert drawn[kind] / count == pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / count))


def test_mixed_antennas_have_their_shares():
    mixed = Antennas(transmitter="mixed", receiver="mixed")
    spec, count = variant(antennas=mixed), 3000
    drawn = [draw_transmitting(spec, index) for index in range(count)]
    assert_shares(Counter(one.kind for one in drawn), TRANSMITTING_SHARES, count)
    assert np.abs(np.mean(np.exp([1j * one.azimuth_rad for one in drawn]))) < 4 / math.sqrt(count)
    networks = [variant(antennas=mixed, receivers=ring_of(MAX_RECEIVERS), seed=seed) for seed in range(40)]
    receivers = [draw_receiving(one, n).kind for one, n in itertools.product(networks, range(MAX_RECEIVERS))]
    assert_shares(Counter(receivers), RECEIVING_SHARES, len(receivers))


def test_receivers_have_theirs_for_good_and_yagis_point_to_the_middle_of_the_network():
    spec = variant(antennas=Antennas(receiver="yagi"), receivers=ring_of(8))
    middle = [np.mean([getattr(r, name) for r in spec.receivers]) for name in ("latitude", "longitude")]
    for number, receiver in enumerate(spec.receivers):
        antenna = draw_receiving(spec, number)
        assert antenna.azimuth_rad == pytest.approx(bearing_rad(receiver.latitude, receiver.longitude, *middle))
    mixed = variant(antennas=Antennas(receiver="mixed"))
    told = {tuple(frame.truth.link.rx_antenna for frame in synthesize_sample(mixed, i).frames) for i in range(3)}
    assert len(told) == 1


@pytest.mark.parametrize(
    "antennas",
    [Antennas(transmitter="yagi", receiver="mixed"), Antennas(transmitter="rubber_duck", receiver="collinear")],
    ids=str,
)
def test_a_link_budget_adds_up_with_what_the_antennas_gain(antennas):
    for frame in synthesize_sample(variant(antennas=antennas), 1).frames:
        link, sent = frame.truth.link, frame.truth.transmitter
        gains_dbi = link.tx_gain_dbi + link.rx_gain_dbi
        assert link.mean_signal_dbm == pytest.approx(sent.power_dbm + gains_dbi - link.path_loss_db, abs=1e-6)
        assert sent.eirp_dbm == pytest.approx(sent.power_dbm + GAINS_DBI[link.tx_antenna])
        assert link.tx_gain_dbi <= GAINS_DBI[link.tx_antenna]


def test_constant_antennas_change_nothing_and_are_not_told():
    plain = synthesize_sample(SHORT, 1).frames
    assert all(frame.truth.link.tx_antenna is frame.truth.link.rx_gain_dbi is None for frame in plain)
    assert b"tx_gain_dbi" not in encode(plain[0])


def test_antennas_move_the_levels_alone():
    plain, aimed = (
        synthesize_sample(variant(antennas=one), 1).frames for one in (Antennas(), Antennas(transmitter="yagi"))
    )
    levels = [[frame.truth.link.mean_signal_dbm for frame in frames] for frames in (plain, aimed)]
    assert len(np.unique(np.round(np.subtract(*levels), 6))) > 2
    for one, other in zip(plain, aimed, strict=True):
        for name in ("path_loss_db", "arrival_delay_us", "tap_delays_us", "frequency_offset_hz", "noise_dbm"):
            assert getattr(one.truth.link, name) == getattr(other.truth.link, name)


def test_every_kind_of_antenna_has_a_gain():
    assert set(module.TRANSMITTING_SHARES) | set(module.RECEIVING_SHARES) == set(GAINS_DBI)
