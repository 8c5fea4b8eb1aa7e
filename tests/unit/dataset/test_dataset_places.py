"""Where a stream begins and ends is checked at once: against what can be said, and against the log as it is."""

import itertools
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import numpy as np
import pytest

from iqstream.dataset import FeatureStream, OffsetExpired
from iqstream.dataset import stream as stream_module
from iqstream.runtime.errors import UserError
from schemas import DatasetKey, Limits
from tests.dataset_logs import NOWHERE, memory_topic

SAMPLES = 12
FIRST_KEPT = 5
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def topic(monkeypatch):
    """Three partitions, of which the last has lost what was before FIRST_KEPT."""
    topic = memory_topic(SAMPLES)
    topic.begins = {2: FIRST_KEPT}
    monkeypatch.setattr(stream_module, "open_log", topic.open_log)
    return topic


def stream(**options):
    return FeatureStream(topic="t", limits=Limits(), settings=NOWHERE, **options)


def indices(batches):
    return [meta["sample_idx"] for _, _, meta in batches]


@pytest.mark.parametrize("name", ["start", "end"])
@pytest.mark.parametrize(
    ("place", "fragment"),
    [
        (50, "50 is not one of"),
        (-1, "-1 is not one of"),
        (True, "True is not one of"),
        (1.5, "1.5 is not one of"),
        ("yesterday", "'yesterday' is not one of"),
        ("2026-01-01", "is not one of 'earliest', 'latest', a datetime"),
        ([0, 0, 0], "is not one of"),
        (date(2026, 1, 1), "is not one of"),
        (datetime(2026, 1, 1), "has no time zone"),  # noqa: DTZ001  # that is the point
        (datetime.now(UTC) + timedelta(days=1), "is in the future"),
        ({0: -1}, "offset -1 is not a whole number from 0"),
        ({0: 1.0}, "offset 1.0 is not"),
        ({0: None}, "offset None is not"),
        ({0: "5"}, "offset '5' is not"),
        ({"0": 5}, "partition '0' is not"),
        ({-1: 5}, "partition -1 is not"),
        ({True: 5}, "partition True is not"),
    ],
)
def test_what_is_no_place_is_refused_before_kafka_is_asked(name, place, fragment):
    with pytest.raises(UserError, match=f"^{name}: .*{fragment}"):
        stream(**{name: place})


def test_an_end_that_lies_before_the_start_is_refused():
    with pytest.raises(UserError, match=r"end: .* lies before start"):
        stream(start=NOON, end=NOON - timedelta(hours=1))
    with pytest.raises(UserError, match="end: offset 3 of partition 1 lies before start, 4"):
        stream(start={0: 1, 1: 4}, end={1: 3})


@pytest.mark.parametrize(("name", "how"), [
    ("start", "snapshot"), ("start", "iterate"), ("start", "follow"), ("end", "snapshot"), ("end", "iterate"),
])  # fmt: skip
def test_what_the_log_does_not_have_is_refused_at_once(topic, name, how):
    past = topic.partitions[0][1]
    for place, error, fragment in (
        ({3: 0}, UserError, "t has no partition 3, but 0, 1, 2"),
        ({0: past + 1}, UserError, rf"offset {past + 1} of partition 0 is past the end of t: .* ends at {past}"),
        ({2: FIRST_KEPT - 1}, OffsetExpired, rf"is no longer in t, which begins at {FIRST_KEPT}"),
    ):
        one = stream(**{name: place} | ({"end": None} if how == "follow" else {}))
        with pytest.raises(error, match=f"^{name}: .*{fragment}"):
            one.snapshot() if how == "snapshot" else next(iter(one))


def test_offsets_may_be_numpys_and_partitions_that_are_not_named_are_read_in_whole(topic):
    topic.begins = {}
    first = indices(stream(end={1: 0, 2: 0}))
    assert first == list(range(0, SAMPLES, 3))
    half = np.int64(topic.partitions[0][0].offsets[5])
    ended = stream(end={np.int32(0): half})
    assert set(range(1, SAMPLES, 3)) | set(range(2, SAMPLES, 3)) < set(indices(ended)) != set(range(SAMPLES))
    begun = indices(stream(start={0: topic.partitions[0][1]}))
    assert sorted(begun) == sorted(set(range(SAMPLES)) - set(first))


@pytest.mark.parametrize("places", [{"end": {0: 0, 1: 0, 2: 0}}, {"start": "latest"}, {"end": "earliest"}])
def test_an_epoch_between_places_with_nothing_between_them_is_empty_and_says_so(topic, places, caplog):
    topic.begins = {}
    assert indices(stream(**places)) == []
    assert "nothing lies between start and end" in caplog.text


