"""Procedural terrain and the profiles over it."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.fidelity.propagation import hurst_exponent
from producer.fractal import fill_fractal, octave_gains, octave_keys
from producer.geometry import EARTH_RADIUS_M, ground_distance_m
from producer.procedural import procedural_ground
from producer.terrain import height_m, profile
from schemas import Receiver, Terrain
from schemas.dataset import ITALY_NORTH_WEST
from tests.strategies import SEEDED, receivers

TURIN, MILAN = (45.07, 7.69), (45.46, 9.19)
ELSEWHERE = tuple(
    Receiver(rx_id=f"rx{i}", latitude=52.0 + 0.2 * i, longitude=10.0 + 0.3 * (i % 2), altitude_m=120.0)
    for i in range(4)
)
"""A network beyond the known relief, on ground of one height: the detail has one strength everywhere."""


def ground_of_network(network=ITALY_NORTH_WEST, **settings):
    return procedural_ground(network, Terrain(**settings))


@pytest.mark.parametrize("seed", [0, 1, 2**63 - 1])
def test_every_receiver_stands_at_its_altitude_exactly(seed):
    ground = ground_of_network(seed=seed)
    for receiver in ITALY_NORTH_WEST:
        assert height_m(ground, receiver.latitude, receiver.longitude) == receiver.altitude_m


@SEEDED
@given(
    st.lists(receivers, min_size=2, max_size=12, unique_by=(lambda r: (r.latitude, r.longitude))),
    st.integers(0, 2**63 - 1),
)
def test_so_does_every_receiver_of_any_network(network, seed):
    """But for receivers within a metre of each other, which may share their ground."""
    apart = [
        r
        for i, r in enumerate(network)
        if all(ground_distance_m(r.latitude, r.longitude, o.latitude, o.longitude) > 1.0 for o in network[:i])
    ]
    ground = procedural_ground(tuple(apart), Terrain(seed=seed))
    for receiver in apart:
        assert height_m(ground, receiver.latitude, receiver.longitude) == receiver.altitude_m


@pytest.mark.parametrize("network", [ITALY_NORTH_WEST, ELSEWHERE])
def test_the_ground_is_continuous(network):
    """Steps ten times shorter are at least five times lower, through receivers and over the relief's edge."""
    ground = ground_of_network(network)
    rng = np.random.default_rng(2)
    south, north = min(r.latitude for r in network) - 1.5, max(r.latitude for r in network) + 1.5
    west, east = min(r.longitude for r in network) - 1.5, max(r.longitude for r in network) + 1.5
    lines = [((rng.uniform(south, north), west), (rng.uniform(south, north), east)) for _ in range(5)]
    lines += [((r.latitude - 0.2, r.longitude - 0.2), (r.latitude + 0.2, r.longitude + 0.2)) for r in network]
    for (lat_1, lon_1), (lat_2, lon_2) in lines:
        metres = ground_distance_m(lat_1, lon_1, lat_2, lon_2)
        steps = []
        for step_m in (10.0, 1.0):
            t = np.linspace(0, 1, int(metres / step_m))
            heights = ground.heights_m(lat_1 + t * (lat_2 - lat_1), lon_1 + t * (lon_2 - lon_1))
            assert np.isfinite(heights).all()
            steps.append(np.abs(np.diff(heights)).max())
        assert steps[1] < 0.2 * steps[0]
        assert steps[1] < 2.0


@pytest.mark.parametrize("hurst", [0.7, 0.8, 0.9])
def test_the_detail_has_its_hurst_exponent(hurst):
    """Root mean square differences over r grow as r^H from 200 m to 3.2 km.

    100 lines of 200 km hold 800 squares of the largest octave, which is most of the differences over 3.2 km:
    their mean square is known to 10 %, its root to 5 %, and the slope over 4 octaves of r to 0.025 (four sigma: 0.05
    with the smaller octaves, known better, at the other end).
    """
    assert hurst_exponent(hurst) == pytest.approx(hurst, abs=0.05)


def test_the_detail_has_a_standard_deviation_of_1():
    """Over 1e5 places of 40 seeds; the largest octave alone gives 40 x 400 independent heights: 3 %."""
    rng = np.random.default_rng(8)
    values = np.empty((40, 2500))
    for seed, row in enumerate(values):
        fill_fractal(*rng.uniform(0, 2e6, (2, 2500)), octave_gains(0.8), octave_keys(seed), row)
    assert values.std() == pytest.approx(1.0, abs=0.03)
    assert values.mean() == pytest.approx(0.0, abs=0.03)


