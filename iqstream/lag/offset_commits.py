"""Records of Kafka's `__consumer_offsets` topic: who committed which offset when.

Layouts as in Kafka's OffsetCommitKey (versions 0 and 1) and OffsetCommitValue (versions 0 to 4); all numbers are
big-endian. Keys of higher versions are group metadata and of no interest here.
"""

import struct
from dataclasses import dataclass

COMMITS_TOPIC = "__consumer_offsets"
MAX_RECORD_BYTES = 64 * 1024
"""Of key and of value: a broker allows 4 KiB of metadata, and names are short."""
_KEY_VERSIONS = (0, 1)


class UnreadableCommit(ValueError):
    """The bytes are not a commit as Kafka writes them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetCommit:
    """One commit. Without an offset it says that the group's offset was forgotten."""

    group: str
    topic: str
    partition: int
    offset: int | None
    at_ms: int | None
    """Unix time by the coordinator's clock."""


def decode_offset_commit(key: bytes | None, value: bytes | None) -> OffsetCommit | None:
    """A record as a commit; None where it is of another kind.

    Raises:
        UnreadableCommit: truncated, too long, of an unknown version, or a value out of its range.
    """
    if key is None:
        return None
    reader = _Reader(key)
    if reader.int16() not in _KEY_VERSIONS:
        return None
    group, topic, partition = reader.text(reader.int16()), reader.text(reader.int16()), reader.int32()
    if partition < 0:
        raise UnreadableCommit(f"partition {partition}")
    reader.expect_end()
    if value is None:
        return OffsetCommit(group=group, topic=topic, partition=partition, offset=None, at_ms=None)
    offset, at_ms = _decode_value(_Reader(value))
    return OffsetCommit(group=group, topic=topic, partition=partition, offset=offset, at_ms=at_ms)


def _decode_value(reader: "_Reader") -> tuple[int, int]:
    version = reader.int16()
    if not 0 <= version <= 4:
        raise UnreadableCommit(f"version {version} of an offset commit is not known")
    offset = reader.int64()
    if version >= 3:
        reader.int32()  # leader epoch
    reader.text(reader.compact_length() if version >= 4 else reader.int16())  # the committer's metadata
    at_ms = reader.int64()
    if version == 1:
        reader.int64()  # when it expires
    if version < 4:  # later fields are tagged, and may be any
        reader.expect_end()
    if offset < 0 or at_ms < 0:
        raise UnreadableCommit(f"offset {offset} at {at_ms} ms")
    return offset, at_ms


def partition_of_group(group: str, partitions: int) -> int:
    """Which partition of `__consumer_offsets` holds a group: |String.hashCode| modulo their number, as in Kafka."""
    units = group.encode("utf-16-be")
    code = 0
    for high, low in zip(units[::2], units[1::2], strict=True):
        code = (31 * code + (high << 8 | low)) & 0xFFFFFFFF
    signed = code - (1 << 32) if code >= 1 << 31 else code
    return 0 if signed == -(1 << 31) else abs(signed) % partitions


class _Reader:
    """Takes fields off a record's bytes; nothing is read or built beyond them."""

    def __init__(self, data: bytes) -> None:
        if len(data) > MAX_RECORD_BYTES:
            raise UnreadableCommit(f"{len(data)} bytes, at most {MAX_RECORD_BYTES}")
        self._data = data
        self._at = 0

    def int16(self) -> int:
        return self._number(">h")

    def int32(self) -> int:
        return self._number(">i")

    def int64(self) -> int:
        return self._number(">q")

    def compact_length(self) -> int:
        """An unsigned varint, one more than the length."""
        result = 0
        for shift in range(0, 35, 7):
            byte = self._take(1)[0]
            result |= (byte & 0x7F) << shift
            if byte < 0x80:
                return result - 1
        raise UnreadableCommit("a length of more than five bytes")

    def text(self, length: int) -> str:
        if length < 0:
            raise UnreadableCommit(f"a text of length {length}")
        try:
            return self._take(length).decode()
        except UnicodeDecodeError:
            raise UnreadableCommit("a text that is not UTF-8") from None

    def expect_end(self) -> None:
        if self._at != len(self._data):
            raise UnreadableCommit(f"{len(self._data) - self._at} bytes after the record")

    def _number(self, layout: str) -> int:
        (number,) = struct.unpack(layout, self._take(struct.calcsize(layout)))
        return int(number)

    def _take(self, length: int) -> bytes:
        if self._at + length > len(self._data):
            raise UnreadableCommit(f"truncated: {self._at + length} bytes are needed, {len(self._data)} are there")
        taken = self._data[self._at : self._at + length]
        self._at += length
        return taken
