"""A row holds what the published queries ask for, and nothing that JSON cannot say."""

import json
import math

import msgspec
import pytest

from schemas import FEATURE_NAMES, STATISTICS, TransmitterPosition
from sink.join import JoinedSample, sample_of
from sink.quality import assess
from sink.rows import json_text, measurement_row
from sink.verdict import figures, judge, lineage
from tests.recorded import recorded_spec, recorded_window
from tests.sink_samples import failure_record, make_spec, whole_sample


def joined(records, failures=(), *, missing=0):
    first = (*records, *failures)[0]
    return JoinedSample(
        key=sample_of(first), generation=0, records=tuple(records), failures=tuple(failures), missing=missing
    )


def row_of(spec, records):
    return measurement_row(spec, spec.content_sha256(), judge(joined(records), spec.limits))


def test_every_receiver_is_an_object_of_its_id_and_18_features_of_4_statistics():
    spec = make_spec(receivers=4)
    row = row_of(spec, whole_sample(spec, 3))
    objects = [json.loads(text) for text in row.receiver_features]
    assert [one["rx_id"] for one in objects] == [receiver.rx_id for receiver in spec.receivers]
    for one in objects:
        assert list(one) == ["rx_id", *FEATURE_NAMES]
        assert all(tuple(one[name]) == STATISTICS for name in FEATURE_NAMES)
        assert one["snr_db"] == {"mean": 20.0, "std": 0.5, "min": 0.0, "max": 2.0}


def test_the_row_is_named_by_dataset_version_and_index():
    spec = make_spec()
    row = row_of(spec, whole_sample(spec, 3))
    assert row.recording_session_id == spec.recording_session_id(3)
    assert (row.tx_latitude, row.tx_longitude, row.tx_altitude_m, row.tx_known) == (45.0, 8.0, 240.0, True)


def test_the_metadata_begin_with_the_original_keys_and_carry_the_lineage():
    spec = make_spec()
    metadata = json.loads(row_of(spec, whole_sample(spec, 3)).extraction_metadata)
    assert {key: metadata[key] for key in list(metadata)[:5]} == {
        "extraction_method": "synthetic",
        "iq_duration_ms": 1000.0,
        "sample_rate_hz": 200_000.0,
        "num_chunks": 5,
        "chunk_duration_ms": 200,
    }
    assert metadata["lineage"]["rx1"] == {"topic": "iq.frames", "partition": 0, "offset": 301, "crc32": 7}
    assert metadata["spec_sha256"] == spec.content_sha256()
    assert metadata["frequency_classes"] == {rx_id: {"tone": 1, "fm": 4} for rx_id in ("rx0", "rx1", "rx2")}


def test_equal_records_give_equal_rows_whatever_their_order():
    spec = make_spec(receivers=5)
    records = whole_sample(spec, 1)
    assert row_of(spec, records) == row_of(spec, records)
    outcome = judge(joined(list(reversed(records))), spec.limits)
    assert outcome.quality == judge(joined(records), spec.limits).quality


def test_an_unknown_transmitter_has_no_coordinates():
    spec = make_spec()
    row = row_of(spec, whole_sample(spec, 0, truth=False))
    assert (row.tx_known, row.tx_latitude, row.tx_longitude, row.tx_altitude_m) == (False, None, None, None)


def test_a_recorded_sample_says_so_and_to_what_its_levels_refer():
    spec = recorded_spec()

    def row(references, position=None):
        records = [
            msgspec.structs.replace(record, position=position, recorded=recorded_window(level_reference=reference))
            for record, reference in zip(whole_sample(make_spec(), 0, truth=False), references, strict=True)
        ]
        return row_of(spec, records)

    one = row(["dbm", "dbfs", "dbm"])
    metadata = json.loads(one.extraction_metadata)
    assert (metadata["extraction_method"], metadata["level_reference"]) == ("recorded", "dbfs")
    assert metadata["recordings"]["rx0"]["late_samples"] == 0.25
    assert json.loads(row(["dbm"] * 3).extraction_metadata)["level_reference"] == "dbm"
    assert (one.tx_known, one.gdop) == (False, None)
    there = row(["dbm"] * 3, TransmitterPosition(latitude=45.05, longitude=8.0))
    assert (there.tx_known, there.tx_latitude, there.tx_altitude_m) == (True, 45.05, None)
    assert there.gdop is not None


def test_the_detection_limit_moves_with_the_bandwidth_of_a_recording():
    """The same signal has 10 dB more SNR in a tenth of the bandwidth; a generated dataset's limit stays as it is."""
    records = [
        msgspec.structs.replace(record, sample_rate_hz=20_000.0)
        for record in whole_sample(make_spec(), 0, truth=False, snr_db=-5.0)
    ]
    limits = recorded_spec().limits
    assert len(assess(records, limits).figures.detected) == 3
    recorded = [msgspec.structs.replace(record, recorded=recorded_window()) for record in records]
    assert assess(recorded, limits).figures.detected == ()
    louder = [msgspec.structs.replace(one, recorded=recorded_window())
              for one in whole_sample(make_spec(), 0, truth=False, snr_db=-5.0)]  # fmt: skip
    assert len(assess(louder, limits).figures.detected) == 3  # at 200 kHz


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_never_becomes_json(value):
    with pytest.raises(ValueError, match="JSON"):
        json_text({"x": {"y": value}})


def test_only_accepted_samples_have_rows():
    spec = make_spec()
    outcome = judge(joined(whole_sample(spec, 0, snr_db=1.0)), spec.limits)
    assert (outcome.verdict, outcome.reason) == ("rejected", "low_snr")
    with pytest.raises(ValueError, match="only accepted"):
        measurement_row(spec, spec.content_sha256(), outcome)


def test_a_rejected_sample_keeps_all_its_figures():
    spec = make_spec()
    measured = figures(judge(joined(whole_sample(spec, 0, snr_db=1.0)), spec.limits))
    assert measured["mean_snr_db"] == 1.0
    assert measured["gdop"] == pytest.approx(2 / math.sqrt(3), rel=0.02)
    assert measured["num_receivers_detected"] == 3


def test_a_synthetic_sample_with_a_failure_is_failed_and_says_why():
    spec = make_spec()
    outcome = judge(joined(whole_sample(spec, 0)[:2], [failure_record(spec, 0, 2)]), spec.limits)
    assert (outcome.verdict, outcome.reason) == ("failed", "Malformed")
    assert figures(outcome)["failures"][0]["rx_id"] == "rx2"
    assert set(lineage(outcome.joined)) == {"rx0", "rx1", "rx2"}


def test_a_sample_with_a_missing_receiver_is_failed():
    spec = make_spec(receivers=4)
    records = whole_sample(spec, 0)[:3]
    assert judge(joined(records, missing=1), spec.limits).reason == "Incomplete"


def test_rows_survive_extreme_but_valid_values():
    spec = make_spec()
    records = [
        msgspec.structs.replace(record, values=(1e300,) * len(record.values)) for record in whole_sample(spec, 0)
    ]
    row = row_of(spec, records)
    assert math.isfinite(row.mean_snr_db)
    assert row.overall_confidence == 1.0
