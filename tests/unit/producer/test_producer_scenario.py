"""Where transmitters stand and what they send."""

import math

import numpy as np
import pytest
from scipy import stats

from producer.ground import LevelGround, ground_of
from producer.scenario import draw_scene
from producer.terrain import height_m
from producer.tiles import NO_TILES
from schemas import Scenario
from schemas.dataset import ITALY_NORTH_WEST
from tests.producer_specs import SHORT, variant

DRAWS = 4000
LAND = LevelGround(240.0)
SOUTH, NORTH = (pick(r.latitude for r in ITALY_NORTH_WEST) for pick in (min, max))
WEST, EAST = (pick(r.longitude for r in ITALY_NORTH_WEST) for pick in (min, max))


@pytest.fixture(scope="module")
def scenes():
    stream = np.random.default_rng(3)
    return [draw_scene(SHORT, stream, LAND) for _ in range(DRAWS)]


def within(scene, margin):
    return SOUTH - margin <= scene.latitude <= NORTH + margin and WEST - margin <= scene.longitude <= EAST + margin


def test_seventy_percent_stand_inside_the_network(scenes):
    share = sum(scene.inside_network for scene in scenes) / DRAWS
    assert abs(share - 0.7) < 4 * math.sqrt(0.7 * 0.3 / DRAWS)


def test_inside_is_the_bounding_box_and_outside_the_margin_around_it(scenes):
    assert all(within(scene, 0.0) for scene in scenes if scene.inside_network)
    assert all(within(scene, 0.5) and not within(scene, 0.0) for scene in scenes if not scene.inside_network)


def test_outside_places_fill_the_frame_evenly(scenes):
    """Each of the four sides gets its share of the frame's area (corners belong to south and north)."""
    outside = [scene for scene in scenes if not scene.inside_network]
    strip, side = 0.5 * (EAST - WEST + 1.0), 0.5 * (NORTH - SOUTH)
    counts = [
        sum(s.latitude < SOUTH for s in outside),
        sum(s.latitude > NORTH for s in outside),
        sum(s.longitude < WEST and SOUTH <= s.latitude <= NORTH for s in outside),
        sum(s.longitude > EAST and SOUTH <= s.latitude <= NORTH for s in outside),
    ]
    expected = np.array([strip, strip, side, side]) / (2 * strip + 2 * side) * len(outside)
    assert sum(counts) == len(outside)
    assert stats.chisquare(counts, expected).pvalue > 1e-3


def test_eirp_is_uniform_in_db_between_2_and_50_watts(scenes):
    low, high = 33.0103, 46.9897
    eirp = [scene.eirp_dbm for scene in scenes]
    assert stats.kstest(eirp, stats.uniform(low, high - low).cdf).pvalue > 1e-3


def test_the_emission_fits_into_the_window_with_all_its_errors(scenes):
    """Carson's bandwidth of the emission, +-2 ppm at either end, within +-100 kHz."""
    for scene in scenes:
        reach = abs(scene.frequency_offset_hz) + scene.emission.peak_deviation_hz + 3000 + 2 * 288
        assert reach <= 98_000
    assert max(scene.frequency_offset_hz for scene in scenes) > 85_000


def test_heights_and_speeds_stay_in_their_ranges(scenes):
    assert all(1.5 <= scene.antenna_height_m <= 30 for scene in scenes)
    assert all(0 <= scene.speed_m_s <= 30 for scene in scenes)
    assert {scene.altitude_m for scene in scenes} == {240.0}


@pytest.mark.parametrize("allowed", [False, True])
def test_transmitters_stand_on_the_ground_and_at_sea_only_where_that_is_allowed(allowed):
    """A fifth of the default region is the Ligurian Sea."""
    spec = variant(scenario=Scenario(transmitters_at_sea=allowed))
    ground, stream = ground_of(spec, NO_TILES), np.random.default_rng(5)
    scenes = [draw_scene(spec, stream, ground) for _ in range(400)]
    assert all(scene.altitude_m == height_m(ground, scene.latitude, scene.longitude) for scene in scenes)
    assert any(ground.is_sea(scene.latitude, scene.longitude) for scene in scenes) == allowed
    share = sum(scene.inside_network for scene in scenes) / 400
    assert abs(share - 0.7) < 4 * math.sqrt(0.7 * 0.3 / 400)


def test_a_region_that_is_all_sea_is_refused_with_what_to_change():
    class Ocean(LevelGround):
        def is_sea(self, latitude, longitude):
            return True

    with pytest.raises(ValueError, match=r"scenario.transmitters_at_sea: 1000 places .* are all sea; allow it"):
        draw_scene(SHORT, np.random.default_rng(1), Ocean(0.0))
