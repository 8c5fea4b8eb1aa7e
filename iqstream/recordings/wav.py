"""WAV files of two channels, I and Q: plain, RF64, with an `auxi` chunk, or with KiwiSDR's time stamps."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from iqstream.recordings.datatype import Datatype, parse_datatype
from iqstream.recordings.errors import BadRecording
from iqstream.recordings.given import Given, choose_center_frequency, choose_sample_rate
from iqstream.recordings.kiwi import Stamps, true_rate_and_segments
from iqstream.recordings.names import NameFacts, parse_name, utc_ns
from iqstream.recordings.recording import NS_PER_S, Provenance, Recording, Segment
from iqstream.recordings.storage import FileState, Storage, open_file, require_whole
from schemas.recorded import TimeSource

_UNKNOWN_SIZE = 0xFFFFFFFF
"""In RF64 the size stands in `ds64`; elsewhere the samples go on to the file's end."""
_DATATYPES = {(1, 8): "cu8", (1, 16): "ci16_le", (1, 32): "ci32_le", (3, 32): "cf32_le", (3, 64): "cf64_le"}
"""By format tag and bits of a component."""
_EXTENSIBLE = 0xFFFE
_LARGEST_SMALL_CHUNK = 4096
_MAX_BLOCKS = 50_000_000


@dataclass(slots=True)
class _Chunks:
    """What was found on the way through a file."""

    rate_hz: float = 0.0
    datatype: Datatype | None = None
    auxi: bytes | None = None
    heads: dict[bytes, bytes] = field(default_factory=dict)
    """Chunks of which there is one, by their kind."""
    ds64_bytes: int | None = None
    offsets: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    stamps: list[tuple[int, int, int, int]] = field(default_factory=list)
    """One for each block of samples, where there is any."""
    pending: bool = False
    """A stamp whose samples are still to come."""


def open_wav(path: Path, given: Given) -> Iterator[Recording]:
    """The recording in a WAV file.

    Raises:
        BadRecording: names the file, the place and what is wrong there.
    """
    with open_file(path) as (file, state):
        chunks = _walk(path, file, state.size_bytes)
    datatype = chunks.datatype
    if datatype is None:
        raise BadRecording(path, "", "has no fmt chunk")
    storage = _storage(path, state, datatype, chunks)
    name = parse_name(path.stem)
    auxi_frequency_hz, auxi_start_ns = _auxi(path, chunks.auxi, name)
    rate_hz = choose_sample_rate(path, "fmt chunk", given, chunks.rate_hz)
    started_at_ns, source = _time(given, auxi_start_ns, name.started_at_ns)
    whole = Segment(first_sample=0, samples=storage.samples, started_at_ns=started_at_ns)
    segments: tuple[Segment, ...] = (whole,)
    stamps = _stamps(path, chunks, storage)
    if stamps is not None and stamps.known and started_at_ns is not None:
        rate_hz, segments = true_rate_and_segments(path, stamps, rate_hz, started_at_ns)
        source = given.time_source or "gnss"
    yield Recording(
        rx_name=given.rx_name or name.rx_name,
        sample_rate_hz=rate_hz,
        center_frequency_hz=choose_center_frequency(
            path, "auxi chunk" if auxi_frequency_hz else "", given, auxi_frequency_hz or name.center_frequency_hz
        ),
        segments=segments,
        time_source=source,
        position=given.position,
        dbm_at_full_scale=given.dbm_at_full_scale,
        dc_of_device=(datatype.name == "cu8") if given.dc_of_device is None else given.dc_of_device,
        storage=storage,
        provenance=Provenance(file_format="wav kiwi" if chunks.stamps else "wav", metadata=path.name),
    )


