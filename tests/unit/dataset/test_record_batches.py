"""What is read of answers of the broker, by the stages and tools and by the stream: all that can be, and in order."""

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from iqstream.dataset.record_batches import Batches
from iqstream.runtime import record_batches as limits
from iqstream.runtime.aiokafka_internals import Answer
from iqstream.runtime.fetched import FetchedRecords, UnreadableRecord, offset_after
from tests.record_batches import (
    ABORT,
    CODECS,
    COMMIT,
    batch,
    compressed,
    marker,
    raw_record,
    with_records,
)
from tests.strategies import SEEDED

CHECKED_FROM = 16
"""Bytes of a batch before it stand outside of its checksum: its offset, its length and the leader's epoch."""

keys = st.none() | st.binary(max_size=200)
values = st.none() | st.binary(max_size=100) | st.integers(0, 40_000).map(bytes)
headers = st.lists(st.tuples(st.text(max_size=20), st.none() | st.binary(max_size=40)), max_size=4)
records = st.lists(st.tuples(st.integers(0, 10**7), keys, values, headers), min_size=1, max_size=300)


class Log:
    """A partition: what the broker answers, from the batch on that holds an offset."""

    def __init__(self, *batches, aborted=()):
        self.batches, self.aborted = batches, aborted
        self.end = int.from_bytes(batches[-1][:8]) + int.from_bytes(batches[-1][23:27]) + 1

    def answer(self, offset):
        ends = [int.from_bytes(following[:8]) for following in self.batches[1:]]
        return b"".join(one for one, end in zip(self.batches, [*ends, self.end], strict=True) if end > offset)


def by_client(log, asked=0):
    """Values by offset, and what could not be read, as the client's consumers hand it out."""
    found, unreadable = {}, []
    while asked < log.end:
        place = TopicPartition("t", 0)
        fetched = FetchedRecords(place, Answer(log.answer(asked)), log.aborted, asked, None, None, True, READ_COMMITTED)
        for record in fetched:
            assert offset_after(record) == fetched.next_fetch_offset
            if isinstance(record, UnreadableRecord):
                unreadable.append((record.offset, record.next_offset, record.value))
            else:
                assert found.setdefault(record.offset, record.value) is record.value
        assert fetched.next_fetch_offset > asked
        asked = fetched.next_fetch_offset
    return found, unreadable


def by_stream(log, asked=0):
    """The same as the stream reads it."""
    found, unreadable = {}, []
    while asked < log.end:
        read = Batches(log.answer(asked), log.aborted, asked)
        (offsets, values), lost = read.committed()
        assert not found.keys() & set(offsets)
        found |= dict(zip(offsets, values, strict=True))
        unreadable += [(one.offset, one.next_offset, one.data) for one in lost]
        assert read.next_offset > asked
        asked = read.next_offset
    return found, unreadable


BOTH = pytest.mark.parametrize("read", [by_client, by_stream])


def letters(text):
    return [(0, None, letter.encode(), []) for letter in text]


@SEEDED
@given(content=records, base=st.integers(0, 2**40), skip=st.integers(0, 20), codec=st.sampled_from([*CODECS.values()]))
def test_offsets_and_values_are_those_that_the_library_reads_of_every_codec(content, base, skip, codec):
    data = batch(base, content, codec=codec)
    theirs = {record.offset: record.value for record in MemoryRecords(data).next_batch()}
    wanted = {offset: value for offset, value in theirs.items() if offset >= base + skip}
    for read in (by_client, by_stream):
        assert read(Log(data), asked=base + skip) == (wanted, [])


@BOTH
def test_aborted_records_and_markers_are_left_out_and_passed(read):
    first = batch(0, letters("ab"), producer=7, transactional=True)
    other = batch(2, letters("cd"), producer=8, transactional=True)
    again = batch(5, letters("ef"), producer=7, transactional=True)
    log = Log(first, other, marker(4, 7, ABORT), again, marker(7, 8, COMMIT), marker(8, 7, COMMIT), aborted=[(7, 0)])
    assert read(log) == ({2: b"c", 3: b"d", 5: b"e", 6: b"f"}, [])


@BOTH
def test_of_a_producer_that_aborted_twice_what_it_committed_between_stays(read):
    pieces, aborted = [], [(7, 10), (7, 0)]
    for base, text, end in ((0, "a", ABORT), (5, "b", COMMIT), (10, "c", ABORT), (15, "d", COMMIT)):
        pieces += [batch(base, letters(text), producer=7, transactional=True), marker(base + 1, 7, end)]
    assert read(Log(*pieces, aborted=aborted)) == ({5: b"b", 15: b"d"}, [])


def test_a_batch_that_is_cut_off_is_asked_for_again():
    whole, cut = batch(0, letters("ab")), batch(2, letters("cd"))
    for length in (1, 11, 12, 40, len(cut) - 1):
        read = Batches(whole + cut[:length], (), 0)
        assert (read.committed(), read.next_offset) == ((([0, 1], [b"a", b"b"]), []), 2)


