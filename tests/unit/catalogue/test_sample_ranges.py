"""Ranges of samples, as they are written and as they are counted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iqstream.catalogue.sample_ranges import SampleRanges


@given(st.sets(st.integers(0, 300)))
def test_ranges_hold_exactly_the_indices_that_they_are_made_of(indices):
    ranges = SampleRanges.of(indices)
    assert list(ranges) == sorted(indices)
    assert len(ranges) == len(indices)
    assert all(left.stop < right.start for left, right in zip(ranges.ranges, ranges.ranges[1:], strict=False))


@given(st.sets(st.integers(0, 300), min_size=1))
def test_what_ranges_print_is_read_back(indices):
    assert SampleRanges.parse(str(SampleRanges.of(indices))) == SampleRanges.of(indices)


def test_ranges_that_touch_or_overlap_are_one():
    assert SampleRanges.parse("0-9,5-12,13") == SampleRanges((range(14),))


@pytest.mark.parametrize(
    ("text", "says"),
    [("", "not a range"), ("a-b", "not a range"), ("5-2", "ends before"), ("0-123456789", "not a range")],
)
def test_what_is_no_range_is_refused_by_name(text, says):
    with pytest.raises(ValueError, match=says):
        SampleRanges.parse(text)


@given(st.sets(st.integers(0, 60)), st.sets(st.integers(0, 60)))
def test_ranges_are_added_met_and_taken_away_as_their_indices_are(one, two):
    left, right = SampleRanges.of(one), SampleRanges.of(two)
    assert left & right == SampleRanges.of(one & two)
    assert left - right == SampleRanges.of(one - two)
    assert left | right == SampleRanges.of(one | two)
    assert {index for index in range(62) if index in left} == one
