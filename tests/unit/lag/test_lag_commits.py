"""The decoder of `__consumer_offsets`, against bytes that a broker wrote."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iqstream.lag.offset_commits import (
    MAX_RECORD_BYTES,
    OffsetCommit,
    UnreadableCommit,
    decode_offset_commit,
    partition_of_group,
)
from tests.strategies import SEEDED

KEY = bytes.fromhex("0001000e676f6c64656e2d6772c3bc7070650006742d6361666500000000")
"""Written by Kafka 4.3.1, as are the values of version 4 and the two keys of group metadata."""
PLAIN = bytes.fromhex("00040000000000000000ffffffff056d657461000001a21057b4a601001007cf396c5ee74fa0b6f84f389ca352f0")
TRANSACTIONAL = bytes.fromhex("00040000000000000007ffffffff01000001a21057b5bc00")
METADATA_KEY = bytes.fromhex("0002000d676f6c64656e2d6d656d626572")

GOLDEN = [
    (PLAIN, 0, 1795570513062),
    (TRANSACTIONAL, 7, 1795570513340),
    # by the layouts of Kafka's schemas, which brokers before 4.1 write
    (struct.pack(">hqih4sq", 3, 12, -1, 4, b"meta", 99), 12, 99),
    (struct.pack(">hqhq", 2, 12, 0, 99), 12, 99),
    (struct.pack(">hqhqq", 1, 12, 0, 99, 100), 12, 99),
    (struct.pack(">hqhq", 0, 12, 0, 99), 12, 99),
]


@pytest.mark.parametrize(("value", "offset", "at_ms"), GOLDEN)
def test_a_commit_is_read_as_the_broker_meant_it(value, offset, at_ms):
    assert decode_offset_commit(KEY, value) == OffsetCommit(
        group="golden-grüppe", topic="t-cafe", partition=0, offset=offset, at_ms=at_ms
    )


def test_a_tombstone_says_that_the_offset_is_forgotten():
    found = decode_offset_commit(KEY, None)
    assert (found.group, found.offset, found.at_ms) == ("golden-grüppe", None, None)


def test_group_metadata_is_no_commit():
    assert decode_offset_commit(METADATA_KEY, b"anything") is None
    assert decode_offset_commit(None, b"anything") is None


@pytest.mark.parametrize("value", [value for value, *_ in GOLDEN])
def test_every_truncation_is_refused(value):
    tagged_bytes = {PLAIN: 19, TRANSACTIONAL: 1}.get(value, 0)  # version 4: fields after the time are not looked at
    for length in range(len(value) - tagged_bytes):
        with pytest.raises(UnreadableCommit):
            decode_offset_commit(KEY, value[:length])
    for length in range(2, len(KEY)):
        with pytest.raises(UnreadableCommit):
            decode_offset_commit(KEY[:length], value)


@pytest.mark.parametrize(
    "value",
    [
        struct.pack(">hqhq", 9, 12, 0, 99),
        struct.pack(">hqhq", 2, -1, 0, 99),
        struct.pack(">hqhq", 2, 12, 0, -1),
        struct.pack(">hqhq", 2, 12, -1, 99),
        struct.pack(">hqhq", 2, 12, 0, 99) + b"more",
        struct.pack(">hqi", 4, 12, 0) + b"\xff" * 6,
        struct.pack(">hqh2sq", 2, 12, 2, b"\xff\xfe", 99),
        b"\0" * (MAX_RECORD_BYTES + 1),
    ],
)
def test_what_no_broker_writes_is_refused(value):
    with pytest.raises(UnreadableCommit):
        decode_offset_commit(KEY, value)


@SEEDED
@given(st.binary(max_size=200), st.none() | st.binary(max_size=200))
def test_no_bytes_do_more_than_be_refused(key, value):
    try:
        found = decode_offset_commit(key, value)
    except UnreadableCommit:
        return
    assert found is None or found.offset is None or found.offset >= 0


def java_hash(text: str) -> int:
    """String.hashCode by its definition: sum of unit[i] * 31^(n-1-i), as a signed 32-bit integer."""
    units = struct.unpack(f">{len(text.encode('utf-16-be')) // 2}H", text.encode("utf-16-be"))
    total = sum(unit * 31 ** (len(units) - 1 - place) for place, unit in enumerate(units)) % 2**32
    return total - 2**32 if total >= 2**31 else total


@pytest.mark.parametrize(("text", "code"), [("", 0), ("a", 97), ("polygenelubricants", -(2**31)), ("😀", 1772899)])
def test_the_hash_of_a_group_is_javas(text, code):
    assert java_hash(text) == code
    assert partition_of_group(text, 50) == (0 if code == -(2**31) else abs(code) % 50)


@SEEDED
@given(st.text(max_size=30), st.integers(1, 100))
def test_a_group_is_on_the_partition_of_its_hash(text, partitions):
    code = java_hash(text)
    assert partition_of_group(text, partitions) == (0 if code == -(2**31) else abs(code) % partitions)
