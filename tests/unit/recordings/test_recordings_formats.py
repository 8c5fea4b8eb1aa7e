"""What a writer wrote is what is read, sample by sample and fact by fact."""

import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iqstream.recordings import BadRecording, Gap, Given, Position, Recording, Segment, open_recordings
from tests.recording_files import (
    CENTER_HZ,
    COMPONENTS,
    GPS_WEEK_OF_2017_11_26_S,
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
from tests.strategies import SEEDED

FROM_CALLER = Given(sample_rate_hz=RATE_HZ, center_frequency_hz=CENTER_HZ)
NOON_NS = 1_511_779_316_000_000_000
"""2017-11-27T10:41:56Z."""


def only(*paths: Path, said: Given | None = None) -> Recording:
    opened = open_recordings(paths, said)
    assert opened.failures == ()
    (recording,) = opened.recordings
    return recording


def failure(path: Path, said: Given | None = None) -> str:
    opened = open_recordings([path], said)
    assert opened.recordings == ()
    (error,) = opened.failures
    return str(error)


def assert_reads(recording: Recording, raw: np.ndarray) -> None:
    """The same bytes, whole and in part, and complex samples that are the components over full scale."""
    whole = recording.storage.read_raw(0, recording.storage.samples)
    assert whole.dtype == raw.dtype
    assert whole.tobytes() == raw.tobytes()
    third = len(raw) // 3
    assert recording.storage.read_raw(third, third).tobytes() == raw[third : 2 * third].tobytes()
    values = raw.astype(np.float64)
    if raw.dtype.kind == "u":
        values -= 2 ** (8 * raw.dtype.itemsize - 1)
    if raw.dtype.kind != "f":
        values /= 2 ** (8 * raw.dtype.itemsize - 1)
    np.testing.assert_array_equal(recording.read(0, len(raw)).view(np.float32).reshape(-1, 2), values.astype("f4"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("formats")


@SEEDED
@given(datatype=st.sampled_from(sorted(COMPONENTS)), samples=st.integers(3, 400), seed=st.integers(0, 99))
def test_a_pair_is_read_back(folder: Path, datatype: str, samples: int, seed: int) -> None:
    raw = components(datatype, samples, seed)
    path = write_pair(
        folder, "pair", raw.tobytes(), metadata(datatype, [capture_of(0, datetime="2017-11-27T10:41:56Z")])
    )
    recording = only(path)
    assert_reads(recording, raw)
    assert (recording.datatype, recording.sample_rate_hz, recording.center_frequency_hz) == (
        datatype,
        RATE_HZ,
        CENTER_HZ,
    )
    assert (recording.started_at_ns, recording.time_source, recording.gaps) == (NOON_NS, "ntp", ())
    assert_reads(only(path.with_suffix(".sigmf-data")), raw)


@SEEDED
@given(
    datatype=st.sampled_from(sorted(COMPONENTS)),
    samples=st.integers(3, 400),
    tar_format=st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
    name=st.text("abcxyz-é", min_size=1, max_size=45),
)
def test_an_archive_is_read_where_it_lies(
    folder: Path, datatype: str, samples: int, tar_format: int, name: str
) -> None:
    raws = {f"{name}{number}": components(datatype, samples, number) for number in range(2)}
    files = {}
    for stem, raw in raws.items():
        meta = write_pair(folder, "member", b"", metadata(datatype)).read_bytes()
        files |= {f"{stem}/{stem}.sigmf-meta": meta, f"{stem}/{stem}.sigmf-data": raw.tobytes()}
    opened = open_recordings([write_archive(folder / "a.sigmf", files, tar_format=tar_format)])
    assert opened.failures == ()
    for recording, raw in zip(opened.recordings, raws.values(), strict=True):
        assert_reads(recording, raw)


@SEEDED
@given(
    datatype=st.sampled_from(sorted(COMPONENTS)),
    parts=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 33)), min_size=1, max_size=5).filter(
        lambda parts: any(count for count, _ in parts)
    ),
    trailing=st.integers(0, 40),
    offset=st.sampled_from([0, 1000]),
)
def test_headers_and_trailers_of_other_formats_are_left_out(
    folder: Path, datatype: str, parts: list[tuple[int, int]], trailing: int, offset: int
) -> None:
    raw = components(datatype, sum(count for count, _ in parts))
    content, captures, at = b"", [], 0
    for count, header in parts:
        captures.append(capture_of(offset + at, header_bytes=header))
        content += b"\xaa" * header + raw[at : at + count].tobytes()
        at += count
    (folder / "other.dat").write_bytes(content + b"\xbb" * trailing)
    meta = metadata(datatype, captures, dataset="other.dat", trailing_bytes=trailing, offset=offset)
    assert_reads(only(write_pair(folder, "ncd", b"", meta)), raw)


