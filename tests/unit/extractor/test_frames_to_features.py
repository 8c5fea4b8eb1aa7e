"""The extractor on a partition: a frame's features at once, a sample's time differences with its last frame."""

import random
from itertools import pairwise
from types import SimpleNamespace

import msgspec
import pytest
from aiokafka import TopicPartition

from extractor import open_samples, service
from extractor.pairs.record import pair_record
from extractor.record import feature_record
from extractor.service import FrameToFeatures
from iqstream.runtime.topics import FRAMES
from iqstream.runtime.transactions import SamplesFailed
from producer.synthesize import synthesize_sample
from schemas import FailureRecord, FeatureRecord, IQFrame, Lineage, PairRecord, decode, encode, frame_crc32, headers
from schemas import sample_key as key_of
from tests.producer_specs import ring_of, variant

NETWORK = ring_of(3)
SPEC = variant(pairs=True, receivers=NETWORK)
PLACE = TopicPartition(FRAMES, 2)


def frames_of(index, **changed):
    return [
        msgspec.structs.replace(frame, **{"pairs_expected": True} | changed)
        for frame in synthesize_sample(SPEC, index).frames
    ]


def received(offset, frame, value=None):
    return SimpleNamespace(
        topic=FRAMES,
        partition=PLACE.partition,
        offset=offset,
        key=key_of(frame.dataset_id, frame.sample_idx),
        headers=headers(frame),
        value=encode(frame) if value is None else value,
    )


def lineage(record):
    frame = decode(record.value, IQFrame)
    return Lineage(topic=FRAMES, partition=PLACE.partition, offset=record.offset, crc32=frame_crc32(frame))


def emitted(transform, record):
    """What is sent of a record, whether or not it is a failure as well."""
    try:
        sent = transform.apply(record)
    except SamplesFailed as failed:
        sent = failed.records
    except Exception as error:  # noqa: BLE001  # as the shell does
        sent = transform.fail(record, error)
    return [decode(one.value) for one in sent or ()]


def of_kind(kind, messages):
    return [one for one in messages if isinstance(one, kind)]


@pytest.fixture
def interleaved():
    """The frames of five samples, as several producers may have mixed them."""
    rng = random.Random(5)
    waiting = {index: frames_of(index) for index in range(5)}
    offset, log = 100, []
    while waiting:
        index = rng.choice(sorted(waiting)[:3])
        log.append(received(offset, waiting[index].pop(0)))
        offset += rng.choice([1, 1, 2])  # a marker
        if not waiting[index]:
            del waiting[index]
    return log


@pytest.mark.parametrize("seed", range(8))
def test_wherever_an_owner_stops_every_sample_has_its_time_differences_once_and_every_frame_its_features(
    interleaved, seed
):
    rng = random.Random(seed)
    borders = [0, *sorted(rng.sample(range(1, len(interleaved)), 5)), len(interleaved)]
    messages, transform, first_offsets = [], FrameToFeatures(set()), []
    for start, stop in pairwise(borders):
        if rng.random() < 0.7:  # another owner
            transform = FrameToFeatures(set())
            for record in interleaved[:start]:
                if first_offsets and record.offset >= min(first_offsets):
                    transform.recall(record, first=record.offset in first_offsets)
        for record in interleaved[start:stop]:
            messages += emitted(transform, record)
        first_offsets = transform.first_offsets()
    assert of_kind(FeatureRecord, messages) == [
        feature_record(decode(record.value, IQFrame), lineage(record)) for record in interleaved
    ]
    last = {decode(record.value, IQFrame).sample_idx: record for record in interleaved}
    expected = {
        index: pair_record(frames_of(index), msgspec.structs.replace(lineage(record), crc32=None))
        for index, record in last.items()
    }
    pairs = of_kind(PairRecord, messages)
    assert {one.sample_idx: one for one in pairs} == expected
    assert len(pairs) == len(expected)
    assert first_offsets == []


def test_a_dataset_that_asks_for_no_time_differences_leaves_nothing_open():
    transform = FrameToFeatures(set())
    frames = frames_of(0, pairs_expected=False)
    messages = [
        *emitted(transform, received(7, frames[0], b"broken")),
        *(one for number, frame in enumerate(frames[1:]) for one in emitted(transform, received(8 + number, frame))),
    ]
    assert [type(one) for one in messages] == [FailureRecord, FeatureRecord, FeatureRecord]
    assert transform.first_offsets() == []


