"""Spans of partitions are read once, to their ends or to a deadline, whatever stands in them."""

import asyncio

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import TopicAuthorizationFailedError, UnknownError
from hypothesis import given
from hypothesis import strategies as st

from iqstream.runtime import span_reader
from iqstream.runtime.errors import Unreachable
from iqstream.runtime.span_reader import SpanReader
from tests.fake_consumer import FakeConsumer
from tests.strategies import SEEDED

A, B = TopicPartition("a", 0), TopicPartition("b", 3)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(span_reader, "POLL_S", 0.001)


def log_of(*offsets):
    return {offset: b"%d" % offset for offset in offsets}


async def offsets_of(reader):
    return [(record.topic, record.offset) async for record in reader.records()]


@SEEDED
@given(
    st.sets(st.integers(0, 30)),
    st.integers(0, 31),
    st.integers(0, 31),
    st.integers(1, 7),
)
def test_every_record_of_a_span_comes_once_in_order_and_its_end_is_reached_over_markers(offsets, start, stop, most):
    async def read():
        consumer = FakeConsumer({A: log_of(*offsets)}, ends={A: 31}, most=most)
        reader = SpanReader(consumer, {A: range(start, stop)})
        found = await offsets_of(reader)
        assert found == [("a", offset) for offset in sorted(offsets) if start <= offset < stop]
        assert reader.is_whole(A)
        assert reader.positions[A] == (max(start, stop))

    asyncio.run(read())


async def test_partitions_are_read_together_and_each_to_its_own_end():
    consumer = FakeConsumer({A: log_of(*range(9)), B: log_of(0)}, ends={A: 9, B: 5})
    reader = SpanReader(consumer, {A: range(9), B: range(5)})
    assert sorted(await offsets_of(reader)) == [*(("a", n) for n in range(9)), ("b", 0)]
    assert reader.is_whole(A)
    assert reader.is_whole(B)


async def test_nothing_is_asked_where_all_spans_are_empty():
    consumer = FakeConsumer({A: {}}, ends={A: 0})
    reader = SpanReader(consumer, {A: range(0)})
    assert (await offsets_of(reader), reader.is_whole(A), consumer.polls) == ([], True, 0)


async def test_a_partition_that_is_left_gives_no_more_and_stands_behind_what_it_gave():
    consumer = FakeConsumer({A: log_of(0, 1, 2, 3), B: log_of(0, 1)}, ends={A: 4, B: 2}, most=3)
    reader = SpanReader(consumer, {A: range(4), B: range(2)})
    found = []
    async for record in reader.records():
        found.append((record.topic, record.offset))
        if record.topic == "a":
            reader.leave(A)
    assert sorted(found) == [("a", 0), ("b", 0), ("b", 1)]
    assert (reader.positions, reader.is_whole(A)) == ({A: 1, B: 2}, False)


async def test_a_reading_with_a_deadline_ends_there_and_says_how_far_it_came():
    consumer = FakeConsumer({A: log_of(0, 1)}, ends={A: 2})
    reader = SpanReader(consumer, {A: range(9)}, within_s=0.02)
    assert await offsets_of(reader) == [("a", 0), ("a", 1)]
    assert (reader.positions[A], reader.is_whole(A)) == (2, False)


@pytest.mark.parametrize("within_s", [0.0, -1.0])
async def test_no_time_is_no_reading(within_s):
    consumer = FakeConsumer({A: log_of(0)}, ends={A: 1})
    assert await offsets_of(SpanReader(consumer, {A: range(1)}, within_s=within_s)) == []
    assert consumer.polls == 0


async def test_a_reading_without_one_gives_up_once_nothing_moves(monkeypatch):
    monkeypatch.setattr(span_reader, "STALLED_AFTER_S", 0.02)
    consumer = FakeConsumer({A: log_of(0)}, ends={A: 1})
    reader = SpanReader(consumer, {A: range(2)})
    with pytest.raises(Unreachable, match="nothing more of a for"):
        await offsets_of(reader)
    assert reader.positions[A] == 1


async def test_the_time_that_a_record_is_worked_on_is_no_standstill(monkeypatch):
    monkeypatch.setattr(span_reader, "STALLED_AFTER_S", 0.02)
    consumer = FakeConsumer({A: log_of(*range(4))}, ends={A: 4}, most=1)
    count = 0
    async for _record in SpanReader(consumer, {A: range(4)}).records():
        count += 1
        await asyncio.sleep(0.03)
    assert count == 4


async def test_offsets_that_were_dropped_end_their_partition_alone_where_that_is_tolerated():
    consumer = FakeConsumer({A: log_of(5), B: log_of(0, 1)}, starts={A: 4}, ends={A: 6, B: 2})
    with pytest.raises(span_reader.OffsetOutOfRangeError):
        await offsets_of(SpanReader(consumer, {A: range(2, 6), B: range(2)}))
    reader = SpanReader(consumer, {A: range(2, 6), B: range(2)}, tolerated=(span_reader.OffsetOutOfRangeError,))
    assert await offsets_of(reader) == [("b", 0), ("b", 1)]
    assert (reader.is_whole(A), reader.is_whole(B)) == (False, True)


@pytest.mark.parametrize(("error", "left"), [(TopicAuthorizationFailedError("a"), [("b", 0)]), (UnknownError(), [])])
async def test_a_refusal_ends_what_it_is_about(error, left):
    consumer = FakeConsumer({A: log_of(0), B: log_of(0)}, ends={A: 1, B: 1})
    consumer.refusal = error
    with pytest.raises(type(error)):
        await offsets_of(SpanReader(consumer, {A: range(1), B: range(1)}))
    consumer.refusal = error
    assert await offsets_of(SpanReader(consumer, {A: range(1), B: range(1)}, tolerated=(type(error),))) == left