@SEEDED
@given(suffix=st.sampled_from(["cu8", "cs8", "cs16", "cf32"]), samples=st.integers(3, 400), seed=st.integers(0, 99))
def test_raw_samples_are_read_back(folder: Path, suffix: str, samples: int, seed: int) -> None:
    raw = components({"cu8": "cu8", "cs8": "ci8", "cs16": "ci16_le", "cf32": "cf32_le"}[suffix], samples, seed)
    path = folder / f"g001_433.92M_250k.{suffix}"
    path.write_bytes(raw.tobytes())
    recording = only(path)
    assert_reads(recording, raw)
    assert (recording.rx_name, recording.sample_rate_hz, recording.center_frequency_hz) == ("g001", 250e3, 433.92e6)
    assert (recording.started_at_ns, recording.time_source) == (None, "none")


@SEEDED
@given(datatype=st.sampled_from(sorted(COMPONENTS)), samples=st.integers(3, 400), as_complex=st.booleans())
def test_arrays_are_read_back(folder: Path, datatype: str, samples: int, as_complex: bool) -> None:
    raw = components(datatype, samples)
    array = raw
    if as_complex and raw.dtype.kind == "f":
        array = raw.view(raw.dtype.str.replace("f4", "c8").replace("f8", "c16"))[:, 0]
    np.save(folder / "array.npy", array)
    assert_reads(only(folder / "array.npy", said=FROM_CALLER), raw)


@SEEDED
@given(
    datatype=st.sampled_from(["cu8", "ci16_le", "cf32_le", "cf64_le"]), samples=st.integers(3, 400), rf64=st.booleans()
)
def test_wav_is_read_back(folder: Path, datatype: str, samples: int, rf64: bool) -> None:
    raw = components(datatype, samples)
    chunks = [fmt_chunk(raw, 48_000), auxi_chunk(), chunk(b"LIST", b"odd"), chunk(b"data", raw.tobytes())]
    if rf64:
        chunks[0] = chunk(b"ds64", struct.pack("<QQQI", 0, raw.nbytes, samples, 0)) + chunks[0]
        chunks[-1] = b"data\xff\xff\xff\xff" + raw.tobytes()
    path = folder / "rx1_IQ.wav"
    path.write_bytes(riff(*chunks, kind=b"RF64" if rf64 else b"RIFF"))
    recording = only(path)
    assert_reads(recording, raw)
    assert (recording.rx_name, recording.sample_rate_hz, recording.center_frequency_hz) == ("rx1", 48e3, 433.92e6)
    assert (recording.started_at_ns, recording.time_source) == (NOON_NS + 250_000_000, "ntp")


def test_a_frequency_above_32_bits_comes_from_the_name_when_the_chunk_has_its_lower_bits(tmp_path: Path) -> None:
    raw = components("ci16_le", 8)
    path = tmp_path / "rx_5800000000Hz_IQ.wav"
    path.write_bytes(
        riff(fmt_chunk(raw, 48_000), auxi_chunk(frequency_hz=5_800_000_000), chunk(b"data", raw.tobytes()))
    )
    assert only(path).center_frequency_hz == 5.8e9
    other = path.with_name("rx_5900000000Hz_IQ.wav")
    other.write_bytes(path.read_bytes())
    assert only(other).center_frequency_hz == 5_800_000_000 % 2**32


