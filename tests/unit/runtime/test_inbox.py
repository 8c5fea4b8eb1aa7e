"""The inbox hands out nothing stale and skips nothing, whatever the client prefetched."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iqstream.runtime.inbox import Inbox


class Record:
    def __init__(self, offset):
        self.offset = offset


class Client:
    """A consumer that may stand elsewhere at first, as after a hand-over; like the real one it goes on from there."""

    def __init__(self, visible, at=0):
        self.visible = visible
        self.at = at

    async def getmany(self, partition, *, timeout_ms, max_records):
        found = [Record(offset) for offset in self.visible if offset >= self.at][:max_records]
        if found:
            self.at = found[-1].offset + 1
        return {partition: found} if found else {}

    def seek(self, _partition, offset):
        self.at = offset

    async def position(self, _partition):
        return self.at


offsets = st.lists(st.integers(0, 60), unique=True, min_size=1, max_size=25).map(sorted)


@settings(max_examples=200, deadline=None)
@given(offsets, st.integers(0, 61), st.integers(0, 61), st.integers(1, 7))
async def test_what_is_accepted_is_the_visible_log_in_order_from_the_expected_offset(visible, at, expected, at_most):
    inbox = Inbox(Client(visible, at), "partition", expected)
    taken = []
    for _ in range(len(visible) + 4):
        records = await inbox.fetch(at_most)
        for record in records:
            taken.append(record.offset)
            inbox.accept(record.offset + 1)
        if not records:
            inbox.accept(await inbox.passed())
    assert taken == [offset for offset in visible if offset >= expected]


async def test_a_gap_is_believed_only_when_it_is_seen_again():
    client = Client([5, 6])
    inbox = Inbox(client, "partition", 0)
    assert await inbox.fetch(10) == []
    assert [record.offset for record in await inbox.fetch(10)] == [5, 6]


async def test_an_end_past_markers_is_believed_only_when_it_is_seen_again():
    client = Client([], at=4)
    inbox = Inbox(client, "partition", 2)
    assert await inbox.passed() == 2
    client.at = 4  # the fetch after the seek runs into the same markers
    assert await inbox.passed() == 4


@pytest.mark.parametrize("records", [[], [3]])
async def test_records_below_the_expected_offset_are_dropped(records):
    inbox = Inbox(Client(records), "partition", 10)
    assert await inbox.fetch(10) == []
