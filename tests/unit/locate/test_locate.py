"""Locators on networks whose answer is known."""

import dataclasses

import numpy as np
import pytest

from iqstream.locate import Observation, Pairs
from iqstream.locate.cells import even_cells
from iqstream.locate.differences import MaximumLikelihood, RobustLeastSquares, least_squares
from iqstream.locate.estimate import LIGHT_KM_PER_US, distances_km, moved, offset_km
from iqstream.locate.levels import Constant, LevelGrid, NearestNeighbours, WeightedCentroid
from iqstream.locate.loss_map import loss_map
from iqstream.locate.together import LevelsAndDifferences
from producer.version import GENERATOR_VERSION
from schemas import DatasetSpec, Receiver, Terrain

PLACE = (44.93, 8.31)


@pytest.fixture(scope="module")
def loss():
    return loss_map(
        DatasetSpec(
            dataset_id="00000000-0000-4000-8000-000000000000",
            name="flat",
            samples=1,
            generator_version=GENERATOR_VERSION,
            terrain=Terrain(source="none"),
        ),
        cells=3_000,
    )


@pytest.fixture(scope="module")
def receivers():
    spec = DatasetSpec(
        dataset_id="00000000-0000-4000-8000-000000000000", name="x", samples=1, generator_version=GENERATOR_VERSION
    )
    return np.array([[r.latitude, r.longitude] for r in spec.receivers])


def observation(loss, receivers, random=None, deviation_us=0.5, heard=7, place=PLACE):
    """Levels and differences of a transmitter; with errors where `random` is given."""
    delay = distances_km(*np.array(place)[:, None], receivers)[0] / LIGHT_KM_PER_US
    one, other = (np.array(side) for side in np.triu_indices(heard, 1))
    error = random.normal(0, deviation_us, one.size) if random else 0.0
    cell = np.argmin((loss.latitudes - place[0]) ** 2 + (loss.longitudes - place[1]) ** 2)
    return Observation(
        level_dbm=40.0 - loss.loss_db[cell],
        snr_db=150.0 - loss.loss_db[cell],
        detected=np.arange(7) < heard,
        pairs=Pairs(
            one=one,
            other=other,
            difference_us=delay[one] - delay[other] + error,
            deviation_us=np.full(one.size, deviation_us),
        ),
    )


@pytest.mark.parametrize(
    ("network", "place"),
    [
        ([(53.67, 7.28), (45.78, 0.61), (47.17, 8.43)], (50.0152, 9.0112)),
        ([(53.67, 7.28), (45.78, 0.61), (47.17, 8.43)], (41.0, -3.0)),
        ([(-17.8, 177.4), (-16.5, -179.3), (-19.0, 179.0)], (-18.1, -178.8)),
        ([(69.6, 18.9), (78.2, 15.6), (70.7, -8.7)], (74.5, 19.0)),
        ([(45.0, 7.0), (45.01, 7.01), (45.0, 7.02), (45.02, 7.0)], (45.05, 7.1)),
        ([(45.0, 7.0), (45.3, 7.0), (45.15, 7.3)], (45.1, 7.1)),
    ],
)
def test_without_a_map_a_transmitter_is_found_around_any_network(network, place):
    """Over the 180th meridian, in the far north, far outside, beside receivers that stand together."""
    stations = [
        Receiver(rx_id=f"rx{n}", latitude=latitude, longitude=longitude, altitude_m=0.0)
        for n, (latitude, longitude) in enumerate(network)
    ]
    cells, places = even_cells(stations, cells=10_000), np.array(network)
    assert 9_000 < cells.latitudes.size <= 10_500
    assert np.exp(cells.log_prior).sum() == pytest.approx(1.0)
    delay = distances_km(*np.array(place)[:, None], places)[0] / LIGHT_KM_PER_US
    one, other = np.triu_indices(len(network), 1)
    pairs = Pairs(one=one, other=other, difference_us=delay[one] - delay[other], deviation_us=np.full(one.size, 0.1))
    estimate = least_squares(cells, places, pairs, 0.1)
    assert distances_km(np.array([estimate.latitude]), np.array([estimate.longitude]), np.array([place]))[0, 0] < 0.5


def grid(loss):
    return LevelGrid(loss=loss, eirp_dbm=(33.0, 47.0), threshold_dbm=-124.0)