def _walk(path: Path, file: BinaryIO, size_bytes: int) -> _Chunks:
    start = file.read(12)
    if start[:4] == b"RIFX":
        raise BadRecording(path, "byte 0", "a big-endian WAV file (RIFX), which is not read")
    if start[:4] not in (b"RIFF", b"RF64", b"BW64") or start[8:] != b"WAVE":
        raise BadRecording(path, "byte 0", "is no WAV file")
    large = start[:4] != b"RIFF"
    chunks = _Chunks()
    at = 12
    while at + 8 <= size_bytes:
        file.seek(at)
        kind, size = struct.unpack("<4sI", file.read(8))
        at += 8
        place = f"byte {at - 8}"
        if kind == b"data":
            size = _data_bytes(path, place, size, chunks.ds64_bytes if large else None, size_bytes - at)
        if at + size > size_bytes:
            shown = "".join(chr(b) if 32 <= b < 127 else "?" for b in kind)
            raise BadRecording(
                path,
                place,
                f"chunk {shown!r} of {size} bytes, but the file has {size_bytes - at} more: it is truncated",
            )
        _take(path, place, chunks, kind, at, size, file)
        at += size + (size & 1)
    return chunks


def _data_bytes(path: Path, place: str, size: int, ds64_bytes: int | None, left_bytes: int) -> int:
    if size != _UNKNOWN_SIZE:
        return size
    if ds64_bytes is None:
        return left_bytes
    if ds64_bytes > left_bytes:
        raise BadRecording(path, place, f"{ds64_bytes} bytes of samples by ds64, but the file has {left_bytes} more")
    return ds64_bytes


def _take(path: Path, place: str, chunks: _Chunks, kind: bytes, at: int, size: int, file: BinaryIO) -> None:
    if kind == b"data":
        _take_data(path, place, chunks, at, size)
    elif kind == b"kiwi":
        if size != 10 or chunks.pending or len(chunks.stamps) != len(chunks.offsets):
            raise BadRecording(path, place, "a kiwi chunk that is not 10 bytes before one data chunk each")
        chunks.stamps.append(struct.unpack("<BBII", file.read(10)))
        chunks.pending = True
    elif kind in (b"fmt ", b"ds64") or (kind == b"auxi" and size <= _LARGEST_SMALL_CHUNK):
        content = file.read(min(size, _LARGEST_SMALL_CHUNK))
        if chunks.heads.setdefault(kind, content) != content:
            name = kind.decode().strip()
            raise BadRecording(
                path, place, f"a second {name} chunk that says something else: which counts is not known"
            )
        if kind == b"fmt ":
            chunks.rate_hz, chunks.datatype = _fmt(path, place, content[:40])
        elif kind == b"auxi":
            chunks.auxi = content
        elif size >= 16:
            chunks.ds64_bytes = struct.unpack("<QQ", content[:16])[1]


def _take_data(path: Path, place: str, chunks: _Chunks, at: int, size: int) -> None:
    if chunks.datatype is None:
        raise BadRecording(path, place, "samples before the fmt chunk")
    if chunks.stamps and not chunks.pending:
        raise BadRecording(path, place, "samples without a kiwi chunk before them")
    _require_whole_block(path, place, chunks.datatype, size)
    if len(chunks.offsets) == _MAX_BLOCKS:
        raise BadRecording(path, place, f"more than {_MAX_BLOCKS} data chunks")
    chunks.offsets.append(at)
    chunks.sizes.append(size)
    chunks.pending = False


def _require_whole_block(path: Path, place: str, datatype: Datatype, size: int) -> None:
    """Raises BadRecording unless a data chunk is a whole number of samples."""
    if size % datatype.sample_bytes:
        raise BadRecording(
            path, place, f"a data chunk of {size} bytes, no whole number of samples of {datatype.sample_bytes}"
        )


