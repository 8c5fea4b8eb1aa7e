"""Where a stage is asked to go: what the flags mean, and files of offsets."""

from datetime import timedelta

import pytest
from aiokafka import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from iqstream.positions.offsets_file import read_offsets, write_offsets
from iqstream.positions.target import ShiftBy, ToOffset, parse_duration, parse_instant, wanted_offset
from iqstream.runtime.errors import UserError
from iqstream.runtime.offsets import Ends

PLACE = TopicPartition("iq.frames", 3)
OFFSETS = st.integers(-10_000, 10_000)


@given(OFFSETS, st.integers(0, 1000), st.integers(0, 1000))
def test_a_target_lies_within_what_is_there_and_says_so_where_it_was_not(asked, start, records):
    ends = Ends(log_start=start, end=start + records, high_watermark=start + records)
    wanted = wanted_offset(ShiftBy(asked), PLACE, 0, ends, None)
    assert start <= wanted.offset <= start + records
    assert (wanted.warning is None) == (start <= asked <= start + records)


def test_a_shift_needs_a_position():
    with pytest.raises(UserError, match="no position to start from"):
        wanted_offset(ShiftBy(-1), PLACE, None, Ends(log_start=0, end=1, high_watermark=1), None)


def test_the_end_needs_no_rounding():
    assert not wanted_offset(ToOffset(9), PLACE, 0, Ends(log_start=0, end=9, high_watermark=9), None).to_sample_start


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("P1D", timedelta(days=1)),
        ("PT30M", timedelta(minutes=30)),
        ("P1DT2H3M4.5S", timedelta(days=1, hours=2, minutes=3, seconds=4.5)),
    ],
)
def test_durations_are_read_as_iso_8601_has_them(text, duration):
    assert parse_duration(text) == duration


@pytest.mark.parametrize("text", ["", "P", "PT", "1D", "P1DT", "P1Y", "PT1M2H", "P-1D", "P99999999999999D"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(UserError, match="--by-duration"):
        parse_duration(text)


def test_a_time_without_zone_is_refused():
    with pytest.raises(UserError, match="has no zone: write 2026-11-25T14:30:00Z"):
        parse_instant("2026-11-25T14:30:00")


@given(st.dictionaries(st.integers(0, 99), st.integers(0, 2**62), min_size=1))
def test_a_file_of_offsets_is_read_back(tmp_path_factory, offsets):
    path = tmp_path_factory.mktemp("offsets") / "back.csv"
    expected = {TopicPartition("iq.frames", partition): offset for partition, offset in offsets.items()}
    write_offsets(path, expected)
    assert read_offsets(path, group="g", topic="iq.frames") == expected


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("iq.frames,0", "line 2: not topic,partition,offset"),
        ("iq.frames,x,1", "line 2: not topic,partition,offset"),
        ("iq.jobs,0,1", "line 2: topic iq.jobs, this stage reads iq.frames"),
        ("other,iq.frames,0,1", "line 2: group other, this stage's is g"),
        ("iq.frames,1,8", "line 2: partition 1 stands twice"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, line, says):
    path = tmp_path / "offsets.csv"
    path.write_text(f"iq.frames,1,7\n{line}\n")
    with pytest.raises(UserError, match=says):
        read_offsets(path, group="g", topic="iq.frames")
