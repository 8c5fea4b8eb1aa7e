"""A further version of `feature_record`, known to these tests alone: all are read, old records stay as they were."""

import json
import math

import msgpack
import msgspec
import numpy as np
import pytest

from iqstream.dataset.recording import Recording, read_message, values_of
from schemas import FEATURE_NAMES, FeatureRecord, Malformed, UnknownSchema, decode, encode, envelope, headers
from schemas.features import FEATURE_TABLE, FEATURES_OF_VERSION
from sink.rows import receiver_object
from tests.golden_wire import FEATURES, golden_bytes, with_fields

NEW = "of_these_tests"


NEXT = max(FEATURES_OF_VERSION) + 1


@pytest.fixture
def second(monkeypatch: pytest.MonkeyPatch) -> FeatureRecord:
    """A record of the next version, which has one feature more."""
    names = (*FEATURE_NAMES, NEW)
    monkeypatch.setitem(FEATURES_OF_VERSION, NEXT, len(names))  # type: ignore[arg-type]  # a dict
    monkeypatch.setitem(envelope._READERS, ("feature_record", NEXT), FeatureRecord)  # type: ignore[arg-type]  # a dict
    monkeypatch.setattr("schemas.feature_record.FEATURE_NAMES", names)
    monkeypatch.setattr("iqstream.dataset.recording.FEATURE_VALUES", 4 * len(names))
    known = (*FEATURES.values, *[0.5] * (4 * len(FEATURE_NAMES)))[: 4 * len(FEATURE_NAMES)]
    return msgspec.structs.replace(FEATURES, values=(*known, 1.5, 0.25, 1.0, 2.0))


@pytest.mark.parametrize("name", ["feature_record-1", "feature_record-1-recording", "feature_record-1-newer-writer"])
def test_records_of_version_1_are_read_and_written_as_ever(second: FeatureRecord, name: str) -> None:
    record = decode(golden_bytes(name), FeatureRecord)
    assert record.features().shape == (len(record.feature_names), 4) == (18, 4)
    assert record.value("signal_present", "max") == record.values[-1]
    assert math.isnan(record.value(NEW))
    if "newer" not in name:
        assert encode(record) == golden_bytes(name)
    assert dict(headers(record))["schema_version"] == b"1"
    assert second.wire_version == NEXT


def test_records_of_the_next_version_are_written_and_read_as_such(second: FeatureRecord) -> None:
    data = encode(second)
    assert msgpack.unpackb(data)["version"] == NEXT
    assert dict(headers(second))["schema_version"] == str(NEXT).encode()
    assert decode(data) == decode(data, FeatureRecord) == second
    assert (second.value(NEW), second.value(NEW, "max"), second.feature_names[-1]) == (1.5, 2.0, NEW)


def test_other_messages_keep_their_version(second: FeatureRecord) -> None:
    for name in ("dataset_spec-1", "generation_shard-1", "iq_frame-1-ci8", "failure_record-1-sample"):
        assert encode(decode(golden_bytes(name))) == golden_bytes(name)


def test_a_version_with_the_values_of_another_is_refused(second: FeatureRecord) -> None:
    for record, version, its in ((second, 1, NEXT), (FEATURES, NEXT, 1)):
        with pytest.raises(Malformed, match=f"version {version} with the values of version {its}"):
            decode(with_fields(record, version=version))
    known = ", ".join(f"version {version} has {4 * count}" for version, count in FEATURES_OF_VERSION.items())
    with pytest.raises(Malformed, match=f"values: 73 is the count of no version; {known}"):
        decode(with_fields(FEATURES, values=[*FEATURES.values, 0.0]))
    with pytest.raises(UnknownSchema, match="version 9 is unknown"):
        decode(golden_bytes("feature_record-9"))


def test_a_reader_refuses_a_later_version_by_name() -> None:
    with pytest.raises(UnknownSchema, match=rf"version {NEXT} is unknown here; this reader knows .*feature_record 1"):
        decode(with_fields(FEATURES, version=NEXT))


def test_the_stream_reads_both_with_nan_where_there_is_none(second: FeatureRecord) -> None:
    old = read_message(encode(FEATURES))
    assert isinstance(old, Recording)
    longer = msgspec.Raw(msgpack.packb(second.values))
    # The reader's bound on versions is compiled from the table: what it would read is put together here.
    new, neither = (msgspec.structs.replace(old, version=version, values=longer) for version in (NEXT, 1))
    values, whole = values_of([old, new, neither])
    assert whole.tolist() == [True, True, False]
    np.testing.assert_array_equal(
        values[0], [*FEATURES.values, *[np.nan] * (len(second.values) - len(FEATURES.values))]
    )
    np.testing.assert_array_equal(values[1], second.values)
    assert np.isnan(values[2]).all()


def test_the_stream_refuses_a_version_that_it_does_not_know() -> None:
    with pytest.raises(msgspec.ValidationError):
        read_message(with_fields(FEATURES, version=NEXT))


def test_a_row_has_the_features_of_its_record(second: FeatureRecord) -> None:
    assert list(receiver_object(FEATURES)) == ["rx_id", *FEATURE_NAMES[:18]]
    assert list(receiver_object(second)) == ["rx_id", *FEATURE_NAMES, NEW]
    assert receiver_object(second)[NEW] == {"mean": 1.5, "std": 0.25, "min": 1.0, "max": 2.0}
    assert json.loads(json.dumps(receiver_object(FEATURES), allow_nan=False))


def test_features_are_appended_version_by_version() -> None:
    """Whatever is added: the first values of a record mean what they always did."""
    since = [feature.since for feature in FEATURE_TABLE.values()]
    assert since == sorted(since)
    assert FEATURES_OF_VERSION[1] == 18
    assert FEATURE_NAMES[:18] == (
        "rssi_dbm", "snr_db", "noise_floor_dbm", "frequency_offset_hz", "bandwidth_hz", "psd_dbm_per_hz",
        "spectral_centroid_hz", "spectral_rolloff_hz", "envelope_mean", "envelope_std", "envelope_max",
        "peak_to_avg_ratio_db", "zero_crossing_rate", "multipath_delay_spread_us", "coherence_bandwidth_khz",
        "delay_spread_confidence", "confidence_score", "signal_present",
    )  # fmt: skip
