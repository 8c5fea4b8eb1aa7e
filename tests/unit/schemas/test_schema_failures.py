"""A record that cannot be processed says, as far as it can, which samples need not be waited for."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import pytest

from schemas import (
    GenerationShard,
    IQFrame,
    Malformed,
    decode,
    encode,
    failure_of_frame,
    failures_of_shard,
    headers,
    sample_key,
)
from schemas.dataset import MAX_SAMPLES
from tests.golden_wire import DATASET_ID, FRAME_CI16, GOLDEN

ERROR = Malformed("truncated")


@dataclass
class Record:
    key: bytes | None
    headers: Sequence[tuple[str, bytes]] = field(default_factory=tuple)
    topic: str = "iq.frames"
    partition: int = 3
    offset: int = 41


def frame_record(frame: IQFrame = FRAME_CI16) -> Record:
    return Record(sample_key(frame.dataset_id, frame.sample_idx), headers(frame))


def shard_record() -> Record:
    shard = GOLDEN["generation_shard-1"]
    assert isinstance(shard, GenerationShard)
    return Record(sample_key(shard.spec.dataset_id, shard.first_idx), headers(shard), topic="iq.jobs")


def test_a_frame_that_cannot_be_read_fails_its_receiver_alone() -> None:
    failure = failure_of_frame(frame_record(), stage="extractor", error=ERROR)
    assert failure is not None
    assert (failure.dataset_id, failure.dataset_version, failure.sample_idx) == (DATASET_ID, 2, 17)
    assert (failure.rx_id, failure.generation, failure.stage) == ("torino", 1, "extractor")
    assert (failure.error, failure.message) == ("Malformed", "truncated")
    assert (failure.lineage.topic, failure.lineage.partition, failure.lineage.offset) == ("iq.frames", 3, 41)


def test_a_frame_that_names_no_receiver_fails_the_whole_sample() -> None:
    failure = failure_of_frame(Record(sample_key(DATASET_ID, 5)), stage="extractor", error=ERROR)
    assert failure is not None
    assert (failure.sample_idx, failure.rx_id, failure.dataset_version) == (5, None, 1)


def test_a_shard_that_cannot_be_read_fails_each_of_its_samples() -> None:
    failures = failures_of_shard(shard_record(), stage="producer", error=ERROR)
    assert [(f.sample_idx, f.rx_id, f.generation) for f in failures] == [(16, None, 3), (17, None, 3)]


def test_a_shard_at_the_end_of_all_indices_fails_only_those_that_there_are() -> None:
    record = Record(sample_key(DATASET_ID, MAX_SAMPLES - 1), [("samples", b"64")])
    failures = failures_of_shard(record, stage="producer", error=ERROR)
    assert [failure.sample_idx for failure in failures] == [MAX_SAMPLES - 1]


@pytest.mark.parametrize("samples", [b"", b"0", b"-1", b"65", b"9" * 30, b"\xff", "٣".encode()])
def test_a_shard_that_does_not_say_how_many_samples_it_has_fails_none(samples: bytes) -> None:
    record = Record(sample_key(DATASET_ID, 0), [("samples", samples)])
    assert failures_of_shard(record, stage="producer", error=ERROR) == []


@pytest.mark.parametrize("key", [None, b"", b"17", b":17", b"x:17", DATASET_ID.encode(), b"\xff:\xfe"])
def test_nobody_waits_for_a_foreign_record(key: bytes | None) -> None:
    assert failure_of_frame(Record(key), stage="extractor", error=ERROR) is None


@pytest.mark.parametrize("index", [b"-1", b"1.0", b"10000000", b"9" * 18, b"9" * 400, b""])
def test_an_index_that_no_sample_has_is_foreign(index: bytes) -> None:
    assert failure_of_frame(Record(DATASET_ID.encode() + b":" + index), stage="sink", error=ERROR) is None


@pytest.mark.parametrize(
    "text", ["", "x" * 10_000, "\0" * 3000, "\udc80" * 3000, "è" * 3000, "\U0001f4e1" * 3000, "a\nb"]
)
def test_the_failure_can_be_written_whatever_the_error_says(text: str) -> None:
    failure = failure_of_frame(frame_record(), stage="extractor", error=ValueError(text))
    assert failure is not None
    assert decode(encode(failure)) == failure
    assert "\0" not in failure.message


def test_a_failure_keeps_the_generation_that_it_replays() -> None:
    frame = msgspec.structs.replace(FRAME_CI16, generation=12)
    failure = failure_of_frame(frame_record(frame), stage="extractor", error=ERROR)
    assert failure is not None
    assert failure.generation == 12
