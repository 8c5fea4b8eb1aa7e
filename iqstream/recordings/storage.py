"""The samples of a file, read in pieces: a file of any size needs the memory of one piece.

Pieces are read at their offset (ADR 76), not mapped: a file that shrinks under a mapping kills the process.
"""

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from iqstream.recordings.datatype import Datatype
from iqstream.recordings.errors import BadRecording

MAX_AMPLITUDE = 1e6
"""Of floats, whose full scale is 1.0; integers that were not scaled to it have up to 32768."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileState:
    """What a file was when it was opened: another since then holds other samples."""

    size_bytes: int
    modified_ns: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Storage:
    """Where the samples of a recording lie: blocks one after another, each contiguous in the file."""

    path: Path
    state: FileState
    datatype: Datatype
    block_first_samples: npt.NDArray[np.int64]
    """Index of each block's first sample, ascending from 0."""
    block_offsets_bytes: npt.NDArray[np.int64]
    samples: int
    """In the whole file."""

    @property
    def offset_bytes(self) -> int:
        """Of the first sample in the file."""
        return int(self.block_offsets_bytes[0])

    def read_raw(self, first_sample: int, samples: int) -> npt.NDArray[np.generic]:
        """Components as they stand in the file, (samples, 2), of the file's type and byte order.

        Raises:
            BadRecording: the file has changed since it was opened, or cannot be read.
            ValueError: the span is not within the file.
        """
        if first_sample < 0 or samples < 0 or first_sample + samples > self.samples:
            raise ValueError(
                f"samples {first_sample} to {first_sample + samples} are not within the {self.samples} of {self.path}"
            )
        raw = np.empty((samples, 2), self.datatype.component)
        if samples == 0:
            return raw
        target = memoryview(raw.data).cast("B")
        size = self.datatype.sample_bytes
        with open_file(self.path) as (file, state):
            self._require(state)
            block = int(np.searchsorted(self.block_first_samples, first_sample, side="right")) - 1
            done = 0
            while done < samples:
                start = int(self.block_first_samples[block])
                last = block + 1 == len(self.block_first_samples)
                end = self.samples if last else int(self.block_first_samples[block + 1])
                skip = first_sample + done - start
                count = min(end - start - skip, samples - done)
                file.seek(int(self.block_offsets_bytes[block]) + skip * size)
                if _read_into(file, target[done * size : (done + count) * size]) != count * size:
                    raise BadRecording(self.path, f"sample {first_sample + done}", "the file ended while it was read")
                done += count
                block += 1
        return raw

    def require_unchanged(self) -> None:
        """Raises BadRecording if the file has changed since it was opened, or cannot be read any more."""
        with open_file(self.path) as (_, state):
            self._require(state)

    def _require(self, state: FileState) -> None:
        if state != self.state:
            raise BadRecording(self.path, "", "has changed since it was opened: read it when it is whole")

    def read(self, first_sample: int, samples: int) -> npt.NDArray[np.complex64]:
        """Complex samples, (samples,), 1.0 being full scale.

        Raises:
            BadRecording: the file has changed, cannot be read, or a sample is no finite number.
            ValueError: the span is not within the file.
        """
        iq = self.datatype.to_complex(self.read_raw(first_sample, samples))
        possible = np.abs(iq.view(np.float32)).reshape(-1, 2).max(axis=1) <= MAX_AMPLITUDE  # also not of NaN
        if not possible.all():
            wrong = int(np.argmin(possible))
            place = f"sample {first_sample + wrong}"
            if not np.isfinite(iq[wrong]):
                raise BadRecording(self.path, place, f"{iq[wrong]} is no finite number in float32")
            raise BadRecording(
                self.path,
                place,
                f"{iq[wrong]:g} is more than {MAX_AMPLITUDE:g}, where 1.0 is full scale: it is of another type or byte "
                "order, or has to be scaled",
            )
        return iq


class open_file:  # noqa: N801 - used as a function
    """A context manager: the file opened for reading and its state. Of regular files only: a pipe would be waited on.

    Raises:
        BadRecording: it is none, or cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> tuple[BinaryIO, FileState]:
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except (OSError, ValueError) as error:
            raise BadRecording(self._path, "", _reason(error)) from None
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            raise BadRecording(self._path, "", "is not a regular file")
        self._file = os.fdopen(descriptor, "rb")
        return self._file, FileState(size_bytes=status.st_size, modified_ns=status.st_mtime_ns)

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._file.close()
        if isinstance(error, OSError):
            raise BadRecording(self._path, "", _reason(error)) from None


def contiguous(path: Path, datatype: Datatype, state: FileState, *, offset_bytes: int, size_bytes: int) -> Storage:
    """The storage of samples that lie one after another.

    Raises:
        BadRecording: none, or not a whole number of them.
    """
    require_whole(path, datatype, offset_bytes=offset_bytes, size_bytes=size_bytes)
    return Storage(
        path=path,
        state=state,
        datatype=datatype,
        block_first_samples=np.zeros(1, np.int64),
        block_offsets_bytes=np.array([offset_bytes], np.int64),
        samples=size_bytes // datatype.sample_bytes,
    )


def require_whole(path: Path, datatype: Datatype, *, offset_bytes: int, size_bytes: int) -> None:
    """Raises BadRecording unless a number of bytes is a whole number of samples, at least one."""
    if size_bytes <= 0:
        raise BadRecording(path, f"byte {offset_bytes}", "holds no samples")
    if size_bytes % datatype.sample_bytes:
        raise BadRecording(
            path,
            f"byte {offset_bytes + size_bytes - size_bytes % datatype.sample_bytes}",
            f"{size_bytes} bytes are no whole number of {datatype.name} samples of {datatype.sample_bytes} bytes: the "
            "file is truncated or of another type",
        )


def _read_into(file: BinaryIO, target: memoryview) -> int:
    done = 0
    while done < len(target):
        count = file.readinto(target[done:])  # type: ignore[attr-defined]
        if not count:
            break
        done += count
    return done


def _reason(error: Exception) -> str:
    return f"cannot be read: {(error.strerror if isinstance(error, OSError) else None) or error}"
