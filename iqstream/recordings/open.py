"""Files and folders opened as recordings; what cannot be read is named, the rest goes on."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from iqstream.recordings.errors import BadRecording
from iqstream.recordings.given import Given
from iqstream.recordings.npy import open_npy
from iqstream.recordings.raw import DATATYPE_OF_SUFFIX, open_raw
from iqstream.recordings.recording import Recording
from iqstream.recordings.sigmf import ARCHIVE, COLLECTION, DATA, META, open_archive, open_collection, open_pair
from iqstream.recordings.wav import open_wav

_Reader: TypeAlias = Callable[[Path, Given], Iterator[Recording | BadRecording]]
_READERS: dict[str, _Reader] = {
    COLLECTION: open_collection,  # before the pairs that it names
    META: open_pair,
    DATA: open_pair,
    ARCHIVE: open_archive,
    ".npy": open_npy,
    ".wav": open_wav,
    **dict.fromkeys(DATATYPE_OF_SUFFIX, open_raw),
    ".raw": open_raw,
}
_ORDER = {suffix: number for number, suffix in enumerate(_READERS)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What was found."""

    recordings: tuple[Recording, ...]
    failures: tuple[BadRecording, ...]


def open_recordings(paths: Iterable[Path], given: Given | None = None) -> Opened:
    """The recordings in files and, by their extensions, in folders and those below.

    A recording that is found twice, by a collection and as a pair, is opened once. Links in folders are not followed.
    """
    recordings: list[Recording] = []
    failures: list[BadRecording] = []
    seen: set[tuple[Path, int, float]] = set()
    failed: set[str] = set()
    for path in _files(paths, failures):
        for found in _open(path, given or Given()):
            if isinstance(found, BadRecording):
                if str(found) not in failed:
                    failures.append(found)
                    failed.add(str(found))
                continue
            storage = found.storage
            key = (storage.path.resolve(), storage.offset_bytes, found.center_frequency_hz)
            if key not in seen:
                seen.add(key)
                recordings.append(found)
    return Opened(recordings=tuple(recordings), failures=tuple(failures))


def _open(path: Path, given: Given) -> Iterator[Recording | BadRecording]:
    reader = _READERS.get(path.suffix.lower(), open_raw)
    try:
        yield from reader(path, given)
    except BadRecording as error:
        yield error


def _files(paths: Iterable[Path], failures: list[BadRecording]) -> Iterator[Path]:
    for path in paths:
        try:
            if not path.is_dir():
                yield path
                continue
        except (OSError, ValueError) as error:
            failures.append(BadRecording(path, "", f"cannot be read: {error}"))
            continue
        found: list[Path] = []
        for folder, _, names in os.walk(path, onerror=lambda error: failures.append(_unreadable(error))):
            found += [Path(folder, name) for name in names]
        wanted = [file for file in found if file.suffix.lower() in _READERS and not _is_link_elsewhere(path, file)]
        if not wanted:
            failures.append(BadRecording(path, "", f"no file whose name ends in one of {' '.join(_READERS)}"))
        yield from sorted(wanted, key=lambda file: (_ORDER[file.suffix.lower()], file))


def _unreadable(error: OSError) -> BadRecording:
    return BadRecording(Path(error.filename or "."), "", f"cannot be read: {error.strerror or error}")


def _is_link_elsewhere(folder: Path, file: Path) -> bool:
    return file.is_symlink() and not Path(os.path.realpath(file)).is_relative_to(os.path.realpath(folder))