@SEEDED
@given(
    blocks=st.integers(2, 40), ppm=st.floats(-200, 200), gap_at=st.integers(1, 39), gap_blocks=st.integers(1, 10_000),
    jitter_seed=st.integers(0, 99), at_week_end=st.booleans(),
)  # fmt: skip
def test_the_rate_and_the_gaps_of_a_kiwi_recording_come_from_its_time_stamps(
    folder: Path, blocks: int, ppm: float, gap_at: int, gap_blocks: int, jitter_seed: int, at_week_end: bool
) -> None:
    rate_hz = 12_000 * (1 + ppm * 1e-6)
    start_ns = 604_799_990_000_000 if at_week_end else 124_934_000_000_000
    start_ns = 604_799 * 10**9 if at_week_end else start_ns
    stamps = np.array(kiwi_stamps(blocks, rate_hz, start_ns))
    gap_ns = round(gap_blocks * 512 / rate_hz * 1e9)
    stamps[gap_at:] += gap_ns
    stamps += np.random.default_rng(jitter_seed).integers(-150, 150, blocks)
    raw = components("ci16_le", blocks * 512)
    day = "20171202T235941Z" if at_week_end else "20171127T104156Z"
    path = folder / f"{day}_77500_rxa_iq.wav"
    path.write_bytes(kiwi_wav(raw, (stamps % (604_800 * 10**9)).tolist()))
    recording = only(path)
    assert_reads(recording, raw)
    assert (recording.rx_name, recording.center_frequency_hz, recording.time_source) == ("rxa", 77_500, "gnss")
    longest = max(gap_at, blocks - gap_at) if gap_at < blocks else blocks
    if longest > 1:  # two stamps 42 ms apart, wrong by 150 ns each
        assert abs(recording.sample_rate_hz / rate_hz - 1) < 300e-9 / (longest * 512 / 12_000) * 2
        assert recording.started_at_ns is not None
        assert abs(recording.started_at_ns - (GPS_WEEK_OF_2017_11_26_S * 10**9 + start_ns)) < 500
    if gap_at < blocks and longest > 1:
        ((gap),) = recording.gaps
        assert gap.before_sample == gap_at * 512
        assert gap.duration_ns is not None
        assert abs(gap.duration_ns - gap_ns) < 20_000
    elif longest > 1:
        assert recording.gaps == ()


def test_a_kiwi_recording_without_satellites_has_the_time_of_its_name(tmp_path: Path) -> None:
    raw = components("ci16_le", 1024)
    path = tmp_path / "20171127T104156Z_77500_rxa_iq.wav"
    path.write_bytes(kiwi_wav(raw, [0, 0], age_s=255))
    recording = only(path)
    assert (recording.time_source, recording.started_at_ns, recording.sample_rate_hz) == ("name", NOON_NS, 12_000)


def test_captures_of_one_frequency_are_one_recording_and_their_gaps_are_known(tmp_path: Path) -> None:
    captures = [
        capture_of(0, datetime="2017-11-27T10:41:56.000Z"),
        capture_of(100, datetime="2017-11-27T10:41:56.002Z"),  # 2.083 ms later, to the digits written
        capture_of(200, frequency=CENTER_HZ + 1e6, datetime="2017-11-27T10:41:57Z"),
        capture_of(300, datetime="2017-11-27T10:41:58Z"),
    ]
    path = write_pair(tmp_path, "scan", components("ci8", 400).tobytes(), metadata("ci8", captures))
    first, second = open_recordings([path]).recordings
    assert (first.center_frequency_hz, second.center_frequency_hz) == (CENTER_HZ, CENTER_HZ + 1e6)
    assert first.segments == (
        Segment(first_sample=0, samples=200, started_at_ns=NOON_NS),
        Segment(first_sample=300, samples=100, started_at_ns=NOON_NS + 2 * 10**9),
    )
    assert first.gaps == (Gap(before_sample=300, duration_ns=2 * 10**9 - round(200 / RATE_HZ * 1e9)),)
    assert second.segments == (Segment(first_sample=200, samples=100, started_at_ns=NOON_NS + 10**9),)


@pytest.mark.parametrize("timed", [True, False])
def test_the_global_index_shows_a_gap(tmp_path: Path, timed: bool) -> None:
    time = {"datetime": "2017-11-27T10:41:56Z"} if timed else {}
    captures = [capture_of(0, global_index=0, **time), capture_of(480, global_index=48_480)]
    path = write_pair(tmp_path, "lost", components("ci8", 960).tobytes(), metadata("ci8", captures))
    recording = only(path)
    assert recording.gaps == (Gap(before_sample=480, duration_ns=10**9 if timed else None),)
    assert recording.time_source == ("ntp" if timed else "none")


def test_a_frequency_of_the_capture_stands_above_the_global_one_and_the_caller_above_both(tmp_path: Path) -> None:
    meta = metadata("ci8", [capture_of(0, frequency=1e6)], frequency=2e6)
    path = write_pair(tmp_path, "a", components("ci8", 9).tobytes(), meta)
    assert only(path).center_frequency_hz == 1e6
    assert only(path, said=Given(center_frequency_hz=3e6)).center_frequency_hz == 3e6
    meta = metadata("ci8", [{"sample_start": 0}], frequency=2e6)
    assert only(write_pair(tmp_path, "b", components("ci8", 9).tobytes(), meta)).center_frequency_hz == 2e6


