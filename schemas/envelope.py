"""Messages as bytes: one msgpack map that starts with its schema and version.

A frame's IQ is the map's last entry, one msgpack `bin`: everything before it is small and is read with
limits, the IQ itself is handed on as a view of the received bytes, never copied.
"""

import reprlib
from collections.abc import Mapping
from typing import Any, TypeAlias, TypeVar, overload

import msgpack
import msgspec

from schemas.dataset import MAX_CHUNKS, DatasetSpec, GenerationShard
from schemas.errors import Malformed, SchemaError, TooLarge, UnknownSchema
from schemas.feature_record import FailureRecord, FeatureRecord
from schemas.features import FEATURES_OF_VERSION
from schemas.iq_frame import MAX_IQ_BYTES, IQFrame
from schemas.pair_measurement import PairRecord

Message: TypeAlias = DatasetSpec | GenerationShard | IQFrame | FeatureRecord | FailureRecord | PairRecord
M = TypeVar("M", bound=msgspec.Struct)

MAX_HEADER_BYTES = 256 * 1024
_LIMITS = {
    "max_str_len": 8192,  # 2000 characters of 4 bytes
    "max_bin_len": 4096,
    "max_array_len": MAX_CHUNKS,
    "max_map_len": 256,
    "max_ext_len": 0,
}

_READERS: Mapping[tuple[str, int], type[Message]] = {
    ("dataset_spec", 1): DatasetSpec,
    ("generation_shard", 1): GenerationShard,
    ("iq_frame", 1): IQFrame,
    **{("feature_record", version): FeatureRecord for version in FEATURES_OF_VERSION},
    ("failure_record", 1): FailureRecord,
    ("pair_record", 1): PairRecord,
}
_SCHEMAS: Mapping[type[msgspec.Struct], str] = {kind: schema for (schema, _), kind in _READERS.items()}
_ONLY_IF_SET = ("pairs_expected", "clock_error_us")
"""Most messages never need these fields: they do not hold them, and their bytes are those from before."""
_OF_RECORDED = ("position", "recorded")
"""Fields that only real recordings have: of others they are not written, whose bytes stay as they were."""
_ERROR_END_CHARACTERS = 200
_BIN_LENGTH_BYTES = {0xC4: 1, 0xC5: 2, 0xC6: 4}


def encode(message: Message) -> bytes:
    """Returns the wire bytes of a message. Equal messages give equal bytes, but for the sign of a zero.

    Raises:
        Malformed: a field that no reader would accept: what is written can be read.
    """
    schema, version = _name(message)
    body = msgspec.to_builtins(message, builtin_types=(memoryview,))
    checked = msgspec.to_builtins(_converted(body, type(message)), builtin_types=(memoryview,))
    for name in _ONLY_IF_SET:
        if not checked.get(name, True):
            del checked[name]
    for name in _OF_RECORDED:
        if checked.get(name, "") is None:
            del checked[name]
    return bytes(msgpack.packb({"schema": schema, "version": version, **checked}))


@overload
def decode(data: bytes | memoryview) -> Message: ...
@overload
def decode(data: bytes | memoryview, kind: type[M]) -> M: ...
def decode(data: bytes | memoryview, kind: type[msgspec.Struct] | None = None) -> msgspec.Struct:
    """Returns the message in `data`, of any kind or of `kind` alone. A frame's `iq` is a memoryview into `data`.

    Raises:
        Malformed: not one whole message, or a field that is missing, mistyped or out of range.
        TooLarge: a length over its limit (seen before anything is allocated for it).
        UnknownSchema: a schema or version that this reader does not know, or another kind than asked for.
    """
    view = memoryview(data).cast("B")
    fields, iq = _fields(view)
    name, version = fields.pop("schema", None), fields.pop("version", None)
    found = _READERS.get((name, version)) if isinstance(name, str) and type(version) is int else None
    if found is None:
        known = ", ".join(f"{n} {v}" for n, v in _READERS)
        raise UnknownSchema(
            f"schema {reprlib.repr(name)} version {reprlib.repr(version)} is unknown here; this reader knows {known}"
        )
    if kind not in {None, found}:
        raise UnknownSchema(f"a {_SCHEMAS[kind]} is expected here, this is a {name}")
    if (found is IQFrame) != (iq is not None):
        raise Malformed(f"{name}: {'iq is missing' if iq is None else 'has an iq entry'}")
    if iq is not None:
        fields["iq"] = iq
    message = _converted(fields, found)
    if _name(message) != (name, version):
        raise Malformed(f"{name}: version {version} with the values of version {_name(message)[1]}")
    return message


def _name(message: Message) -> tuple[str, int]:
    """Schema and version under which a message is written: of a feature record the version that holds its features."""
    schema = _SCHEMAS[type(message)]
    try:
        return schema, message.wire_version if isinstance(message, FeatureRecord) else 1
    except ValueError as error:
        raise Malformed(f"{schema}: {error}") from None