def test_heights_do_not_depend_on_the_order_in_which_they_are_asked():
    ground, rng = ground_of_network(), np.random.default_rng(3)
    latitudes, longitudes = rng.uniform(43.5, 46.5, 500), rng.uniform(6.5, 10.0, 500)
    order = rng.permutation(500)
    together = ground.heights_m(latitudes, longitudes)
    assert (ground.heights_m(latitudes[order], longitudes[order]) == together[order]).all()
    assert [height_m(ground, a, b) for a, b in zip(latitudes, longitudes, strict=True)] == together.tolist()


def test_seeds_and_settings_matter():
    latitudes, longitudes = np.full(50, 45.3), np.linspace(7.0, 9.5, 50)
    variants = [{}, {"seed": 1}, {"seed": 2**62}, {"hurst": 0.7}, {"detail": 0.5}, {"detail": 0.0}]
    drawn = [tuple(ground_of_network(**settings).heights_m(latitudes, longitudes)) for settings in variants]
    assert len(set(drawn)) == len(variants)
    assert tuple(ground_of_network().heights_m(latitudes, longitudes)) == drawn[0]


def test_the_region_has_its_alps_its_plain_its_apennines_and_its_sea():
    ground = ground_of_network()

    def around(latitude, longitude):
        a, b = np.meshgrid(np.linspace(-0.1, 0.1, 30), np.linspace(-0.1, 0.1, 30))
        return ground.heights_m(latitude + a.ravel(), longitude + b.ravel())

    assert around(45.6, 7.2).mean() > 1500
    assert around(45.2, 9.0).mean() < 150
    assert around(45.2, 9.0).std() < 20
    assert 400 < around(44.55, 9.3).mean() < 1200
    assert (around(43.8, 8.8) == 0.0).all()
    assert ground.is_sea(43.8, 8.8)
    assert not any(ground.is_sea(*place) for place in (TURIN, MILAN, (44.55, 9.3)))


def test_two_receivers_on_one_spot_share_its_ground():
    twin = msgspec.structs.replace(ITALY_NORTH_WEST[2], rx_id="torino-2", antenna_height_m=50.0)
    ground = ground_of_network((*ITALY_NORTH_WEST, twin))
    assert height_m(ground, twin.latitude, twin.longitude) == 250.0


@pytest.mark.parametrize("step_m", [10.0, 100.0])
def test_a_profile_goes_from_end_to_end_in_equal_steps_of_at_most_its_own(step_m):
    ground = ground_of_network()
    way = profile(ground, (*TURIN, 1.5), (*MILAN, 2.5), step_m=step_m)
    length_km = ground_distance_m(*TURIN, *MILAN) / 1000
    steps = np.diff(way.distances_km)
    assert way.distances_km[0] == 0
    assert way.distances_km[-1] == pytest.approx(length_km, rel=1e-9)
    assert steps == pytest.approx(np.full(steps.size, length_km / steps.size))
    assert steps.max() * 1000 <= step_m
    assert (way.heights_m[0], way.heights_m[-1]) == (1.5, 2.5)
    assert way.heights_m[1:-1].max() > 50


class Recorder:
    """Ground that remembers where it was asked for."""

    def heights_m(self, latitudes, longitudes):
        self.places = latitudes.copy(), longitudes.copy()
        return np.zeros(latitudes.size)


@pytest.mark.parametrize(
    ("start", "end", "off_m"),
    [((45.0, 7.0), (45.0, 8.27), 1.0), ((44.0, 6.8), (45.9, 9.6), 20.0), ((62.0, 179.0), (62.5, -176.0), 60.0)],
)
def test_a_profile_keeps_to_the_great_circle(start, end, off_m):
    """100 km along a parallel, 306 km across, 265 km over the date line at 62 degrees."""
    ground = Recorder()
    profile(ground, (*start, 0.0), (*end, 0.0), step_m=100.0)

    def vectors(latitudes, longitudes):
        phi, lam = np.radians(latitudes), np.radians(longitudes)
        return np.array([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)])

    pole = np.cross(vectors(*start), vectors(*end))
    beside_m = np.arcsin(pole @ vectors(*ground.places) / np.linalg.norm(pole)) * EARTH_RADIUS_M
    assert np.abs(beside_m).max() < off_m
    assert (np.abs(ground.places[1]) <= 180).all()
