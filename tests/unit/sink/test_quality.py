"""The verdict on a sample, and the geometry behind it."""

import math
import statistics

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import Limits
from schemas.dataset import ITALY_NORTH_WEST
from sink.quality import REASONS, Accepted, QualityLimits, Rejected, assess, hdop
from tests.sink_samples import feature_record, make_spec, make_truth, whole_sample
from tests.strategies import SEEDED

places = st.tuples(st.floats(44.0, 46.0), st.floats(7.0, 9.5))


def ring(count, radius_deg=0.001):
    angles = 2 * np.pi * np.arange(count) / count
    return [
        (45.0 + radius_deg * math.cos(a), 8.0 + radius_deg * math.sin(a) / math.cos(math.radians(45.0))) for a in angles
    ]


@pytest.mark.parametrize("count", [3, 4, 5, 7, 12, 64])
def test_a_centred_ring_of_n_receivers_has_hdop_2_over_root_n(count):
    assert hdop(45.0, 8.0, ring(count)) == pytest.approx(2 / math.sqrt(count), rel=1e-4)


@SEEDED
@given(tx=places, receivers=st.lists(places, min_size=3, max_size=12), another=places)
def test_another_receiver_never_raises_hdop(tx, receivers, another):
    before, after = hdop(*tx, receivers), hdop(*tx, [*receivers, another])
    if before is not None:
        assert after is not None
        assert after <= before * (1 + 1e-9)


@SEEDED
@given(tx=places, receivers=st.lists(places, min_size=0, max_size=2))
def test_fewer_than_three_receivers_have_no_hdop(tx, receivers):
    assert hdop(*tx, receivers) is None


@pytest.mark.parametrize(
    "receivers",
    [
        [(45.1, 8.0), (45.2, 8.0), (45.3, 8.0)],
        [(45.1, 8.0), (45.2, 8.0), (44.9, 8.0), (44.5, 8.0)],
        [(45.0, 8.0)] * 3,
    ],
)
def test_directions_on_one_line_have_no_hdop(receivers):
    assert hdop(45.0, 8.0, receivers) is None


@SEEDED
@given(tx=places, receivers=st.lists(places, min_size=3, max_size=8), seed=st.integers(0, 99))
def test_hdop_equals_the_textbook_inverse(tx, receivers, seed):
    """sqrt(C11 + C22) of C = (G^T G)^-1, wherever that inverse is well conditioned."""
    rng = np.random.default_rng(seed)
    receivers = [(lat + rng.normal(0, 1e-3), lon + rng.normal(0, 1e-3)) for lat, lon in receivers]
    angles = []
    for lat, lon in receivers:
        p1, p2, d = math.radians(tx[0]), math.radians(lat), math.radians(lon - tx[1])
        angles.append(
            math.atan2(
                math.sin(d) * math.cos(p2), math.cos(p1) * math.sin(p2) - math.sin(p1) * math.cos(p2) * math.cos(d)
            )
        )
    g = np.column_stack([np.sin(angles), np.cos(angles), np.ones(len(angles))])
    if np.linalg.cond(g) < 1e4:
        c = np.linalg.inv(g.T @ g)
        assert hdop(*tx, receivers) == pytest.approx(math.sqrt(c[0, 0] + c[1, 1]), rel=1e-6)


def test_inside_the_default_network_the_median_hdop_is_about_1_1():
    """400 places: the median's standard error is about 1 %."""
    receivers = [(r.latitude, r.longitude) for r in ITALY_NORTH_WEST]
    lats, lons = zip(*receivers, strict=True)
    rng = np.random.default_rng(1)
    values = [
        hdop(lat, lon, receivers)
        for lat, lon in zip(rng.uniform(min(lats), max(lats), 400), rng.uniform(min(lons), max(lons), 400), strict=True)
    ]
    assert 1.0 < statistics.median(values) < 1.2


@SEEDED
@given(bearings=st.lists(st.floats(0, 360), min_size=3, max_size=8), far=st.floats(2, 50), turn=st.floats(0, 360))
def test_hdop_is_of_directions_alone_and_the_same_from_every_side(bearings, far, turn):
    """Receivers twice to fifty times as far off, and the whole picture turned."""

    def around(radius_deg, turned):
        places = []
        for bearing in bearings:
            a = math.radians(bearing + turned)
            places.append((radius_deg * math.cos(a), radius_deg * math.sin(a)))
        return hdop(0.0, 0.0, places)

    near = around(1e-4, 0.0)
    if near is not None and near < 1e3:
        assert around(1e-4 * far, 0.0) == pytest.approx(near, rel=1e-3)
        assert around(1e-4, turn) == pytest.approx(near, rel=1e-3)


