"""Files of samples alone: all else comes from the name or the caller."""

from collections.abc import Iterator
from pathlib import Path

from iqstream.recordings.datatype import Datatype, parse_datatype
from iqstream.recordings.errors import BadRecording
from iqstream.recordings.given import Given, choose_center_frequency, choose_sample_rate
from iqstream.recordings.names import parse_name
from iqstream.recordings.recording import Provenance, Recording, Segment
from iqstream.recordings.storage import Storage, contiguous, open_file

DATATYPE_OF_SUFFIX = {
    ".cu8": "cu8",
    ".cs8": "ci8",
    ".cs16": "ci16_le",
    ".cf32": "cf32_le",
    ".cfile": "cf32_le",  # of GNU Radio's file sink
}
_COMPRESSED = {".gz", ".bz2", ".xz", ".zst", ".lz4", ".zip", ".npz", ".7z", ".rar", ".tgz"}


def open_raw(path: Path, given: Given) -> Iterator[Recording]:
    """The recording in a file of samples.

    Raises:
        BadRecording: names the file, the place and what to give.
    """
    datatype = _datatype(path, given)
    with open_file(path) as (_, state):
        storage = contiguous(path, datatype, state, offset_bytes=0, size_bytes=state.size_bytes)
    yield named_recording(storage, given, "raw")


def named_recording(storage: Storage, given: Given, file_format: str) -> Recording:
    """A recording without metadata of its own.

    Raises:
        BadRecording: sample rate or centre frequency is neither given nor in the name.
    """
    path = storage.path
    name = parse_name(path.stem)
    started_at_ns = name.started_at_ns if given.started_at_ns is None else given.started_at_ns
    source = given.time_source or ("name" if given.started_at_ns is None else "ntp")
    unsigned_or_byte = storage.datatype.component.itemsize == 1
    return Recording(
        rx_name=given.rx_name or name.rx_name,
        sample_rate_hz=choose_sample_rate(path, "", given, name.sample_rate_hz),
        center_frequency_hz=choose_center_frequency(path, "", given, name.center_frequency_hz),
        segments=(Segment(first_sample=0, samples=storage.samples, started_at_ns=started_at_ns),),
        time_source="none" if started_at_ns is None else source,
        position=given.position,
        dbm_at_full_scale=given.dbm_at_full_scale,
        dc_of_device=unsigned_or_byte if given.dc_of_device is None else given.dc_of_device,
        storage=storage,
        provenance=Provenance(file_format=file_format, metadata=path.name),
    )


def _datatype(path: Path, given: Given) -> Datatype:
    if path.suffix.lower() in _COMPRESSED:
        raise BadRecording(path, "", "is compressed: unpack it first")
    name = given.datatype or DATATYPE_OF_SUFFIX.get(path.suffix.lower())
    if name is None and path.suffix.lower() == ".raw" and path.stem.endswith("_fc"):
        name = "cf32_le"  # of gqrx
    if name is None:
        raise BadRecording(path, "", "the kind of its samples is not known by the name: give datatype")
    return parse_datatype(name)
