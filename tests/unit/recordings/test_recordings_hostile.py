"""Damaged and hostile files: one clear error each, no crash, no hang, no memory; the others are read."""

import contextlib
import io
import json
import os
import random
import re
import struct
import tarfile
import time
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from extractor.record import feature_record
from iqstream.ingest.network import named
from iqstream.ingest.samples import Cutter
from iqstream.ingest.track import UNKNOWN_TRACK
from iqstream.recordings import BadRecording, Given, Recording, open_recordings
from iqstream.recordings.windows import windows_of
from iqstream.runtime.errors import UserError
from schemas import Lineage, Receiver, encode
from tests.recorded import recorded_spec
from tests.recording_files import (
    CENTER_HZ,
    RATE_HZ,
    auxi_chunk,
    capture_of,
    chunk,
    components,
    fmt_chunk,
    kiwi_stamps,
    kiwi_wav,
    metadata,
    riff,
    write_archive,
    write_collection,
    write_pair,
)

pytestmark = pytest.mark.thorough

FILES = 1000
LONGEST_S, LARGEST_BYTES = 5.0, 30 << 20
FROM_CALLER = Given(sample_rate_hz=RATE_HZ, center_frequency_hz=CENTER_HZ)
HOSTILE_JSON = [
    "1e308", "-1", "0", "9223372036854775807", "-9223372036854775808", "1" + "0" * 400, "1e999", "NaN", "null", "true",
    '"\\u0000"', '"../../../etc/passwd"', '"/dev/zero"', '"' + "A" * 5000 + '"', "[" * 3000 + "]" * 3000, "{}", "[]",
    '"\\ud800"', "0.0", "1e-300", '"2017-13-45T99:99:99Z"', '"9999-12-31T23:59:59Z"',
]  # fmt: skip


def _pair(folder: Path) -> tuple[Path, Path]:
    captures = [
        capture_of(0, datetime="2017-11-27T10:41:56Z", global_index=0, header_bytes=4),
        capture_of(300, datetime="2017-11-27T10:42:56Z", global_index=900, header_bytes=4),
    ]
    path = write_pair(folder, "a", bytes(8) + components("ci16_le", 600).tobytes(), metadata("ci16_le", captures))
    return path, path


def _archive(folder: Path) -> tuple[Path, Path]:
    meta = json.dumps(metadata("cf32_be")).encode()
    files = {"a" * 120 + "/b.sigmf-meta": meta, "a" * 120 + "/b.sigmf-data": components("cf32_be", 300).tobytes()}
    path = write_archive(folder / "a.sigmf", files)
    return path, path


def _collection(folder: Path) -> tuple[Path, Path]:
    pairs = [write_pair(folder, name, bytes(600), metadata("cu8")) for name in ("rxa", "rxb")]
    path = write_collection(folder, "all", pairs)
    return path, path


def _npy(folder: Path) -> tuple[Path, Path]:
    path = folder / "a.npy"
    np.save(path, components("ci16_le", 300))
    return path, path


def _wav(folder: Path) -> tuple[Path, Path]:
    raw = components("ci16_le", 300)
    path = folder / "a.wav"
    path.write_bytes(riff(fmt_chunk(raw, 48_000), auxi_chunk(), chunk(b"data", raw.tobytes())))
    return path, path


def _rf64(folder: Path) -> tuple[Path, Path]:
    raw = components("cf32_le", 300)
    path = folder / "a.wav"
    ds64 = chunk(b"ds64", struct.pack("<QQQI", 0, raw.nbytes, 300, 0))
    path.write_bytes(
        riff(ds64, fmt_chunk(raw, 48_000), auxi_chunk(), b"data\xff\xff\xff\xff" + raw.tobytes(), kind=b"RF64")
    )
    return path, path


def _kiwi(folder: Path) -> tuple[Path, Path]:
    path = folder / "20171127T104156Z_77500_rxa_iq.wav"
    path.write_bytes(kiwi_wav(components("ci16_le", 640), kiwi_stamps(20, 12_000, block=32), block=32))
    return path, path


