"""One sample from its spec to its row, through the pure functions alone: what the stages do, without the servers."""

import json

import msgspec
import pytest

from extractor.record import feature_record
from iqstream.plot.truth import recording_errors
from iqstream.submit.spec import make_spec
from producer.synthesize import synthesize_sample
from schemas import IQFrame, Lineage, decode, encode, frame_crc32
from sink.join import JoinedSample, sample_of
from sink.rows import measurement_row
from sink.verdict import judge

SPEC = make_spec(name="One sample", samples=3, seed=11)


def records_of(sample_idx):
    """Each receiver's features, as they come out of the topics."""
    records = []
    for offset, frame in enumerate(synthesize_sample(SPEC, sample_idx).frames):
        received = decode(encode(frame), IQFrame)
        lineage = Lineage(topic="iq.frames", partition=0, offset=offset, crc32=frame_crc32(received))
        records.append(feature_record(received, lineage))
    return records


@pytest.fixture(scope="module")
def records():
    return records_of(0)


def outcome_of(records):
    joined = JoinedSample(key=sample_of(records[0]), generation=0, records=tuple(records), failures=(), missing=0)
    return judge(joined, SPEC.limits)


def test_every_receiver_measures_its_true_power(records):
    for record in records:
        assert abs(recording_errors(record).errors[0]) <= 0.01  # dB, the goal for the RSSI


def test_the_same_sample_gives_the_same_records_and_the_same_row(records):
    again = records_of(0)
    assert [encode(record) for record in again] == [encode(record) for record in records]
    rows = [measurement_row(SPEC, SPEC.content_sha256(), outcome_of(of)) for of in (records, again)]
    assert rows[0] == rows[1]


@pytest.mark.parametrize("sample_idx", range(SPEC.samples))
def test_a_sample_is_accepted_exactly_when_its_figures_meet_the_limits(sample_idx):
    outcome = outcome_of(records_of(sample_idx))
    quality, limits = outcome.quality, SPEC.limits
    meets = (
        len(quality.detected) >= limits.min_receivers
        and quality.mean_snr_db >= limits.min_snr_db
        and quality.gdop is not None
        and quality.gdop <= limits.max_gdop
    )
    assert (outcome.verdict == "accepted") == meets


def test_a_row_holds_every_receiver_with_finite_figures(records):
    row = measurement_row(SPEC, SPEC.content_sha256(), outcome_of(records))
    told = [json.loads(text) for text in row.receiver_features]
    assert [receiver["rx_id"] for receiver in told] == [receiver.rx_id for receiver in SPEC.receivers]
    assert all(msgspec.json.encode(receiver) for receiver in told)
    assert 0 <= row.overall_confidence <= 1
