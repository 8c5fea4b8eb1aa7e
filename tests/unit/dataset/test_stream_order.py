"""Whatever is called in whatever order, an epoch has every sample once, or what was called says why not."""

import asyncio
import copy
import json
import pickle
from collections import Counter

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from iqstream.dataset import FeatureStream
from iqstream.dataset import stream as stream_module
from iqstream.runtime.errors import UserError
from schemas import Limits
from tests.dataset_logs import NOWHERE, memory_topic

SAMPLES, PARTITIONS = 32, 4
REJECTED = frozenset([*range(3, SAMPLES, PARTITIONS), 28, 29])
"""One partition has nothing that is wanted, two end with what is not."""
DATASET = "00000000-0000-4000-8000-00000000000d"
EVERY = frozenset(range(SAMPLES)) - REJECTED
MACHINE = settings(
    max_examples=40, stateful_step_count=20, deadline=None, derandomize=True, database=None, print_blob=False
)
COPIES = [
    copy.copy,
    copy.deepcopy,
    lambda stream: pickle.loads(pickle.dumps(stream)),
    lambda stream: stream.sharded(0, 1),
]


def indices(batch):
    return np.atleast_1d(batch.meta["sample_idx"]).tolist()


class StreamMachine(RuleBasedStateMachine):
    """The model: the epoch, what was yielded of it, whether it was iterated to its end, whether it was loaded."""

    def __init__(self):
        super().__init__()
        self.saved = []

    @initialize(shuffle=st.booleans(), batch_size=st.sampled_from([None, 4]))
    def begin(self, shuffle, batch_size):
        self.stream = FeatureStream(
            topic="t", limits=Limits(), settings=NOWHERE, shuffle=shuffle, seed=2, window=16, batch_size=batch_size
        )
        self.epoch, self.given, self.through, self.loaded = 0, frozenset(), False, False

    def _next_epoch_if_through(self):
        if self.through:
            self.epoch, self.given, self.through, self.loaded = self.epoch + 1, frozenset(), False, False

    def _note(self, samples):
        assert not Counter(samples) - Counter(EVERY - self.given)
        self.given |= frozenset(samples)

    @rule(most=st.integers(1, 9))
    def iterate_and_break(self, most):
        self._next_epoch_if_through()
        for number, batch in enumerate(self.stream, start=1):
            self._note(indices(batch))
            if number == most:
                return
        self._end()

    @rule(most=st.integers(1, 30))
    def iterate_a_running_loop(self, most):
        self._next_epoch_if_through()

        async def take():
            async for batch in self.stream:
                self._note(indices(batch))
                nonlocal most
                most -= 1
                if not most:
                    return False
            return True

        if asyncio.run(take()):
            self._end()

    @rule()
    def iterate_to_the_end(self):
        self._next_epoch_if_through()
        for batch in self.stream:
            self._note(indices(batch))
        self._end()

    def _end(self):
        assert self.given == EVERY
        self.through = True

    @rule(by=st.integers(-1, 2))
    def set_epoch(self, by):
        epoch = max(0, self.epoch + by)
        self.stream.set_epoch(epoch)
        if epoch != self.epoch or self.through:
            self.epoch, self.given, self.through, self.loaded = epoch, frozenset(), False, False

    @rule()
    def snapshot(self):
        if self.loaded or (self.given and not self.through):
            with pytest.raises(UserError, match="is fixed"):
                self.stream.snapshot()
        else:
            self.stream.snapshot()
            self.given = EVERY if self.through else frozenset()

    @rule()
    def save(self):
        self.saved.append((json.dumps(self.stream.state_dict()), self.epoch, self.given))

    @precondition(lambda self: self.saved)
    @rule(data=st.data())
    def load(self, data):
        text, self.epoch, self.given = data.draw(st.sampled_from(self.saved))
        self.stream.load_state_dict(json.loads(text))
        self.through, self.loaded = False, bool(json.loads(text)["partitions"])

    @rule(count=st.integers(1, 4), data=st.data(), how=st.sampled_from(["load", "advance"]))
    def readers_take_over(self, count, data, how):
        """Readers in other processes, pickled on their way, go on and hand back how far they came."""
        if self.through:
            self.set_epoch(1)
        if not self.stream.state_dict()["partitions"]:
            self.stream.snapshot()
        states = []
        for index in range(count):
            reader = pickle.loads(pickle.dumps(self.stream.sharded(index, count)))
            state = reader.state_dict()
            for batch, progress in reader.with_progress():
                self._note(indices(batch))
                state = progress
                if data.draw(st.booleans()):
                    break
            states.append(state)
        if how == "load":
            self.stream.load_state_dict(*states)
            self.loaded = True
        else:
            self.stream.advance(*states)

    @rule(kind=st.sampled_from(COPIES), most=st.integers(0, 9), swap=st.booleans())
    def copies_go_their_own_way(self, kind, most, swap):
        other = kind(self.stream)
        if swap:
            self.stream, other = other, self.stream
        if most:
            for number, _ in enumerate(other, start=1):
                if number == most:
                    break

    @rule(change=st.sampled_from(["set_epoch", "load_state_dict", "iterate"]))
    def an_iteration_that_was_left_behind_says_so(self, change):
        self._next_epoch_if_through()
        left = iter(self.stream)
        batch = next(left, None)
        if batch is None:
            return self._end()
        self._note(indices(batch))
        if change == "set_epoch":
            self.stream.set_epoch(self.epoch + 1)
            self.epoch, self.given, self.loaded = self.epoch + 1, frozenset(), False
        elif change == "load_state_dict":
            self.stream.load_state_dict(self.stream.state_dict())
            self.loaded = True
        else:
            self.iterate_to_the_end()
        with pytest.raises(UserError, match="cannot go on"):
            next(left)
        return None


