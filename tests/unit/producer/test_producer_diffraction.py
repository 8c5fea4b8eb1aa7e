"""Diffraction over terrain and over the sphere, against reference values and what must hold of any path."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.diffraction import obstruction, smooth_earth_m
from producer.propagation import (
    bullington_loss_db,
    delta_bullington_loss_db,
    knife_edge_loss_db,
    spherical_earth_loss_db,
)
from tests.strategies import SEEDED

RADIUS_KM = 8494.67
NEARLY_FLAT_KM = 1e12
"""Radius of an earth without a bulge."""


def flat(length_km=50.0, points=501):
    return np.linspace(0.0, length_km, points), np.zeros(points)


def spike(height_m, at_km=25.0, length_km=50.0, points=501):
    distances, terrain = flat(length_km, points)
    terrain[np.abs(distances - at_km).argmin()] = height_m
    return distances, terrain


@st.composite
def paths(draw):
    """Rolling ground of 2-330 km with antennas of 1-60 m."""
    length_km = draw(st.floats(2.0, 330.0))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    points = max(int(length_km * 5), 12)
    terrain = np.cumsum(rng.normal(0, draw(st.floats(0.0, 40.0)), points)) + draw(st.floats(-50, 2000))
    heights = st.floats(1.0, 60.0)
    return np.linspace(0, length_km, points), terrain, draw(heights), draw(heights), draw(st.floats(50e6, 500e6))


def test_the_bullington_part_has_the_reference_value():
    """Flat ground, a 300 m spike half-way along 50 km, antennas of 10 m, 145 MHz."""
    assert bullington_loss_db(*spike(300.0), 10.0, 10.0, 145e6, 8495.0) == pytest.approx(32.78, abs=0.01)


@pytest.mark.parametrize(("length_km", "bulge_m"), [(50, 36.8), (100, 147.2), (150, 331.1)])
def test_the_earth_bulges_under_the_middle_of_a_path(length_km, bulge_m):
    seen = obstruction(*flat(length_km), 1000.0, 1000.0, RADIUS_KM)
    assert 1000 - seen.clearance_m == pytest.approx(bulge_m, abs=0.05)


def test_an_edge_at_the_first_fresnel_radius_has_nu_of_root_2():
    """160.8 m at the middle of 50 km, 145 MHz; on an earth without a bulge the edge is all there is."""
    edge_db = knife_edge_loss_db(math.sqrt(2))
    expected = edge_db + (1 - math.exp(-edge_db / 6)) * (10 + 0.02 * 50)
    above = bullington_loss_db(*spike(10 + 160.8), 10.0, 10.0, 145e6, NEARLY_FLAT_KM)
    assert above == pytest.approx(expected, abs=5e-3)  # 160.8 is rounded


def test_an_obstacle_above_the_path_loses_and_clearance_does_not():
    above, below = (bullington_loss_db(*spike(h), 300.0, 300.0, 145e6, RADIUS_KM) for h in (500.0, 50.0))
    assert above > 20
    assert below == 0.0


def test_a_higher_obstacle_never_loses_less():
    losses = [bullington_loss_db(*spike(h), 30.0, 30.0, 145e6) for h in np.arange(0.0, 1500.0, 25.0)]
    assert (np.diff(losses) >= 0).all()
    assert losses[-1] > losses[0] + 20


@SEEDED
@given(paths())
def test_a_path_loses_the_same_both_ways(path):
    distances, terrain, tx_m, rx_m, hz = path
    there = delta_bullington_loss_db(distances, terrain, tx_m, rx_m, hz)
    back = delta_bullington_loss_db(distances[-1] - distances[::-1], terrain[::-1].copy(), rx_m, tx_m, hz)
    assert back == pytest.approx(there, rel=1e-6, abs=1e-6)


@SEEDED
@given(paths(), st.floats(-400, 3000))
def test_only_differences_of_height_count(path, raised_m):
    distances, terrain, *rest = path
    assert delta_bullington_loss_db(distances, terrain + raised_m, *rest) == pytest.approx(
        delta_bullington_loss_db(distances, terrain, *rest), rel=1e-6, abs=1e-5
    )


@SEEDED
@given(paths())
def test_the_loss_is_finite_and_no_less_than_bullingtons(path):
    rough = bullington_loss_db(*path)
    assert 0 <= rough <= delta_bullington_loss_db(*path) < 2000


@SEEDED
@given(
    st.floats(1.0, 330.0), st.floats(0.5, 1000.0), st.floats(0.5, 1000.0), st.floats(50e6, 500e6), st.floats(4e3, 2e4)
)
def test_over_smooth_ground_the_loss_is_the_spheres(length_km, tx_m, rx_m, hz, radius_km):
    """The delta replaces Bullington's loss of a smooth earth by the sphere's, where that is larger."""
    distances, terrain = flat(length_km, 101)
    sphere = spherical_earth_loss_db(length_km, tx_m, rx_m, hz, radius_km)
    rough = bullington_loss_db(distances, terrain, tx_m, rx_m, hz, radius_km)
    whole = delta_bullington_loss_db(distances, terrain, tx_m, rx_m, hz, radius_km)
    assert whole == pytest.approx(max(sphere, rough), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("hz", [50e6, 145e6, 500e6])
@pytest.mark.parametrize(("tx_m", "rx_m"), [(1.5, 20.0), (10.0, 10.0), (30.0, 300.0)])
def test_the_spheres_loss_grows_with_distance_without_a_step_at_the_horizon(hz, tx_m, rx_m):
    distances_km = np.arange(1.0, 330.0, 0.25)
    losses = np.array([spherical_earth_loss_db(d, tx_m, rx_m, hz, RADIUS_KM) for d in distances_km])
    assert (np.diff(losses) >= -1e-9).all()
    assert np.diff(losses).max() < 3.0
    far = np.diff(losses[-40:]) / 0.25
    # Deep in the shadow: 17.6 dB per unit of X (and 10 log10 X less), beta being 1 over land.
    per_km = 2.188 * (hz / 1e6) ** (1 / 3) * RADIUS_KM ** (-2 / 3)
    assert far.mean() == pytest.approx(17.6 * per_km - 10 / math.log(10) / distances_km[-20], rel=0.02)


def test_the_smooth_earth_of_a_slope_is_the_slope():
    """The fitted line, under antennas that see each other, and never above the ground at the ends."""
    distances = np.linspace(0.0, 40.0, 401)
    slope = 100.0 + 5.0 * distances
    assert smooth_earth_m(distances, slope, 110.0, 310.0) == pytest.approx((100.0, 300.0))
    valley = slope - 80 * np.sin(np.pi * distances / 40)
    tx_m, rx_m = smooth_earth_m(distances, valley, 110.0, 310.0)
    assert (tx_m, rx_m) < (100.0, 300.0)
    hill = slope + 80 * np.sin(np.pi * distances / 40)
    assert smooth_earth_m(distances, hill, 400.0, 600.0) == (pytest.approx(100.0), pytest.approx(300.0))


def test_a_path_without_ground_between_its_ends_loses_nothing_to_an_edge():
    assert bullington_loss_db([0.0, 0.08], [100.0, 103.0], 10.0, 10.0, 145e6) == 0.0


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"distances_km": [0.0, 1.0, 1.0]}, "distances_km must rise from 0"),
        ({"distances_km": [1.0, 2.0, 3.0]}, "distances_km must rise from 0"),
        ({"distances_km": [0.0, 1.0, math.inf]}, "distances_km must rise from 0"),
        ({"terrain_m": [0.0, 1.0]}, r"shapes \(3,\) and \(2,\)"),
        ({"distances_km": [0.0], "terrain_m": [0.0]}, "n of at least 2"),
        ({"terrain_m": [0.0, math.nan, 1.0]}, "terrain_m: point 1 is not a finite number"),
        ({"tx_height_m": 0.0}, "tx_height_m is 0.0"),
        ({"rx_height_m": -1.0}, "rx_height_m is -1.0"),
        ({"frequency_hz": math.nan}, "frequency_hz is nan"),
        ({"effective_radius_km": 0.0}, "effective_radius_km is 0.0"),
    ],
)
@pytest.mark.parametrize("loss", [bullington_loss_db, delta_bullington_loss_db])
def test_what_is_no_path_is_refused_by_name(loss, changed, says):
    path = {
        "distances_km": [0.0, 1.0, 2.0],
        "terrain_m": [0.0, 5.0, 1.0],
        "tx_height_m": 10.0,
        "rx_height_m": 10.0,
        "frequency_hz": 145e6,
    }
    with pytest.raises(ValueError, match=says):
        loss(**path | changed)