def test_hdop_is_the_position_error_of_arrival_times_by_their_own_error():
    """The seven receivers, 2,000 fixes by least squares of arrival distances off by 100 m each, time unknown.

    The root of the mean square of 2 x 2,000 components is known to 1 / sqrt(2 x 4,000): 4 sigma are 4.5 %.
    """
    east_m, north_m = 111_195 * math.cos(math.radians(45.0)), 111_195
    places = np.array([((r.longitude - 8.2) * east_m, (r.latitude - 45.0) * north_m) for r in ITALY_NORTH_WEST])
    flat = [(y / 111_195, x / 111_195) for x, y in places]  # the same picture on the equator, where it is true to scale
    ranges = np.hypot(*places.T)
    measured = ranges + np.random.default_rng(4).normal(0, 100.0, (2000, 7))
    fixes = np.zeros((2000, 3))
    for _ in range(6):
        towards = fixes[:, None, :2] - places
        distances = np.linalg.norm(towards, axis=2)
        slopes = np.concatenate([towards / distances[..., None], np.ones((2000, 7, 1))], axis=2)
        missing = measured - distances - fixes[:, 2:]
        fixes += np.linalg.solve(slopes.mT @ slopes, (slopes.mT @ missing[..., None]))[..., 0]
    error_m = math.sqrt(np.mean(np.sum(fixes[:, :2] ** 2, axis=1)))
    assert hdop(0.0, 0.0, flat) == pytest.approx(error_m / 100.0, rel=0.05)


def test_reasons_are_tried_in_their_order():
    """One sample misses all limits; each limit lifted brings the next reason to light."""
    spec = make_spec(receivers=5)
    far = make_truth(latitude=47.0)
    records = [feature_record(spec, 0, n, snr_db=1.0, truth=True) for n in range(5)]
    records = [msgspec.structs.replace(record, truth=far) for record in records]
    strict = {"min_receivers": 6, "min_snr_db": 3.0, "max_gdop": 2.0}
    seen = []
    for lift in ({}, {"min_receivers": 2}, {"min_snr_db": 0.0}, {"max_gdop": 1e9}):
        strict |= lift
        verdict = assess(records, QualityLimits(**strict))
        seen.append(verdict.reason if isinstance(verdict, Rejected) else None)
    assert seen == [*REASONS, None]


@SEEDED
@given(
    snrs=st.lists(st.floats(-40, 60), min_size=1, max_size=7),
    min_snr=st.floats(-20, 30),
    min_receivers=st.integers(2, 7),
    max_gdop=st.floats(0.5, 20),
    order=st.randoms(use_true_random=False),
)
def test_the_verdict_follows_the_figures_and_not_the_order_of_records(snrs, min_snr, min_receivers, max_gdop, order):
    spec = make_spec(receivers=7)
    records = [feature_record(spec, 0, n, snr_db=snr) for n, snr in enumerate(snrs)]
    limits = Limits(min_snr_db=min_snr, min_receivers=min_receivers, max_gdop=max_gdop)
    verdict = assess(records, limits)
    figures = verdict.figures
    heard = [snr for snr in snrs if snr >= limits.detection_snr_db]
    assert len(figures.detected) == len(heard)
    assert (figures.mean_snr_db is None) == (figures.overall_confidence is None) == (not heard)
    if len(heard) < min_receivers:
        expected = "too_few_receivers"
    elif math.fsum(heard) / len(heard) < min_snr:
        expected = "low_snr"
    elif (figures.gdop is None and min_receivers > 2) or (figures.gdop is not None and figures.gdop > max_gdop):
        expected = "poor_geometry"
    else:
        expected = None
    assert (verdict.reason if isinstance(verdict, Rejected) else None) == expected
    order.shuffle(records)
    assert assess(records, limits) == verdict


def test_a_receiver_without_a_signal_is_not_detected_however_high_its_snr():
    spec = make_spec(receivers=4)
    records = whole_sample(spec, 0)
    silent = list(records[3].values)
    silent[17 * 4] = 0.4  # signal_present mean: in two of five chunks
    records[3] = msgspec.structs.replace(records[3], values=tuple(silent))
    assert assess(records, Limits()).figures.detected == ("rx0", "rx1", "rx2")


def test_two_receivers_pass_without_a_gdop_only_where_the_dataset_allows_two():
    records = whole_sample(make_spec(receivers=3), 0)[:2]
    assert isinstance(assess(records, Limits(min_receivers=2)), Accepted)
    assert assess(records, Limits(min_receivers=3)).reason == "too_few_receivers"


def test_the_geometry_of_an_unknown_transmitter_is_not_judged():
    records = whole_sample(make_spec(receivers=4), 0, truth=False)
    verdict = assess(records, Limits(max_gdop=0.001))
    assert isinstance(verdict, Accepted)
    assert verdict.figures.gdop is None


def test_nothing_heard_is_rejected_with_empty_figures():
    verdict = assess(whole_sample(make_spec(), 0, snr_db=-40.0), Limits())
    assert verdict.reason == "too_few_receivers"
    assert (verdict.figures.mean_snr_db, verdict.figures.gdop) == (None, None)
