"""Which partitions get a first position by themselves: those where nothing can come twice or be left out."""

import pytest
from aiokafka import TopicPartition

from iqstream.positions.first import harmless_positions
from iqstream.runtime.offsets import Ends

EMPTY, EXPIRED, FULL, CUT = (0, 0), (7, 7), (0, 9), (4, 9)
"""Start of the log and its end."""


def positions(places, missing, *, nothing_made=False):
    ends = {TopicPartition("t", n): Ends(log_start=a, end=b, high_watermark=b) for n, (a, b) in enumerate(places)}
    found = harmless_positions(ends, [TopicPartition("t", n) for n in missing], nothing_made=nothing_made)
    return {place.partition: offset for place, offset in found.items()}


@pytest.mark.parametrize("nothing_made", [True, False])
def test_a_partition_that_holds_nothing_is_begun_where_it_stands(nothing_made):
    assert positions([EMPTY, EXPIRED, FULL], [0, 1], nothing_made=nothing_made) == {0: 0, 1: 7}


def test_records_of_which_nothing_was_made_yet_are_read_from_0_unless_some_have_expired():
    assert positions([FULL, CUT, FULL], [0, 1, 2], nothing_made=True) == {0: 0, 2: 0}


def test_a_partition_behind_all_that_have_positions_was_added_and_is_read_from_0():
    assert positions([FULL, FULL, FULL, CUT], [2, 3]) == {2: 0}


def test_a_lost_offset_is_left_to_a_person():
    assert positions([FULL, FULL, FULL], [0, 1]) == {}
    assert positions([FULL, FULL, FULL], [0, 1, 2]) == {}
