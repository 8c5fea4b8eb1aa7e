"""FeatureStream on a real broker: every accepted sample once, whoever is killed and however many read."""

import asyncio
import itertools
import json
import random
import subprocess
import sys
import threading
from datetime import UTC, datetime

import numpy as np
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete

from iqstream.dataset import FeatureStream, OffsetExpired, background
from iqstream.runtime.errors import Unreachable, UserError
from iqstream.runtime.kafka import admin_client
from tests.integration.feature_topics import LIMITS, filled_topic, make_topic, publish
from tests.integration.pipeline import Pipeline
from tests.sink_samples import failure_record, make_spec, whole_sample

pytestmark = pytest.mark.stack
SAMPLES = 150


@pytest.fixture(scope="module")
def topic(settings):
    return asyncio.run(filled_topic(settings, SAMPLES))[0]


@pytest.fixture
def stream(settings, topic):
    def make(**options):
        return FeatureStream(**({"topic": topic, "limits": LIMITS, "settings": settings} | options))

    return make


def indices(batches):
    return [index for _, _, meta in batches for index in np.atleast_1d(meta["sample_idx"]).tolist()]


def test_an_epoch_is_every_sample_once_and_the_next_one_has_another_order(stream):
    shuffled = stream(batch_size=16, shuffle=True, seed=0, window=64)
    first, second = indices(shuffled), indices(shuffled)
    assert sorted(first) == sorted(second) == list(range(SAMPLES))
    assert first != second
    assert first == indices(stream(batch_size=16, shuffle=True, seed=0, window=64))
    assert first != indices(stream(batch_size=16, shuffle=True, seed=1, window=64))


async def test_items_batches_and_both_kinds_of_iteration_give_the_same(stream):
    items = list(stream())
    batches = [batch async for batch in stream(batch_size=32)]
    assert [len(batch.y) for batch in batches] == [32, 32, 32, 32, 22]
    assert indices(items) == indices(batches)
    features = np.concatenate([batch.x["features"] for batch in batches])
    np.testing.assert_array_equal(np.stack([item.x["features"] for item in items]), features)


def test_a_state_is_valid_before_the_first_sample_and_speaks_of_yielded_ones_alone(stream):
    fresh = stream(batch_size=8, shuffle=True)
    begun = stream(batch_size=8, shuffle=True)
    begun.load_state_dict(json.loads(json.dumps(fresh.state_dict())))
    taken = []
    batches = iter(begun)
    for _ in range(3):
        taken += indices([next(batches)])
    state = begun.state_dict()  # the reading thread is batches ahead by now
    batches.close()
    assert len(json.dumps(state)) < 2000
    resumed = stream(batch_size=8, shuffle=True)
    resumed.load_state_dict(json.loads(json.dumps(state)))
    assert sorted(taken + indices(resumed)) == list(range(SAMPLES))


@pytest.mark.parametrize("seed", range(6))
def test_stopped_anywhere_with_any_number_of_readers_every_sample_comes_once(stream, seed):
    chance = random.Random(seed)
    seen, states = [], []
    whole = stream(batch_size=chance.choice([None, 5]), shuffle=True, seed=seed, window=48)
    whole.snapshot()
    while len(seen) < SAMPLES:
        if states:
            whole.load_state_dict(*states)
        count = chance.randint(1, 4)
        readers = [whole.sharded(index, count) for index in range(count)]
        for reader in readers:
            batches = iter(reader)
            for _ in range(chance.randint(0, 12)):
                batch = next(batches, None)
                seen += [] if batch is None else indices([batch])
            batches.close()
        states = [reader.state_dict() for reader in readers]
    assert sorted(seen) == list(range(SAMPLES))
    whole.load_state_dict(*states)
    assert indices(whole) == []


