"""Names on a map stand within it, and none over another or over a receiver."""

import itertools
import random
from xml.etree import ElementTree as ET

import pytest

from iqstream.web.labels import LETTER, LINE, labels
from iqstream.web.map import receivers_map
from schemas import Receiver

WIDTH, HEIGHT = 900.0, 600.0
CLUSTER = {name: (450.0 + 3 * at, 300.0 + 2 * at) for at, name in enumerate(("roma-nord", "roma-sud", "roma-est"))}
CORNERS = {"north-west": (5.0, 5.0), "south-east": (895.0, 595.0)}
SCATTERED = {
    f"receiver-{at}": (draw.uniform(40, 860), draw.uniform(40, 560)) for draw in (random.Random(4),) for at in range(64)
}


def boxes(points):
    for name, found in labels(points, WIDTH, HEIGHT).items():
        yield found.x, found.y + 5 - LINE, found.x + LETTER * len(name), found.y + 5


@pytest.mark.parametrize("points", [CLUSTER, CORNERS, CLUSTER | CORNERS, SCATTERED])
def test_no_name_stands_over_another_or_over_a_receiver_or_leaves_the_map(points):
    found = list(boxes(points))
    receivers = [(x - 8, y - 9, x + 8, y + 7) for x, y in points.values()]
    assert all(box[0] >= -0.1 and box[1] >= -0.1 and box[2] <= WIDTH + 0.1 and box[3] <= HEIGHT + 0.1 for box in found)
    for one, other in [*itertools.combinations(found, 2), *itertools.product(found, receivers)]:
        over = min(one[2], other[2]) - max(one[0], other[0]), min(one[3], other[3]) - max(one[1], other[1])
        assert min(over) <= 0.2, (one, other)


def test_receivers_beside_each_other_all_have_their_names():
    assert labels(CLUSTER | CORNERS, WIDTH, HEIGHT).keys() == (CLUSTER | CORNERS).keys()
    assert len(labels(SCATTERED, WIDTH, HEIGHT)) >= 40


def test_a_lone_receiver_s_name_stands_at_its_right():
    (found,) = labels({"torino": (100.0, 100.0)}, WIDTH, HEIGHT).values()
    assert found.is_near
    assert found.x == 110


def test_a_line_to_a_name_ends_at_its_near_side():
    stations = [
        Receiver(rx_id=f"receiver-{at}", latitude=45 + at / 1000, longitude=8 + at % 4 / 1000, altitude_m=0)
        for at in range(12)
    ] + [Receiver(rx_id="far", latitude=45.9, longitude=6.9, altitude_m=0)]
    drawn = ET.fromstring(receivers_map(stations, []))
    found = [
        (one.find("line"), one.find("text")) for one in drawn.iter("g") if one.find("line[@class='leader']") is not None
    ]
    sides = set()
    for line, name in found:
        start, end, left = float(line.get("x1")), float(line.get("x2")), float(name.get("x"))
        right = left + LETTER * len(name.text)
        assert end == pytest.approx(min(max(start, left), right), abs=0.1)
        sides.add("left" if right < start else "right" if left > start else "over")
    assert "left" in sides