def _fmt(path: Path, place: str, chunk: bytes) -> tuple[float, Datatype]:
    if len(chunk) < 16:
        raise BadRecording(path, place, f"a fmt chunk of {len(chunk)} bytes; 16 are wanted")
    tag, channels, rate, _, align, bits = struct.unpack_from("<HHIIHH", chunk)
    if tag == _EXTENSIBLE and len(chunk) >= 26:
        (tag,) = struct.unpack_from("<H", chunk, 24)
    if channels != 2:
        what = "real sound, not IQ" if channels == 1 else "several receivers or none"
        raise BadRecording(path, place, f"{channels} channels: {what}; wanted are two, I and Q")
    name = _DATATYPES.get((tag, bits))
    if name is None:
        raise BadRecording(
            path, place, f"format {tag} of {bits} bits is not read; 8, 16 or 32 bits of PCM or float are"
        )
    if align != 2 * bits // 8:
        raise BadRecording(path, place, f"{align} bytes for two channels of {bits} bits")
    return float(rate), parse_datatype(name)


def _storage(path: Path, state: FileState, datatype: Datatype, chunks: _Chunks) -> Storage:
    sizes = np.array(chunks.sizes, np.int64) // datatype.sample_bytes
    total = int(sizes.sum())
    require_whole(path, datatype, offset_bytes=min(chunks.offsets, default=0), size_bytes=total * datatype.sample_bytes)
    return Storage(
        path=path,
        state=state,
        datatype=datatype,
        block_first_samples=np.cumsum(sizes) - sizes,
        block_offsets_bytes=np.array(chunks.offsets, np.int64),
        samples=total,
    )


def _stamps(path: Path, chunks: _Chunks, storage: Storage) -> Stamps | None:
    if not chunks.stamps:
        return None
    if chunks.pending:
        raise BadRecording(path, "the end", "a kiwi chunk without samples after it: the file is truncated")
    table = np.array(chunks.stamps, np.int64)
    wrong = np.flatnonzero((table[:, 2] >= 604_800) | (table[:, 3] >= NS_PER_S))
    if wrong.size:
        block = int(wrong[0])
        raise BadRecording(
            path,
            f"kiwi chunk {block}",
            f"second {table[block, 2]} of the week and {table[block, 3]} ns are no time",
        )
    return Stamps(
        block_first_samples=storage.block_first_samples,
        samples=storage.samples,
        age_s=table[:, 0].astype(np.uint8),
        gps_ns=table[:, 2] * NS_PER_S + table[:, 3],
    )


def _time(given: Given, auxi_ns: int | None, name_ns: int | None) -> tuple[int | None, TimeSource]:
    if given.started_at_ns is not None:
        return given.started_at_ns, given.time_source or "ntp"
    if auxi_ns is not None:
        return auxi_ns, given.time_source or "ntp"
    if name_ns is not None:
        return name_ns, given.time_source or "name"
    return None, "none"


def _auxi(path: Path, chunk: bytes | None, name: NameFacts) -> tuple[float | None, int | None]:
    """Centre frequency in Hz and start in ns since 1970, None where the chunk does not say.

    The frequency has 32 bits: one above 4.29 GHz comes from the name, if its lower bits are those of the chunk.
    """
    if chunk is None or chunk.lstrip(b"\xff\xfe\0")[:1] == b"<":  # XML, of SDR Console: the name has the same facts
        return None, None
    if len(chunk) < 36:
        raise BadRecording(path, "auxi chunk", f"is {len(chunk)} bytes long; 36 are wanted")
    year, month, _, day, hour, minute, second, ms, *_ = struct.unpack_from("<8H", chunk)
    (frequency,) = struct.unpack_from("<I", chunk, 32)
    if name.center_frequency_hz is not None and int(name.center_frequency_hz) & 0xFFFFFFFF == frequency:
        found: float | None = name.center_frequency_hz
    else:
        found = float(frequency) if frequency else None
    if not any(chunk[:16]):
        return found, None
    try:
        return found, utc_ns(year, month, day, hour, minute, second, int(ms) * 1_000_000)
    except ValueError as error:
        raise BadRecording(
            path, "auxi chunk", f"{year}-{month}-{day} {hour}:{minute}:{second}.{ms:03} is no time ({error})"
        ) from None
