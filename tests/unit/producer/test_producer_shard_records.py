"""What becomes of a shard: frames or features, each sample of it for itself."""

from types import SimpleNamespace

import msgspec
import pytest

from extractor.pairs.record import pair_record
from extractor.record import feature_record
from iqstream.runtime.retention_gate import RetentionGate
from iqstream.runtime.topics import FEATURES, FRAMES, JOBS
from iqstream.runtime.transactions import SamplesFailed
from producer import shard_records
from producer.service import ShardGate
from producer.shard_records import ShardRecords
from producer.synthesize import synthesize_sample
from producer.tiles import NO_TILES
from schemas import (
    FailureRecord,
    FeatureRecord,
    GenerationShard,
    IQFrame,
    Lineage,
    PairRecord,
    decode,
    encode,
    frame_crc32,
    headers,
)
from schemas import sample_key as key_of
from tests.producer_specs import variant

FEATURES_ONLY = variant(publish="features")


def received(spec, *, first_idx=4, count=3, generation=0, value=None):
    shard = GenerationShard(spec=spec, first_idx=first_idx, count=count, generation=generation)
    return SimpleNamespace(
        topic=JOBS,
        partition=3,
        offset=11,
        key=key_of(spec.dataset_id, first_idx),
        headers=headers(shard),
        value=encode(shard) if value is None else value,
    )


def transform(*, withdrawn=(), extract=feature_record, measure_pairs=pair_record):
    return ShardRecords(withdrawn, NO_TILES, extract, measure_pairs)


def test_features_at_once_are_those_of_the_frames_that_would_have_been_published():
    frames = [decode(one.value, IQFrame) for one in transform().apply(received(variant(), generation=2))]
    made = transform().apply(received(FEATURES_ONLY, generation=2))
    assert [decode(one.value) for one in made] == [
        feature_record(frame, Lineage(topic=JOBS, partition=3, offset=11, crc32=frame_crc32(frame))) for frame in frames
    ]
    assert {one.topic for one in made} == {FEATURES}
    assert [one.key for one in made] == [key_of(frame.dataset_id, frame.sample_idx) for frame in frames]


@pytest.mark.parametrize("spec", [variant(), FEATURES_ONLY], ids=["frames", "features"])
def test_a_sample_that_cannot_be_made_fails_alone(spec, monkeypatch):
    def fails_at_5(spec, index, *, tiles):
        if index == 5:
            raise ValueError("no land for it")
        return synthesize_sample(spec, index, tiles=tiles)

    whole = transform().apply(received(spec))
    monkeypatch.setattr(shard_records, "synthesize_sample", fails_at_5)
    with pytest.raises(SamplesFailed) as failed:
        transform().apply(received(spec))
    messages = [decode(one.value) for one in failed.value.records]
    failures = [one for one in messages if isinstance(one, FailureRecord)]
    assert [(one.sample_idx, one.rx_id, one.stage, one.error) for one in failures] == [
        (5, None, "producer", "ValueError")
    ]
    assert [one for one in messages if one not in failures] == [
        message for one in whole if (message := decode(one.value)).sample_idx != 5
    ]
    assert (list(failed.value.errors), failed.value.every) == ([5], False)


def test_a_recording_that_cannot_be_extracted_fails_alone():
    def deaf(frame, lineage):
        if (frame.sample_idx, frame.receiver.rx_id) == (6, "torino"):
            raise ValueError("NaN")
        return feature_record(frame, lineage)

    with pytest.raises(SamplesFailed) as failed:
        transform(extract=deaf).apply(received(FEATURES_ONLY))
    messages = [decode(one.value) for one in failed.value.records]
    assert [(one.sample_idx, one.rx_id) for one in messages if isinstance(one, FailureRecord)] == [(6, "torino")]
    assert sum(isinstance(one, FeatureRecord) for one in messages) == 3 * 7 - 1
    assert (list(failed.value.errors), failed.value.every) == ([6], False)


def test_time_differences_follow_the_features_of_their_sample_which_say_so_and_are_else_the_same():
    spec = variant(publish="features", pairs=True)
    plain = [decode(one.value) for one in transform().apply(received(FEATURES_ONLY, generation=2))]
    made = transform().apply(received(spec, generation=2))
    messages = [decode(one.value) for one in made]
    features = [one for one in messages if isinstance(one, FeatureRecord)]
    assert [msgspec.structs.replace(one, pairs_expected=False) for one in features] == plain
    assert all(one.pairs_expected for one in features)
    assert [isinstance(one, PairRecord) for one in messages] == ([False] * 7 + [True]) * 3
    for at, index in enumerate((4, 5, 6)):
        frames = [msgspec.structs.replace(one, generation=2) for one in synthesize_sample(spec, index).frames]
        lineage = Lineage(topic=JOBS, partition=3, offset=11, crc32=None)
        assert messages[8 * at + 7] == pair_record(frames, lineage)
    assert {one.key for one in made} == {key_of(spec.dataset_id, index) for index in (4, 5, 6)}


def test_a_sample_whose_time_differences_cannot_be_measured_fails_and_no_other():
    def fails_at_5(frames, lineage):
        if frames[0].sample_idx == 5:
            raise ValueError("nothing overlaps")
        return pair_record(frames, lineage)

    with pytest.raises(SamplesFailed) as failed:
        transform(measure_pairs=fails_at_5).apply(received(variant(publish="features", pairs=True)))
    messages = [decode(one.value) for one in failed.value.records]
    assert [(one.sample_idx, one.rx_id) for one in messages if isinstance(one, FailureRecord)] == [(5, None)]
    assert [one.sample_idx for one in messages if isinstance(one, PairRecord)] == [4, 6]
    assert (list(failed.value.errors), failed.value.every) == ([5], False)


def test_a_shard_of_which_nothing_can_be_made_is_invalid_and_each_of_its_samples_fails():
    other = msgspec.structs.replace(FEATURES_ONLY, generator_version="another")
    with pytest.raises(SamplesFailed) as failed:
        transform().apply(received(other))
    assert failed.value.every
    assert [decode(one.value).sample_idx for one in failed.value.records] == [4, 5, 6]


def test_a_file_that_this_machine_cannot_read_is_no_fault_of_the_sample(monkeypatch):
    def no_file(*_arguments, **_tiles):
        raise OSError("too many open files")

    monkeypatch.setattr(shard_records, "synthesize_sample", no_file)
    with pytest.raises(OSError, match="too many open files"):
        transform().apply(received(FEATURES_ONLY))


@pytest.mark.parametrize(
    ("record", "held"),
    [
        (received(variant()), True),
        (received(FEATURES_ONLY), False),
        (received(variant(dataset_version=2)), False),  # cancelled
        (received(variant(), value=b"no shard"), False),
    ],
    ids=["frames", "features", "withdrawn", "unreadable"],
)
def test_a_backlog_of_frames_holds_those_shards_alone_that_become_frames(record, held):
    class Gate(RetentionGate):
        def __init__(self, *, closed):
            self._closed = closed

    work = transform(withdrawn={(variant().dataset_id, 2)})
    room, full = Gate(closed=False), Gate(closed=True)
    assert ShardGate(frames=full, features=None, transform=work).holds(record) is held
    assert ShardGate(frames=full, features=room, transform=work).holds(record) is held
    assert ShardGate(frames=room, features=full, transform=work).holds(record)
    assert not ShardGate(frames=room, features=room, transform=work).holds(record)
    assert {FRAMES} == {one.topic for one in transform().apply(received(variant(), count=1))}
