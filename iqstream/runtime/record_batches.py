"""Kafka's record batches as a broker answers them, of every codec. What cannot be read stays with its own bytes.

Format: https://kafka.apache.org/documentation/#recordbatch. A broker answers what stands in its files, and
checks nothing.
"""

import struct
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import cramjam
from aiokafka.errors import CorruptRecordException, UnsupportedCodecError
from fastcrc.crc32 import iscsi as crc32c

from iqstream.runtime.aiokafka_internals import DefaultRecordBatch, decode_varint
from iqstream.runtime.topics import DEAD_LETTER_LIMIT_BYTES

UNCOMPRESSED_LIMIT_BYTES = DEAD_LETTER_LIMIT_BYTES - 1024 * 1024
"""Of a compressed batch: each of its records fits into a dead letter, and none of them fills the memory."""
RECORDS_AT = 61
_HEADER = struct.Struct(">qiibIhiqqqhii")
_UNCOUNTED_BYTES = 12
"""Bytes of a batch that its length does not count."""
_MAGIC_AT, _CHECKSUM_AT, _ATTRIBUTES_AT = 16, 17, 21
_MAGIC = 2
_CODEC, _LOG_APPEND_TIME, _TRANSACTIONAL, _CONTROL = 0x07, 0x08, 0x10, 0x20
_ABORT = b"\x00\x00"
"""The type in an end marker's key, behind its version."""
_XERIAL = b"\x82SNAPPY\x00"
_XERIAL_HEADER_BYTES = 16

MALFORMED = (CorruptRecordException, UnsupportedCodecError, IndexError, ValueError)
"""What reading a batch raises for what is in it, the library's reading and ours."""

Headers = Sequence[tuple[str, bytes | None]]


class Unreadable(NamedTuple):
    """A record, or all that a batch holds from an offset on, that cannot be read."""

    offset: int
    next_offset: int
    """Where reading continues."""
    data: bytes
    """The whole batch as it came; of a record whose value can be read, its value."""
    error: Exception
    key: bytes | None = None
    headers: Headers = ()


class Batch:
    """A batch whose checksum is right; its records may be unreadable all the same."""

    __slots__ = ("_attributes", "_first_ms", "_last_ms", "base_offset", "data", "next_offset", "producer_id")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.base_offset, _, _, _, _, self._attributes, last, self._first_ms, self._last_ms, self.producer_id, *_ = (
            _HEADER.unpack_from(data)
        )
        self.next_offset = self.base_offset + last + 1

    @property
    def is_transactional(self) -> bool:
        return bool(self._attributes & _TRANSACTIONAL)

    @property
    def is_control(self) -> bool:
        """Whether it is the end of a transaction."""
        return bool(self._attributes & _CONTROL)

    @property
    def aborts(self) -> bool:
        """Of a control batch: whether it ends its transaction without a commit."""
        return any((record.key or b"")[2:4] == _ABORT for record in DefaultRecordBatch(self.data))

    def timestamp_ms(self, delta_ms: int) -> int:
        """Of a record by what it says; the broker's own time where the topic is set so."""
        return int(self._last_ms if self._attributes & _LOG_APPEND_TIME else self._first_ms + delta_ms)

    @property
    def timestamp_type(self) -> int:
        """0: the producer's; 1: the broker's."""
        return int(bool(self._attributes & _LOG_APPEND_TIME))

    def plain(self) -> bytes:
        """The batch without compression; its length and checksum are those from before.

        Raises:
            CorruptRecordException: it cannot be decompressed, or to more than `UNCOMPRESSED_LIMIT_BYTES`.
            UnsupportedCodecError: nobody knows its codec.
        """
        codec = self._attributes & _CODEC
        if not codec:
            return self.data
        if codec not in _CODECS:
            raise UnsupportedCodecError(f"codec {codec} is unknown")
        name, decompress = _CODECS[codec]
        try:
            records = decompress(self.data[RECORDS_AT:])
        except (cramjam.DecompressionError, ValueError, struct.error) as error:
            raise CorruptRecordException(f"not {name}: {error}") from None
        attributes = struct.pack(">h", self._attributes & ~_CODEC)
        return self.data[:_ATTRIBUTES_AT] + attributes + self.data[_ATTRIBUTES_AT + 2 : RECORDS_AT] + records