class ReaderProcess:
    """One of `count` training processes."""

    def __init__(self, environment, topic, shard, states):
        stream = {"topic": topic, "batch_size": 4, "shuffle": True, "seed": 9, "window": 48}
        options = {"stream": stream, "shard": shard, "states": states}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.reader_process", json.dumps(options)],
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.state = None
        self.samples = []
        self.finished = False

    def take(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        told = json.loads(self.process.stdout.readline())
        self.finished = told["samples"] is None
        if not self.finished:
            self.samples += told["samples"]
            self.state = told["state"]

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


async def read_to_the_end():
    """Until the thread that reads ahead is through."""
    async with asyncio.timeout(60):
        while any(thread.name == "iqstream-dataset" for thread in threading.enumerate()):
            await asyncio.sleep(0.01)


async def test_left_with_break_when_all_is_read_ahead_the_epoch_goes_on_with_the_rest(settings, monkeypatch):
    monkeypatch.setattr(background, "AHEAD", 1000)
    topic, _spec = await filled_topic(settings, 12)
    for kind in ("for", "async for"):
        stream = FeatureStream(topic=topic, limits=LIMITS, settings=settings)
        taken = []
        while len(taken) < 12:
            if kind == "for":
                for item in stream:
                    taken += indices([item])
                    await read_to_the_end()
                    if len(taken) % 5 == 0:
                        break
            else:
                async for item in stream:
                    taken += indices([item])
                    await read_to_the_end()
                    if len(taken) % 5 == 0:
                        break
        assert (sorted(taken), stream.epoch) == (list(range(12)), 0)
        assert sorted(indices(stream)) == list(range(12))
        assert stream.epoch == 1


BREAKS = """
import asyncio, sys
from iqstream.dataset import FeatureStream
from tests.integration.feature_topics import LIMITS

async def leave():
    asyncio.get_running_loop().slow_callback_duration = 60.0  # how fast this machine is says nothing
    stream = FeatureStream(topic=sys.argv[1], end=None, limits=LIMITS)
    for _ in range(2):
        async for item in stream:
            print(item.meta["sample_idx"])
            break

asyncio.run(leave())
"""


def test_a_program_that_leaves_async_for_with_break_ends_without_a_word(settings, topic, tmp_path):
    ended = subprocess.run(
        [sys.executable, "-X", "dev", "-c", BREAKS, topic], env=Pipeline(settings, tmp_path / "log").environment(),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, "")
    assert len(set(ended.stdout.split())) == 2


def test_killed_readers_are_replaced_by_another_number_and_no_sample_is_lost_or_doubled(
    settings, topic, stream, tmp_path
):
    chance = random.Random(4)
    environment = Pipeline(settings, tmp_path / "log").environment()
    begun = stream(batch_size=4, shuffle=True, seed=9, window=48)
    begun.snapshot()
    states, seen = [begun.state_dict()], []
    for count, most in ((2, 9), (3, 7), (1, 10**9)):
        readers = [ReaderProcess(environment, topic, (index, count), states) for index in range(count)]
        try:
            for reader in readers:
                for _ in range(chance.randint(1, most) if most < 100 else most):
                    reader.take()
                    if reader.finished:
                        break
        finally:
            for reader in readers:
                reader.kill()
        seen += [sample for reader in readers for sample in reader.samples]
        states = [*states, *[reader.state for reader in readers if reader.state]]
    assert sorted(seen) == list(range(SAMPLES))


async def test_following_gives_what_comes_and_goes_on_where_it_was_left(settings):
    topic, spec = await filled_topic(settings, 20)

    def follow():
        return FeatureStream(topic=topic, end=None, limits=LIMITS, settings=settings)

    async def take(follower, count):
        taken = []
        samples = aiter(follower)
        async with asyncio.timeout(60):
            while len(taken) < count:
                taken.append((await anext(samples)).meta["sample_idx"])
        await samples.aclose()
        return taken

    follower = follow()
    first = await take(follower, 12)
    await publish(settings, topic, [record for index in range(20, 30) for record in whole_sample(spec, index)])
    successor = follow()
    successor.load_state_dict(follower.state_dict())
    assert sorted(first + await take(successor, 18)) == list(range(30))


async def test_of_a_replayed_sample_an_epoch_has_the_newest_whole_generation_and_a_follower_the_first(settings):
    topic, spec = await filled_topic(settings, 6)
    replayed = [record for index in range(4) for record in whole_sample(spec, index, generation=1, snr_db=30.0)]
    broken = [*whole_sample(spec, 0, generation=2)[1:], failure_record(spec, 0, 0, generation=2)]
    rejected = whole_sample(spec, 1, generation=2, snr_db=-20.0)
    await publish(settings, topic, [*replayed, *broken, *rejected])

    def taken(batches):
        return sorted((meta["sample_idx"], meta["generation"], round(meta["mean_snr_db"])) for _, _, meta in batches)

    epoch = FeatureStream(topic=topic, limits=LIMITS, settings=settings)
    assert taken(epoch) == [(0, 1, 30), (2, 1, 30), (3, 1, 30), (4, 0, 20), (5, 0, 20)]
    follower = aiter(FeatureStream(topic=topic, end=None, limits=LIMITS, settings=settings))
    async with asyncio.timeout(60):
        followed = [await anext(follower) for _ in range(6)]
    await follower.aclose()
    assert taken(followed) == [(index, 0, 20) for index in range(6)]


async def test_samples_that_failed_or_are_not_whole_are_left_out_and_rejected_ones_come_when_asked_for(settings):
    topic, spec = await make_topic(settings), make_spec(samples=9, receivers=3)
    good, bad = whole_sample(spec, 0), whole_sample(spec, 1, snr_db=-20.0)
    failed = [failure_record(spec, 2, 0), *whole_sample(spec, 2)[1:]]
    await publish(settings, topic, [*good, *bad, *failed, *whole_sample(spec, 3)[:2]])
    options = {"topic": topic, "limits": LIMITS, "settings": settings}
    assert indices(FeatureStream(**options)) == [0]
    both = {meta["sample_idx"]: meta["reason"] for _, _, meta in FeatureStream(include_rejected=True, **options)}
    assert both == {0: "", 1: "too_few_receivers"}


def test_splits_divide_the_samples_and_receivers_are_held_out(stream, settings):
    parts = [indices(stream(split=name)) for name in ("train", "validation", "test")]
    assert sorted(itertools.chain(*parts)) == list(range(SAMPLES))
    assert min(map(len, parts)) > 0
    with pytest.raises(UserError, match="needs the dataset's network"):
        list(stream(split="train", split_by="receiver-holdout"))


async def test_a_time_and_offsets_bound_what_is_read(settings):
    topic, spec = await filled_topic(settings, 10)
    between = datetime.now(UTC)
    later = [record for index in range(10, 20) for record in whole_sample(spec, index)]
    await publish(settings, topic, later)
    options = {"topic": topic, "limits": LIMITS, "settings": settings}
    assert sorted(indices(FeatureStream(start=between, **options))) == list(range(10, 20))
    assert sorted(indices(FeatureStream(end=between, **options))) == list(range(10))
    for places, said in (({"end": {9: 0}}, "no partition 9"), ({"start": {0: 10**6}}, "is past the end")):
        with pytest.raises(UserError, match=said):
            list(FeatureStream(**places, **options))
    assert indices(FeatureStream(start=dict.fromkeys(range(5), 0), end=dict.fromkeys(range(5), 0), **options)) == []


async def test_an_expired_position_is_an_error_that_names_the_way_out(settings):
    topic, _ = await filled_topic(settings, 60, partitions=1)
    stream = FeatureStream(topic=topic, batch_size=4, limits=LIMITS, settings=settings)
    batches = iter(stream)
    next(batches)
    batches.close()
    async with admin_client(settings) as admin:
        await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=100)})
    with pytest.raises(OffsetExpired, match="PostgreSQL"):
        list(stream)


async def test_in_a_notebook_where_a_loop_runs_for_works_as_anywhere(stream):
    assert len(indices(stream())) == SAMPLES


def test_what_is_wrong_is_told_where_it_is_wrong(settings, stream):
    with pytest.raises(UserError, match="no topic 'absent'"):
        list(FeatureStream(topic="absent", limits=LIMITS, settings=settings))
    with pytest.raises(UserError, match="no dataset 'absent'"):
        list(FeatureStream("absent", settings=settings))
    with pytest.raises(UserError, match="split: 'tset'"):
        stream(split="tset")
    with pytest.raises(UserError, match="window was 1024, is 5"):
        stream(window=5).load_state_dict(stream().state_dict())
    away = {"kafka_bootstrap": "127.0.0.1:1"}
    with pytest.raises(Unreachable, match=r"Kafka at 127\.0\.0\.1:1"):
        list(stream(settings=replaced(settings, **away)))


def replaced(settings, **changes):
    from dataclasses import replace

    return replace(settings, **changes)
