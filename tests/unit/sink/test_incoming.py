"""Whatever bytes come, a record is either understood or a dead letter."""

import dataclasses

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iqstream.catalogue.sample_ranges import SampleRanges
from schemas import encode, headers, sample_key
from sink.incoming import DeadLetter, Incoming, Misfit, check_fit, read_record
from tests.sink_samples import failure_record, feature_record, kafka_record, make_spec, pair_record
from tests.strategies import SEEDED


@SEEDED
@given(value=st.binary(max_size=200))
def test_random_bytes_are_a_dead_letter_and_never_an_error(value):
    assert isinstance(read_record(kafka_record(0, value)), DeadLetter)


def test_a_record_without_a_value_is_a_dead_letter():
    assert isinstance(read_record(dataclasses.replace(kafka_record(0, b""), value=None)), DeadLetter)


def test_messages_of_other_topics_are_dead_letters():
    assert isinstance(read_record(kafka_record(0, encode(make_spec()))), DeadLetter)


def test_records_of_features_failures_and_pairs_are_understood():
    spec = make_spec()
    for message in (feature_record(spec, 0), failure_record(spec, 0), pair_record(spec, 0)):
        read = read_record(kafka_record(0, message))
        assert isinstance(read, Incoming)
        assert read.message == message


def test_an_unreadable_record_of_ours_fails_its_sample():
    """Else the sample would be waited for in vain."""
    spec = make_spec()
    record = feature_record(spec, 4, 1)
    broken = dataclasses.replace(
        kafka_record(9, encode(record)[:50]), key=sample_key(spec.dataset_id, 4), headers=tuple(headers(record))
    )
    letter = read_record(broken)
    assert isinstance(letter, DeadLetter)
    assert (letter.message.sample_idx, letter.message.rx_id, letter.message.stage) == (4, "rx1", "sink")


def test_a_strangers_record_fails_no_sample():
    spec = make_spec()
    garbage = dataclasses.replace(kafka_record(9, b"garbage"), key=sample_key(spec.dataset_id, 4))
    assert read_record(garbage).message is None


@pytest.mark.parametrize(
    "change",
    [
        {"sample_idx": 10},
        {"receivers_expected": 4},
        {"sample_idx": 2},
        {"receiver": make_spec(receivers=5).receivers[4]},
    ],
)
def test_a_record_that_contradicts_its_dataset_is_refused(change):
    spec = make_spec(samples=10, receivers=3)
    held = SampleRanges.parse("3-9")
    check_fit(feature_record(spec, 9), spec, held)
    with pytest.raises(Misfit):
        check_fit(msgspec.structs.replace(feature_record(spec, 9), **change), spec, held)


def test_time_differences_that_contradict_their_dataset_are_refused():
    spec, more = (make_spec(receivers=count, publish="features", pairs=True) for count in (3, 4))
    plain = msgspec.structs.replace(spec, pairs=False)
    held = SampleRanges.parse("0-9")
    check_fit(pair_record(spec, 9), spec, held)
    for contradicting, why in (
        (pair_record(plain, 9), "asks for no time differences"),
        (pair_record(spec, 10), "sample 10 is not one"),
        (pair_record(msgspec.structs.replace(more, dataset_id=spec.dataset_id), 9), "receivers rx3 are not"),
    ):
        with pytest.raises(Misfit, match=why):
            check_fit(contradicting, plain if "asks" in why else spec, held)


def test_a_record_of_no_dataset_is_refused():
    with pytest.raises(Misfit, match="no dataset"):
        check_fit(feature_record(make_spec(), 0), None, SampleRanges(()))
