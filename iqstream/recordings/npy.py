"""NumPy's files: complex64 or complex128 (n,), or pairs of I and Q (n, 2)."""

import ast
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from iqstream.recordings.datatype import parse_datatype
from iqstream.recordings.errors import BadRecording, printable
from iqstream.recordings.given import Given
from iqstream.recordings.raw import named_recording
from iqstream.recordings.recording import Recording
from iqstream.recordings.storage import contiguous, open_file

_MAGIC = b"\x93NUMPY"
_MAX_HEADER_BYTES = 10_000
_COMPLEX = {"<c8": "cf32_le", ">c8": "cf32_be", "<c16": "cf64_le", ">c16": "cf64_be"}
_PAIRS = {
    "|i1": "ci8", "|u1": "cu8", "<i2": "ci16_le", ">i2": "ci16_be", "<u2": "cu16_le", ">u2": "cu16_be",
    "<i4": "ci32_le", ">i4": "ci32_be", "<f4": "cf32_le", ">f4": "cf32_be", "<f8": "cf64_le", ">f8": "cf64_be",
}  # fmt: skip


def open_npy(path: Path, given: Given) -> Iterator[Recording]:
    """The recording in an array.

    Raises:
        BadRecording: names the file and what is wrong with it.
    """
    with open_file(path) as (file, state):
        descr, fortran_order, shape = _header(path, file)
        offset_bytes = file.tell()
    name = (_COMPLEX if len(shape) == 1 else _PAIRS).get(descr)
    if name is None or (len(shape) == 2 and shape[1] != 2) or len(shape) > 2:
        raise BadRecording(
            path,
            "header",
            f"an array {printable(descr)} of shape {printable(shape)}; wanted are complex64 or complex128 (n,), or "
            "integers or floats (n, 2)",
        )
    if fortran_order and len(shape) == 2:
        raise BadRecording(path, "header", "all I stand before all Q (Fortran order); save it in C order")
    datatype = parse_datatype(name)
    size_bytes = state.size_bytes - offset_bytes
    if size_bytes != shape[0] * datatype.sample_bytes:
        raise BadRecording(
            path,
            f"byte {offset_bytes}",
            f"{size_bytes} bytes of samples, but the header's shape {printable(shape)} takes "
            f"{printable(shape[0] * datatype.sample_bytes)}",
        )
    yield named_recording(
        contiguous(path, datatype, state, offset_bytes=offset_bytes, size_bytes=size_bytes), given, "npy"
    )


def _header(path: Path, file: BinaryIO) -> tuple[str, bool, tuple[int, ...]]:
    start = file.read(8)
    if start[:6] != _MAGIC or start[6:] not in (b"\1\0", b"\2\0", b"\3\0"):
        raise BadRecording(path, "byte 0", "is not an .npy file of version 1 to 3")
    length_bytes = 2 if start[6] == 1 else 4
    length_field = file.read(length_bytes)
    if len(length_field) != length_bytes:
        raise BadRecording(path, "header", "is truncated")
    (length,) = struct.unpack("<H" if length_bytes == 2 else "<I", length_field)
    if length > _MAX_HEADER_BYTES:
        raise BadRecording(path, "header", f"is {length} bytes long; up to {_MAX_HEADER_BYTES} are read")
    text = file.read(length)
    if len(text) != length:
        raise BadRecording(path, "header", "is truncated")
    try:
        header = ast.literal_eval(text.decode("utf-8" if start[6] == 3 else "latin-1").strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise BadRecording(path, "header", f"cannot be understood: {printable(text[:80])}") from None
    match header:
        case {"descr": str(descr), "fortran_order": bool(order), "shape": tuple(shape)} if (
            all(type(n) is int and n >= 0 for n in shape) and 0 < len(shape) <= 8
        ):
            return descr, order, shape
    raise BadRecording(path, "header", f"describes no plain array: {printable(header)}")
