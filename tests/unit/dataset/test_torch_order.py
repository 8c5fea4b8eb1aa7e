"""The documented PyTorch loop, in whatever order its calls come: every sample once an epoch, or a word why not."""

import copy
import json
import pickle
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from iqstream.dataset import FeatureStream
from iqstream.dataset import stream as stream_module
from iqstream.runtime.errors import UserError
from schemas import Limits
from tests.dataset_logs import NOWHERE, memory_topic
from tests.strategies import SEEDED
from tests.torch_stand_in import Loader, Worker, install
from tests.unit.dataset.test_stream_order import EVERY, MACHINE, PARTITIONS, REJECTED, SAMPLES

pytestmark = pytest.mark.thorough

WORKERS = st.integers(0, 5)


@pytest.fixture(scope="module")
def make():
    """Makes a dataset over a topic in memory."""
    with pytest.MonkeyPatch.context() as patch:
        topic = memory_topic(SAMPLES, partitions=PARTITIONS, rejected=REJECTED)
        patch.setattr(stream_module, "open_log", topic.open_log)
        module = install(patch)

        def dataset(*, rank=0, world_size=1, **options):
            options = {"batch_size": 2, "shuffle": True, "seed": 2, "window": 16} | options
            stream = FeatureStream(topic="t", limits=Limits(), settings=NOWHERE, **options)
            return module.TorchFeatureStream(stream, rank=rank, world_size=world_size)

        yield dataset


def trained(dataset, loader, batches=None):
    """The samples of the documented loop, left after so many batches."""
    samples = []
    for number, (_, _, meta) in enumerate(loader, start=1):
        dataset.advance(meta["progress"])
        samples += meta["sample_idx"].tolist()
        if number == batches:
            break
    return samples


@pytest.mark.parametrize("workers", range(6))
@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("named", [False, True])
def test_the_documented_loop_gives_every_sample_once_in_every_epoch(make, workers, persistent, named):
    dataset = make()
    loader = Loader(dataset, workers=workers, persistent=persistent)
    orders = []
    for epoch in range(3):
        if named:
            dataset.set_epoch(epoch)
        orders.append(trained(dataset, loader))
        assert dataset.state_dict()["epoch"] == epoch
    assert [sorted(order) for order in orders] == [sorted(EVERY)] * 3
    assert orders[0] != orders[1] != orders[2]


def test_a_worker_without_partitions_of_a_stream_that_follows_ends_and_waits_for_nobody(make, monkeypatch):
    monkeypatch.setattr(stream_module, "open_log", memory_topic(0, partitions=2).open_log)
    dataset = make(end=None)
    monkeypatch.setattr(Worker, "info", SimpleNamespace(id=2, num_workers=3))
    assert list(dataset) == []


@pytest.mark.parametrize(("workers", "refused"), [(1, False), (2, True)])
def test_several_workers_that_share_an_even_stream_are_refused_states_of_their_own(make, monkeypatch, workers, refused):
    """They would lose samples."""
    dataset = make(even="pad")
    monkeypatch.setattr(Worker, "info", SimpleNamespace(id=0, num_workers=workers))
    iteration = iter(dataset)
    state = iteration.state_dict()
    if refused:
        with pytest.raises(UserError, match="use num_workers=1"):
            iteration.load_state_dict(state)
    else:
        iteration.load_state_dict(state)


