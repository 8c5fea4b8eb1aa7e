"""Writers of the formats that recordings come in, for tests that read them back."""

import hashlib
import io
import json
import struct
import tarfile
from pathlib import Path

import numpy as np

RATE_HZ, CENTER_HZ = 48_000.0, 433.92e6
COMPONENTS = {
    "cu8": "u1", "ci8": "i1", "ci16_le": "<i2", "ci16_be": ">i2", "cf32_le": "<f4", "cf32_be": ">f4",
    "cu16_le": "<u2", "ci32_be": ">i4", "cf64_le": "<f8",
}  # fmt: skip
GPS_WEEK_OF_2017_11_26_S = 1_511_654_400 - 18
"""UTC, since 1970, of the beginning of the GPS week."""


def components(datatype: str, samples: int, seed: int = 1) -> np.ndarray:
    """Random I and Q, (samples, 2), over the whole range of integers, -1 to 1 of floats."""
    kind = np.dtype(COMPONENTS[datatype])
    rng = np.random.default_rng(seed)
    if kind.kind == "f":
        return rng.uniform(-1, 1, (samples, 2)).astype(kind)
    limits = np.iinfo(kind)
    return rng.integers(limits.min, limits.max, (samples, 2), kind.newbyteorder("="), endpoint=True).astype(kind)


def metadata(datatype: str, captures: list[dict] | None = None, **facts: object) -> dict:
    """What a `.sigmf-meta` file says; facts are those of the global object, without `core:`."""
    said = {"datatype": datatype, "version": "1.2.0", "sample_rate": RATE_HZ, **facts}
    return {
        "global": {f"core:{name}": value for name, value in said.items() if value is not None},
        "captures": [{f"core:{k}": v for k, v in capture.items()} for capture in captures or [capture_of(0)]],
        "annotations": [],
    }


def capture_of(sample_start: int, **facts: object) -> dict:
    return {"sample_start": sample_start, "frequency": CENTER_HZ, **facts}


def write_pair(folder: Path, name: str, raw: bytes, meta: dict | bytes) -> Path:
    (folder / f"{name}.sigmf-data").write_bytes(raw)
    path = folder / f"{name}.sigmf-meta"
    path.write_bytes(meta if isinstance(meta, bytes) else json.dumps(meta).encode())
    return path


def write_archive(path: Path, files: dict[str, bytes], *, tar_format: int = tarfile.PAX_FORMAT) -> Path:
    with tarfile.open(path, "w", format=tar_format) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def write_collection(folder: Path, name: str, pairs: list[Path]) -> Path:
    streams = [{"name": pair.stem, "hash": hashlib.sha512(pair.read_bytes()).hexdigest()} for pair in pairs]
    path = folder / f"{name}.sigmf-collection"
    path.write_text(json.dumps({"collection": {"core:version": "1.2.0", "core:streams": streams}}))
    return path


def chunk(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) & 1)


def fmt_chunk(raw: np.ndarray, rate_hz: int, channels: int = 2) -> bytes:
    tag, size = (3 if raw.dtype.kind == "f" else 1), raw.dtype.itemsize
    return chunk(
        b"fmt ", struct.pack("<HHIIHH", tag, channels, rate_hz, rate_hz * size * channels, size * channels, 8 * size)
    )


def auxi_chunk(time: tuple[int, ...] = (2017, 11, 1, 27, 10, 41, 56, 250), frequency_hz: int = 433_920_000) -> bytes:
    return chunk(b"auxi", struct.pack("<8H8H5I", *time, *time, frequency_hz & 0xFFFFFFFF, 0, 0, 0, 0) + bytes(112))


def riff(*chunks: bytes, kind: bytes = b"RIFF") -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return kind + struct.pack("<I", 0xFFFFFFFF if kind == b"RF64" else len(body)) + body


def kiwi_wav(raw: np.ndarray, gps_ns: list[int], block: int = 512, rate_hz: int = 12_000, age_s: int = 1) -> bytes:
    """Blocks of samples, each behind its time stamp: GPS time within the week."""
    chunks = [fmt_chunk(raw, rate_hz)]
    for number, at in enumerate(gps_ns):
        second, ns = divmod(at, 10**9)
        chunks.append(chunk(b"kiwi", struct.pack("<BBII", age_s, 0, second, ns)))
        chunks.append(chunk(b"data", raw[number * block : (number + 1) * block].tobytes()))
    return riff(*chunks)


def kiwi_stamps(blocks: int, rate_hz: float, start_ns: int = 124_934_000_000_000, block: int = 512) -> list[int]:
    return [start_ns + round(number * block / rate_hz * 1e9) for number in range(blocks)]
