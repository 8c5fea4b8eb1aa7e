"""Exported recordings: valid by the specification, bit for bit what was recorded, with the whole truth."""

import io
import json
from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest

import iqstream
from extractor.extract import extract_features
from iqstream.catalogue.datasets import Dataset
from iqstream.catalogue.sample_ranges import SampleRanges
from iqstream.dataset.sample_iq import SampleIQ
from iqstream.export.iq import IQFolder
from iqstream.export.one import npy_file, sigmf_archive
from iqstream.recordings.given import Given
from iqstream.recordings.open import open_recordings
from iqstream.recordings.windows import windows_of
from iqstream.recordings.wire import as_recorded
from iqstream.runtime.errors import UserError
from producer.synthesize import synthesize_sample
from schemas import Capture, Truth, frame_crc32
from tests.sigmf_rules import faults_in

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def sample(name="exported", **fields):
    spec = iqstream.make_spec(name=name, samples=20, seed=5, capture=Capture(capture_ms=50, chunk_ms=20))
    spec = msgspec.structs.replace(spec, **fields)
    frames = {frame.receiver.rx_id: frame for frame in synthesize_sample(spec, 17).frames}
    dataset = Dataset(
        id=spec.dataset_id, version=1, name=spec.name, spec=spec, recorded=False, grows=False,
        samples=SampleRanges.first(20), status="complete", requested=20, accepted=1, rejected=0, failed=0,
        iq_samples=0, iq_samples_saved=0, created_at=NOW, status_changed_at=NOW, completed_at=NOW,
    )  # fmt: skip
    return SampleIQ(
        dataset=dataset, sample_idx=17, outcome="accepted", reason=None, frames=dict(sorted(frames.items())),
        crc32={rx_id: frame_crc32(frame) for rx_id, frame in frames.items()},
        synthesized=frozenset(), snr_db={},
    )  # fmt: skip


ONE = sample()
KINDS = [(ONE, False), (ONE, True), (sample(datatype="cf32_le"), True), (sample('a "name"\x1b[0m / \u00e8'), True)]


def written(folder, one, file_format, **options):
    target = IQFolder(folder, file_format, **{"integers": False, "force": False} | options)
    target.write(one)
    return target.written


@pytest.mark.parametrize(("one", "integers"), KINDS, ids=["floats", "integers", "wire of floats", "name"])
def test_sigmf_is_valid_and_read_back_by_our_reader_is_the_same_recording(tmp_path, one, integers):
    written(tmp_path, one, "sigmf", integers=integers)
    assert faults_in(tmp_path) == []
    opened = open_recordings([tmp_path])
    assert not opened.failures
    assert [recording.rx_name for recording in opened.recordings] == list(one.frames)
    for recording, frame in zip(opened.recordings, one.frames.values(), strict=True):
        assert recording.started_at_ns == frame.captured_at_ns
        assert recording.center_frequency_hz == frame.center_frequency_hz
        assert recording.position.latitude == frame.receiver.latitude
        (window,) = windows_of(recording, 50_000_000)
        read = as_recorded(window)
        again = msgspec.structs.replace(frame, datatype=read.datatype, scale=read.scale, iq=memoryview(read.iq))
        np.testing.assert_array_equal(again.samples(), frame.samples())
        if integers:
            assert frame_crc32(again) == frame_crc32(frame)
        chunk_s = frame.chunk_ms / 1000
        values = extract_features(again.samples(), recording.sample_rate_hz, chunk_s)
        np.testing.assert_array_equal(values, extract_features(frame.samples(), frame.sample_rate_hz, chunk_s))
        assert values.size == 72


def test_one_recording_as_an_archive_is_read_back_by_our_reader_as_the_same_recording(tmp_path):
    frame = ONE.frames["torino"]
    (tmp_path / "one.sigmf").write_bytes(sigmf_archive(ONE, "torino"))
    opened = open_recordings([tmp_path])
    assert not opened.failures
    (recording,) = opened.recordings
    assert (recording.rx_name, recording.started_at_ns) == ("torino", frame.captured_at_ns)
    np.testing.assert_array_equal(recording.read(0, recording.samples), frame.samples())


def test_one_recording_as_an_array_is_its_samples():
    frame = ONE.frames["torino"]
    read = np.load(io.BytesIO(npy_file(frame)), allow_pickle=False)
    assert read.dtype == np.complex64
    np.testing.assert_array_equal(read, frame.samples())


@pytest.mark.parametrize("integers", [False, True])
def test_arrays_and_their_scale_are_the_recording(tmp_path, integers):
    done = written(tmp_path, ONE, "npy", integers=integers)
    assert (done.samples, done.recordings) == (1, 7)
    assert done.size_bytes == sum(path.stat().st_size for path in tmp_path.iterdir())
    told = json.loads((tmp_path / "sample-0000017.json").read_text())
    assert list(told) == list(ONE.frames)
    for rx_id, frame in ONE.frames.items():
        array = np.load(tmp_path / told[rx_id]["file"], allow_pickle=False)
        iq = array
        if integers:
            assert (array.shape, array.dtype.kind) == ((frame.samples().size, 2), "i")
            iq = (array.astype(np.float32) * np.float32(told[rx_id]["scale"])).reshape(-1).view(np.complex64)
        assert iq.dtype == np.complex64
        np.testing.assert_array_equal(iq, frame.samples())