@BOTH
def test_wherever_a_bit_of_a_batch_is_flipped_the_batches_around_it_are_read_and_its_bytes_kept(read):
    before, hit, after = batch(0, letters("ab")), batch(2, letters("cdef")), batch(6, letters("gh"))
    for position in range(CHECKED_FROM, len(hit)):
        flipped = bytearray(hit)
        flipped[position] ^= 1 << position % 8
        found, unreadable = read(Log(before, bytes(flipped), after))
        assert found == {0: b"a", 1: b"b", 6: b"g", 7: b"h"}
        assert unreadable == [(2, 6, bytes(flipped))]


@BOTH
def test_a_damaged_batch_at_the_end_of_the_log_is_passed_to_its_end(read):
    hit = bytearray(batch(2, letters("cdef")))
    hit[-1] ^= 1
    assert read(Log(batch(0, letters("ab")), bytes(hit))) == ({0: b"a", 1: b"b"}, [(2, 6, bytes(hit))])


@BOTH
def test_behind_a_damaged_end_of_an_aborted_transaction_what_was_committed_is_read(read):
    end = bytearray(marker(1, 7, ABORT))
    end[-1] ^= 1
    aborted = batch(0, letters("a"), producer=7, transactional=True)
    committed = batch(2, letters("b"), producer=7, transactional=True)
    log = Log(aborted, bytes(end), committed, marker(3, 7, COMMIT))
    found, unreadable = read(_AbortedBefore(log, 2))
    assert (found, unreadable) == ({2: b"b"}, [(1, 2, bytes(end))])


class _AbortedBefore:
    """A log of which the broker names the aborted transaction of producer 7 only before an offset, as it does."""

    def __init__(self, log, end):
        self.log, self.before, self.end = log, end, log.end
        self.aborted = [(7, 0)]

    def answer(self, offset):
        self.aborted = [(7, 0)] if offset < self.before else []
        return self.log.answer(offset)


def test_a_record_with_a_header_name_that_is_no_text_is_kept_apart_with_its_key_and_value():
    middle = raw_record(1, b"b", [(b"rx_id", b"7"), (b"\xff\xfe", None)], key=b"k")
    data = with_records(10, 3, raw_record(0, b"a") + middle + raw_record(2, b"c", [(b"n", None)]))
    answer = Answer(data)
    first, odd, last = FetchedRecords(TopicPartition("t", 0), answer, (), 10, None, None, True, READ_COMMITTED)
    assert (first.offset, first.value, last.offset, last.value) == (10, b"a", 12, b"c")
    assert last.headers == (("n", None),)
    assert (odd.offset, odd.next_offset, odd.key, odd.value) == (11, 12, b"k", b"b")
    assert odd.headers == (("rx_id", b"7"), ("\\xff\\xfe", None))
    assert "UTF-8" in str(odd.error)


@BOTH
@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_records_that_are_no_records_are_kept_as_their_batch_and_what_stands_before_them_is_read(read, codec):
    good, lying = raw_record(0, b"a"), b"\xfe\xff\xff\xff\x0f" + bytes(20)
    for content in (lying, lying[:3], raw_record(1, b"b")[:-1], b"\x01" * 30, raw_record(1, bytes(9))[:-5] + bytes(3)):
        packed = good + content if not codec else compressed(codec, good + content)
        data = with_records(5, 2, packed, codec=codec)
        assert read(Log(data, batch(7, letters("z")))) == ({5: b"a", 7: b"z"}, [(6, 7, data)])


@BOTH
@pytest.mark.parametrize("codec", [*list(CODECS.values())[1:], 5, 7])
def test_what_cannot_be_decompressed_is_kept_as_its_batch(read, codec):
    data = with_records(5, 2, b"\x82SNAPPY\x00" + b"\xff" * 40, codec=codec)
    assert read(Log(data, batch(7, letters("z")))) == ({7: b"z"}, [(5, 7, data)])


@BOTH
@pytest.mark.parametrize("codec", list(CODECS.values())[1:], ids=list(CODECS)[1:])
def test_a_batch_that_would_fill_the_memory_is_kept_as_it_came(read, codec, monkeypatch):
    monkeypatch.setattr(limits, "UNCOMPRESSED_LIMIT_BYTES", 200_000)
    fits, bomb = (with_records(at, 1, compressed(codec, raw_record(0, bytes(size))), codec=codec)
                  for at, size in ((0, 190_000), (1, 210_000)))  # fmt: skip
    found, unreadable = read(Log(fits, bomb, batch(2, letters("z"))))
    assert found == {0: bytes(190_000), 2: b"z"}
    assert unreadable == [(1, 2, bomb)]
