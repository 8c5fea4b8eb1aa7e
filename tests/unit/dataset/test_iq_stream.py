"""IQStream has the recordings that lineages name, from wherever they are, for the receivers that the reader may see."""

import asyncio
import copy
import itertools
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import numpy as np
import pytest

from iqstream.catalogue.datasets import Dataset
from iqstream.catalogue.sample_ranges import SampleRanges
from iqstream.dataset import FeatureStream, IQStream, iq_stream
from iqstream.dataset import stream as stream_module
from iqstream.dataset.iq_source import IQSource
from iqstream.dataset.specs import Specs
from iqstream.runtime.errors import Failed
from schemas import IQFrame, Limits, SampleKey, encode, frame_crc32
from sink.recordings import RecordedSample, Recordings
from tests.dataset_logs import NOWHERE, memory_topic
from tests.recorded import recorded_spec
from tests.sink_samples import make_spec

SAMPLES, PARTITIONS = 12, 3
SPEC = make_spec(samples=SAMPLES, receivers=3)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def frame(sample_idx, receiver, *, spec=SPEC, samples=8):
    """Whose IQ follows from its sample and receiver."""
    values = np.random.default_rng([sample_idx, receiver]).integers(-100, 100, 2 * samples).astype("<i2")
    return IQFrame(
        dataset_id=spec.dataset_id, dataset_version=1, sample_idx=sample_idx, receivers_expected=3,
        receiver=spec.receivers[receiver], captured_at_ns=1, center_frequency_hz=144e6, sample_rate_hz=2e5, chunk_ms=1,
        datatype="ci16_le", scale=1e-6, truth=None, iq=memoryview(values.tobytes()),
    )  # fmt: skip


class Reader:
    """Frames in Kafka by (partition, offset); notices reads that meet."""

    def __init__(self, frames):
        self.frames = frames
        self.reading = 0

    async def read(self, topic, partition, offsets):
        assert not self.reading
        self.reading += 1
        await asyncio.sleep(0)
        self.reading -= 1
        return {at: encode(self.frames[partition, at]) for at in offsets if (partition, at) in self.frames}


class Sample:
    def __init__(self, frames):
        self.frames = frames


def synthesize(spec, sample_idx):
    return Sample([frame(sample_idx, receiver, spec=spec) for receiver in range(3)])


def wanted(sample_idx, **changes):
    lineage = {
        f"rx{receiver}": {
            "topic": "iq.frames", "partition": 0, "offset": sample_idx * 10 + receiver,
            "crc32": frame_crc32(frame(sample_idx, receiver)),
        }
        for receiver in range(3)
    }  # fmt: skip
    key = (SPEC.dataset_id, 1, sample_idx)
    return RecordedSample(**{"key": SampleKey(*key), "spec": SPEC, "lineage": lineage} | changes)


def stored(*samples):
    return {(0, i * 10 + receiver): frame(i, receiver) for i in samples for receiver in range(3)}


async def test_what_kafka_has_is_read_and_what_it_dropped_is_made_again_several_samples_at_once():
    kept = {place: one for place, one in stored(0, 1, 2).items() if place != (0, 11)}
    source = IQSource(Reader(kept), {"iq.frames": {0}}, synthesize)
    found = await asyncio.gather(*(source.recordings(wanted(i)) for i in range(4)))
    assert [sorted(one.synthesized) for one in found] == [[], ["rx1"], [], ["rx0", "rx1", "rx2"]]
    for i, one in enumerate(found):
        for receiver in range(3):
            np.testing.assert_array_equal(one.frames[f"rx{receiver}"].samples(), frame(i, receiver).samples())


async def test_a_topic_that_was_deleted_is_not_asked():
    class Nobody:
        async def read(self, *_):
            raise AssertionError

    found = await IQSource(Nobody(), {"iq.frames": {1, 2}}, synthesize).recordings(wanted(3))
    assert len(found.synthesized) == 3


@pytest.mark.parametrize(
    ("changes", "reason"), [({"spec": recorded_spec()}, "ingest its file again"), ({}, "its synthesis has crc32")]
)
async def test_other_iq_than_the_lineages_is_refused_and_the_sample_named(changes, reason):
    source = IQSource(Reader({}), {}, lambda spec, index: synthesize(spec, index + 1))
    with pytest.raises(Failed, match=f"sample 5 of .*{reason}"):
        await source.recordings(wanted(5, **changes))