def whole_batches(data: bytes, asked: int) -> Iterator[Batch | Unreadable]:
    """The batches of an answer, without those before the offset `asked`; the last may be cut off, and does not count.

    Nothing comes after one that is damaged: what its header says of transactions is not to be believed, so the broker
    is asked again behind it.
    """
    begin = 0
    while (end := _end_of(data, begin)) is not None:
        batch = data[begin:end]
        if not _is_intact(batch):
            yield _damaged(batch, asked, data[end : _end_of(data, end) or end])
            return
        whole = Batch(batch)
        if whole.next_offset > asked:
            yield whole
            asked = whole.next_offset
        begin = end


def _end_of(data: bytes, begin: int) -> int | None:
    if begin + _UNCOUNTED_BYTES > len(data):
        return None
    end = begin + _UNCOUNTED_BYTES + max(int.from_bytes(data[begin + 8 : begin + 12], signed=True), 0)
    return end if end <= len(data) else None


def _is_intact(batch: bytes) -> bool:
    if not _is_version_2(batch):
        return False
    (checksum,) = struct.unpack_from(">I", batch, _CHECKSUM_AT)
    return bool(crc32c(memoryview(batch)[_ATTRIBUTES_AT:]) == checksum)


def _is_version_2(batch: bytes) -> bool:
    return len(batch) >= RECORDS_AT and batch[_MAGIC_AT] == _MAGIC


def _damaged(batch: bytes, asked: int, following: bytes) -> Unreadable:
    """Where it ends is said best by the batch behind it; else by itself, where two of its fields agree."""
    base, next_offset = int.from_bytes(batch[:8], signed=True), asked + 1
    if _is_intact(following) and (begins_at := int.from_bytes(following[:8], signed=True)) > asked:
        next_offset = begins_at
    elif len(batch) >= RECORDS_AT:
        fields = _HEADER.unpack_from(batch)
        last, count = fields[6], fields[12]
        if last + 1 == count and base + count > asked:
            next_offset = base + count
    what = "the checksum is wrong" if _is_version_2(batch) else "this is no batch of version 2"
    offset = base if asked < base < next_offset else asked
    error = CorruptRecordException(f"offsets {offset} to {next_offset - 1} are damaged: {what}")
    return Unreadable(offset, next_offset, batch, error)


class Transactions:
    """Which batches of an answer were aborted."""

    def __init__(self, aborted: Sequence[tuple[int, int]]) -> None:
        """`aborted`: producer id and first offset of each aborted transaction in the answer."""
        self._pending = sorted(aborted, key=lambda transaction: transaction[1], reverse=True)
        self._aborting: set[int] = set()

    def leave_out(self, batch: Batch) -> bool:
        """Whether nothing of a batch is to be read: it was aborted, or it ends a transaction. Called in order.

        Raises:
            CorruptRecordException: it ends a transaction, and cannot be read.
        """
        while self._pending and self._pending[-1][1] <= batch.base_offset:
            self._aborting.add(self._pending.pop()[0])
        if batch.is_control:
            if batch.aborts:
                self._aborting.discard(batch.producer_id)
            return True
        return batch.is_transactional and batch.producer_id in self._aborting


class Unsettled:
    """Which batches behind an open transaction count: those outside transactions, and of those that are over."""

    def __init__(self) -> None:
        self._open: defaultdict[int, list[Batch]] = defaultdict(list)

    def settled_by(self, batch: Batch) -> Sequence[Batch]:
        """The batches that count from this one on, in order: itself, or those of the transaction that it commits.

        Raises:
            CorruptRecordException: it ends a transaction, and cannot be read.
        """
        if batch.is_control:
            ended = self._open.pop(batch.producer_id, [])
            return () if batch.aborts else ended
        if batch.is_transactional:
            self._open[batch.producer_id].append(batch)
            return ()
        return (batch,)


class Record(NamedTuple):
    """A record read by us, as the library's."""

    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    checksum: None = None