@pytest.mark.parametrize("file_format", ["sigmf", "npy"])
def test_the_truth_is_whole(tmp_path, file_format):
    written(tmp_path, ONE, file_format)
    for rx_id, frame in ONE.frames.items():
        if file_format == "npy":
            told = json.loads((tmp_path / "sample-0000017.json").read_text())[rx_id]["truth"]
        else:
            meta = json.loads((tmp_path / f"sample-0000017-{rx_id}.sigmf-meta").read_text())
            told = meta["global"]["iqstream:truth"]
            assert [one["iqstream:snr_db"] for one in meta["annotations"]] == list(frame.truth.link.snr_db)
            first = meta["annotations"][0]
            middle_hz = (first["core:freq_lower_edge"] + first["core:freq_upper_edge"]) / 2
            assert middle_hz == pytest.approx(144e6 + frame.truth.link.frequency_offset_hz)
        assert msgspec.convert(told, Truth) == frame.truth


def test_a_calibration_that_is_given_stands_above_the_files_scale(tmp_path):
    written(tmp_path, ONE, "sigmf", integers=True)
    (recording, *_) = open_recordings([tmp_path], Given(dbm_at_full_scale=-20.0)).recordings
    assert (recording.scale, recording.dbm_at_full_scale) == (None, -20.0)


def test_a_folder_that_is_not_empty_is_left_as_it_is_without_force(tmp_path):
    (tmp_path / "mine").write_text("x")
    with pytest.raises(UserError, match="is not empty"):
        written(tmp_path, ONE, "npy")
    with pytest.raises(UserError, match="is not a folder"):
        written(tmp_path / "mine", ONE, "npy")
    written(tmp_path, ONE, "npy", force=True)
    assert (tmp_path / "mine").read_text() == "x"


def test_what_cannot_be_written_leaves_no_half_of_a_file(tmp_path):
    target = IQFolder(tmp_path / "iq", "sigmf", integers=True, force=False)
    (tmp_path / "iq" / "sample-0000017-coazze.sigmf-meta").mkdir()
    with pytest.raises(OSError, match="coazze"):
        target.write(ONE)
    assert sorted(path.name for path in (tmp_path / "iq").iterdir()) == [
        "sample-0000017-coazze.sigmf-data", "sample-0000017-coazze.sigmf-meta"
    ]  # fmt: skip


def edit(path, *keys, value=None):
    """A field of a JSON file set, or removed."""
    whole = json.loads(path.read_bytes())
    at = whole
    for key in keys[:-1]:
        at = at[key]
    if value is None:
        del at[keys[-1]]
    else:
        at[keys[-1]] = value
    path.write_text(json.dumps(whole))


BROKEN = [
    (("global", "core:datatype"), None, "has no core:datatype"),
    (("global", "core:datatype"), "ci16", "is none"),
    (("global", "core:version"), 1.2, "wrong type"),
    (("global", "core:version"), "1.2", "not X.Y.Z"),
    (("global", "core:sha512"), "0" * 128, "of other data"),
    (("global", "core:nonsense"), 1, "core has no field"),
    (("global", "other:field"), 1, "does not name"),
    (("global", "bare"), 1, "in no namespace"),
    (("global", "core:num_channels"), True, "wrong type"),
    (("global", "core:extensions"), [{"name": "iqstream"}], "is not name, version and optional"),
    (("captures", 0, "core:sample_start"), None, "has no core:sample_start"),
    (("captures", 0, "core:sample_start"), 10**9, "behind the last sample"),
    (("captures", 0, "core:datetime"), "2026-01-01 00:00:00", "RFC 3339"),
    (("captures", 0, "core:datetime"), "2026-13-01T00:00:00Z", "RFC 3339"),
    (("captures", 0, "core:geolocation"), {"type": "Point", "coordinates": [7.0, 145.0]}, "no place on earth"),
    (("annotations", 0, "core:sample_count"), 10**9, "ends behind the last sample"),
    (("annotations", 0, "core:freq_upper_edge"), None, "one edge"),
    (("annotations", 0, "core:freq_upper_edge"), 1.0, "wrong way round"),
    (("annotations", 0, "core:sample_start"), 5000, "not in order"),
    (("annotations",), None, "is not global, captures and annotations"),
]


@pytest.fixture(scope="module")
def valid(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sigmf")
    written(folder, ONE, "sigmf", integers=True)
    return folder


@pytest.mark.parametrize(("keys", "value", "said"), BROKEN, ids=str)
def test_the_validator_names_each_rule_that_is_broken(valid, keys, value, said):
    path = valid / "sample-0000017-torino.sigmf-meta"
    whole = path.read_bytes()
    try:
        edit(path, *keys, value=value)
        faults = faults_in(valid)
        assert any(said in fault for fault in faults), faults
        assert any("its hash is of other metadata" in fault for fault in faults)
    finally:
        path.write_bytes(whole)


def test_the_validator_sees_other_data_and_a_file_that_is_gone(valid, tmp_path):
    for path in valid.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    data = tmp_path / "sample-0000017-torino.sigmf-data"
    data.write_bytes(data.read_bytes()[:-1])
    assert any("whole number of samples" in fault for fault in faults_in(tmp_path))
    data.unlink()
    assert any("no data file" in fault for fault in faults_in(tmp_path))
    (tmp_path / "sample-0000017-torino.sigmf-meta").unlink()
    assert any("is not beside the collection" in fault for fault in faults_in(tmp_path))
