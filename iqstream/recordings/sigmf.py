"""SigMF recordings: a pair of files, an archive, or a collection of pairs."""

import hashlib
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from iqstream.recordings.datatype import Datatype, parse_datatype
from iqstream.recordings.errors import BadRecording, printable
from iqstream.recordings.given import (
    MAX_FULL_SCALE_DBM,
    MIN_FULL_SCALE_DBM,
    Given,
    choose_center_frequency,
    choose_sample_rate,
    is_calibration,
)
from iqstream.recordings.names import parse_name, utc_ns
from iqstream.recordings.recording import (
    Position,
    Provenance,
    Recording,
    Segment,
    duration_ns,
)
from iqstream.recordings.sigmf_metadata import (
    MAX_METADATA_BYTES,
    Capture,
    Extension,
    Geolocation,
    Global,
    Metadata,
    parse_collection,
    parse_datetime,
    parse_metadata,
    plain_name,
)
from iqstream.recordings.storage import FileState, Storage, open_file, require_whole
from iqstream.recordings.tar import Member, members
from schemas.recorded import TimeSource

META, DATA, COLLECTION, ARCHIVE = ".sigmf-meta", ".sigmf-data", ".sigmf-collection", ".sigmf"
_HARMLESS_EXTENSIONS = {
    "core", "antenna", "capture_details", "signal", "spatial", "traceability", "volatile", "modulation", "adsb", "wifi",
}  # fmt: skip
"""Extensions that do not change how samples are stored."""
_MAX_TIME_NS = utc_ns(2100, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Data:
    """Where the bytes of samples lie, and what their metadata says."""

    meta: Metadata
    meta_path: Path
    meta_name: str
    """Also of a member of an archive."""
    path: Path
    state: FileState
    offset_bytes: int
    size_bytes: int


def open_pair(path: Path, given: Given) -> Iterator[Recording]:
    """The recordings of a `.sigmf-meta` or `.sigmf-data` file: one for each centre frequency of its captures.

    Raises:
        BadRecording: names the file, the place and what is wrong there.
    """
    meta_path = _sibling(path, META)
    yield from _pair(meta_path, _small_file(meta_path), given)


def open_collection(path: Path, given: Given) -> Iterator[Recording | BadRecording]:
    """The recordings of a collection; what is wrong with one of them stands in its place.

    Raises:
        BadRecording: the collection itself cannot be read.
    """
    streams = parse_collection(path, _small_file(path))
    if not streams:
        raise BadRecording(path, "core:streams", "names no recordings")
    for number, stream in enumerate(streams):
        place = f"stream {number}"
        try:
            meta_path = path.with_name(plain_name(path, place, stream.name) + META)
            text = _small_file(_beside(path, place, meta_path))
            _require_hash(path, meta_path, text, stream.hash)
            yield from _pair(meta_path, text, given)
        except BadRecording as error:
            yield error


def _require_hash(path: Path, meta_path: Path, text: bytes, wanted: str) -> None:
    if hashlib.sha512(text).hexdigest() != wanted.lower():
        raise BadRecording(meta_path, "", f"another file than {path.name} means: its sha512 differs")


def open_archive(path: Path, given: Given) -> Iterator[Recording | BadRecording]:
    """The recordings of a `.sigmf` archive, read where they lie; what is wrong with one stands in its place.

    Raises:
        BadRecording: the archive itself cannot be read.
    """
    with open_file(path) as (file, state):
        found = members(path, file, state.size_bytes)
        by_name: dict[str, Member] = {}
        for member in found:
            if member.name in by_name and member.name.endswith((META, DATA)):
                raise BadRecording(path, printable(member.name), "is in the archive twice: which counts is not known")
            by_name[member.name] = member
        metas = [member for member in found if member.name.endswith(META)]
        if not metas:
            raise BadRecording(path, "", f"an archive without a {META} file")
        opened: list[_Data | BadRecording] = []
        for member in metas:
            try:
                opened.append(_member(path, file, state, member, by_name))
            except BadRecording as error:
                opened.append(error)
    for data in opened:
        if isinstance(data, BadRecording):
            yield data
            continue
        try:
            yield from _recordings(data, given)
        except BadRecording as error:
            yield error


def _pair(meta_path: Path, text: bytes, given: Given) -> Iterator[Recording]:
    meta = parse_metadata(meta_path, "", text)
    if meta.global_.dataset is not None:
        data_path = meta_path.with_name(plain_name(meta_path, "core:dataset", meta.global_.dataset))
        _beside(meta_path, "core:dataset", data_path)
    else:
        data_path = _sibling(meta_path, DATA)
        if meta.global_.metadata_only and not data_path.exists():
            raise BadRecording(meta_path, "core:metadata_only", "metadata alone, without samples")
    with open_file(data_path) as (_, state):
        pass
    yield from _recordings(
        _Data(
            meta=meta,
            meta_path=meta_path,
            meta_name=meta_path.name,
            path=data_path,
            state=state,
            offset_bytes=0,
            size_bytes=state.size_bytes,
        ),
        given,
    )


def _sibling(path: Path, suffix: str) -> Path:
    """The file of another suffix beside one, in capitals where that one's is."""
    return path.with_suffix(suffix.upper() if path.suffix.isupper() else suffix)


def _member(path: Path, file: BinaryIO, state: FileState, member: Member, by_name: dict[str, Member]) -> _Data:
    place = printable(member.name)
    parts = member.name.removeprefix("./").split("/")
    for part in parts:
        plain_name(path, place, part)
    if member.size_bytes > MAX_METADATA_BYTES:
        raise BadRecording(path, place, f"{member.size_bytes} bytes of metadata; up to {MAX_METADATA_BYTES} are read")
    file.seek(member.offset_bytes)
    meta = parse_metadata(path, place, file.read(member.size_bytes))
    wanted = member.name.removesuffix(META) + DATA
    if meta.global_.dataset is not None:
        folder = member.name.rpartition("/")[:2]
        wanted = "".join(folder) + plain_name(path, place, meta.global_.dataset)
    data = by_name.get(wanted)
    if data is None:
        raise BadRecording(path, place, f"the archive has no {printable(wanted)}")
    return _Data(
        meta=meta,
        meta_path=path,
        meta_name=member.name,
        path=path,
        state=state,
        offset_bytes=data.offset_bytes,
        size_bytes=data.size_bytes,
    )


def _recordings(data: _Data, given: Given) -> Iterator[Recording]:
    facts = data.meta.global_
    where, place = data.meta_path, "" if data.meta_name == data.meta_path.name else printable(data.meta_name)
    if facts.num_channels != 1:
        raise BadRecording(
            where, "core:num_channels", f"{facts.num_channels} channels in one file; make a collection of one file each"
        )
    if isinstance(facts.extensions, list):
        _require_known(where, facts.extensions)
    try:
        datatype = parse_datatype(facts.datatype)
    except ValueError as error:
        raise BadRecording(where, "core:datatype", printable(error)) from None
    captures = data.meta.captures or [Capture(sample_start=facts.offset)]
    storage, starts = _storage(data, datatype, captures)
    rate_hz = choose_sample_rate(where, "core:sample_rate", given, _only_rate(where, facts, captures))
    times = _times(where, captures, starts, rate_hz, given)
    bounds = [*starts[1:], storage.samples]
    by_frequency: dict[float, list[Segment]] = {}
    for number, capture in enumerate(captures):
        count = bounds[number] - starts[number]
        if count == 0:
            continue
        said = facts.frequency_hz if capture.frequency_hz is None else capture.frequency_hz
        frequency_hz = choose_center_frequency(where, f"capture {number}", given, said)
        segment = Segment(first_sample=starts[number], samples=count, started_at_ns=times[number][0])
        _append(by_frequency.setdefault(frequency_hz, []), segment, goes_on=times[number][1])
    if not by_frequency:
        raise BadRecording(where, place, "holds no samples")
    source: TimeSource = "none" if all(at is None for at, _ in times) else given.time_source or facts.time_source
    name = parse_name(Path(data.meta_name).stem).rx_name
    scale = facts.scale if given.dbm_at_full_scale is None else None
    dbm_at_full_scale = given.dbm_at_full_scale
    if scale is not None and facts.level_reference == "dbm":
        dbm_at_full_scale = 20 * math.log10(scale * datatype.full_scale)
        if not is_calibration(dbm_at_full_scale):
            raise BadRecording(
                where,
                "iqstream:scale",
                f"{scale:g} makes {dbm_at_full_scale:.0f} dBm of full scale; allowed are {MIN_FULL_SCALE_DBM} to "
                f"{MAX_FULL_SCALE_DBM}",
            )
    for frequency_hz, segments in by_frequency.items():
        yield Recording(
            rx_name=given.rx_name or (printable(facts.rx_id) if facts.rx_id else name),
            sample_rate_hz=rate_hz,
            center_frequency_hz=frequency_hz,
            segments=tuple(segments),
            time_source=source,
            position=given.position or _position(where, facts.geolocation, captures),
            dbm_at_full_scale=dbm_at_full_scale,
            scale=scale,
            dc_of_device=(datatype.zero > 0) if given.dc_of_device is None else given.dc_of_device,
            storage=storage,
            automatic_gain=facts.automatic_gain,
            provenance=Provenance(
                file_format="sigmf", metadata=data.meta_name, recorder=printable(f"{facts.recorder} {facts.hw}".strip())
            ),
        )


def _only_rate(where: Path, facts: Global, captures: list[Capture]) -> float | None:
    """The rate of all captures; None where none is said. Raises BadRecording where one of them says another."""
    rate_hz = facts.sample_rate_hz
    for number, capture in enumerate(captures):
        if capture.sample_rate_hz is None:
            continue
        rate_hz = capture.sample_rate_hz if rate_hz is None else rate_hz
        if capture.sample_rate_hz != rate_hz:
            raise BadRecording(
                where,
                f"capture {number}, core:sample_rate",
                f"{capture.sample_rate_hz:g} Hz behind {rate_hz:g} Hz: a recording has one rate; make two of it",
            )
    return rate_hz


def _storage(data: _Data, datatype: Datatype, captures: list[Capture]) -> tuple[Storage, list[int]]:
    """The samples, and where each capture begins among them."""
    facts = data.meta.global_
    where = data.meta_path
    starts: list[int] = []
    for number, capture in enumerate(captures):
        start = capture.sample_start - facts.offset
        if start < (starts[-1] if starts else 0):
            raise BadRecording(
                where, f"capture {number}", f"starts at sample {capture.sample_start}, before the one ahead of it"
            )
        starts.append(start)
    headers = [capture.header_bytes for capture in captures]
    payload_bytes = data.size_bytes - sum(headers) - facts.trailing_bytes
    if payload_bytes < 0:
        raise BadRecording(
            where,
            "core:header_bytes",
            f"{sum(headers)} bytes of headers and {facts.trailing_bytes} behind, but {data.path.name} has "
            f"{data.size_bytes}",
        )
    require_whole(data.path, datatype, offset_bytes=data.offset_bytes + headers[0], size_bytes=payload_bytes)
    samples = payload_bytes // datatype.sample_bytes
    if starts[-1] > samples or (starts[-1] == samples and len(starts) == 1):
        number = next(i for i, start in enumerate(starts) if start >= samples)
        raise BadRecording(
            where, f"capture {number}", f"starts at sample {starts[number]}, but {data.path.name} has {samples}"
        )
    first = np.array(starts, np.int64)
    offsets = data.offset_bytes + np.cumsum(np.array(headers, np.int64)) + first * datatype.sample_bytes
    if starts[0] > 0:  # what no capture describes
        first = np.concatenate([np.zeros(1, np.int64), first])
        offsets = np.concatenate([np.array([data.offset_bytes], np.int64), offsets])
    # Of captures of no sample the last one counts: its header stands behind those of the others.
    kept = np.append(first[1:] != first[:-1], True)
    return Storage(
        path=data.path,
        state=data.state,
        datatype=datatype,
        block_first_samples=first[kept],
        block_offsets_bytes=offsets[kept],
        samples=samples,
    ), starts


def _times(
    where: Path, captures: list[Capture], starts: list[int], rate_hz: float, given: Given
) -> list[tuple[int | None, bool]]:
    """When each capture began, and whether it goes on from the one ahead of it without a gap.

    A capture without `core:datetime` follows from the one ahead of it, by `core:global_index` where both have one. One
    whose time is the expected one, rounded or cut off at the last digit written, goes on without a gap.
    """
    times: list[tuple[int | None, bool]] = []
    expected: int | None = given.started_at_ns
    shift_ns: int | None = None
    for number, capture in enumerate(captures):
        place = f"capture {number}"
        lost = 0
        if number:
            ahead = captures[number - 1]
            recorded = starts[number] - starts[number - 1]
            if capture.global_index is not None and ahead.global_index is not None:
                lost = capture.global_index - ahead.global_index - recorded
            if lost < 0:
                raise BadRecording(where, place, f"core:global_index is {-lost} less than the samples ahead of it take")
            before = times[-1][0]
            expected = None if before is None else before + duration_ns(recorded + lost, rate_hz)
        at, goes_on = expected, number > 0 and lost == 0
        if capture.datetime is not None:
            said, step_ns = _datetime(where, place, capture.datetime)
            if given.started_at_ns is not None:
                shift_ns = given.started_at_ns - said if shift_ns is None else shift_ns
                said += shift_ns
            if number == 0 or expected is None or not said - step_ns / 2 <= expected < said + step_ns:
                at, goes_on = said, False
            if number and expected is not None and at is not None and at < expected:
                raise BadRecording(where, f"{place}, core:datetime", f"time goes back by {(expected - at) / 1e9:g} s")
        if at is not None and not 0 <= at < _MAX_TIME_NS:
            raise BadRecording(where, place, "its time is not within the years 1970 to 2100")
        times.append((at, goes_on))
    return times


def _datetime(where: Path, place: str, text: str) -> tuple[int, int]:
    try:
        return parse_datetime(text)
    except ValueError as error:
        raise BadRecording(where, f"{place}, core:datetime", f"{printable(text)!r}: {error}") from None


def _append(segments: list[Segment], segment: Segment, *, goes_on: bool) -> None:
    """Adds a segment, to the last one where it goes on from there."""
    if segments and goes_on:
        last = segments[-1]
        if last.first_sample + last.samples == segment.first_sample:
            samples = last.samples + segment.samples
            segments[-1] = Segment(first_sample=last.first_sample, samples=samples, started_at_ns=last.started_at_ns)
            return
    segments.append(segment)


def _position(where: Path, common: Geolocation | None, captures: list[Capture]) -> Position | None:
    """Where the antenna stood; None where nothing is said. It stays in place."""
    said = {capture.geolocation for capture in captures if capture.geolocation is not None}
    if len(said) > 1:
        raise BadRecording(where, "core:geolocation", "the receiver moves; only receivers that stay are read")
    place = next(iter(said), common)
    if place is None:
        return None
    longitude, latitude, *altitude = place.coordinates
    if place.type != "Point" or abs(latitude) > 90 or abs(longitude) > 180 or any(abs(a) > 1e5 for a in altitude):
        raise BadRecording(where, "core:geolocation", f"{printable(place)} is no Point of longitude and latitude")
    return Position(latitude=latitude, longitude=longitude, altitude_m=altitude[0] if altitude else None)


def _require_known(where: Path, extensions: list[Extension]) -> None:
    for extension in extensions:
        if not extension.optional and extension.name not in _HARMLESS_EXTENSIONS:
            raise BadRecording(
                where, "core:extensions", f"needs the extension {printable(extension.name)!r}, which is not known here"
            )


def _beside(path: Path, place: str, other: Path) -> Path:
    """A file in the same folder as another. Raises BadRecording where a link leads elsewhere."""
    if Path(os.path.realpath(other)).parent != Path(os.path.realpath(path.parent)):
        raise BadRecording(path, place, f"{printable(other.name)} is a link out of the folder")
    return other


def _small_file(path: Path) -> bytes:
    with open_file(path) as (file, state):
        if state.size_bytes > MAX_METADATA_BYTES:
            raise BadRecording(path, "", f"{state.size_bytes} bytes of metadata; up to {MAX_METADATA_BYTES} are read")
        return file.read(state.size_bytes)
