"""Record batches read for offsets and values alone, against the library's reading of whole records."""

import pytest
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from iqstream.dataset.record_batches import Batches
from tests.strategies import SEEDED

NONE, GZIP = 0, 1
ABORT, COMMIT = b"\x00\x00\x00\x00", b"\x00\x00\x00\x01"
CONTROL_BIT = 0x20
CRC_AT, ATTRIBUTES_AT = 17, 22

keys = st.none() | st.binary(max_size=200)
values = st.none() | st.binary(max_size=100) | st.integers(0, 40_000).map(bytes)
headers = st.lists(st.tuples(st.text(max_size=20), st.binary(max_size=40)), max_size=4)
records = st.lists(st.tuples(st.integers(0, 10**7), keys, values, headers), min_size=1, max_size=300)


def batch(base_offset, content, *, producer=-1, transactional=False, codec=NONE):
    """The bytes of a batch; `content` is (ms after the first, key, value, headers) of each record."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=codec,
        is_transactional=int(transactional),
        producer_id=producer,
        producer_epoch=0,
        base_sequence=0,
        batch_size=2**31 - 1,
    )
    for number, (after_ms, key, value, tags) in enumerate(content):
        assert builder.append(number, 1_700_000_000_000 + after_ms, key, value, tags) is not None
    return base_offset.to_bytes(8) + bytes(builder.build())[8:]


def marker(offset, producer, key):
    """A control batch: the end of a transaction. Its checksum is set anew, as the library cannot build one."""
    data = bytearray(batch(offset, [(0, key, b"\x00" * 6, [])], producer=producer, transactional=True))
    data[ATTRIBUTES_AT] |= CONTROL_BIT
    data[CRC_AT : CRC_AT + 4] = crc32c(data[CRC_AT + 4 :]).to_bytes(4)
    return bytes(data)


def crc32c(data):
    """Castagnoli's, bit by bit."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def values_of(*batches, aborted=(), asked=0):
    read = Batches(b"".join(batches), aborted, asked)
    offsets, found = read.committed()
    return dict(zip(offsets, found, strict=True)), read.next_offset


def letters(text):
    return [(0, None, letter.encode(), []) for letter in text]


@SEEDED
@given(content=records, base=st.integers(0, 2**40), skip=st.integers(0, 20), codec=st.sampled_from([NONE, GZIP]))
def test_offsets_and_values_are_those_that_the_library_reads(content, base, skip, codec):
    data = batch(base, content, codec=codec)
    theirs = {record.offset: record.value for record in MemoryRecords(data).next_batch()}
    found, next_offset = values_of(data, asked=base + skip)
    assert found == {offset: value for offset, value in theirs.items() if offset >= base + skip}
    assert next_offset == max(base + len(content), base + skip)


def test_aborted_records_and_markers_are_left_out_and_passed():
    first = batch(0, letters("ab"), producer=7, transactional=True)
    other = batch(2, letters("cd"), producer=8, transactional=True)
    again = batch(5, letters("ef"), producer=7, transactional=True)
    found, next_offset = values_of(
        first, other, marker(4, 7, ABORT), again, marker(7, 8, COMMIT), marker(8, 7, COMMIT), aborted=[(7, 0)]
    )
    assert found == {2: b"c", 3: b"d", 5: b"e", 6: b"f"}
    assert next_offset == 9


def test_of_a_producer_that_aborted_twice_what_it_committed_between_stays():
    pieces, aborted = [], [(7, 10), (7, 0)]
    for base, text, end in ((0, "a", ABORT), (5, "b", COMMIT), (10, "c", ABORT), (15, "d", COMMIT)):
        pieces += [batch(base, letters(text), producer=7, transactional=True), marker(base + 1, 7, end)]
    assert values_of(*pieces, aborted=aborted)[0] == {5: b"b", 15: b"d"}


def test_a_batch_that_is_cut_off_is_asked_for_again():
    whole, cut = batch(0, letters("ab")), batch(2, letters("cd"))
    for length in (1, 11, 12, 40, len(cut) - 1):
        assert values_of(whole, cut[:length]) == ({0: b"a", 1: b"b"}, 2)
    assert values_of(cut[:30], asked=2) == ({}, 2)


def test_a_flipped_bit_is_found_by_the_checksum():
    data = bytearray(batch(3, letters("abc")))
    data[-1] ^= 1
    with pytest.raises(CorruptRecordException, match="offset 3"):
        values_of(bytes(data))
