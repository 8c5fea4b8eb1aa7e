"""The ground's picture: slopes towards the light are bright, the sea is blue, and it is of a dataset's region."""

import io

import numpy as np
import pytest
from PIL import Image

from iqstream.dataset_relief import LEAST_DEG, region_of, relief
from iqstream.plot.hillshade import hillshade_png
from iqstream.submit.spec import make_spec
from schemas import Receiver, Scenario


def brightness(heights_m):
    picture = Image.open(io.BytesIO(hillshade_png(heights_m, (100.0, 100.0)))).convert("RGB")
    assert picture.size == heights_m.shape[::-1]
    return np.array(picture, int)


def plane(towards):
    """A plane above the sea that falls in a direction, given as rows downwards and columns to the right."""
    rows, columns = np.mgrid[0:20, 0:30]
    return 5000.0 - 10.0 * (towards[0] * rows + towards[1] * columns)


def test_a_slope_to_the_north_west_is_brighter_than_flat_ground_and_one_to_the_south_east_darker():
    north_west, flat, south_east = (brightness(plane(way)).mean() for way in ((-1, -1), (0, 0), (1, 1)))
    assert north_west > flat > south_east


def test_slopes_across_the_light_are_alike():
    assert abs(brightness(plane((1, -1))).mean() - brightness(plane((-1, 1))).mean()) < 1


def test_what_is_not_above_the_sea_is_blue():
    heights = plane((0, 0))
    heights[:, :10] = 0.0
    red, _, blue = np.moveaxis(brightness(heights), 2, 0)
    assert (blue > red)[:, :9].all()
    assert (blue == red)[:, 11:].all()


def test_the_relief_has_the_heights_of_the_spec_s_ground_from_the_north_west():
    spec = make_spec(name="Test", samples=1, seed=1)
    found = relief(spec, lambda _tile: None)
    south, west, north, east = found.region_deg
    assert (south, north) == pytest.approx(
        (
            min(one.latitude for one in spec.receivers) - spec.scenario.margin_deg,
            max(one.latitude for one in spec.receivers) + spec.scenario.margin_deg,
        )
    )
    rows, columns = found.heights_m.shape
    for one in spec.receivers:
        row = int((north - one.latitude) / (north - south) * rows)
        column = int((one.longitude - west) / (east - west) * columns)
        assert abs(found.heights_m[row, column] - one.altitude_m) < 400  # within a cell of it
    assert found.cell_m[0] == pytest.approx(found.cell_m[1], rel=0.01)


def test_a_region_has_an_area_where_receivers_stand_on_a_line_and_ends_at_the_pole():
    line = [
        Receiver(rx_id=name, latitude=89.995, longitude=at, altitude_m=0.0) for name, at in (("a", 1.0), ("b", 2.0))
    ]
    south, west, north, east = region_of(line, 0.0)
    assert (north, south) == (90.0, pytest.approx(89.995 - LEAST_DEG))
    assert east > west


@pytest.mark.parametrize("margin_deg", [0.001, 2.0])
def test_any_region_is_drawn(margin_deg):
    spec = make_spec(name="Test", samples=1, seed=1, scenario={"margin_deg": margin_deg})
    assert isinstance(spec.scenario, Scenario)
    found = relief(spec, lambda _tile: None)
    assert np.isfinite(found.heights_m).all()
    assert hillshade_png(found.heights_m, found.cell_m).startswith(b"\x89PNG")