def records_one_by_one(batch: Batch, asked: int) -> Iterator[Record | Unreadable]:
    """The records of a batch from an offset on, and in their places those that cannot be read.

    For batches that the library does not read: it takes the whole for bad where one record is, and it is faster.
    """
    position = max(asked, batch.base_offset)
    try:
        for record in _all_records(batch):
            if record.offset >= position:
                position = record.offset + 1
                yield record
    except MALFORMED as error:
        why = f"offsets {position} to {batch.next_offset - 1} cannot be read: {error}"
        yield Unreadable(position, batch.next_offset, batch.data, CorruptRecordException(why))


def _all_records(batch: Batch) -> Iterator[Record | Unreadable]:
    if batch.is_control:
        raise CorruptRecordException("the end of a transaction is malformed")
    data = batch.plain()
    at = RECORDS_AT
    while at < len(data):
        length, at = decode_varint(data, at)
        if not 0 <= length <= len(data) - at:
            raise CorruptRecordException("a record is longer than its batch")
        yield _record(data[at : at + length], batch)
        at += length


def _record(data: bytes, batch: Batch) -> Record | Unreadable:
    delta_ms, at = decode_varint(data, 1)  # behind the attributes
    delta, at = decode_varint(data, at)
    offset = batch.base_offset + delta
    key, at = _bytes(data, at)
    value, at = _bytes(data, at)
    count, at = decode_varint(data, at)
    headers: list[tuple[str, bytes | None]] = []
    bad_name: bytes | None = None
    for _ in range(count):
        name, at = _bytes(data, at)
        content, at = _bytes(data, at)
        try:
            headers.append(((name or b"").decode(), content))
        except UnicodeDecodeError:
            bad_name = name
            headers.append(((name or b"").decode(errors="backslashreplace"), content))
    if at != len(data):
        raise CorruptRecordException(f"a record of {len(data)} bytes ends after {at}")
    if bad_name is not None:
        error = CorruptRecordException(f"the name of a header is not UTF-8: {bad_name[:100]!r}")
        return Unreadable(offset, offset + 1, value or b"", error, key, headers)
    return Record(offset, batch.timestamp_ms(delta_ms), batch.timestamp_type, key, value, headers)


def _bytes(data: bytes, at: int) -> tuple[bytes | None, int]:
    length, at = decode_varint(data, at)
    if at + length > len(data):
        raise CorruptRecordException("a field is longer than its record")
    return (None, at) if length < 0 else (data[at : at + length], at + length)


def _within_limit(decompress_into: Callable[[bytes, bytearray], int]) -> Callable[[bytes], bytes]:
    """A decompression that gives up where the result gets too large."""

    def decompress(data: bytes) -> bytes:
        size = max(16 * len(data), 64 * 1024)
        while True:
            room = bytearray(min(size, UNCOMPRESSED_LIMIT_BYTES))
            try:
                return bytes(memoryview(room)[: decompress_into(data, room)])
            except cramjam.DecompressionError:
                if size >= UNCOMPRESSED_LIMIT_BYTES:
                    raise
            size *= 8

    return decompress


def _snappy(data: bytes) -> bytes:
    """Blocks behind a header, as Java writes them; or one block alone."""
    if not data.startswith(_XERIAL):
        return _snappy_block(data, UNCOMPRESSED_LIMIT_BYTES)
    at, found, left = _XERIAL_HEADER_BYTES, [], UNCOMPRESSED_LIMIT_BYTES
    while at < len(data):
        (length,) = struct.unpack_from(">i", data, at)
        at += 4
        if not 0 <= length <= len(data) - at:
            raise ValueError("a block is longer than the batch")
        found.append(_snappy_block(data[at : at + length], left))
        left -= len(found[-1])
        at += length
    return b"".join(found)


def _snappy_block(data: bytes, limit: int) -> bytes:
    if cramjam.snappy.decompress_raw_len(data) > limit:
        raise ValueError(f"more than {UNCOMPRESSED_LIMIT_BYTES} bytes")
    return bytes(cramjam.snappy.decompress_raw(data))


_CODECS: Mapping[int, tuple[str, Callable[[bytes], bytes]]] = {
    1: ("gzip", _within_limit(cramjam.gzip.decompress_into)),
    2: ("snappy", _snappy),
    3: ("lz4", _within_limit(cramjam.lz4.decompress_into)),
    4: ("zstd", _within_limit(cramjam.zstd.decompress_into)),
}