def test_a_collection_opens_its_streams_once_and_names_what_is_wrong_with_one(tmp_path: Path) -> None:
    pairs = [
        write_pair(tmp_path, name, components("ci8", 50, seed).tobytes(), metadata("ci8"))
        for seed, name in enumerate(["rxa", "rxb", "rxc"])
    ]
    collection = write_collection(tmp_path, "all", pairs)
    assert [r.rx_name for r in open_recordings([tmp_path]).recordings] == ["rxa", "rxb", "rxc"]
    pairs[1].write_bytes(pairs[1].read_bytes() + b" ")
    opened = open_recordings([collection])
    assert [r.rx_name for r in opened.recordings] == ["rxa", "rxc"]
    (error,) = opened.failures
    assert "rxb.sigmf-meta" in str(error)
    assert "sha512" in str(error)


def test_the_position_of_the_receiver_is_kept(tmp_path: Path) -> None:
    place = {"type": "Point", "coordinates": [7.28, 53.67, 12.5]}
    meta = metadata("ci8", [capture_of(0, geolocation=place)])
    recording = only(write_pair(tmp_path, "a", components("ci8", 9).tobytes(), meta))
    assert recording.position == Position(latitude=53.67, longitude=7.28, altitude_m=12.5)


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("num_channels", 2, "2 channels"),
        ("datatype", "rf32_le", "real samples"),
        ("datatype", "cf32", "no byte order"),
        ("datatype", "cu8_le", "byte order, which bytes have not"),
        ("datatype", "cq9", "not known"),
        ("sample_rate", None, "give sample_rate_hz"),
        ("sample_rate", 1e300, "allowed are 1 to 1e9"),
        ("sample_rate", -5, "allowed are 1 to 1e9"),
        ("sample_rate", "fast", "core:sample_rate"),
        ("trailing_bytes", 2**60, "bytes of headers"),
        ("trailing_bytes", 1, "no whole number"),
        ("trailing_bytes", -1, "core:trailing_bytes"),
        ("offset", 7, "capture 0"),
        ("dataset", "../other", "no plain name"),
        ("dataset", "/etc/passwd", "no plain name"),
        ("dataset", "a\0b", "no plain name"),
        ("dataset", "missing.dat", "No such file"),
        ("geolocation", {"type": "Point", "coordinates": [0, 91]}, "no Point"),
        ("extensions", [{"name": "zip", "version": "1.0.0", "optional": False}], "extension 'zip'"),
    ],
)  # fmt: skip
def test_wrong_metadata_is_named(tmp_path: Path, field: str, value: object, named: str) -> None:
    path = write_pair(tmp_path, "a", components("cf32_le", 9).tobytes(), metadata("cf32_le") | {})
    assert_reads(only(path), components("cf32_le", 9))
    facts = {"datatype": "cf32_le", field: value}
    path = write_pair(tmp_path, "a", components("cf32_le", 9).tobytes(), metadata(**facts))
    said = failure(path)
    assert named in said
    assert str(tmp_path) in said


@pytest.mark.parametrize(
    ("captures", "named"),
    [
        ([{"sample_start": 0}], "give center_frequency_hz"),
        ([capture_of(0, frequency=-1.0)], "centre frequency"),
        ([capture_of(0, frequency=1e13)], "centre frequency"),
        ([capture_of(5), capture_of(3)], "capture 1"),
        ([capture_of(0), capture_of(10)], "capture 1"),
        ([capture_of(2**61)], "capture 0"),
        ([capture_of(0, header_bytes=2**61)], "bytes of headers"),
        ([capture_of(0, header_bytes=3)], "no whole number"),
        ([capture_of(0, datetime="yesterday")], "'yesterday'"),
        ([capture_of(0, datetime="2017-02-30T00:00:00Z")], "core:datetime"),
        ([capture_of(0, datetime="2017-11-27T10:41:56+01:00")], "core:datetime"),
        ([capture_of(0, datetime="2017-11-27T10:41:56Z"), capture_of(5, datetime="2017-11-27T10:41:50Z")], "goes back"),
        ([capture_of(0, global_index=10), capture_of(5, global_index=11)], "core:global_index"),
        ([capture_of(0, datetime="2017-11-27T10:41:56Z", global_index=0), capture_of(5, global_index=2**61)], "2100"),
    ],
)  # fmt: skip
def test_wrong_captures_are_named(tmp_path: Path, captures: list[dict], named: str) -> None:
    assert named in failure(
        write_pair(tmp_path, "a", components("cf32_le", 9).tobytes(), metadata("cf32_le", captures))
    )


