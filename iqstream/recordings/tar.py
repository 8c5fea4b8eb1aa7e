"""What a tar archive holds, without unpacking it: names, places and sizes of its files.

A walker of our own: `tarfile` reads extended headers of any size into memory, and older versions of it do not end on
negative sizes.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from iqstream.recordings.errors import BadRecording

BLOCK_BYTES = 512
MAX_MEMBERS = 100_000
_MAX_EXTENDED_BYTES = 1 << 20
_FILE, _PAX, _LONG_NAME = b"0\0", b"x", b"L"
_SKIPPED = b"5gK"
"""Directories, global headers, long targets of links."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A file of an archive."""

    name: str
    offset_bytes: int
    size_bytes: int


def members(path: Path, file: BinaryIO, size_bytes: int) -> list[Member]:
    """The files of an archive.

    Raises:
        BadRecording: no archive, truncated, or with what is no plain file: a link, a device, a sparse file.
    """
    found: list[Member] = []
    offset = 0
    pax: dict[str, str] = {}
    while offset + BLOCK_BYTES <= size_bytes:
        place = f"byte {offset}"
        file.seek(offset)
        block = file.read(BLOCK_BYTES)
        if not block.strip(b"\0"):
            return found
        _check(path, place, block)
        kind = block[156:157]
        size = _size(path, place, block, pax)
        start = offset + BLOCK_BYTES
        if start + size > size_bytes:
            raise BadRecording(path, place, f"a member of {size} bytes, but the archive has {size_bytes - start} more")
        offset = start + -(-size // BLOCK_BYTES) * BLOCK_BYTES
        if kind in (_PAX, _LONG_NAME):
            pax |= _extended(path, place, kind, size, file)
            continue
        _require_plain(path, place, kind, pax)
        if kind in _FILE:
            name = pax.get("path") or _name(path, place, block)
            found.append(Member(name=name, offset_bytes=start, size_bytes=size))
        if len(found) > MAX_MEMBERS:
            raise BadRecording(path, place, f"more than {MAX_MEMBERS} members")
        pax = {}
    if size_bytes < BLOCK_BYTES:
        raise BadRecording(path, "", "is no tar archive: shorter than a header")
    return found


def _extended(path: Path, place: str, kind: bytes, size: int, file: BinaryIO) -> dict[str, str]:
    """What an extended header says of the member after it."""
    if size > _MAX_EXTENDED_BYTES:
        raise BadRecording(path, place, f"an extended header of {size} bytes; up to 1 MiB are read")
    text = file.read(size)
    return _pax(path, place, text) if kind == _PAX else {"path": _text(path, place, text)}


def _require_plain(path: Path, place: str, kind: bytes, pax: dict[str, str]) -> None:
    if kind not in _FILE + _SKIPPED:
        raise BadRecording(path, place, f"a member of type {kind!r}: only files and directories are read")
    if any(key.startswith("GNU.sparse") for key in pax):
        raise BadRecording(path, place, "a sparse member: pack it without --sparse")


def _check(path: Path, place: str, block: bytes) -> None:
    total = sum(block[:148]) + 8 * ord(" ") + sum(block[156:])
    if _octal(block[148:156]) != total:
        raise BadRecording(path, place, "no tar header: its checksum is wrong (SigMF archives are not compressed)")


def _size(path: Path, place: str, block: bytes, pax: dict[str, str]) -> int:
    field = block[124:136]
    if "size" in pax:
        size = int(pax["size"]) if re.fullmatch(r"[0-9]{1,18}", pax["size"]) else None
    elif field[0] & 0x80:  # base 256, of GNU tar
        size = int.from_bytes(field[4:]) if field[0] == 0x80 else None
    else:
        size = _octal(field)
    if size is None or size >= 1 << 62:
        raise BadRecording(path, place, "a member whose size is no number")
    return size


def _octal(field: bytes) -> int | None:
    text = field.strip(b" \0")
    return int(text or b"0", 8) if re.fullmatch(rb"[0-7]*", text) else None


def _name(path: Path, place: str, block: bytes) -> str:
    name = _text(path, place, block[:100])
    prefix = _text(path, place, block[345:500]) if block[257:263] == b"ustar\0" else ""
    return f"{prefix}/{name}" if prefix else name


def _text(path: Path, place: str, raw: bytes) -> str:
    try:
        return raw.split(b"\0", 1)[0].decode()
    except UnicodeDecodeError:
        raise BadRecording(path, place, "a member whose name is not UTF-8") from None


def _pax(path: Path, place: str, text: bytes) -> dict[str, str]:
    """Records of an extended header: length, blank, key, =, value, end of line."""
    fields: dict[str, str] = {}
    at = 0
    while at < len(text) and text[at]:
        digits = re.match(rb"([0-9]{1,7}) ", text[at:])
        length = int(digits[1]) if digits else 0
        record = text[at : at + length]
        if digits is None or len(record) < length or not record.endswith(b"\n") or length <= digits.end():
            raise BadRecording(path, place, "an extended header that is none")
        key, _, value = record[digits.end() : -1].partition(b"=")
        fields[_text(path, place, key)] = _text(path, place, value)
        at += length
    return fields
