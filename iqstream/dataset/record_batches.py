"""Kafka's record batches as a broker answers them: offsets and values of what is committed, and nothing else.

Format: https://kafka.apache.org/documentation/#recordbatch. The library makes an object of each record, with a list of
its headers: that takes five times as long as looking for its value, and keeps the garbage collector busy.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from aiokafka.errors import CorruptRecordException
from aiokafka.record.control_record import ABORT_MARKER, ControlRecord
from aiokafka.record.memory_records import MemoryRecords

_LENGTH_AT, _RECORDS_AT = 8, 61
_HEAD = 12
"""Bytes of a batch that its length does not count."""
_PLAIN_MAGIC = 2


class Records(NamedTuple):
    """Of one partition, in order; None is a value that was left out."""

    offsets: list[int]
    values: list[bytes | None]


class _Record(Protocol):
    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...


class _Batch(Protocol):
    @property
    def magic(self) -> int: ...
    @property
    def compression_type(self) -> int: ...
    @property
    def base_offset(self) -> int: ...
    @property
    def next_offset(self) -> int: ...
    @property
    def producer_id(self) -> int | None: ...
    @property
    def is_transactional(self) -> bool: ...
    @property
    def is_control_batch(self) -> bool: ...
    def validate_crc(self) -> bool: ...
    def __iter__(self) -> Iterator[_Record]: ...


class Batches:
    """An answer for one partition. What it holds is known before its records are looked at."""

    def __init__(self, data: bytes, aborted: Sequence[tuple[int, int]], asked: int) -> None:
        """What the broker answered.

        Args:
            data: whole batches; the last may be cut off, and does not count.
            aborted: producer id and first offset of each aborted transaction among them.
            asked: the first offset that is wanted; the first batch may begin before it.
        """
        self._data = data
        self._asked = asked
        self._aborted = sorted(aborted, key=lambda transaction: transaction[1], reverse=True)
        self._batches: list[tuple[_Batch, int, int]] = []
        """With their places in `data`."""
        read, begin = MemoryRecords(data), 0
        while (batch := read.next_batch()) is not None:
            end = begin + _HEAD + int.from_bytes(data[begin + _LENGTH_AT : begin + _HEAD])
            self._batches.append((batch, begin, end))
            begin = end

    @property
    def next_offset(self) -> int:
        """Where to go on: transaction markers and aborted records are passed, too."""
        return max(self._asked, self._batches[-1][0].next_offset) if self._batches else self._asked

    def committed(self) -> Records:
        """The records from `asked` on, without transaction markers and what was aborted.

        Raises:
            CorruptRecordException: a batch is not what was written.
        """
        records = Records([], [])
        pending, aborting = list(self._aborted), set[int | None]()
        for batch, begin, end in self._batches:
            if not batch.validate_crc():
                raise CorruptRecordException(f"the batch at offset {batch.base_offset} is damaged")
            while pending and pending[-1][1] <= batch.base_offset:
                aborting.add(pending.pop()[0])
            if batch.is_control_batch:
                if any(ControlRecord.parse(record.key) == ABORT_MARKER for record in batch):
                    aborting.discard(batch.producer_id)
            elif not (batch.is_transactional and batch.producer_id in aborting):
                self._read(batch, begin, end, records)
        return records

    def _read(self, batch: _Batch, begin: int, end: int, records: Records) -> None:
        if batch.magic == _PLAIN_MAGIC and not batch.compression_type and batch.base_offset >= self._asked:
            _read_plain(self._data, begin + _RECORDS_AT, end, batch.base_offset, records)
            return
        for record in batch:
            if record.offset >= self._asked:
                records.offsets.append(record.offset)
                records.values.append(record.value)


def _read_plain(data: bytes, at: int, end: int, base_offset: int, records: Records) -> None:
    """Offsets and values of an uncompressed batch. Numbers of one and two bytes, the usual, are read in line."""
    add_offset, add_value = records.offsets.append, records.values.append
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
        if length > 0:
            at += length
        # value
        first = data[at]
        if first >= 0x80 and (second := data[at + 1]) < 0x80:
            length, at = ((first & 0x7F) | (second << 7)) >> 1, at + 2
        else:
            length, at = _varint(data, at)
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
