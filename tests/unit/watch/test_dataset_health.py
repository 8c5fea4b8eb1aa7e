"""How a dataset fares is said in words that fit its counts."""

from dataclasses import replace

import pytest

from iqstream.watch.health import health
from iqstream.watch.speed import Speed
from iqstream.watch.watch import OBSTACLE_AFTER_S
from tests.unit.watch.test_watch import dataset

STILL, SHORT, MOVES, NEW = (
    Speed(per_second=rate, overall_per_second=None, still_s=still_s)
    for rate, still_s in ((0.0, OBSTACLE_AFTER_S), (0.0, OBSTACLE_AFTER_S - 0.1), (2.5, 0.0), (None, 0.0))
)


@pytest.mark.parametrize(
    ("one", "speed", "told"),
    [
        (dataset(accepted=3), MOVES, "good"),
        (dataset(accepted=3), NEW, "good"),
        (dataset(accepted=3), SHORT, "good"),
        (dataset(accepted=3), STILL, "stands still"),
        (dataset(accepted=3, failed=2), STILL, "stands still, 2 failed"),
        (dataset(accepted=100), STILL, "good"),
        (replace(dataset(accepted=3), grows=True), STILL, "good"),
        (dataset(accepted=98, failed=2, status="complete"), None, "2 failed"),
        (replace(dataset(accepted=100, status="complete"), iq_samples_lost=4), None, "IQ of 4 lost"),
        (dataset(accepted=3, status="cancelled"), None, "good"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_else(one, speed, told):
    assert health(one, speed) == told