def _raw(suffix: str) -> Callable[[Path], tuple[Path, Path]]:
    def write(folder: Path) -> tuple[Path, Path]:
        path = folder / f"rx_433.92M_250k.{suffix}"
        path.write_bytes(components("cf32_le", 100).tobytes())
        return path, path

    return write


FORMATS = {
    "sigmf pair": _pair, "sigmf archive": _archive, "sigmf collection": _collection, "npy": _npy, "wav": _wav,
    "wav rf64": _rf64, "wav kiwi": _kiwi, "cu8": _raw("cu8"), "cs8": _raw("cs8"), "cs16": _raw("cs16"),
    "cf32": _raw("cf32"),
}  # fmt: skip


TOO_SHORT = ("cs16", "cf32")
"""Files that hold no window of a millisecond."""


def mutated(content: bytes, rng: random.Random) -> bytes:
    """One to four changes: bits, bytes of extreme values, a length, a cut, a copy, a hostile value in JSON."""
    changed = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(max(len(changed), 1))
        near = min(at, rng.randrange(200))  # where headers are
        match rng.randrange(8):
            case 0 if changed:
                changed[near] ^= 1 << rng.randrange(8)
            case 1:
                changed[near : near + rng.choice([1, 2, 4, 8])] = rng.choice([b"\0", b"\xff", b"\x7f", b"\x80"]) * 4
            case 2:
                changed[near : near + 4] = struct.pack(rng.choice(["<I", ">I"]), rng.choice([0, 1, 2**31, 2**32 - 1]))
            case 3:
                del changed[at:]
            case 4:
                del changed[at : at + rng.randrange(64)]
            case 5:
                changed[at:at] = changed[near : near + rng.randrange(600)]
            case 6:
                changed[near:near] = rng.randbytes(rng.randrange(16))
            case 7:
                _spoil_json(changed, rng)
    return bytes(changed)


def _spoil_json(changed: bytearray, rng: random.Random) -> None:
    values = list(re.finditer(rb": (\"[^\"]*\"|[-0-9.e+]+|\[|\{)", bytes(changed)))
    if values:
        value = rng.choice(values)
        changed[value.start(1) : value.end(1)] = rng.choice(HOSTILE_JSON).encode()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", FORMATS)
def test_a_mutated_file_is_read_or_named(tmp_path: Path, name: str) -> None:
    opens, changes = FORMATS[name](tmp_path)
    whole = changes.read_bytes()
    said = FROM_CALLER if name == "npy" else None
    assert open_recordings([opens], said).failures == ()
    rng = random.Random(name)
    failed = read = framed = 0
    tracemalloc.start()
    try:
        for number in range(FILES):
            changes.write_bytes(mutated(whole, rng))
            tracemalloc.reset_peak()
            began = time.monotonic()
            opened = open_recordings([opens], said)
            assert opened.failures or opened.recordings, number
            for error in opened.failures:
                failed += 1
                assert str(tmp_path) in str(error)
                assert str(error).isprintable()
            for recording in opened.recordings:
                read += 1
                assert recording.samples <= recording.storage.samples <= 4096
                for window in windows_of(recording, 1_000_000_000):
                    _read_or_named(window.read)
                _read_or_named(lambda all_of=recording: all_of.read(0, all_of.storage.samples))
            if number % 4 == 0:
                framed += _frames(opened.recordings, 40_000.0 if number % 40 == 0 else None)
            assert time.monotonic() - began < LONGEST_S, number
            assert tracemalloc.get_traced_memory()[1] < LARGEST_BYTES, number
    finally:
        tracemalloc.stop()
    assert failed
    assert read
    assert framed or name in TOO_SHORT


