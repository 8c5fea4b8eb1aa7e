"""Loss, noise and distances against reference values."""

import dataclasses
import math
from itertools import pairwise

import numpy as np
import pytest

from producer.geometry import bearing_rad, ground_distance_m, slant_distance_m, time_of_flight_us
from producer.ground import ground_of
from producer.noise import man_made_noise_figure_db, noise_dbm, thermal_noise_dbm
from producer.path import draw_paths
from producer.propagation import PathLoss, clutter_loss_db, free_space_loss_db, knife_edge_loss_db
from producer.scenario import draw_scene
from producer.shadowing import draw_shadowing_db
from producer.tiles import NO_TILES
from schemas import Receiver, Scenario
from schemas.dataset import ITALY_NORTH_WEST
from tests.producer_specs import variant


@pytest.mark.parametrize(
    ("mhz", "km", "loss_db"),
    [
        (145, 1, 75.675),
        (145, 5, 89.655),
        (145, 50, 109.655),
        (145, 100, 115.675),
        (145, 150, 119.197),
        (432, 50, 119.137),
    ],
)
def test_free_space_loss_has_the_reference_values(mhz, km, loss_db):
    assert free_space_loss_db(mhz * 1e6, km * 1e3) == pytest.approx(loss_db, abs=1e-3)


@pytest.mark.parametrize(("frequency_hz", "distance_m"), [(0.0, 1.0), (1e8, -1.0), (math.nan, 1.0), (1e8, math.inf)])
def test_free_space_loss_refuses_what_is_no_path(frequency_hz, distance_m):
    with pytest.raises(ValueError, match="must be a positive finite number"):
        free_space_loss_db(frequency_hz, distance_m)


@pytest.mark.parametrize(
    ("nu", "loss_db"),
    [(-0.5, 1.959), (0, 6.033), (0.5, 10.288), (1, 13.926), (2, 19.043), (3, 22.416), (5, 26.814), (10, 32.855)],
)
def test_knife_edge_loss_has_the_reference_values(nu, loss_db):
    assert knife_edge_loss_db(nu) == pytest.approx(loss_db, abs=1e-3)


@pytest.mark.parametrize("nu", [-0.78, -1.0, -1e6, -math.inf])
def test_clearance_does_not_lose(nu):
    assert knife_edge_loss_db(nu) == 0.0


def test_knife_edge_refuses_nan():
    with pytest.raises(ValueError, match="nu is NaN"):
        knife_edge_loss_db(math.nan)


def test_a_paths_loss_is_the_sum_of_its_parts():
    loss = PathLoss(free_space_db=109.655, diffraction_db=20.5, clutter_db=13.0, shadowing_db=-3.25)
    assert loss.total_db == pytest.approx(139.905)


def test_a_path_is_never_shorter_than_the_models_range():
    """50 m; nearer, and on the very spot, all that grows is the antennas' difference in height."""
    spec = variant(scenario=Scenario(tx_height_min_m=20.0, tx_height_max_m=20.0))
    ground = ground_of(spec, NO_TILES)
    scene = draw_scene(spec, np.random.default_rng(1), ground)
    torino = spec.receivers[2]
    for metres in (0.0, 49.0):
        latitude = torino.latitude + metres / 111_195
        near = dataclasses.replace(scene, latitude=latitude, longitude=torino.longitude, altitude_m=torino.altitude_m)
        loss = draw_paths(spec, 0, near, ground)[2].loss
        assert loss.free_space_db == pytest.approx(free_space_loss_db(144e6, 50.0), abs=1e-6)
        assert (loss.diffraction_db, loss.clutter_db) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("mhz", "category", "loss_db"),
    [
        (145, "rural", 13.68),
        (145, "suburban", 11.19),
        (145, "urban", 14.74),
        (145, "dense_urban", 17.16),
        (432, "rural", 16.10),
        (432, "suburban", 15.62),
        (432, "urban", 19.39),
        (432, "dense_urban", 21.88),
    ],
)
def test_clutter_loss_has_the_reference_values(mhz, category, loss_db):
    """ITU-R P.2108, section 3.1, at 1.5 m."""
    assert clutter_loss_db(1.5, mhz * 1e6, category) == pytest.approx(loss_db, abs=5e-3)


@pytest.mark.parametrize(
    ("category", "height_m"), [("rural", 10), ("suburban", 10), ("urban", 15), ("dense_urban", 20)]
)
def test_clutter_loses_less_the_higher_the_antenna_and_nothing_above_it(category, height_m):
    losses = [clutter_loss_db(h, 145e6, category) for h in np.linspace(1.0, height_m, 50)]
    assert all(low > high for low, high in pairwise(losses))
    assert losses[-1] == clutter_loss_db(height_m + 1, 145e6, category) == 0.0
    assert clutter_loss_db(height_m - 0.01, 145e6, category) < 0.1
    assert clutter_loss_db(1.5, 145e6, "none") == 0.0


