"""Readers that must have equally many batches have them, whatever they read; others hear that they have not."""

import json
import pickle
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iqstream.dataset import FeatureStream
from iqstream.dataset import stream as stream_module
from iqstream.runtime.errors import UserError
from schemas import Limits
from tests.dataset_logs import NOWHERE, memory_topic
from tests.strategies import SEEDED
from tests.torch_stand_in import Loader, install

PARTITIONS = 3
kinds = st.sampled_from(["drop", "pad"])


@pytest.fixture
def topic(monkeypatch):
    topic = memory_topic(26, partitions=PARTITIONS, rejected={2, 5, 8, 11, 25})
    monkeypatch.setattr(stream_module, "open_log", topic.open_log)
    return topic


def stream(**options):
    return FeatureStream(**{"topic": "t", "limits": Limits(), "settings": NOWHERE, "window": 16} | options)


def indices(batch):
    return np.atleast_1d(batch.meta["sample_idx"]).tolist()


def assert_shared_out(samples, every, readers, even):
    """Each sample once, but for fewer than `readers` that are dropped or come twice."""
    counts = Counter(samples)
    assert set(counts) <= set(every)
    if even == "drop":
        assert len(samples) == len(counts) == len(every) - len(every) % readers
    else:
        assert set(counts) == set(every)
        assert len(samples) == -(-len(every) // readers) * readers


@SEEDED
@given(
    even=kinds, shuffle=st.booleans(), batch_size=st.sampled_from([None, 1, 3, 8]), samples=st.integers(0, 26),
    rejected=st.sets(st.integers(0, 25)), first=st.integers(1, 16), then=st.integers(1, 16), steps=st.integers(0, 5),
)  # fmt: skip
def test_all_readers_have_equally_many_batches_of_equally_many_samples(
    even, shuffle, batch_size, samples, rejected, first, then, steps
):
    """After some steps another number of readers goes on from the state of any one of them."""
    every = set(range(samples)) - rejected
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream_module, "open_log", memory_topic(samples, partitions=3, rejected=rejected).open_log)
        whole = stream(even=even, shuffle=shuffle, seed=4, batch_size=batch_size)
        whole.snapshot()
        begun, states = [], []
        for index in range(first):
            batches = iter(reader := pickle.loads(pickle.dumps(whole.sharded(index, first))))
            taken = [batch for _, batch in zip(range(steps), batches, strict=False)]
            batches.close()
            begun.append([len(indices(batch)) for batch in taken])
            every -= {index for batch in taken for index in indices(batch)}
            states.append(json.loads(json.dumps(reader.state_dict())))
        assert all(sizes == begun[0] for sizes in begun)
        assert all(state == states[0] for state in states)
        whole.load_state_dict(*states)
        rest = [[indices(batch) for batch in whole.sharded(index, then)] for index in range(then)]
        assert len({tuple(map(len, batches)) for batches in rest}) == 1
        if sum(begun[0]) < steps * (batch_size or 1):
            return  # the end was reached: what is left over was dropped
        assert_shared_out([index for batches in rest for batch in batches for index in batch], every, then, even)


@pytest.mark.parametrize("even", ["drop", "pad"])
@pytest.mark.parametrize("workers", [0, 1, 3])
def test_ranks_have_equally_many_batches_whatever_their_workers_and_go_on_from_the_state_of_one(
    topic, monkeypatch, even, workers
):
    module = install(monkeypatch)
    whole = stream(even=even, shuffle=True, batch_size=2)
    whole.snapshot()
    every, world_size = {index for one in stream() for index in indices(one)}, 4
    ranks = [module.TorchFeatureStream(whole, rank=rank, world_size=world_size) for rank in range(world_size)]
    samples = []
    for rank in ranks:
        for _, (_, _, meta) in zip(range(2), Loader(rank, workers=workers), strict=False):
            rank.advance(meta["progress"])
            samples += meta["sample_idx"].tolist()
    state = ranks[0].state_dict()
    assert all(rank.state_dict() == state for rank in ranks)
    batches = []
    for number in range(world_size):
        rank = module.TorchFeatureStream(stream(even=even, shuffle=True, batch_size=2, end=dict.fromkeys(range(3), 9)),
                                         rank=number, world_size=world_size)  # fmt: skip
        rank.load_state_dict(state)
        left = [meta["sample_idx"].tolist() for _, _, meta in Loader(rank, workers=2)]
        batches.append([len(batch) for batch in left])
        samples += [index for batch in left for index in batch]
    assert all(sizes == batches[0] for sizes in batches)
    assert_shared_out(samples, every, world_size, even)


def test_evenness_that_cannot_be_had_is_refused(topic):
    with pytest.raises(UserError, match="even: 'both' is not one of"):
        stream(even="both")
    with pytest.raises(UserError, match="even: a stream that follows"):
        stream(even="drop", end=None)
    with pytest.raises(UserError, match="even: 4 readers that look for the end by themselves"):
        next(iter(stream(even="drop", shard=(0, 4))))
    with pytest.raises(UserError, match="even: 4 readers that look for the end by themselves"):
        stream(even="drop", shard=(0, 4)).snapshot()
    whole = stream(even="drop")
    whole.snapshot()
    reader = whole.sharded(0, 2)
    next(iter(reader))
    with pytest.raises(UserError, match="of different steps"):
        whole.load_state_dict(reader.state_dict(), whole.state_dict())


def test_uneven_readers_hear_of_the_limit(topic, monkeypatch, caplog):
    list(stream(shard=(0, 2)))
    assert "2 readers share 3 partitions out whole" in caplog.text
    assert list(stream(shard=(3, 16))) == []
    assert "reader 3 of 16, worker 0 of 1, has nothing to read: there are 3 partitions" in caplog.text
    module = install(monkeypatch)
    with pytest.raises(UserError, match="world_size: 4 ranks share 3 partitions"):
        module.TorchFeatureStream(stream(), rank=0, world_size=4)