def _frames(recordings: Sequence[Recording], to_rate: float | None) -> int:
    """Makes frames of the recordings, as an ingest does; how many."""
    cutter, spec = Cutter(1, to_rate), recorded_spec(window_ms=1, chunk_ms=1)
    try:
        samples = list(cutter.samples(named(recordings, {})))
    except UserError:  # two receivers of one id
        return 0
    count = 0
    for index, sample in enumerate(samples):
        for at in range(len(sample.windows)):
            encode(cutter.frame(spec, index, sample, at, spec.receivers[at % 3], UNKNOWN_TRACK))
            count += 1
    return count


def _read_or_named(read: Callable[[], np.ndarray]) -> None:
    with contextlib.suppress(BadRecording):
        assert np.isfinite(read()).all()


def test_the_others_of_a_folder_are_read_and_nothing_outside_of_it(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "below").mkdir(parents=True)
    outside = tmp_path / "outside_433.92M_250k.cu8"
    outside.write_bytes(bytes(100))
    (folder / "below" / "good_433.92M_250k.cu8").write_bytes(bytes(100))
    (folder / "cut_433.92M_250k.cs16").write_bytes(bytes(7))
    (folder / "link_433.92M_250k.cu8").symlink_to(outside)
    (folder / "loop").symlink_to(folder)
    (folder / "self.cu8").symlink_to(folder / "self.cu8")
    os.mkfifo(folder / "pipe_433.92M_250k.cu8")
    (folder / "notes.txt").write_text("not a recording")
    opened = open_recordings([folder, tmp_path / "missing.cu8", outside])
    assert [recording.rx_name for recording in opened.recordings] == ["good", "outside"]
    places = sorted(error.path.name for error in opened.failures)
    assert places == ["cut_433.92M_250k.cs16", "missing.cu8", "pipe_433.92M_250k.cu8", "self.cu8"]


@pytest.mark.parametrize(
    ("meta", "name"),
    [
        ('{"global": {%s, "core:sample_rate": 1e3}, "captures": []}', "core:sample_rate"),
        ('{"global": {%s, "core:\\u0064atatype": "cu8"}, "captures": []}', "core:datatype"),
        ('{"global": {%s}, "captures": [{"core:frequency": 1e6, "core:frequency": 2e6}]}', "core:frequency"),
        ('{"global": {%s}, "captures": [], "captures": []}', "captures"),
    ],
)
def test_a_name_that_is_said_twice_is_refused_since_readers_take_the_first_or_the_last(tmp_path, meta, name):
    facts = '"core:datatype": "cu8", "core:version": "1.2.0", "core:sample_rate": 48000'
    path = write_pair(tmp_path, "a", bytes(100), (meta % facts).encode())
    (error,) = open_recordings([path]).failures
    assert f"{name} is said twice" in str(error)
    captures = '[{"core:frequency": 1e6, "a": {"b": 1}, "b": 1e99, "c": {"b": 1}}]'
    once = f'{{"global": {{{facts}}}, "captures": {captures}}}'.encode()
    assert open_recordings([write_pair(tmp_path, "b", bytes(100), once)]).failures == ()


def test_an_archive_with_a_name_twice_and_a_wav_file_with_two_heads_are_refused(tmp_path: Path) -> None:
    meta = json.dumps(metadata("cu8")).encode()
    path = write_archive(tmp_path / "a.sigmf", {"x/a.sigmf-meta": meta, "x/a.sigmf-data": bytes(100)})
    with tarfile.open(path, "a") as archive:
        again = tarfile.TarInfo("x/a.sigmf-data")
        again.size = 200
        archive.addfile(again, io.BytesIO(bytes(200)))
    (error,) = open_recordings([path]).failures
    assert "x/a.sigmf-data: is in the archive twice" in str(error)
    raw = components("ci16_le", 300)
    data, fmt = chunk(b"data", raw.tobytes()), fmt_chunk(raw, 48_000)
    auxi, other = auxi_chunk(), auxi_chunk(frequency_hz=1_000_000)
    for content, what in (
        ((fmt, fmt_chunk(raw, 96_000), auxi, data), "a second fmt chunk"),
        ((fmt, auxi, data, other), "a second auxi chunk"),
        ((fmt, auxi, fmt, auxi, data), ""),
    ):
        wav = tmp_path / "a.wav"
        wav.write_bytes(riff(*content))
        found = open_recordings([wav])
        assert [what in str(one) for one in found.failures] == ([True] if what else [])


