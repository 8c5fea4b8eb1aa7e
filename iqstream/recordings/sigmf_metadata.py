"""SigMF's JSON, as far as reading samples needs it. Written after the specification (1.2) and its schemas."""

import json
import re
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from iqstream.recordings.errors import BadRecording, printable
from iqstream.recordings.names import utc_ns
from schemas.recorded import LevelReference, TimeSource

MAX_METADATA_BYTES = 16 << 20
_Index = Annotated[int, Meta(ge=0, le=2**62)]
_Hash = Annotated[str, Meta(pattern=r"^[0-9a-fA-F]{128}$")]
_DATETIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,30}))?[Zz]", re.ASCII)
_Parsed = TypeVar("_Parsed")


class Geolocation(msgspec.Struct, frozen=True):
    """GeoJSON's Point: longitude, latitude, and the altitude in metres where there is a third."""

    type: str
    coordinates: Annotated[tuple[float, ...], Meta(min_length=2, max_length=3)]


class Extension(msgspec.Struct, frozen=True):
    name: str
    optional: bool = True


class Global(msgspec.Struct, frozen=True):
    datatype: str = msgspec.field(name="core:datatype")
    version: str = msgspec.field(name="core:version")
    sample_rate_hz: float | None = msgspec.field(name="core:sample_rate", default=None)
    frequency_hz: float | None = msgspec.field(name="core:frequency", default=None)
    """Belongs into the captures; read where a capture has none."""
    num_channels: Annotated[int, Meta(ge=1, le=1000)] = msgspec.field(name="core:num_channels", default=1)
    offset: _Index = msgspec.field(name="core:offset", default=0)
    dataset: str | None = msgspec.field(name="core:dataset", default=None)
    trailing_bytes: _Index = msgspec.field(name="core:trailing_bytes", default=0)
    metadata_only: bool = msgspec.field(name="core:metadata_only", default=False)
    geolocation: Geolocation | None = msgspec.field(name="core:geolocation", default=None)
    hw: str = msgspec.field(name="core:hw", default="")
    recorder: str = msgspec.field(name="core:recorder", default="")
    extensions: list[Extension] | dict[str, str] = msgspec.field(name="core:extensions", default_factory=list)
    """A mapping before SigMF 1.0."""
    scale: Annotated[float, Meta(ge=1e-30, le=1e30)] | None = msgspec.field(name="iqstream:scale", default=None)
    """sqrt(mW) per unit of the components, as our exports say."""
    rx_id: str | None = msgspec.field(name="iqstream:rx_id", default=None)
    level_reference: LevelReference = msgspec.field(name="iqstream:level_reference", default="dbm")
    """What 0 dBm means where there is a scale."""
    time_source: TimeSource = msgspec.field(name="iqstream:time_source", default="ntp")
    automatic_gain: bool = msgspec.field(name="iqstream:automatic_gain", default=False)


class Capture(msgspec.Struct, frozen=True):
    sample_start: _Index = msgspec.field(name="core:sample_start", default=0)
    frequency_hz: float | None = msgspec.field(name="core:frequency", default=None)
    datetime: str | None = msgspec.field(name="core:datetime", default=None)
    global_index: _Index | None = msgspec.field(name="core:global_index", default=None)
    header_bytes: _Index = msgspec.field(name="core:header_bytes", default=0)
    sample_rate_hz: float | None = msgspec.field(name="core:sample_rate", default=None)
    """Belongs into the global object; read where that has none."""
    geolocation: Geolocation | None = msgspec.field(name="core:geolocation", default=None)


class Metadata(msgspec.Struct, frozen=True):
    """A `.sigmf-meta` file."""

    global_: Global = msgspec.field(name="global")
    captures: list[Capture] = msgspec.field(default_factory=list)


class Stream(msgspec.Struct, frozen=True):
    name: str
    hash: _Hash


class _Collection(msgspec.Struct, frozen=True):
    streams: list[Stream | tuple[str, _Hash]] = msgspec.field(name="core:streams", default_factory=list)
    """Pairs before SigMF 1.1."""


class _CollectionFile(msgspec.Struct, frozen=True):
    collection: _Collection


def parse_metadata(path: Path, place: str, text: bytes) -> Metadata:
    """What a `.sigmf-meta` file says. Raises BadRecording, which names the field."""
    return _parse(path, place, text, Metadata)


def parse_collection(path: Path, text: bytes) -> list[Stream]:
    """The recordings that a `.sigmf-collection` file names. Raises BadRecording, which names the field."""
    streams = _parse(path, "", text, _CollectionFile).collection.streams
    return [stream if isinstance(stream, Stream) else Stream(*stream) for stream in streams]


def parse_datetime(text: str) -> tuple[int, int]:
    """UTC in ns since 1970, and the step of its last digit in ns (at least 1).

    Raises:
        ValueError: not a time that SigMF allows.
    """
    match = _DATETIME.fullmatch(text)
    if match is None:
        raise ValueError("a time like 2017-11-27T10:41:56.123Z is wanted")
    digits = match[7] or ""
    fraction_ns = int(digits[:9].ljust(9, "0"))
    year, month, day, hour, minute, second = (int(match[i]) for i in range(1, 7))
    return utc_ns(year, month, day, hour, minute, second, fraction_ns), 10 ** (9 - min(len(digits), 9))


def plain_name(path: Path, place: str, name: str) -> str:
    """A name that stays in its folder. Raises BadRecording for any other."""
    if not name or name in (".", "..") or any(c in name for c in "/\\\0") or not name.isprintable() or len(name) > 255:
        raise BadRecording(path, place, f"{printable(name)!r} is no plain name of a file in the same folder")
    return name


def _parse(path: Path, place: str, text: bytes, kind: type[_Parsed]) -> _Parsed:
    if len(text) > MAX_METADATA_BYTES:
        raise BadRecording(path, place, f"{len(text)} bytes of metadata; up to {MAX_METADATA_BYTES} are read")
    plain = text.removeprefix(b"\xef\xbb\xbf")
    try:
        json.loads(plain.decode(errors="surrogateescape"), object_pairs_hook=_once, parse_int=str, parse_float=str)
        return msgspec.json.decode(plain, type=kind)
    except _SaidTwice as error:
        raise BadRecording(path, place, f"{printable(error)} is said twice: which counts is not known") from None
    except RecursionError:
        raise BadRecording(path, place, "JSON nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BadRecording(path, place, f"no SigMF metadata: {printable(error)}") from None


class _SaidTwice(Exception):
    """A name that stands twice in one JSON object, of which readers take the first or the last."""


def _once(said: list[tuple[str, object]]) -> None:
    names: set[str] = set()
    for name, _ in said:
        if name in names:
            raise _SaidTwice(name)
        names.add(name)
