"""Bytes that are no message, each with the error that says so: for every reader of a topic."""

import random
import struct
from collections.abc import Iterator
from typing import NamedTuple

import msgpack

from schemas import Malformed, SchemaError, TooLarge, UnknownSchema, encode
from schemas.envelope import MAX_HEADER_BYTES
from schemas.features import FEATURES_OF_VERSION
from schemas.iq_frame import MAX_IQ_BYTES
from tests.golden_wire import FAILURE, FEATURES, FRAME_CI16, GOLDEN, SPEC, with_fields

_OPEN = b"\x83\xa6schema\xa8iq_frame\xa7version\x01"
"""A frame's first two fields of three."""

OVERSIZED_HEADERS = {
    "str": b"\xdb\xff\xff\xff\xff",
    "bin": b"\xc6\xff\xff\xff\xff",
    "array": b"\xdd\xff\xff\xff\xff",
    "map": b"\xdf\xff\xff\xff\xff",
    "ext": b"\xc9\xff\xff\xff\xff\x05",
}
"""msgpack heads that claim 4 GiB."""


class Hostile(NamedTuple):
    """Bytes, what is wrong with them, and the error they must raise."""

    name: str
    data: bytes
    error: type[SchemaError]


def _with_map_head(data: bytes, *, more: int) -> bytes:
    """The message with a head that counts some fields more than there are."""
    fields = len(msgpack.unpackb(data))
    return b"\xde" + struct.pack(">H", fields + more) + data[1 if fields < 16 else 3 :]


def oversized() -> list[Hostile]:
    """Small messages whose lengths claim, or whose nesting would take, far more memory than they have."""
    claims = [
        Hostile(
            f"{where} claims 4 GiB of {kind}",
            start + head + rest,
            TooLarge if kind == "ext" and start else Malformed,
        )
        for where, start in {
            "the message": b"",
            "a field": _OPEN + b"\xa1z",
            "a field name": _OPEN,
            "a nested value": _OPEN + b"\xa1z\x91",
        }.items()
        for kind, head in OVERSIZED_HEADERS.items()
        for rest in (b"", bytes(64))
        if not (where == "the message" and kind == "map")
    ]
    return [
        *claims,
        Hostile("the message claims 4 Gi fields", OVERSIZED_HEADERS["map"] + bytes(64), TooLarge),
        Hostile("iq claims 4 GiB", _OPEN + b"\xa2iq" + OVERSIZED_HEADERS["bin"] + bytes(64), TooLarge),
        Hostile(
            "iq claims a byte over its limit",
            _OPEN + b"\xa2iq\xc6" + struct.pack(">I", MAX_IQ_BYTES + 1),
            TooLarge,
        ),
        Hostile(
            "arrays that each claim 4096 elements, one in the other",
            _OPEN + b"\xa1z" + b"\xdc\x10\x00" * 1000 + bytes(30_000),
            Malformed,
        ),
        Hostile("maps nested too deep", _OPEN + b"\xa1z" + b"\x81\xa1a" * 100_000 + b"\xc0", Malformed),
    ]


