"""What a dead letter says of itself."""

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
from aiokafka import ConsumerRecord
from hypothesis import given
from hypothesis import strategies as st

from iqstream.catalogue.dead_letters import NOT_SAID, Origin
from iqstream.cli.dead_letters_report import letter_document, letter_lines
from iqstream.dead_letters.letter import DeadLetterFilter, named_origins, parse_origin, read_letter
from iqstream.dead_letters.read import date_of
from iqstream.runtime.errors import UserError
from iqstream.runtime.records import dead_letter
from schemas import SampleKey

ID = "00000000-0000-4000-8000-000000000001"
TOPIC_ID, ANOTHER = UUID(int=1), UUID(int=2)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SHARD = (("schema", b"generation_shard"), ("dataset_version", b"2"), ("samples", b"3"), ("generation", b"0"))
FRAME = (("schema", b"iq_frame"), ("dataset_version", b"2"), ("generation", b"0"), ("rx_id", b"torino"))


def letter(stage, key, headers, value=b"bytes", **failed):
    record = ConsumerRecord("iq.frames", 3, 128, 0, 0, key, value, None, 0, 0, headers)
    sent = dead_letter(record, topic_id=TOPIC_ID, stage=stage, error=ValueError("what was wrong"), **failed)
    return read_letter(sent.value, sent.headers, NOW)


def test_what_a_stage_keeps_is_read_back():
    read = letter("extractor", f"{ID}:7".encode(), FRAME)
    assert (read.origin, read.stage, read.error) == (Origin("iq.frames", 3, 128, TOPIC_ID), "extractor", "ValueError")
    assert (read.message, read.value, read.headers) == ("what was wrong", b"bytes", FRAME)


def test_a_frames_letter_is_about_its_sample_and_a_shards_about_all_of_its_samples():
    assert letter("extractor", f"{ID}:7".encode(), FRAME).samples() == (SampleKey(ID, 2, 7),)
    assert letter("producer", f"{ID}:7".encode(), SHARD).samples() == tuple(SampleKey(ID, 2, i) for i in (7, 8, 9))


def test_a_letter_of_a_shard_that_failed_in_part_is_about_the_samples_that_failed():
    read = letter("producer", f"{ID}:7".encode(), SHARD, failed_samples=[7, 9])
    assert read.samples() == (SampleKey(ID, 2, 7), SampleKey(ID, 2, 9))
    assert read.headers == SHARD


@given(
    st.none() | st.binary(max_size=60),
    st.lists(st.tuples(st.text(max_size=20), st.none() | st.binary(max_size=20)), max_size=4),
)
def test_whatever_a_stranger_sends_can_be_read_and_shown_and_is_about_nobody(key, headers):
    one = letter("extractor", key, tuple(headers))
    assert one.samples() == ()
    assert json.loads(json.dumps(letter_document(one, [])))["headers"] == [[n, text_of(v)] for n, v in headers]
    assert len(letter_lines(one, [])) > len(headers)


def text_of(value):
    return None if value is None else value.decode(errors="backslashreplace")


def test_a_record_that_no_stage_kept_is_passed_over():
    assert read_letter(b"", [("origin", b"iq.frames:0:1")], NOW) is None


def test_a_letter_of_before_does_not_say_its_topics_id():
    record = ConsumerRecord("iq.frames", 3, 128, 0, 0, b"", b"bytes", None, 0, 0, FRAME)
    sent = dead_letter(record, topic_id=TOPIC_ID, stage="sink", error=ValueError())
    read = read_letter(sent.value, sent.headers[1:], NOW)
    assert (read.origin, read.headers) == (Origin("iq.frames", 3, 128, NOT_SAID), FRAME)


def test_a_name_means_one_letter_or_the_choice_is_told():
    """Topics of one name that were made one after another have the same offsets."""
    known = [Origin("iq.frames", 3, 128, TOPIC_ID), Origin("iq.frames", 3, 128, ANOTHER), Origin("iq.frames", 3, 7)]
    assert named_origins([parse_origin("iq.frames:3:7")], known) == {known[2]}
    assert named_origins([parse_origin(known[1].full)], known) == {known[1]}
    with pytest.raises(UserError, match=f"2 dead letters are of iq.frames:3:128.*{TOPIC_ID}, .*{ANOTHER}"):
        named_origins([parse_origin("iq.frames:3:128")], known)
    with pytest.raises(UserError, match="there is no dead letter"):
        named_origins([parse_origin("iq.frames:3:9")], known)


BEYOND_KAFKA = [f"iq.frames:{2**31}:5", f"iq.frames:1:{2**63}", "iq.frames:9999999999:9999999999999999999"]


@pytest.mark.parametrize("origin", BEYOND_KAFKA)
def test_a_letter_of_a_place_that_no_record_can_stand_at_is_a_strangers(origin):
    """PostgreSQL takes no such number: one such record would stand in the way of removing all the others."""
    sent = dead_letter(
        ConsumerRecord("iq.frames", 3, 128, 0, 0, b"", b"", None, 0, 0, FRAME),
        topic_id=TOPIC_ID, stage="sink", error=ValueError(),
    )  # fmt: skip
    headers = [(name, origin.encode() if name == "origin" else value) for name, value in sent.headers]
    assert read_letter(sent.value, headers, NOW) is None


@pytest.mark.parametrize(
    "text", ["iq.frames:3", "iq.frames:a:1", "iq.frames:1:-1", "", "iq.frames:1:1@x", "t:1:1\n", *BEYOND_KAFKA]
)
def test_what_is_no_origin_is_refused(text):
    with pytest.raises(UserError, match="topic:partition:offset"):
        parse_origin(text)


def test_a_filters_until_is_left_out_and_its_since_is_not():
    one = letter("sink", b"", ())
    assert DeadLetterFilter(since=NOW).takes(one)
    assert not DeadLetterFilter(until=NOW).takes(one)


@given(st.integers(-(2**63), 2**63 - 1))
def test_whatever_time_a_record_bears_is_a_date_and_later_ones_are_not_before(timestamp_ms):
    """Brokers of before 3.6, and those that are told to, take any time of a stranger's record."""
    assert NOW.replace(year=1970) <= date_of(timestamp_ms)
    assert date_of(min(timestamp_ms, 2**62)) <= date_of(timestamp_ms)


@pytest.mark.parametrize("side", ["since", "until"])
def test_a_filters_time_without_zone_is_refused(side):
    with pytest.raises(UserError, match="no time zone"):
        DeadLetterFilter(**{side: NOW.replace(tzinfo=None)})
