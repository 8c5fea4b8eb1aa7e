"""Our batches are the client's, byte for byte: only how they are put together differs."""

import pytest
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from hypothesis import given
from hypothesis import strategies as st

from iqstream.runtime.batch_building import Batch

NAMES = st.text(max_size=20)
BYTES = st.none() | st.binary(max_size=300)
RECORDS = st.lists(
    st.tuples(BYTES, BYTES, st.lists(st.tuples(NAMES, BYTES), max_size=3), st.integers(0, 2**41)),
    min_size=1,
    max_size=8,
)
PRODUCER = st.tuples(st.integers(-1, 2**63 - 1), st.integers(-1, 2**15 - 1), st.integers(0, 2**31 - 1))


def of_the_client(records, producer, *, transactional, limit=10_000_000):
    builder = DefaultRecordBatchBuilder(
        2, 0, is_transactional=int(transactional), producer_id=-1, producer_epoch=-1, base_sequence=0, batch_size=limit
    )
    added = [
        builder.append(number, timestamp, key=key, value=value, headers=headers)
        for number, (key, value, headers, timestamp) in enumerate(records)
    ]
    builder.set_producer_state(*producer)
    return added, bytes(builder.build())


@given(records=RECORDS, producer=PRODUCER, transactional=st.booleans())
def test_a_batch_has_the_clients_bytes(records, producer, transactional):
    """Records of any kind, in any order of time."""
    batch = Batch(10_000_000, transactional=transactional)
    added = [batch.add(key, value, headers, timestamp) for key, value, headers, timestamp in records]
    theirs, data = of_the_client(records, producer, transactional=transactional)
    assert batch.finished(*producer) == data
    assert [(a.offset, a.timestamp) for a in added] == [(a.offset, a.timestamp) for a in theirs]


def test_a_view_is_sent_like_its_bytes_and_a_damaged_byte_is_found():
    value = bytes(range(256)) * 4000
    batch = Batch(2**20, transactional=True)
    batch.add(b"key", memoryview(value), [("rx_id", b"a")], 1)
    data = bytearray(batch.finished(7, 0, 3))
    assert next(iter(DefaultRecordBatch(bytes(data)))).value == value
    assert DefaultRecordBatch(bytes(data)).validate_crc()
    data[5000] ^= 1
    assert not DefaultRecordBatch(bytes(data)).validate_crc()


@pytest.mark.parametrize("sizes", [[400, 400, 400], [5000], [5000, 1], [10, 5000, 10], [0] * 200])
def test_a_batch_is_full_where_the_clients_is(sizes):
    """Its first record may be larger than the limit: the broker judges. What is full takes nothing more."""
    records = [(b"k", bytes(size), [], 5) for size in sizes]
    batch = Batch(1000, transactional=True)
    added = [batch.add(*record) for record in records]
    builder = DefaultRecordBatchBuilder(
        2, 0, is_transactional=1, producer_id=-1, producer_epoch=-1, base_sequence=0, batch_size=1000
    )
    for number, (key, value, headers, timestamp) in enumerate(records):
        theirs = builder.append(number, timestamp, key=key, value=value, headers=headers)
        assert (theirs is None) == (added[number] is None)
        if theirs is None:
            break
    assert all(one is None for one in added[number + 1 :]) or theirs is not None
    assert batch.size == len(batch.finished(1, 1, 1))


def test_a_closed_batch_takes_nothing():
    batch = Batch(1000, transactional=True)
    batch.closed = True
    assert batch.add(b"k", b"v", [], 1) is None