def _converted(fields: dict[str, Any], kind: type[Message]) -> Message:
    try:
        return msgspec.convert(fields, kind, builtin_types=(memoryview,))
    except (msgspec.ValidationError, RecursionError) as error:
        text = str(error)  # it may quote a long value in its middle, and ends with the field
        if len(text) > 2 * _ERROR_END_CHARACTERS:
            text = f"{text[:_ERROR_END_CHARACTERS]} ... {text[-_ERROR_END_CHARACTERS:]}"
        raise Malformed(f"{_SCHEMAS[kind]}: {text}") from None


def _fields(view: memoryview) -> tuple[dict[str, Any], memoryview | None]:
    """The map's entries, with what msgpack says of bad bytes in our words."""
    head = view[:MAX_HEADER_BYTES]
    scout, unpacker = (
        msgpack.Unpacker(max_buffer_size=MAX_HEADER_BYTES, strict_map_key=True, object_pairs_hook=_unique, **_LIMITS)
        for _ in range(2)
    )
    scout.feed(head)
    unpacker.feed(head)
    try:
        return _entries(scout, unpacker, view)
    except SchemaError:
        raise
    except msgpack.OutOfData:
        if len(view) > len(head):
            raise TooLarge(f"the fields before iq are over {MAX_HEADER_BYTES} bytes") from None
        raise Malformed(f"truncated: the message goes on after its {len(view)} bytes") from None
    except (msgpack.UnpackException, ValueError, TypeError, RecursionError) as error:
        if "exceeds max" in str(error):
            raise TooLarge(str(error)) from None
        raise Malformed(f"not msgpack: {type(error).__name__} {error}") from None


def _entries(
    scout: msgpack.Unpacker, unpacker: msgpack.Unpacker, view: memoryview
) -> tuple[dict[str, Any], memoryview | None]:
    """Reads the map entry by entry, so that every limit holds before its value is built.

    msgpack makes an array's full length before its first element: a few thousand bytes of nested headers
    would take gigabytes. So a scout, which builds nothing, goes ahead and sees that every element is there.
    """
    fields: dict[str, Any] = {}
    entries = unpacker.read_map_header()
    scout.read_map_header()
    if entries > _LIMITS["max_map_len"]:
        raise TooLarge(f"{entries} fields, at most {_LIMITS['max_map_len']}")
    for position in range(entries):
        scout.skip()
        key = unpacker.unpack()
        if not isinstance(key, str):
            raise Malformed(f"field name {reprlib.repr(key)} is not text")
        if key in fields:
            raise Malformed(f"field {reprlib.repr(key)} appears twice")
        if key == "iq":
            if position != entries - 1:
                raise Malformed("iq must be the last field")
            return fields, _last_bin(view, unpacker.tell())
        scout.skip()
        fields[key] = unpacker.unpack()
    if unpacker.tell() != len(view):
        raise Malformed(f"{len(view) - unpacker.tell()} bytes after the message")
    return fields, None


def _unique(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    """A map within the message; a name that is duplicated would be ambiguous."""
    entries = dict(pairs)
    if len(entries) < len(pairs):
        raise Malformed("a field within a field appears twice")
    return entries


def _last_bin(view: memoryview, start: int) -> memoryview:
    """The msgpack `bin` at `start`, which must end the message, as a view."""
    width = _BIN_LENGTH_BYTES.get(view[start]) if start < len(view) else None
    if width is None:
        raise Malformed("iq is not binary")
    body = start + 1 + width
    if body > len(view):
        raise Malformed("truncated within the length of iq")
    length = int.from_bytes(view[start + 1 : body], "big")
    if length > MAX_IQ_BYTES:
        raise TooLarge(f"iq has {length} bytes, at most {MAX_IQ_BYTES}")
    if len(view) - body != length:
        raise Malformed(f"iq says {length} bytes, {len(view) - body} are there")
    return view[body:]


def sample_key(dataset_id: str, sample_idx: int) -> bytes:
    """Returns the Kafka key that keeps all receivers of a sample on one partition."""
    return f"{dataset_id}:{sample_idx}".encode()


def headers(message: Message) -> list[tuple[str, bytes]]:
    """Returns the Kafka headers: enough to route a record, or to say which sample is lost, without decoding it."""
    schema, version = _name(message)
    named: dict[str, object] = {"schema": schema, "schema_version": version}
    if isinstance(message, GenerationShard):
        named |= {"dataset_version": message.spec.dataset_version, "samples": message.count}
        named |= {"generation": message.generation}
    elif isinstance(message, FeatureRecord | FailureRecord | PairRecord | IQFrame):
        named |= {"dataset_version": message.dataset_version, "generation": message.generation}
    if isinstance(message, FeatureRecord | IQFrame):
        named |= {"rx_id": message.receiver.rx_id}
    return [(name, str(value).encode()) for name, value in named.items()]