@pytest.mark.parametrize(("bandwidth_hz", "expected_dbm"), [(200e3, -120.96), (12.5e3, -133.01)])
def test_thermal_noise_has_the_reference_values(bandwidth_hz, expected_dbm):
    assert thermal_noise_dbm(bandwidth_hz) == pytest.approx(expected_dbm, abs=0.01)


@pytest.mark.parametrize(("place", "expected_dbm"), [("city", -103.8), ("residential", -107.7), ("rural", -111.7)])
def test_noise_with_figure_and_man_made_part_has_the_reference_values(place, expected_dbm):
    assert noise_dbm(145e6, 200e3, 6.0, place) == pytest.approx(expected_dbm, abs=0.05)


def test_man_made_noise_falls_with_frequency():
    assert man_made_noise_figure_db(145e6, "rural") - man_made_noise_figure_db(450e6, "rural") == pytest.approx(
        27.7 * math.log10(450 / 145)
    )


def test_distance_bearing_and_time_of_flight():
    """One degree of a meridian is 111.19 km; due north and due east; 299.79 m take a microsecond."""
    assert ground_distance_m(45, 7, 46, 7) == pytest.approx(math.radians(1) * 6_371_000)
    assert bearing_rad(45, 7, 46, 7) == pytest.approx(0)
    assert bearing_rad(0, 7, 0, 8) == pytest.approx(math.pi / 2)
    assert ground_distance_m(0, 0, 0, 180) == pytest.approx(math.pi * 6_371_000)
    assert slant_distance_m(3.0, -4.0) == 5.0
    assert time_of_flight_us(299.792458) == pytest.approx(1.0)


def test_shadowing_has_its_sigma_and_near_receivers_share_it():
    """Correlation exp(-d / 5 km): Giaveno and Coazze are 1.9 km apart, Genova is far from both."""
    stream, draws = np.random.default_rng(11), 4000
    losses = np.array(
        [draw_shadowing_db(ITALY_NORTH_WEST, sigma_db=6.0, decorrelation_km=5.0, stream=stream) for _ in range(draws)]
    )
    ids = [receiver.rx_id for receiver in ITALY_NORTH_WEST]
    giaveno, coazze, genova = (ITALY_NORTH_WEST[ids.index(name)] for name in ("giaveno", "coazze", "genova"))
    km = ground_distance_m(giaveno.latitude, giaveno.longitude, coazze.latitude, coazze.longitude) / 1000
    correlation = np.corrcoef(losses.T)
    assert np.abs(losses.std(axis=0) - 6.0).max() < 4 * 6 / math.sqrt(2 * draws)
    assert np.abs(losses.mean(axis=0)).max() < 4 * 6 / math.sqrt(draws)
    shared = math.exp(-km / 5.0)
    assert abs(correlation[ids.index("giaveno"), ids.index("coazze")] - shared) < 4 * (1 - shared**2) / math.sqrt(draws)
    assert abs(correlation[ids.index("giaveno"), ids.index(genova.rx_id)]) < 4 / math.sqrt(draws)


@pytest.mark.parametrize("decorrelation_km", [1.0, 5.0, 20.0])
def test_shadowing_is_shared_by_e_to_the_distance_over_the_decorrelation(decorrelation_km):
    """A row of receivers 0.5 to 20 km from the first: each correlation within 4 standard errors of 3,000 draws."""
    away_km, draws = (0.0, 0.5, 2.0, 5.0, 10.0, 20.0), 3000
    row = tuple(
        Receiver(rx_id=f"rx{i}", latitude=45.0 + km / 111.19493, longitude=8.0, altitude_m=0.0)
        for i, km in enumerate(away_km)
    )
    stream = np.random.default_rng(12)
    losses = np.array(
        [draw_shadowing_db(row, sigma_db=6.0, decorrelation_km=decorrelation_km, stream=stream) for _ in range(draws)]
    )
    expected = np.exp(-np.array(away_km[1:]) / decorrelation_km)
    measured = np.corrcoef(losses.T)[0, 1:]
    assert (np.abs(measured - expected) < 4 * (1 - expected**2) / math.sqrt(draws)).all()


def test_receivers_on_one_spot_share_their_shadowing():
    twins = tuple(Receiver(rx_id=name, latitude=45.0, longitude=8.0, altitude_m=0.0) for name in "abc")
    losses = draw_shadowing_db(twins, sigma_db=6.0, decorrelation_km=5.0, stream=np.random.default_rng(1))
    assert losses[0] != 0.0
    assert losses == pytest.approx((losses[0],) * 3)