def test_nan_and_infinity_are_named_with_their_sample_and_the_rest_is_read(tmp_path: Path) -> None:
    raw = components("cf32_le", 100)
    raw[40, 1], raw[70, 0] = np.nan, np.inf
    path = tmp_path / "rx_433.92M_250k.cf32"
    path.write_bytes(raw.tobytes())
    recording = only(path)
    for first in (40, 70):
        with pytest.raises(BadRecording, match=f"sample {first}: "):
            recording.read(first - 10, 20)
    np.testing.assert_array_equal(recording.read(0, 40).view(np.float32), raw[:40].ravel())


@pytest.mark.parametrize("size", [0, 3])
def test_a_file_of_no_whole_number_of_samples_is_named(tmp_path: Path, size: int) -> None:
    for suffix in ("cu8", "cs8", "cs16", "cf32"):
        path = tmp_path / f"rx_433.92M_250k.{suffix}"
        path.write_bytes(bytes(size))
        assert ("no whole number" if size else "no samples") in failure(path)
    for name in ("a.npy", "a.wav", "a.sigmf", "a.sigmf-meta"):
        path = tmp_path / name
        path.write_bytes(bytes(size))
        assert str(path) in failure(path)


def test_a_file_that_has_changed_since_it_was_opened_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rx_433.92M_250k.cu8"
    path.write_bytes(bytes(1000))
    recording = only(path)
    with path.open("r+b") as file:
        file.truncate(500)
    with pytest.raises(BadRecording, match="has changed"):
        recording.read(0, 500)


@pytest.mark.parametrize("ratio", [0.9, 0.985, 1.015, 2.0])
def test_time_stamps_that_contradict_the_header_are_named(tmp_path: Path, ratio: float) -> None:
    path = tmp_path / "20171127T104156Z_77500_rxa_iq.wav"
    path.write_bytes(kiwi_wav(components("ci16_le", 5120), kiwi_stamps(10, 12_000 * ratio)))
    assert "by the time stamps, but 12000 Hz by the fmt chunk" in failure(path)


@pytest.mark.parametrize(("lost_samples", "gaps"), [(0.3, 0), (1, 1), (2, 1), (300, 1)])
def test_a_step_of_more_than_half_a_sample_is_a_gap(tmp_path: Path, lost_samples: float, gaps: int) -> None:
    stamps = np.array(kiwi_stamps(40, 12_000))
    stamps[20:] += round(lost_samples / 12_000 * 1e9)
    path = tmp_path / "20171127T104156Z_77500_rxa_iq.wav"
    path.write_bytes(kiwi_wav(components("ci16_le", 40 * 512), stamps.tolist()))
    found = only(path).gaps
    assert len(found) == gaps
    for gap in found:
        assert gap.before_sample == 20 * 512
        assert gap.duration_ns == pytest.approx(lost_samples / 12_000 * 1e9, abs=2)


def test_time_that_goes_back_is_named(tmp_path: Path) -> None:
    stamps = kiwi_stamps(10, 12_000)
    stamps[5] = stamps[3]
    path = tmp_path / "20171127T104156Z_77500_rxa_iq.wav"
    path.write_bytes(kiwi_wav(components("ci16_le", 5120), stamps))
    assert "sample 2560: time goes back by" in failure(path)


def test_the_example_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = Path("docs/recordings.md").read_text(encoding="utf-8")
    example = page.split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "recordings"
    folder.mkdir()
    for name in ("rxa", "rxb"):
        captures = [capture_of(0, datetime="2017-11-27T10:41:56Z")]
        write_pair(folder, name, components("ci8", 100_000).tobytes(), metadata("ci8", captures))
    found: dict[str, object] = {}
    exec(compile(example, "docs/recordings.md", "exec"), found)
    assert len(found["aligned"].windows) == 2  # type: ignore[attr-defined]
    assert found["iq"].shape == (48_000,)  # type: ignore[attr-defined]