@pytest.mark.parametrize("name", ["../outside", "/outside", "..", "a/b", "a\\b", "a\0b", "link"])
def test_a_collection_reaches_no_file_outside_of_its_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    outside = write_pair(tmp_path, "outside", bytes(100), metadata("cu8"))
    (folder / "link.sigmf-meta").symlink_to(outside)
    path = write_collection(folder, "all", [outside])
    stream = json.loads(path.read_text())
    stream["collection"]["core:streams"][0]["name"] = name
    path.write_text(json.dumps(stream))
    opened = open_recordings([path])
    assert opened.recordings == ()
    (error,) = opened.failures
    assert "stream 0" in str(error)


@pytest.mark.parametrize("name", ["../a", "/a", "x/../a", "x//a", "a\\b"])
def test_an_archive_with_names_that_leave_it_is_named(tmp_path: Path, name: str) -> None:
    meta = json.dumps(metadata("cu8")).encode()
    files = {f"{name}.sigmf-meta": meta, f"{name}.sigmf-data": bytes(100)}
    files |= {"good/good.sigmf-meta": meta, "good/good.sigmf-data": bytes(100)}
    opened = open_recordings([write_archive(tmp_path / "a.sigmf", files)])
    assert [recording.rx_name for recording in opened.recordings] == ["good"]
    assert "no plain name" in str(opened.failures[0])


def test_a_folder_or_a_collection_without_recordings_is_named(tmp_path: Path) -> None:
    (error,) = open_recordings([tmp_path]).failures
    assert str(error).startswith(f"{tmp_path}: no file whose name ends in")
    path = write_collection(tmp_path, "none", [])
    (error,) = open_recordings([tmp_path]).failures
    assert str(error) == f"{path}, core:streams: names no recordings"


def test_metadata_nested_deeply_or_of_any_size_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.sigmf-meta"
    path.write_bytes(b'{"more":' + b"[" * 1_000_000)
    (error,) = open_recordings([path]).failures
    assert "nested too deeply" in str(error)
    os.truncate(path, 50 << 30)
    tracemalloc.start()
    try:
        (error,) = open_recordings([path]).failures
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert "bytes of metadata" in str(error)


