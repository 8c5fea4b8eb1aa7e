"""Bytes that were written once are written and read for good."""

from pathlib import Path

import msgpack
import pytest

from schemas import UnknownSchema, decode, encode
from schemas.envelope import _READERS
from tests.golden_wire import (
    DIRECTORY,
    FROM_NEWER_VERSIONS,
    FROM_NEWER_WRITERS,
    GOLDEN,
    bytes_to_write,
    golden_bytes,
    write_missing,
)


@pytest.mark.parametrize("name", GOLDEN)
def test_encode_gives_the_golden_bytes(name: str) -> None:
    assert encode(GOLDEN[name]) == golden_bytes(name)


@pytest.mark.parametrize("name", GOLDEN)
def test_decode_gives_the_golden_message(name: str) -> None:
    assert decode(golden_bytes(name)) == GOLDEN[name]


@pytest.mark.parametrize("name", FROM_NEWER_WRITERS)
def test_fields_of_a_newer_writer_are_ignored(name: str) -> None:
    assert golden_bytes(name) != encode(FROM_NEWER_WRITERS[name])
    assert decode(golden_bytes(name)) == FROM_NEWER_WRITERS[name]


@pytest.mark.parametrize("name", FROM_NEWER_VERSIONS)
def test_an_unknown_version_is_refused_by_name(name: str) -> None:
    schema, version = name.split("-")
    with pytest.raises(UnknownSchema, match=rf"schema '{schema}' version {version} is unknown"):
        decode(golden_bytes(name))


def test_every_version_that_is_read_has_golden_bytes() -> None:
    kept = {tuple(name.split("-")[:2]) for name in GOLDEN}
    assert kept == {(schema, str(version)) for schema, version in _READERS}


def test_every_golden_file_is_in_the_table() -> None:
    assert {path.stem for path in DIRECTORY.glob("*.msgpack")} == set(bytes_to_write())


def test_writing_golden_files_adds_and_never_overwrites(tmp_path: Path) -> None:
    kept = tmp_path / "iq_frame-1-ci8.msgpack"
    kept.write_bytes(b"as it was")
    written = write_missing(tmp_path)
    assert kept.read_bytes() == b"as it was"
    assert {path.stem for path in written} == set(bytes_to_write()) - {kept.stem}
    assert write_missing(tmp_path) == []


def test_bytes_from_before_a_field_was_added_are_read() -> None:
    """What they do not say has the default that says so."""
    entries = msgpack.unpackb(golden_bytes("iq_frame-1-ci8"))
    del entries["truth"]["receiver"]
    for name in ("modulation_depth", "sideband", "mean_power_db", "occupied_bandwidth_hz"):
        del entries["truth"]["transmitter"][name]
    assert decode(msgpack.packb(entries)) == GOLDEN["iq_frame-1-ci8"]
