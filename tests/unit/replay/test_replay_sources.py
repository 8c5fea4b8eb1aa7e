"""What a sample of a replay is made of, by what the ledger says of its frames."""

from datetime import UTC, datetime

import msgspec
import pytest
from aiokafka import TopicPartition

from iqstream.catalogue.datasets import Dataset
from iqstream.catalogue.sample_ranges import SampleRanges
from iqstream.replay.sources import GeneratedAgain, Gone, make_plan, source_of
from iqstream.runtime.offsets import Ends
from sink.recordings import RecordedSample
from tests.sink_samples import make_spec

SPEC = make_spec(samples=3, receivers=3)


def dataset(*, recorded=False):
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return Dataset(
        id=SPEC.dataset_id, version=1, name=SPEC.name, spec=SPEC, recorded=recorded, status="complete", requested=3,
        samples=SampleRanges.first(3), grows=False,
        accepted=3, rejected=0, failed=0, iq_samples=2, iq_samples_saved=2, created_at=now, status_changed_at=now,
        completed_at=now,
    )  # fmt: skip


def lineage(*crc32s):
    return {
        f"rx{number}": {"topic": "iq.frames", "partition": 0, "offset": 10 + number, "crc32": crc32}
        for number, crc32 in enumerate(crc32s)
    }


def test_a_sample_whose_every_frame_is_proved_is_processed_from_its_frames():
    source = source_of(dataset(), 1, lineage(1, 2, 3))
    assert isinstance(source, RecordedSample)
    assert source.lineage == lineage(1, 2, 3)


@pytest.mark.parametrize("known", [None, {}, lineage(1, 2), lineage(1, None, 3)])
def test_a_synthetic_sample_that_lacks_a_proof_is_generated_again(known):
    assert source_of(dataset(), 1, known) == GeneratedAgain(sample_idx=1)


def test_a_recording_is_processed_from_its_frames_if_every_one_could_be_read():
    source = source_of(dataset(recorded=True), 1, lineage(1, 3))
    assert isinstance(source, RecordedSample)
    assert source.lineage.keys() == {"rx0", "rx1"}
    for known in (lineage(1, None, 3), lineage(None), None):
        assert isinstance(source_of(dataset(recorded=True), 1, known), Gone)


class Ledger:
    """A pool that answers with lineages."""

    def __init__(self, text):
        self.text = text

    async def fetch(self, _query, _id, _version, indices):
        return [{"sample_idx": index, "lineage": self.text} for index in indices]


async def test_a_plan_tells_kept_frames_from_expired_ones_by_the_topics_start():
    ledger = Ledger(msgspec.json.encode(lineage(1, 2, 3)).decode())
    ends = {TopicPartition("iq.frames", 0): Ends(log_start=11, end=12, high_watermark=12)}
    plan = await make_plan(ledger, dataset(), SampleRanges((range(2),)), ends)
    assert (plan.frames_kept, plan.frames_expired, plan.missing) == (2, 4, [])
    plan = await make_plan(ledger, dataset(recorded=True), SampleRanges((range(2),)), ends)
    assert [index for index, _reason in plan.missing] == [0, 1]


async def test_a_plan_makes_again_what_was_never_published_whatever_stands_at_the_shards_offset():
    places = {rx_id: place | {"topic": "iq.jobs"} for rx_id, place in lineage(1, 2, 3).items()}
    ledger = Ledger(msgspec.json.encode(places).decode())
    ends = {TopicPartition("iq.frames", 0): Ends(log_start=0, end=90, high_watermark=90)}
    plan = await make_plan(ledger, dataset(), SampleRanges((range(2),)), ends)
    assert (plan.frames_kept, plan.frames_expired, plan.missing) == (0, 6, [])