@pytest.mark.parametrize("bad", range(3))
def test_a_sample_with_a_recording_that_cannot_be_read_fails_by_that_alone_and_nothing_waits(bad):
    transform = FrameToFeatures(set())
    messages = []
    for number, frame in enumerate(frames_of(0)):
        messages += emitted(transform, received(number, frame, b"broken" if number == bad else None))
    assert [one.rx_id for one in of_kind(FailureRecord, messages)] == [NETWORK[bad].rx_id]
    assert of_kind(PairRecord, messages) == []
    assert len(of_kind(FeatureRecord, messages)) == 2
    assert transform.first_offsets() == []


def test_a_sample_whose_time_differences_cannot_be_measured_fails_and_keeps_its_features(monkeypatch):
    def fails(_frames, _lineage):
        raise ValueError("they do not overlap")

    monkeypatch.setattr(service, "pair_record", fails)
    transform = FrameToFeatures(set())
    messages = [one for number, frame in enumerate(frames_of(4)) for one in emitted(transform, received(number, frame))]
    (failure,) = of_kind(FailureRecord, messages)
    assert (failure.sample_idx, failure.rx_id, failure.stage) == (4, None, "extractor")
    assert (failure.error, failure.message) == ("ValueError", "they do not overlap")
    assert len(of_kind(FeatureRecord, messages)) == 3


def test_of_a_cancelled_dataset_nothing_stays_open():
    withdrawn = set()
    transform = FrameToFeatures(withdrawn)
    first, second, _ = frames_of(0)
    emitted(transform, received(0, first))
    withdrawn.add((SPEC.dataset_id, SPEC.dataset_version))
    assert transform.apply(received(1, second)) is None
    assert transform.first_offsets() == []


@pytest.mark.parametrize("bound", ["MOST_SAMPLES", "MOST_BYTES", "MOST_OFFSETS"])
def test_what_is_kept_is_bounded_and_a_sample_that_is_given_up_fails_with_the_reason(monkeypatch, bound):
    opening = frames_of(0)[0], frames_of(1)[0]
    at_most = {"MOST_SAMPLES": 1, "MOST_BYTES": sum(len(one.iq) for one in opening) - 1, "MOST_OFFSETS": 3}
    monkeypatch.setattr(open_samples, bound, at_most[bound])
    transform = FrameToFeatures(set())
    assert of_kind(FailureRecord, emitted(transform, received(10, opening[0]))) == []
    (failure,) = of_kind(FailureRecord, emitted(transform, received(14, opening[1])))
    assert (failure.sample_idx, failure.rx_id, failure.error) == (0, None, "IncompleteSample")
    assert failure.message.startswith("time differences need every recording: 1 of 3 came from offset 10 of")
    assert transform.first_offsets() == [14]


def test_samples_whose_last_recordings_do_not_come_fail_with_the_reason_and_nothing_waits():
    transform = FrameToFeatures(set())
    for offset, index in enumerate([0, 1, 1]):
        emitted(transform, received(10 + offset, frames_of(index)[offset % 2], b"broken" if offset == 1 else None))
    failures = [decode(one.value, FailureRecord) for one in transform.give_up(PLACE, 14)]
    assert [(one.sample_idx, one.rx_id, one.error) for one in failures] == [(0, None, "IncompleteSample")]
    assert failures[0].message.endswith(
        "1 of 3 came from offset 10 of iq.frames-2 on, and no other before offset 14. Replay the sample"
    )
    assert transform.first_offsets() == []
    assert transform.give_up(PLACE, 15) == []


def test_failed_recordings_alone_are_not_kept_for_ever_and_say_nothing_more(monkeypatch):
    monkeypatch.setattr(open_samples, "MOST_SAMPLES", 2)
    transform = FrameToFeatures(set())
    messages = [
        one for index in range(6) for one in emitted(transform, received(index, frames_of(index)[0], b"broken"))
    ]
    assert [one.sample_idx for one in messages] == list(range(6))
    assert len(transform._open._open) == 2


def test_a_receiver_that_comes_twice_counts_once_and_replays_are_apart():
    transform = FrameToFeatures(set())
    first, second, third = frames_of(0)
    again = [msgspec.structs.replace(frame, generation=1) for frame in (first, second, third)]
    arriving = [first, first, again[0], second, again[1], third, again[2]]
    messages = [one for number, frame in enumerate(arriving) for one in emitted(transform, received(number, frame))]
    assert [(one.generation, one.lineage.offset) for one in of_kind(PairRecord, messages)] == [(0, 5), (1, 6)]