def several(loss, receivers):
    return [
        RobustLeastSquares(loss, receivers),
        MaximumLikelihood(loss, receivers),
        LevelsAndDifferences(grid(loss), receivers),
    ]


def apart_km(estimate, place=PLACE):
    return float(np.hypot(*offset_km(*place, np.array(estimate.latitude), np.array(estimate.longitude))))


def test_levels_of_uncalibrated_receivers_are_refused_by_what_compares_them_with_powers(loss, receivers):
    there = dataclasses.replace(observation(loss, receivers), level_reference="dbfs")
    for locator in (grid(loss), LevelsAndDifferences(grid(loss), receivers)):
        with pytest.raises(ValueError, match="calibrate the receivers"):
            locator.locate(there)
    assert apart_km(MaximumLikelihood(loss, receivers).locate(there)) < 0.02


def test_exact_differences_give_the_place_to_20_m(loss, receivers):
    for locator in several(loss, receivers):
        assert apart_km(locator.locate(observation(loss, receivers))) < 0.02


def test_one_false_difference_of_300_us_moves_the_place_by_less_than_500_m(loss, receivers):
    seen = observation(loss, receivers)
    seen.pairs.difference_us[3] += 300.0
    for locator in several(loss, receivers):
        assert apart_km(locator.locate(seen)) < 0.5


@pytest.mark.thorough
def test_regions_of_normal_errors_hold_what_they_state(loss, receivers):
    """90 % regions over 200 draws: 4 standard deviations of the share are 8.5 %."""
    random = np.random.default_rng(5)
    locator = MaximumLikelihood(loss, receivers, echo_us=1e-3)
    inside = [locator.locate(observation(loss, receivers, random)).distance2(*PLACE) <= 4.605 for _ in range(200)]
    assert np.mean(inside) > 0.815


def test_without_differences_levels_answer(loss, receivers):
    seen = observation(loss, receivers, heard=1)
    both = LevelsAndDifferences(grid(loss), receivers).locate(seen)
    alone = grid(loss).locate(seen)
    assert (both.latitude, both.longitude) == (alone.latitude, alone.longitude)


@pytest.mark.thorough
def test_levels_decide_between_the_places_that_two_differences_leave_open(loss, receivers):
    """Hyperbolas of three receivers meet twice; all seven hear how strong it is."""
    random = np.random.default_rng(3)
    alone, both = RobustLeastSquares(loss, receivers), LevelsAndDifferences(grid(loss), receivers)
    far = np.zeros(2, int)
    for place in zip(random.uniform(44.2, 45.7, 100), random.uniform(7.0, 9.4, 100), strict=True):
        seen = dataclasses.replace(
            observation(loss, receivers, random, heard=3, place=place), detected=np.ones(7, bool)
        )
        far += [apart_km(locator.locate(seen), place) > 10.0 for locator in (alone, both)]
    assert far[1] < 0.7 * far[0]


def test_levels_put_the_transmitter_within_their_own_region(loss, receivers):
    assert grid(loss).locate(observation(loss, receivers)).distance2(*PLACE) <= 4.605


def test_nearest_of_all_known_transmissions_is_the_same_one(loss, receivers):
    seen = observation(loss, receivers)
    known = np.stack([seen.snr_db + shift for shift in (-60 * np.arange(7), np.zeros(7), 60 * np.arange(7))])
    places = np.array([[44.0, 7.0], PLACE, [46.0, 9.0]])
    assert apart_km(NearestNeighbours(known, places, k=1).locate(seen)) < 1e-6


def test_the_centroid_lies_among_those_that_hear_and_the_constant_at_the_mean(loss, receivers):
    seen = observation(loss, receivers, heard=2)
    centroid = WeightedCentroid(receivers).locate(seen)
    assert receivers[:2, 0].min() <= centroid.latitude <= receivers[:2, 0].max()
    assert Constant(receivers).locate(seen).latitude == pytest.approx(receivers[:, 0].mean())


def test_moving_and_measuring_the_offset_agree():
    there = moved(*PLACE, np.array([3.0, -2.0]))
    assert offset_km(*PLACE, *np.array(there)[:, None])[0] == pytest.approx([3.0, -2.0])
