"""From records to (x, y, meta): the sink's verdicts, and nothing in x that a receiver network would not know."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iqstream.dataset.batch import X_KEYS, Judged, batch_of, items_of
from iqstream.dataset.columns import ColumnBuilder
from iqstream.dataset.join import GIVEN_UP_AFTER_OFFSETS, PartitionJoin
from iqstream.dataset.record_batches import Records
from iqstream.dataset.recording import Places
from iqstream.dataset.verdicts import ACCEPTED, judge
from schemas import FEATURE_NAMES, Limits, RecordedLimits, Station, TransmitterPosition, TransmitterTruth, encode
from schemas.feature_record import FEATURE_VALUES
from sink.quality import REASONS, Accepted, assess
from tests.recorded import recorded_window
from tests.sink_samples import failure_record, feature_record, make_spec, make_truth, network, whole_sample
from tests.strategies import SEEDED

SPEC = make_spec(receivers=4)


def join_of(messages, offsets=None):
    join = PartitionJoin(Places(), None, {})
    values = [message if isinstance(message, bytes) else encode(message) for message in messages]
    return join, join.take(Records(list(offsets or range(len(messages))), values))


def judged(samples, limits):
    """Samples, each a list of records, through join and verdict."""
    _, joined = join_of([record for records in samples for record in records])
    columns = ColumnBuilder().build(joined)
    return Judged(columns, judge(columns, [limits] * len(joined)), np.full(len(joined), ""))


def batch(samples, limits):
    part = judged(samples, limits)
    return batch_of([(part, np.arange(len(part.columns)))])


@st.composite
def sample_records(draw):
    """A sample of a network anywhere, heard well or badly, its figures often exactly at a limit."""
    count = draw(st.integers(2, 7))
    places = draw(st.lists(st.tuples(st.floats(44, 46), st.floats(7, 10)), min_size=count, max_size=count))
    if draw(st.booleans()):  # nearly in one line: the geometry is in doubt
        places = [(45.0 + 0.01 * at + 1e-7 * lat, 8.0 + 0.02 * at) for at, (lat, _) in enumerate(places)]
    truth = make_truth(draw(st.floats(44, 46)), draw(st.floats(7, 10)))
    records = []
    for number, (latitude, longitude) in enumerate(places):
        receiver = msgspec.structs.replace(network(7)[number], latitude=latitude, longitude=longitude)
        if draw(st.integers(0, 5)) == 0:
            receiver = Station(rx_id=receiver.rx_id, latitude=None, longitude=None, altitude_m=None)
        snr_db = draw(st.one_of(st.sampled_from([3.0, -12.0, 20.0]), st.floats(-40, 60)))
        record = feature_record(make_spec(receivers=7), 0, number, snr_db=snr_db)
        values = list(record.values)
        values[4 * FEATURE_NAMES.index("signal_present")] = draw(st.sampled_from([0.0, 0.5, 0.6, 1.0]))
        values[4 * FEATURE_NAMES.index("confidence_score")] = draw(st.floats(-0.5, 1.5))
        records.append(
            msgspec.structs.replace(
                record,
                dataset_id=SPEC.dataset_id,
                receiver=receiver,
                receivers_expected=count,
                values=tuple(values),
                truth=truth,
            )
        )
    return records


limits_drawn = st.builds(
    Limits,
    min_snr_db=st.sampled_from([3.0, 20.0, 0.0]),
    min_receivers=st.integers(2, 4),
    max_gdop=st.sampled_from([1.0, 3.0, 10.0, 1e6]),
)


@SEEDED
@given(records=sample_records(), limits=limits_drawn)
def test_the_verdict_is_that_of_the_sink(records, limits):
    verdicts = judged([records], limits).verdicts
    expected = assess(records, limits)
    reason = ACCEPTED if isinstance(expected, Accepted) else REASONS.index(expected.reason)
    assert verdicts.reason[0] == reason
    assert verdicts.detected[0].sum() == len(expected.figures.detected)
    for name in ("mean_snr_db", "overall_confidence", "gdop"):
        figure, said = getattr(verdicts, name)[0], getattr(expected.figures, name)
        assert math.isnan(figure) if said is None else figure == pytest.approx(said, rel=1e-9, abs=1e-12)


@SEEDED
@given(records=sample_records())
def test_a_figure_exactly_at_its_limit_is_judged_as_the_sink_does(records):
    figures = assess(records, Limits(min_receivers=2)).figures
    if figures.mean_snr_db is None:
        return
    limits = Limits(min_snr_db=figures.mean_snr_db, min_receivers=2, max_gdop=figures.gdop or 10.0)
    assert (judged([records], limits).verdicts.reason[0] == ACCEPTED) == isinstance(assess(records, limits), Accepted)


def test_x_is_what_the_receivers_know_and_does_not_change_with_the_truth():
    """Everything that the generator knows is changed; limits that reject nothing keep gdop out of the choice."""
    limits = Limits(max_gdop=1e9)
    truth = make_truth(44.2, 9.1)
    other = msgspec.structs.replace(
        truth,
        transmitter=msgspec.structs.replace(
            truth.transmitter, altitude_m=1.0, power_dbm=3.0, inside_network=False, frequency_offset_hz=9.0
        ),
        link=msgspec.structs.replace(truth.link, distance_km=77.0, path_loss_db=150.0, arrival_delay_us=33.0),
    )
    one = batch([whole_sample(SPEC, 0)], limits)
    changed = batch([[msgspec.structs.replace(record, truth=other) for record in whole_sample(SPEC, 0)]], limits)
    assert one.meta["gdop"] != changed.meta["gdop"]
    assert not np.array_equal(one.y, changed.y)
    assert tuple(one.x) == tuple(changed.x) == X_KEYS
    for name in X_KEYS:
        np.testing.assert_array_equal(one.x[name], changed.x[name])


def test_x_has_no_place_for_gdop_or_truth():
    """Shapes leave room for the values, four coordinates and two masks of each receiver, no more."""
    x = batch([whole_sample(SPEC, 0), whole_sample(SPEC, 1)], SPEC.limits).x
    assert {name: array.shape for name, array in x.items()} == {
        "features": (2, 4, FEATURE_VALUES), "receivers": (2, 4, 4), "present": (2, 4), "detected": (2, 4),
    }  # fmt: skip


def test_values_positions_and_ids_are_those_of_the_records():
    samples = [whole_sample(SPEC, index, snr_db=20.0 + index) for index in range(3)]
    x, y, meta = batch(samples, SPEC.limits)
    for row, records in enumerate(samples):
        by_id = sorted(records, key=lambda record: record.receiver.rx_id)
        np.testing.assert_array_equal(x["features"][row], [record.values for record in by_id])
        stations = [record.receiver for record in by_id]
        np.testing.assert_array_equal(
            x["receivers"][row], [(s.latitude, s.longitude, s.altitude_m, s.antenna_height_m) for s in stations]
        )
        transmitter: TransmitterTruth = by_id[0].truth.transmitter
        assert y[row].tolist() == [transmitter.latitude, transmitter.longitude, transmitter.altitude_m]
        assert meta["rx_ids"][row].tolist() == [s.rx_id for s in stations]
        assert meta["truth"][row] == tuple(record.truth for record in by_id)
    assert meta["sample_idx"].tolist() == [0, 1, 2]


def test_items_are_the_rows_of_their_batch():
    whole = batch([whole_sample(SPEC, 0), whole_sample(SPEC, 1, snr_db=-30.0)], SPEC.limits)
    for row, item in enumerate(items_of(whole)):
        np.testing.assert_array_equal(item.x["features"], whole.x["features"][row])
        np.testing.assert_array_equal(item.y, whole.y[row])
        assert item.meta["outcome"] == whole.meta["outcome"][row] == ("accepted", "rejected")[row]


def test_networks_of_different_size_share_a_batch():
    small = make_spec(receivers=3)
    x, _, meta = batch([whole_sample(SPEC, 0), whole_sample(small, 0)], SPEC.limits)
    assert x["present"].tolist() == [[True] * 4, [True] * 3 + [False]]
    assert np.isnan(x["features"][1, 3]).all()
    assert meta["rx_ids"][1, 3] == ""


def test_a_synthetic_sample_with_a_failed_receiver_is_no_sample_in_whatever_order_it_came():
    for at in range(4):
        records = whole_sample(SPEC, 0)[1:]
        records.insert(at, failure_record(SPEC, 0, 0))
        join, done = join_of(records)
        assert done == []
        assert join.left_out["failed"] == 1
        assert join.restart_offset(99) == 99


def test_a_failed_sample_holds_up_no_restart_even_before_all_of_it_has_come():
    join, done = join_of([failure_record(SPEC, 0, None), *whole_sample(SPEC, 0)[:2], feature_record(SPEC, 1)])
    assert done == []
    assert join.restart_offset(99) == 3


def test_a_record_that_is_none_is_passed_over_and_its_sample_stays_open():
    no_text = encode(feature_record(SPEC, 0)).replace(b"feature_record", b"feature_\xa7ecord")
    join, done = join_of([b"\xc1", encode(SPEC), no_text, *whole_sample(SPEC, 0)])
    assert [sample.key.sample_idx for sample in done] == [0]
    assert join.left_out["unreadable"] == 3


def test_a_sample_whose_records_are_lost_is_given_up_and_frees_the_restart():
    join, _ = join_of([feature_record(SPEC, 0), feature_record(SPEC, 1)], [0, GIVEN_UP_AFTER_OFFSETS + 1])
    assert join.restart_offset(10**9) == GIVEN_UP_AFTER_OFFSETS + 1
    assert join.left_out["incomplete"] == 1


def test_where_a_recorded_sample_was_sent_is_nan_or_what_is_known():
    unknown = batch([whole_sample(SPEC, 2, truth=False)], SPEC.limits)
    assert np.isnan(unknown.y).all()
    there = TransmitterPosition(latitude=45.5, longitude=7.25)
    known = [msgspec.structs.replace(one, position=there) for one in whole_sample(SPEC, 2, truth=False)]
    assert batch([known], SPEC.limits).y[0, :2].tolist() == [45.5, 7.25]
    assert np.isnan(batch([known], SPEC.limits).y[0, 2])


def test_levels_of_a_sample_are_dbm_where_all_of_its_receivers_are_calibrated():
    def recorded(*references):
        return [
            msgspec.structs.replace(one, recorded=recorded_window(level_reference=reference))
            for one, reference in zip(whole_sample(SPEC, 2, truth=False), references, strict=True)
        ]

    receivers = len(SPEC.receivers)
    samples = [
        whole_sample(SPEC, 1),
        recorded(*["dbm"] * receivers),
        recorded(*["dbm"] * (receivers - 1), "dbfs"),
    ]
    found = batch(samples, SPEC.limits).meta["level_reference"]
    assert found.tolist() == ["dbm", "dbm", "dbfs"]


@SEEDED
@given(st.floats(-40, 40), st.floats(1e3, 1e7))
def test_a_recorded_samples_verdict_is_the_sinks_at_any_bandwidth(snr_db, sample_rate_hz):
    records = [
        msgspec.structs.replace(one, sample_rate_hz=sample_rate_hz, recorded=recorded_window())
        for one in whole_sample(SPEC, 2, truth=False, snr_db=snr_db)
    ]
    limits = RecordedLimits(min_snr_db=-300.0, detection_snr_db=-5.0)
    found = batch([records], limits)
    verdict = assess(records, limits)
    assert found.x["detected"].sum() == len(verdict.figures.detected)
    assert (found.meta["outcome"][0] == "accepted") == isinstance(verdict, Accepted)