class Catalogue:
    """Knows one dataset."""

    @classmethod
    def specs(cls, pool, limits):
        specs = Specs(pool, limits)
        specs.dataset = lambda key: Dataset(
            id=key.dataset_id, version=1, name="x", spec=SPEC, recorded=False, grows=False,
            samples=SampleRanges.first(SAMPLES), status="complete", requested=1, accepted=1, rejected=0, failed=0,
            iq_samples=0, iq_samples_saved=0, created_at=NOW, status_changed_at=NOW, completed_at=NOW,
        )  # fmt: skip
        return specs


class Counting:
    """A source that gives every receiver its IQ, and counts the samples that it was asked for."""

    def __init__(self):
        self.asked = []
        self.lengths = itertools.repeat(8)

    @asynccontextmanager
    async def open(self, _settings):
        yield self

    async def recordings(self, sample):
        self.asked.append(sample.key.sample_idx)
        frames = {
            rx_id: frame(sample.key.sample_idx, int(rx_id[2:]), samples=next(self.lengths)) for rx_id in sample.lineage
        }
        return Recordings(frames=frames, synthesized=frozenset({"rx1"} & frames.keys()), missing={})


@pytest.fixture
def source(monkeypatch):
    topic = memory_topic(SAMPLES, partitions=PARTITIONS, rejected={4})
    monkeypatch.setattr(stream_module, "open_log", topic.open_log)
    monkeypatch.setattr(stream_module, "Specs", Catalogue.specs)
    monkeypatch.setattr(IQStream, "_asks_postgres", lambda _: False)
    counting = Counting()
    monkeypatch.setattr(iq_stream, "open_iq_source", counting.open)
    return counting


def streams(**options):
    options = {"topic": "t", "limits": Limits(), "settings": NOWHERE, "window": 16} | options
    return IQStream(**options), FeatureStream(**options)


@pytest.mark.parametrize("options", [{}, {"batch_size": 5}, {"shuffle": True}, {"batch_size": 4, "even": "drop"}])
def test_samples_order_and_figures_are_those_of_the_feature_stream(source, options):
    with_iq, without = streams(**options)
    for one, other in itertools.zip_longest(with_iq, without):
        assert np.array_equal(one.meta["sample_idx"], other.meta["sample_idx"])
        np.testing.assert_array_equal(one.x["features"], other.x["features"])
        assert one.x["iq"].dtype == np.complex64
        assert one.x["iq"].shape == (*one.x["present"].shape, 8)
        assert np.all(np.atleast_1d(one.meta["sample_rate_hz"]) == 2e5)
        for row, index in enumerate(np.atleast_1d(one.meta["sample_idx"]).tolist()):
            iq = one.x["iq"].reshape(-1, 3, 8)[row]
            np.testing.assert_array_equal(iq, [frame(index, receiver).samples() for receiver in range(3)])
    assert with_iq.state_dict() == without.state_dict()


def test_a_state_goes_on_with_either_kind_of_stream(source):
    with_iq, without = streams(shuffle=True)
    first = [next_one.meta["sample_idx"] for next_one in itertools.islice(with_iq, 3)]
    without.load_state_dict(with_iq.state_dict())
    rest = [one.meta["sample_idx"] for one in without]
    assert sorted(first + rest) == [i for i in range(SAMPLES) if i != 4]


def test_a_shorter_recording_ends_in_nan(source, monkeypatch):
    source.lengths = itertools.cycle([8, 3, 8])
    for one in streams()[0]:
        assert np.isnan(one.x["iq"][1, 3:]).all()
        assert np.isfinite(one.x["iq"][:, :3]).all()
        assert one.meta["synthesized"] == [False, True, False]


def test_receivers_that_are_held_out_are_not_asked_for(source):
    with_iq, _ = streams(batch_size=3)
    batch = next(iter(with_iq))
    hidden = copy.deepcopy(batch.x["present"])
    hidden[:, 0] = False
    sample = iq_stream._recorded_sample(Catalogue.specs(None, Limits()), batch.meta["truth"].samples[0], hidden[0])
    assert sorted(sample.lineage) == ["rx1", "rx2"]
    assert {one["crc32"] for one in sample.lineage.values()} == {7}


@pytest.mark.parametrize("workers", [2, 3])
def test_a_worker_looks_for_the_iq_of_its_own_batches_alone(source, workers):
    whole, _ = streams(batch_size=1, even="drop")
    whole.snapshot()
    for number in range(workers):
        source.asked.clear()
        given = [batch.meta["sample_idx"][0] for batch in whole.for_worker(number, workers)]
        assert source.asked == given