class LoopMachine(RuleBasedStateMachine):
    """The model: what was trained on of the pass, whether `set_epoch` named it, and whether anything was since."""

    make = None

    def __init__(self):
        super().__init__()
        self.saved = []
        self.loaders = []
        self.batch = None

    @initialize()
    def begin(self):
        self.dataset = self.make()
        self.epoch, self.trained, self.named, self.advanced = 0, frozenset(), False, False

    def _what_comes(self):
        """Of the next iteration: its samples, and which epoch they are of."""
        if left := EVERY - self.trained:
            return left, self.epoch
        if not self.named:
            return EVERY, self.epoch + 1
        return (EVERY if self.advanced else frozenset()), self.epoch

    def _loader(self, data):
        if self.loaders and data.draw(st.booleans()):
            return data.draw(st.sampled_from(self.loaders))
        persistent = data.draw(st.booleans())
        loader = Loader(self.dataset, workers=data.draw(WORKERS), persistent=persistent)
        if persistent:
            self.loaders.append(loader)
        return loader

    @rule(data=st.data(), batches=st.one_of(st.none(), st.integers(1, 12)))
    def train(self, data, batches):
        expected, epoch = self._what_comes()
        samples = []
        for number, (_, _, meta) in enumerate(self._loader(data), start=1):
            self.dataset.advance(meta["progress"])
            samples += meta["sample_idx"].tolist()
            self.batch = meta["progress"]
            self.named, self.advanced = False, True
            if number == batches:
                break
        else:
            assert sorted(samples) == sorted(expected)
        assert len(samples) == len(set(samples))
        assert expected.issuperset(samples)
        if samples:
            self.trained = frozenset(samples) | (EVERY - expected)
            self.epoch = epoch
        assert self.dataset.state_dict()["epoch"] == self.epoch

    @rule(data=st.data())
    def look_without_advancing(self, data):
        expected, _ = self._what_comes()
        samples = [index for _, _, meta in self._loader(data) for index in meta["sample_idx"].tolist()]
        assert sorted(samples) == sorted(expected)

    @rule(by=st.integers(-1, 2))
    def set_epoch(self, by):
        epoch = max(0, self.epoch + by)
        self.dataset.set_epoch(epoch)
        if epoch != self.epoch:
            self.epoch, self.trained, self.advanced = epoch, frozenset(), False
            self._batch_is_stale()
        self.named = True

    @rule()
    def save(self):
        self.saved.append((json.dumps(self.dataset.state_dict()), self.epoch, self.trained))

    @precondition(lambda self: self.saved)
    @rule(data=st.data())
    def load(self, data):
        text, self.epoch, self.trained = data.draw(st.sampled_from(self.saved))
        self.dataset.load_state_dict(json.loads(text))
        self.named, self.advanced = False, False
        self._batch_is_stale()

    def _batch_is_stale(self):
        if self.batch is not None:
            with pytest.raises(UserError, match="before set_epoch or load_state_dict"):
                self.dataset.advance(self.batch)

    @rule(kind=st.sampled_from([copy.copy, copy.deepcopy, lambda dataset: pickle.loads(pickle.dumps(dataset))]))
    def copies_go_their_own_way(self, kind):
        other = kind(self.dataset)
        trained(other, Loader(other, workers=2), batches=3)
        other.set_epoch(99)


def test_every_order_of_calls_gives_every_sample_once_an_epoch_or_says_why_not(make):
    LoopMachine.make = staticmethod(make)
    run_state_machine_as_test(LoopMachine, settings=settings(MACHINE, max_examples=25, stateful_step_count=12))


@SEEDED
@given(data=st.data(), shuffle=st.booleans())
def test_ranks_and_workers_change_at_every_checkpoint_and_every_sample_comes_once(make, data, shuffle):
    samples, states = [], [make(shuffle=shuffle).state_dict()]
    for last in (False, False, True):
        world_size = data.draw(st.integers(1, PARTITIONS))
        ranks = [make(shuffle=shuffle, rank=rank, world_size=world_size) for rank in range(world_size)]
        for rank in ranks:
            rank.load_state_dict(*states)
            rank.set_epoch(0)
            batches = None if last else data.draw(st.integers(1, 4))
            samples += trained(rank, Loader(rank, workers=data.draw(WORKERS)), batches)
        states = [rank.state_dict() for rank in ranks]
    assert sorted(samples) == sorted(EVERY)