@pytest.mark.parametrize("end", ["latest", None])
def test_a_state_of_a_log_that_was_another_is_refused_at_once(topic, end):
    topic.begins = {}
    read = stream(end=end)
    batches = iter(read)
    for _ in range(SAMPLES):
        next(batches)
    batches.close()
    state = read.state_dict()
    for shorter in (memory_topic(SAMPLES, partitions=2), memory_topic(3)):
        topic.partitions = shorter.partitions
        other = stream(end=end)
        other.load_state_dict(state)
        with pytest.raises(UserError, match=r"state: (t has no partition 2|offset \d+ of partition 0 is past)"):
            next(iter(other))


@pytest.mark.parametrize("end", ["latest", None])
def test_a_state_of_a_topic_that_was_made_anew_is_refused_though_it_has_such_offsets(topic, end):
    topic.begins = {}
    one = stream(end=end)
    batches = iter(one)
    next(batches)
    batches.close()
    topic.topic_id = "00000000-0000-4000-8000-000000000002"
    other = stream(end=end)
    other.load_state_dict(one.state_dict())
    for reader in (one, other):
        with pytest.raises(UserError, match="state: of another topic t than the one that is there now"):
            next(iter(reader))
    beside = stream(end=end)
    next(iter(beside))
    with pytest.raises(UserError, match=r"state: of the topic .*1 and .*2; a stream is of one"):
        other.load_state_dict(one.state_dict(), beside.state_dict())


def test_a_state_is_of_a_dataset_whatever_that_is_named_later(topic, monkeypatch):
    """A name that has come to mean another dataset is refused, not read from where the first was left."""
    topic.begins = {}
    called = {"Walk": topic.dataset_id}

    async def resolve(_pool, name, version):
        return DatasetKey(called[name], version or 1)

    @asynccontextmanager
    async def pool(_settings):
        yield object()

    monkeypatch.setattr(stream_module, "resolve", resolve)
    monkeypatch.setattr(stream_module, "dataset_pool", pool)
    monkeypatch.setattr(FeatureStream, "_asks_postgres", lambda _self: True)
    one = FeatureStream("Walk", topic="t", limits=Limits(), settings=NOWHERE)
    one.snapshot()
    other = FeatureStream("Walk", topic="t", limits=Limits(), settings=NOWHERE)
    other.load_state_dict(one.state_dict())
    called["Walk"] = str(UUID(int=7))
    for reader in (one, other):
        with pytest.raises(UserError, match=f"state: of dataset {topic.dataset_id}, but 'Walk' is now {UUID(int=7)}"):
            next(iter(reader))
    by_id = FeatureStream(topic.dataset_id, topic="t", limits=Limits(), settings=NOWHERE)
    by_id.load_state_dict(one.state_dict())  # the way out
    with pytest.raises(UserError, match="another order of samples"):
        FeatureStream(None, topic="t", limits=Limits(), settings=NOWHERE).load_state_dict(one.state_dict())


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        *itertools.product(["batch_size", "window"], [0, -1, 1.5, float("nan"), float("inf"), True, "3", b"3", []]),
        *itertools.product(["version"], [0, -1, 1.5, True, "1"]),
        *itertools.product(["seed"], [-1, 1.5, float("nan"), None, True, "a"]),
        *itertools.product(["pairs", "include_rejected", "shuffle"], ["no", 1, 0, None, []]),
        *itertools.product(["shard"], [None, 5, (0,), (0, 1, 2), (0, 0), (1, 1), (-1, 2), (0.0, 1), ("0", "1"), "01"]),
        *itertools.product(["dataset"], [UUID(int=1), 5, b"A", True, ["A"], "A", "", "\0"]),
        *itertools.product(["topic"], [5, None, b"t"]),
        *itertools.product(["even"], [[], "Drop", 1, True, False]),
        *itertools.product(["split", "split_by"], [[], "Train", 1, True, ""]),
        *itertools.product(["limits"], [5, {}, "x"]),
        *itertools.product(["settings"], [5, {}]),
    ],
)
def test_an_argument_that_cannot_be_is_refused_by_its_name_before_a_server_is_asked(name, wrong):
    with pytest.raises(UserError, match=f"^{name}: "):
        FeatureStream(**{"topic": "t", "limits": Limits(), "settings": NOWHERE} | {name: wrong})


def test_a_dataset_that_no_server_is_asked_for_is_found_by_any_form_of_its_id(topic):
    topic.begins = {}
    form = f"{{{topic.dataset_id.upper()}}}"
    assert sorted(indices(stream(dataset=form))) == list(range(SAMPLES))


def test_a_state_of_a_stream_that_follows_is_refused_by_one_with_an_end_and_the_other_way_round(topic):
    topic.begins = {}
    for saved, other in itertools.permutations([stream(end=None, shuffle=True), stream(shuffle=True)]):
        saved.snapshot()
        with pytest.raises(UserError, match="follows"):
            other.load_state_dict(saved.state_dict())
