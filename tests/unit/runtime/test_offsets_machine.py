"""Owners of one partition against a model: killed, frozen, replaced, with a client that hands out stale records."""

import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from iqstream.runtime.inbox import Inbox
from tests.strategies import SEEDED
from tests.unit.runtime.test_inbox import Client


def result_of(coroutine):
    """Of a coroutine that has nothing to wait for."""
    try:
        coroutine.send(None)
    except StopIteration as ended:
        return ended.value
    raise AssertionError("it waits")


class Owner:
    """Somebody who believes that the partition is theirs, and what they have in hand."""

    def __init__(self, epoch, committed, visible, stale_at):
        self.epoch = epoch
        self.client = Client(visible, stale_at)
        self.inbox = Inbox(self.client, "partition", committed)
        self.in_hand = []


class Owners(RuleBasedStateMachine):
    """A log with gaps, one committed offset, an epoch that fences; outputs stand or fall with the offset."""

    def __init__(self):
        super().__init__()
        self.visible = []
        self.end = 0
        self.committed = 0
        self.epoch = 0
        self.outputs = []
        self.owners = []
        self.write(5, 2)
        self.take_over(0)

    @rule(records=st.integers(1, 9), aborted=st.integers(0, 4))
    def write(self, records, aborted):
        """A transaction, perhaps after an aborted one; each ends with a marker, which takes an offset too."""
        first = self.end + (aborted + 1 if aborted else 0)
        self.visible.extend(range(first, first + records))
        self.end = first + records + 1

    @rule(stale=st.integers(0, 40))
    def take_over(self, stale):
        """A new owner; the client's first fetch may be of a place before or behind, as it was in flight."""
        self.epoch += 1
        self.owners.append(Owner(self.epoch, self.committed, self.visible, min(stale, self.end)))

    @precondition(lambda self: self.owners)
    @rule(who=st.integers(0, 9), at_most=st.integers(1, 5), ending=st.sampled_from(["done", "done", "frozen", "dies"]))
    def serve(self, who, at_most, ending):
        """A batch, or idleness; frozen before it commits, or dead before it hears of that."""
        owner = self.owners[who % len(self.owners)]
        if owner.in_hand:
            return
        owner.in_hand = result_of(owner.inbox.fetch(at_most))
        if ending == "frozen":
            return
        if owner.in_hand:
            self.commit(owner)
        elif owner.epoch == self.epoch:
            self.pass_markers(owner)
        if ending == "dies" and owner in self.owners:
            self.owners.remove(owner)

    @precondition(lambda self: any(owner.in_hand for owner in self.owners))
    @rule(who=st.integers(0, 9))
    def thaw(self, who):
        """A frozen owner goes on with what it had in hand."""
        frozen = [owner for owner in self.owners if owner.in_hand]
        self.commit(frozen[who % len(frozen)])

    def commit(self, owner):
        """All or nothing, and nothing of a fenced owner."""
        if owner.epoch != self.epoch:
            self.owners.remove(owner)
            return
        self.outputs += [record.offset for record in owner.in_hand]
        self.committed = owner.in_hand[-1].offset + 1
        owner.inbox.accept(self.committed)
        owner.in_hand = []

    def pass_markers(self, owner):
        """Nothing was there to read: the position may pass the markers at the end."""
        passed = result_of(owner.inbox.passed())
        assert passed >= self.committed
        self.committed = passed
        owner.inbox.accept(passed)

    @precondition(lambda self: self.owners)
    @rule(who=st.integers(0, 9))
    def kill(self, who):
        self.owners.pop(who % len(self.owners))

    @invariant()
    def everything_below_the_committed_offset_has_come_out_once_and_nothing_above(self):
        assert self.outputs == [offset for offset in self.visible if offset < self.committed]


@pytest.mark.thorough
class TestOwners(Owners.TestCase):
    settings = hypothesis.settings(SEEDED, max_examples=150, stateful_step_count=40)
