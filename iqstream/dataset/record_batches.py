"""Offsets and values of what is committed in an answer of the broker, and nothing else.

The library makes an object of each record, with a list of its headers: that takes five times as long as looking for its
value, and keeps the garbage collector busy.
"""

from collections.abc import Sequence
from typing import NamedTuple

from aiokafka.errors import CorruptRecordException

from iqstream.runtime.record_batches import (
    MALFORMED,
    RECORDS_AT,
    Batch,
    Transactions,
    Unreadable,
    records_one_by_one,
    whole_batches,
)


class Records(NamedTuple):
    """Of one partition, in order; None is a value that was left out."""

    offsets: list[int]
    values: list[bytes | None]


class Batches:
    """An answer for one partition. Where to continue after it is known before its records are read."""

    def __init__(self, data: bytes, aborted: Sequence[tuple[int, int]], asked: int) -> None:
        """What the broker answered.

        Args:
            data: whole batches; the last may be cut off, and does not count.
            aborted: producer id and first offset of each aborted transaction among them.
            asked: the first offset that is wanted; the first batch may begin before it.
        """
        self._asked = asked
        self._aborted = aborted
        self._batches = list(whole_batches(data, asked))

    @property
    def next_offset(self) -> int:
        """Where to go on: transaction markers and aborted records are passed, too."""
        return max(self._asked, self._batches[-1].next_offset) if self._batches else self._asked

    def committed(self) -> tuple[Records, list[Unreadable]]:
        """The records from `asked` on, without transaction markers and what was aborted; and what cannot be read."""
        records, unreadable = Records([], []), list[Unreadable]()
        transactions = Transactions(self._aborted)
        for batch in self._batches:
            if isinstance(batch, Unreadable):
                unreadable.append(batch)
            else:
                unreadable += self._read(batch, transactions, records)
        return records, unreadable

    def _read(self, batch: Batch, transactions: Transactions, records: Records) -> list[Unreadable]:
        before = len(records.offsets)
        try:
            if transactions.leave_out(batch):
                return []
            if batch.base_offset >= self._asked:
                _read_plain(batch.plain(), batch.base_offset, records)
                return []
        except MALFORMED:
            del records.offsets[before:], records.values[before:]
        unreadable = []
        for found in records_one_by_one(batch, self._asked):
            if isinstance(found, Unreadable):
                unreadable.append(found)
            else:
                records.offsets.append(found.offset)
                records.values.append(found.value)
        return unreadable


def _read_plain(data: bytes, base_offset: int, records: Records) -> None:
    """Offsets and values of an uncompressed batch. Numbers of one and two bytes, the usual, are read in line.

    Raises:
        CorruptRecordException, IndexError: its lengths are not those of records.
    """
    add_offset, add_value = records.offsets.append, records.values.append
    at, end = RECORDS_AT, len(data)
    while at < end:
        # length, which leads to the next record
        first = data[at]
        if first < 0x80:
            length, at = first >> 1, at + 1
        elif (second := data[at + 1]) < 0x80:
            length, at = ((first & 0x7F) | (second << 7)) >> 1, at + 2
        else:
            length, at = _varint(data, at)
        following = at + length
        # attributes, timestamp
        at += 1
        while data[at] >= 0x80:
            at += 1
        at += 1
        # offset
        first = data[at]
        if first < 0x80:
            delta, at = first >> 1, at + 1
        else:
            delta, at = _varint(data, at)
        # key
        first = data[at]
        if first < 0x80:
            length, at = (first >> 1) ^ -(first & 1), at + 1
        else:
            length, at = _varint(data, at)
        at += max(0, length)
        # value
        first = data[at]
        if first >= 0x80 and (second := data[at + 1]) < 0x80:
            length, at = ((first & 0x7F) | (second << 7)) >> 1, at + 2
        else:
            length, at = _varint(data, at)
        if at > following or not at + length <= following <= end:
            raise CorruptRecordException("a record is longer than its batch, or its value than itself")
        add_offset(base_offset + delta)
        add_value(data[at : at + length] if length >= 0 else None)
        at = following


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A zigzag-coded number and where it ends."""
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return (number >> 1) ^ -(number & 1), at
