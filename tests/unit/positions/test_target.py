"""Where a stage is asked to go: what the flags mean."""

from datetime import datetime, timedelta

import pytest
from aiokafka import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from iqstream.cli.times import parse_duration, parse_instant
from iqstream.positions.target import ShiftBy, ToOffset, ToTime, wanted_offset
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


@pytest.mark.parametrize("text", ["", "P", "PT", "1D", "P1DT", "P1Y", "PT1M2H", "P-1D", "P99999999999999D", "P999999D"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(UserError, match="--by-duration"):
        parse_duration(text)


def test_a_time_without_zone_is_refused():
    with pytest.raises(UserError, match="has no zone: write 2026-11-25T14:30:00Z"):
        parse_instant("2026-11-25T14:30:00")


def test_a_moment_without_zone_is_refused_in_python_too():
    with pytest.raises(UserError, match="no time zone"):
        ToTime(datetime(2026, 11, 25, 14, 30))  # noqa: DTZ001  # that is what is refused