def malformed() -> list[Hostile]:
    """Whole bytes that are not a message."""
    versions: list[object] = [0, max(FEATURES_OF_VERSION) + 1, -1, 2**64 - 1, 1.0, True, "1", None, [1], {}]
    mistyped: list[object] = [None, "x", b"x", [], {}, True, -1, float("nan"), 2**64 - 1]
    no_features: list[object] = [float("nan"), float("inf"), float("-inf"), None, "1", True]
    features, frame = encode(FEATURES), encode(FRAME_CI16)
    as_map = msgpack.unpackb(features)
    head = {"schema": "feature_record", "version": 1}
    deep = b"\x91" * 1020 + b"\xc0"
    reversed_frame = dict(reversed(msgpack.unpackb(frame).items()))
    twice = _with_map_head(features, more=1) + b"\xa6chunks\x05"
    return [
        Hostile("empty", b"", Malformed),
        Hostile("nil", b"\xc0", Malformed),
        Hostile("a number", b"\x07", Malformed),
        Hostile("msgpack's reserved byte", b"\xc1", Malformed),
        Hostile("an array", msgpack.packb([1, 2, 3]), Malformed),
        Hostile("text", msgpack.packb("iq_frame"), Malformed),
        Hostile("JSON", b'{"schema": "iq_frame", "version": 1}', Malformed),
        Hostile("PNG", b"\x89PNG\r\n\x1a\n" + bytes(40), Malformed),
        Hostile("zeros", bytes(1000), Malformed),
        Hostile("an empty map", b"\x80", UnknownSchema),
        Hostile("a foreign map", msgpack.packb({"id": 7, "payload": [1.5, None]}), UnknownSchema),
        Hostile("no schema", msgpack.packb({"version": 1}), UnknownSchema),
        Hostile("no version", msgpack.packb({"schema": "iq_frame"}), UnknownSchema),
        Hostile("another schema", with_fields(FEATURES, schema="feature_recard"), UnknownSchema),
        Hostile("the schema in bytes", with_fields(FEATURES, schema=b"feature_record"), UnknownSchema),
        Hostile("the schema in a list", with_fields(FEATURES, schema=["feature_record"]), UnknownSchema),
        Hostile("the schema in a thousand lists", b"\x82\xa6schema" + deep + b"\xa7version\x01", UnknownSchema),
        *(
            Hostile(f"version {version!r}", with_fields(FEATURES, version=version), UnknownSchema)
            for version in versions
        ),
        *(
            Hostile(f"no {name}", msgpack.packb({k: v for k, v in as_map.items() if k != name}), Malformed)
            for name in as_map
            if name not in {"schema", "version", "generation"}
        ),
        *(
            Hostile(f"{name} is {value!r}", with_fields(FEATURES, **{name: value}), Malformed)
            for name in ("sample_idx", "receiver", "captured_at_ns", "sample_rate_hz", "datatype", "values")
            for value in mistyped
        ),
        *(
            Hostile(f"a feature is {value!r}", with_fields(FEATURES, values=[0.0] * 71 + [value]), Malformed)
            for value in no_features
        ),
        *(
            Hostile(f"scale is {value!r}", with_fields(FRAME_CI16, scale=value), Malformed)
            for value in (float("nan"), float("inf"), 0.0, -1.0, 1e-40, 1e40)
        ),
        Hostile("71 values", with_fields(FEATURES, values=[0.0] * 71), Malformed),
        Hostile("73 values", with_fields(FEATURES, values=[0.0] * 73), Malformed),
        Hostile("a newline after the id", with_fields(FEATURES, dataset_id=SPEC.dataset_id + "\n"), Malformed),
        Hostile("a path for an id", with_fields(FEATURES, dataset_id="../../etc/passwd"), Malformed),
        Hostile("NUL in a text", with_fields(FAILURE, message="a\0b"), Malformed),
        Hostile("a long unknown datatype", with_fields(FEATURES, datatype="x" * 8000), Malformed),
        Hostile("a text over its limit", with_fields(FEATURES, note="x" * 8193), TooLarge),
        Hostile("an array over its limit", with_fields(FEATURES, note=[0] * 4097), TooLarge),
        Hostile("a map over its limit", with_fields(FEATURES, **{f"f{i}": i for i in range(257)}), TooLarge),
        Hostile("bytes over their limit", with_fields(FEATURES, note=bytes(4097)), TooLarge),
        Hostile(
            "fields over their limit before iq",
            with_fields(FRAME_CI16, **{f"f{i}": "x" * 8000 for i in range(MAX_HEADER_BYTES // 8000 + 1)}),
            TooLarge,
        ),
        Hostile("a timestamp", with_fields(FEATURES, note=msgpack.Timestamp(1, 0)), TooLarge),
        Hostile("an empty timestamp", _OPEN + b"\xa1z\xc7\x00\xff", Malformed),
        Hostile("an extension", with_fields(FEATURES, note=msgpack.ExtType(5, b"x")), TooLarge),
        Hostile("invalid UTF-8", _OPEN + b"\xa1z\xa2\xc3\x28", Malformed),
        Hostile("a lone surrogate", _OPEN + b"\xa1z\xa3\xed\xa0\x80", Malformed),
        Hostile("a field twice", twice, Malformed),
        Hostile("the schema twice", b"\x82" + b"\xa6schema\xa8iq_frame" * 2, Malformed),
        Hostile(
            "a nested field twice",
            _with_map_head(features, more=1) + b"\xa4note\x82\xa1a\x01\xa1a\x02",
            Malformed,
        ),
        Hostile("a number for a field's name", msgpack.packb(head | {7: 1}), Malformed),
        Hostile("a nested number for a name", msgpack.packb(head | {"note": {7: 1}}), Malformed),
        Hostile("a field's name in a thousand lists", b"\x81" + deep + b"\xc0", Malformed),
        Hostile("bytes for a field's name", msgpack.packb(head | {b"chunks": 1}), Malformed),
        Hostile("an unknown field in a thousand lists and no iq", _OPEN + b"\xa1z" + deep, Malformed),
        Hostile("lists nested too deep", _OPEN + b"\xa1z" + b"\x91" * 5000 + b"\xc0", Malformed),
        Hostile("iq first", msgpack.packb(reversed_frame), Malformed),
        Hostile("a field too few after iq", _with_map_head(frame, more=1), Malformed),
        Hostile("a field too few", _with_map_head(features, more=1), Malformed),
        Hostile("a field too many", _with_map_head(features, more=-1), Malformed),
        Hostile("iq in a feature record", msgpack.packb(as_map | {"iq": b"\0\0\0\0"}), Malformed),
        Hostile("iq is text", with_fields(FRAME_CI16, iq="abcd"), Malformed),
        Hostile("iq is nil", with_fields(FRAME_CI16, iq=None), Malformed),
        Hostile("iq is empty", with_fields(FRAME_CI16, iq=b""), Malformed),
        Hostile("iq has half a sample", with_fields(FRAME_CI16, iq=bytes(6)), Malformed),
        Hostile("iq in a scalar's place", with_fields(FRAME_CI16, sample_idx=bytes(4)), Malformed),
        *(
            Hostile(f"{count} bytes after {name}", encode(message) + bytes(count), Malformed)
            for name, message in GOLDEN.items()
            for count in (1, 1000)
        ),
        Hostile("two messages", features + features, Malformed),
        Hostile("two frames", frame + frame, Malformed),
    ]


def truncated() -> list[Hostile]:
    """Every message cut at every byte."""
    return [
        Hostile(f"{name} cut to {size} bytes", data[:size], Malformed)
        for name, data in ((name, encode(message)) for name, message in GOLDEN.items())
        for size in range(len(data))
    ]


def hostile_messages() -> list[Hostile]:
    """All of them but the truncations, which are thousands."""
    return oversized() + malformed()


def bit_flips(data: bytes) -> Iterator[bytes]:
    """The bytes with one bit changed, for every bit."""
    for position in range(len(data)):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[position] ^= 1 << bit
            yield bytes(flipped)


def noisy(data: bytes, *, seed: int, count: int) -> Iterator[bytes]:
    """The bytes with 2 to 16 bytes replaced at random."""
    draw = random.Random(seed)
    for _ in range(count):
        changed = bytearray(data)
        for _ in range(draw.randint(2, 16)):
            changed[draw.randrange(len(data))] = draw.randrange(256)
        yield bytes(changed)
