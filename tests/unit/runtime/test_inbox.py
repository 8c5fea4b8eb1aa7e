"""The inbox hands out nothing stale and skips nothing, whatever the client prefetched."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iqstream.runtime.inbox import Inbox


class Record:
    def __init__(self, offset):
        self.offset = offset


class Client:
    """A consumer whose first answers may belong to another position; after a seek it tells the truth."""

    def __init__(self, visible, stale):
        self.visible = visible
        self.stale = list(stale)
        self.at = 0

    async def getmany(self, partition, *, timeout_ms, max_records):
        if self.stale:
            return {partition: [Record(offset) for offset in self.stale.pop(0)]}
        found = [Record(offset) for offset in self.visible if offset >= self.at][:max_records]
        if found:
            self.at = found[-1].offset + 1
        return {partition: found} if found else {}

    def seek(self, _partition, offset):
        self.at = offset
        self.stale.clear()

    async def position(self, _partition):
        return self.at


offsets = st.lists(st.integers(0, 60), unique=True, min_size=1, max_size=25).map(sorted)


@settings(max_examples=200, deadline=None)
@given(offsets, st.lists(offsets, max_size=3), st.integers(1, 7))
async def test_what_is_accepted_is_the_visible_log_in_order_from_the_expected_offset(visible, stale, at_most):
    # A stale batch may hold any records of the log, but a fetch is whole: nothing visible is missing inside it.
    stale = [[o for o in batch if o in visible] for batch in stale]
    stale = [[o for o in visible if batch[0] <= o <= batch[-1]] for batch in stale if batch]
    inbox = Inbox(Client(visible, stale), "partition", 0)
    taken = []
    for _ in range(4 * len(visible) + 10):
        for record in await inbox.fetch(at_most):
            taken.append(record.offset)
            inbox.accept(record.offset + 1)
    assert taken == visible


async def test_a_gap_is_believed_only_when_it_is_seen_again():
    client = Client([5, 6], [])
    inbox = Inbox(client, "partition", 0)
    assert await inbox.fetch(10) == []
    assert [record.offset for record in await inbox.fetch(10)] == [5, 6]


async def test_an_end_past_markers_is_believed_only_when_it_is_seen_again():
    client = Client([], [])
    client.at = 4
    inbox = Inbox(client, "partition", 2)
    assert await inbox.passed() == 2
    client.at = 4  # the fetch after the seek runs into the same markers
    assert await inbox.passed() == 4


@pytest.mark.parametrize("records", [[], [3]])
async def test_records_below_the_expected_offset_are_dropped(records):
    inbox = Inbox(Client([], [records]), "partition", 10)
    assert await inbox.fetch(10) == []