@pytest.mark.thorough
def test_every_order_of_calls_gives_every_sample_once_an_epoch_or_says_why_not(monkeypatch):
    topic = memory_topic(SAMPLES, partitions=PARTITIONS, rejected=REJECTED)
    monkeypatch.setattr(stream_module, "open_log", topic.open_log)
    run_state_machine_as_test(StreamMachine, settings=MACHINE)


def test_an_epoch_keeps_its_partitions_when_the_topic_gets_more(monkeypatch):
    topic = memory_topic(SAMPLES, partitions=PARTITIONS)
    monkeypatch.setattr(stream_module, "open_log", topic.open_log)
    added = {PARTITIONS - 1: topic.partitions.pop(PARTITIONS - 1)}
    whole = FeatureStream(topic="t", limits=Limits(), settings=NOWHERE)
    whole.snapshot()
    first = [index for batch in whole.sharded(0, 2) for index in indices(batch)]
    topic.partitions |= added
    second = [index for batch in whole.sharded(1, 2) for index in indices(batch)]
    assert sorted(first + second) == [index for index in range(SAMPLES) if index % PARTITIONS != PARTITIONS - 1]


def test_states_are_of_one_version_which_is_the_one_that_was_asked_for():
    def stream(version=None):
        return FeatureStream(DATASET, version=version, topic="t", limits=Limits(), settings=NOWHERE)

    fresh, first, second = stream().state_dict(), stream(1).state_dict(), stream(2).state_dict()
    mixed = stream()
    mixed.load_state_dict(fresh, second)
    assert mixed.state_dict() == second
    for other, states in ((stream(), (first, second)), (stream(2), (first,)), (stream(2), (fresh, first))):
        with pytest.raises(UserError, match="version 1 and 2"):
            other.load_state_dict(*states)
    with pytest.raises(UserError, match="version 1 and 2"):
        stream(2).advance(first)


@pytest.mark.parametrize("epoch", [-1, 1.0, "1", None, True])
def test_an_epoch_is_a_number_from_0(epoch):
    with pytest.raises(UserError, match="epoch"):
        FeatureStream(topic="t", limits=Limits(), settings=NOWHERE).set_epoch(epoch)


def test_a_share_of_a_share_is_of_that_share_alone(monkeypatch):
    monkeypatch.setattr(stream_module, "open_log", memory_topic(SAMPLES, partitions=PARTITIONS).open_log)
    whole = FeatureStream(topic="t", limits=Limits(), settings=NOWHERE)
    shares = [whole.sharded(rank, 2).sharded(part, 2) for rank in range(2) for part in range(2)]
    found = [[index for batch in share for index in indices(batch)] for share in shares]
    assert sorted(index for share in found for index in share) == list(range(SAMPLES))
    with pytest.raises(UserError, match="reader 2 of 2"):
        whole.sharded(2, 2)
