"""Ranges of samples, as they are written and as they are counted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iqstream.ops.replay.samples import SampleRanges
from iqstream.runtime.errors import UserError


@given(st.sets(st.integers(0, 300)))
def test_ranges_hold_exactly_the_indices_that_they_are_made_of(indices):
    ranges = SampleRanges.of(indices)
    assert list(ranges) == sorted(indices)
    assert len(ranges) == len(indices)
    assert all(left.stop < right.start for left, right in zip(ranges.ranges, ranges.ranges[1:], strict=False))


@given(st.sets(st.integers(0, 300), min_size=1))
def test_what_ranges_print_is_read_back(indices):
    assert SampleRanges.parse(str(SampleRanges.of(indices)), 301) == SampleRanges.of(indices)


def test_ranges_that_touch_or_overlap_are_one():
    assert SampleRanges.parse("0-9,5-12,13", 100) == SampleRanges((range(14),))


@pytest.mark.parametrize(
    ("text", "says"),
    [("", "no range"), ("a-b", "no range"), ("5-2", "ends before"), ("0-100", "past the dataset's last sample, 99")],
)
def test_what_is_no_range_of_the_dataset_is_refused_by_name(text, says):
    with pytest.raises(UserError, match=says):
        SampleRanges.parse(text, 100)