@pytest.mark.parametrize("suffix", ["cu8", "cs16", "cf32"])
def test_fifty_gigabytes_are_read_in_the_memory_of_a_window(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"rx_433.92M_2.4Msps.{suffix}"
    path.touch()
    os.truncate(path, 50 << 30)
    tracemalloc.start()
    try:
        (recording,) = open_recordings([path]).recordings
        peak = 0
        for number, window in enumerate(windows_of(recording, 100_000_000)):
            if number % 2000 == 0 or number > 500:
                assert window.read().shape == (240_000,)
            if number > 700:
                break
        last = recording.read(recording.storage.samples - 240_000, 240_000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert last.shape == (240_000,)
    assert peak < 20 << 20, f"{peak / 2**20:.1f} MiB"


@pytest.mark.parametrize(
    ("common", "rates", "found"),
    [
        (RATE_HZ, (None, None), RATE_HZ),
        (RATE_HZ, (RATE_HZ, RATE_HZ), RATE_HZ),
        (None, (96e3, 96e3), 96e3),
        (RATE_HZ, (RATE_HZ, 96e3), "capture 1, core:sample_rate: 96000 Hz behind 48000 Hz"),
        (RATE_HZ, (96e3, RATE_HZ), "capture 0, core:sample_rate: 96000 Hz behind 48000 Hz"),
        (None, (48e3, 96e3), "capture 1, core:sample_rate: 96000 Hz behind 48000 Hz"),
    ],
)
def test_captures_of_two_rates_are_refused_and_the_only_rate_is_taken(
    tmp_path: Path, common: float | None, rates: tuple[float | None, ...], found: float | str
) -> None:
    captures = [
        capture_of(200 * number) if rate is None else capture_of(200 * number, sample_rate=rate)
        for number, rate in enumerate(rates)
    ]
    write_pair(tmp_path, "a", bytes(800), metadata("cu8", captures, sample_rate=common))
    opened = open_recordings([tmp_path])
    if isinstance(found, str):
        assert [found in str(failure) for failure in opened.failures] == [True]
    else:
        assert [recording.sample_rate_hz for recording in opened.recordings] == [found]


def test_a_pair_in_capitals_is_read_as_any_other(tmp_path: Path) -> None:
    path = write_pair(tmp_path, "a", bytes(800), metadata("cu8"))
    path.rename(tmp_path / "RX.SIGMF-META")
    path.with_suffix(".sigmf-data").rename(tmp_path / "RX.SIGMF-DATA")
    opened = open_recordings([tmp_path])
    assert ([one.rx_name for one in opened.recordings], opened.failures) == (["RX"], ())


@pytest.mark.parametrize("suffix", ["gz", "xz", "zst", "zip", "npz", "GZ"])
def test_compressed_samples_are_never_taken_for_samples(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"g001_433.92M_250k.cu8.{suffix}"
    path.write_bytes(bytes(800))
    (failure,) = open_recordings([path], Given(datatype="cu8")).failures
    assert "unpack it first" in str(failure)


@pytest.mark.parametrize("to_rate", [None, 12e3])
@pytest.mark.parametrize(
    ("amplitude", "calibration", "problem"),
    [(1e30, None, "more than 1e+06"), (2e6, None, "more than 1e+06"), (9e5, 100.0, ""), (1e-40, -200.0, "")],
)
def test_floats_of_any_size_give_finite_values_or_are_named(
    tmp_path: Path, to_rate: float | None, amplitude: float, calibration: float | None, problem: str
) -> None:
    raw = (components("cf32_le", 4800) * amplitude).astype("<f4")
    write_pair(tmp_path, "rx0", raw.tobytes(), metadata("cf32_le"))
    cutter = Cutter(50, to_rate)
    opened = open_recordings([tmp_path], Given(dbm_at_full_scale=calibration))
    samples = list(cutter.samples(opened.recordings))
    assert [problem in str(failure) for failure in cutter.failures] == [True] * bool(problem)
    for sample in samples:
        receiver = Receiver(rx_id="rx0", latitude=0, longitude=0, altitude_m=0)
        frame = cutter.frame(recorded_spec(window_ms=50, chunk_ms=25), 0, sample, 0, receiver, UNKNOWN_TRACK)
        lineage = Lineage(topic="iq.frames", partition=0, offset=0, crc32=None)
        assert np.isfinite(feature_record(frame, lineage).values).all()
    assert bool(samples) != bool(problem)


def test_a_copy_beside_its_original_is_left_out_without_a_word(tmp_path: Path) -> None:
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        write_pair(folder, "rx0", bytes(9600), metadata("cu8", [capture_of(0, datetime="2026-01-01T00:00:00Z")]))
    cutter = Cutter(50, None)
    assert len(list(cutter.samples(open_recordings([tmp_path]).recordings))) == 2
    assert cutter.failures == []


def test_a_scale_that_makes_no_power_is_named(tmp_path: Path) -> None:
    meta = metadata("cu8")
    meta["global"]["iqstream:scale"] = 1e20
    write_pair(tmp_path, "rx0", bytes(800), meta)
    (failure,) = open_recordings([tmp_path]).failures
    assert "iqstream:scale: 1e+20 makes" in str(failure)
