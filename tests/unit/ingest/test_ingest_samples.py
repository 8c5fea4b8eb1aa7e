"""Recordings become samples: one window of each receiver on one grid, and nothing of it is taken twice."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import pytest

from extractor.pairs.record import pair_record
from extractor.record import feature_record
from iqstream.catalogue.datasets import Dataset
from iqstream.catalogue.sample_ranges import SampleRanges
from iqstream.dataset.sample_iq import SampleIQ
from iqstream.export.sigmf import sigmf_files
from iqstream.ingest.publish import Publisher
from iqstream.ingest.run import _Plan
from iqstream.ingest.samples import Cutter
from iqstream.ingest.track import UNKNOWN_TRACK, Track
from iqstream.recordings import Given, open_recordings
from iqstream.runtime.topics import FEATURES, FRAMES
from producer.synthesize import synthesize_sample
from producer.version import GENERATOR_VERSION
from schemas import Capture, FailureRecord, Lineage, TransmitterPosition, decode, encode, frame_crc32
from tests.recorded import CENTER_HZ, RATE_HZ, RECEIVERS, recorded_spec, write_recordings
from tests.recording_files import capture_of, components, metadata, write_pair
from tests.sink_samples import make_spec

NOWHERE = Lineage(topic="iq.frames", partition=0, offset=0, crc32=None)
BY_ID = {receiver.rx_id: receiver for receiver in RECEIVERS}


def cut(folder: Path, *, window_ms: int = 100, to_rate: float | None = None, given: Given | None = None):
    cutter = Cutter(window_ms, to_rate)
    opened = open_recordings([folder], given)
    return cutter, list(cutter.samples(opened.recordings)), [*opened.failures, *cutter.failures]


def frames_of(cutter, spec, sample, *, receivers=BY_ID, track=UNKNOWN_TRACK):
    return [
        cutter.frame(spec, 7, sample, at, receivers[one.window.recording.rx_name], track)
        for at, one in enumerate(sample.windows)
    ]


def test_receivers_of_one_time_are_one_sample_and_their_frames_can_be_sent(tmp_path):
    write_recordings(tmp_path, 0.35)
    cutter, samples, failures = cut(tmp_path)
    assert (len(samples), failures) == (3, [])
    spec = recorded_spec(window_ms=100, chunk_ms=50)
    frames = frames_of(cutter, spec, samples[1])
    assert [frame.receiver for frame in frames] == list(RECEIVERS)
    for frame in frames:
        assert decode(encode(frame)) == frame
        assert (frame.receivers_expected, frame.truth, frame.position) == (3, None, None)
        assert (frame.center_frequency_hz, frame.sample_rate_hz, frame.datatype) == (CENTER_HZ, RATE_HZ, "ci8")
        assert (frame.recorded.time_source, frame.recorded.level_reference) == ("ntp", "dbfs")
        assert frame.captured_at_ns % 100_000_000 == 0
        record = feature_record(frame, NOWHERE)
        assert record.value("signal_present") == 1.0
        assert record.value("frequency_offset_hz") == pytest.approx(3000, abs=2)


def test_the_mean_of_a_dongle_is_no_signal(tmp_path):
    """Zeros of an RTL2832 stand at about 127.5: half a step in I and Q, which is a carrier in the centre."""
    raw = np.random.default_rng(1).normal(130, 2, (48_000, 2)).round().astype(np.uint8)
    write_pair(tmp_path, "rx0", raw.tobytes(), metadata("cu8", [capture_of(0)], sample_rate=RATE_HZ))
    cutter, (sample,), _ = cut(tmp_path, window_ms=1000)
    (frame,) = frames_of(cutter, recorded_spec(), sample)
    assert feature_record(frame, NOWHERE).value("signal_present") == 0.0
    kept = msgspec.structs.replace(frame, recorded=msgspec.structs.replace(frame.recorded, dc_of_device=False))
    assert feature_record(kept, NOWHERE).value("signal_present") == 1.0


def test_without_a_known_time_a_window_is_a_sample_of_one_receiver_and_says_why(tmp_path):
    for name in ("rx0", "rx1"):
        write_pair(tmp_path, name, components("ci8", 9_600).tobytes(), metadata("ci8", sample_rate=RATE_HZ))
    cutter, samples, _ = cut(tmp_path)
    assert [len(sample.windows) for sample in samples] == [1] * 4
    (frame,) = frames_of(cutter, recorded_spec(), samples[0])
    assert (frame.captured_at_ns, frame.recorded.time_source) == (0, "none")
    assert "is not known" in frame.recorded.unaligned


def test_a_window_with_nan_is_named_and_the_others_go_on(tmp_path):
    raw = components("cf32_le", 48_000)
    raw[5_000, 0] = np.nan
    write_pair(tmp_path, "rx0", raw.tobytes(), metadata("cf32_le", sample_rate=RATE_HZ))
    _, samples, failures = cut(tmp_path)
    assert len(samples) == 9
    (failure,) = failures
    assert "rx0.sigmf-data, sample 5000" in str(failure)


@pytest.mark.parametrize(("window_ms", "to_rate", "why"), [(2000, None, "no whole window"), (100, 96e3, "down only")])
def test_a_recording_that_gives_no_window_is_named(tmp_path, window_ms, to_rate, why):
    write_recordings(tmp_path, 0.5, receivers=RECEIVERS[:1])
    _, samples, failures = cut(tmp_path, window_ms=window_ms, to_rate=to_rate)
    assert samples == []
    assert [why in str(failure) for failure in failures] == [True]


def test_resampled_windows_have_the_wanted_rate_and_the_same_tone(tmp_path):
    write_recordings(tmp_path, 0.5)
    cutter, samples, _ = cut(tmp_path, to_rate=12_000.0)
    for frame in frames_of(cutter, recorded_spec(), samples[1]):
        assert (frame.sample_rate_hz, frame.datatype, len(frame.samples())) == (12_000.0, "ci16_le", 1200)
        record = feature_record(frame, NOWHERE)
        assert record.value("frequency_offset_hz") == pytest.approx(3000, abs=5)
        assert record.value("rssi_dbm") == pytest.approx(20 * np.log10(0.3), abs=0.2)


def test_levels_are_dbm_by_a_calibration_and_else_marked(tmp_path):
    write_recordings(tmp_path, 0.2)
    measured = []
    for given in (None, Given(dbm_at_full_scale=-30.0)):
        cutter, samples, _ = cut(tmp_path, given=given)
        frame = frames_of(cutter, recorded_spec(), samples[0])[0]
        measured.append((frame.recorded.level_reference, feature_record(frame, NOWHERE).value("rssi_dbm")))
    (marked, dbfs), (calibrated, dbm) = measured
    assert (marked, calibrated) == ("dbfs", "dbm")
    assert dbm == pytest.approx(dbfs - 30.0, abs=1e-6)


def test_a_tracks_place_is_that_of_the_middle_of_the_window(tmp_path):
    write_recordings(tmp_path, 0.2)
    cutter, samples, _ = cut(tmp_path)
    start_ns = samples[0].windows[0].window.started_at_ns
    track = Track(
        times_ns=(start_ns, start_ns + 100_000_000),
        places=(TransmitterPosition(latitude=45.0, longitude=7.0), TransmitterPosition(latitude=45.2, longitude=7.0)),
    )
    frames = frames_of(cutter, recorded_spec(), samples[0], track=track)
    assert [frame.position.latitude for frame in frames] == [pytest.approx(45.1)] * 3
    assert frames_of(cutter, recorded_spec(), samples[1], track=track)[0].position is None


def test_a_file_that_comes_again_adds_nothing_and_a_receiver_that_comes_later_its_own_samples(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    write_recordings(first, 0.3, receivers=RECEIVERS[:2])
    _, samples, _ = cut(first)
    plan = _Plan.of([*samples, *samples], {}, 0)
    assert (list(plan.new), plan.known_windows, len(plan.new_windows)) == ([0, 1, 2], 6, 6)
    again = _Plan.of(samples, plan.new_windows, 3)
    assert (again.new, sorted(again.old), again.known_windows) == ({}, [0, 1, 2], 6)
    write_recordings(second, 0.3)
    _, more, _ = cut(second)
    later = _Plan.of(more, plan.new_windows, 3)
    assert list(later.new) == [3, 4, 5]
    for sample in later.new.values():
        assert [one.window.recording.rx_name for one in sample.windows] == ["rx2"]
        assert sample.unaligned == "the others of its time were ingested before"


@pytest.mark.parametrize("integers", [False, True])
def test_our_own_export_gives_the_same_72_values_bit_for_bit(tmp_path, integers):
    spec = make_spec(samples=20, capture=Capture(capture_ms=50, chunk_ms=20))
    spec = msgspec.structs.replace(spec, generator_version=GENERATOR_VERSION)
    made = {frame.receiver.rx_id: frame for frame in synthesize_sample(spec, 17).frames}
    now = datetime(2026, 1, 1, tzinfo=UTC)
    dataset = Dataset(
        id=spec.dataset_id, version=1, name=spec.name, spec=spec, recorded=False, grows=False,
        samples=SampleRanges.first(20), status="complete", requested=20, accepted=1, rejected=0, failed=0,
        iq_samples=0, iq_samples_saved=0, created_at=now, status_changed_at=now, completed_at=now,
    )  # fmt: skip
    exported = SampleIQ(
        dataset=dataset, sample_idx=17, outcome="accepted", reason=None, frames=made,
        crc32={rx_id: frame_crc32(frame) for rx_id, frame in made.items()}, synthesized=frozenset(), snr_db={},
    )  # fmt: skip
    for name, content in sigmf_files(exported, integers=integers):
        (tmp_path / name).write_bytes(content)
    cutter, (sample,), failures = cut(tmp_path, window_ms=50)
    assert failures == []
    receivers = {receiver.rx_id: receiver for receiver in spec.receivers}
    frames = frames_of(cutter, recorded_spec(receivers=spec.receivers, window_ms=50, chunk_ms=20), sample,
                       receivers=receivers)  # fmt: skip
    assert len(frames) == len(made)
    for frame in frames:
        before = feature_record(made[frame.receiver.rx_id], NOWHERE)
        assert len(before.values) == 72
        assert feature_record(frame, NOWHERE).values == before.values
        assert frame.recorded.level_reference == "dbm"


@pytest.mark.parametrize(("source", "comparable"), [("gnss", True), ("ntp", False)])
def test_frames_say_that_time_differences_come_and_samples_whether_any_can(tmp_path, source, comparable):
    write_recordings(tmp_path, 0.2)
    cutter, samples, _ = cut(tmp_path, given=Given(time_source=source))
    assert [sample.comparable for sample in samples] == [comparable] * 2
    for pairs in (True, False):
        frames = frames_of(cutter, recorded_spec(pairs=pairs), samples[0])
        assert {frame.pairs_expected for frame in frames} == {pairs}
        assert b"pairs_expected" not in encode(frames[0]) or pairs
    record = pair_record(frames, NOWHERE)
    assert len(record.pairs) == (3 if comparable else 0)
    assert decode(encode(record)) == record


def test_of_a_file_that_grows_nothing_is_taken_and_all_of_it_when_it_is_whole(tmp_path):
    write_recordings(tmp_path, 0.3)
    cutter, samples, _ = cut(tmp_path)
    assert [one.windows for one in cutter.of_whole_files(samples)] == [one.windows for one in samples]
    with (tmp_path / "rx1.sigmf-data").open("ab") as recorder:
        recorder.write(bytes(9_600))
    kept = cutter.of_whole_files(samples)
    assert [[one.window.recording.rx_name for one in sample.windows] for sample in kept] == [["rx0", "rx2"]] * 3
    (failure,) = cutter.failures
    assert "rx1.sigmf-data: has changed since it was opened" in str(failure)
    first = _Plan.of(kept, {}, 0)
    cutter, again, _ = cut(tmp_path)
    later = _Plan.of(cutter.of_whole_files(again), first.new_windows, 3)
    assert (sum(len(sample.windows) for sample in later.new.values()), cutter.failures) == (4, [])


def test_a_sample_whose_file_changes_before_it_is_published_fails_alone_and_is_named(tmp_path):
    pairs = write_recordings(tmp_path, 0.3)
    cutter, samples, _ = cut(tmp_path)
    spec, failures = recorded_spec(window_ms=100, chunk_ms=50), []
    publisher = Publisher(None, spec, cutter, UNKNOWN_TRACK, failures)
    assert [record.topic for record in publisher.sample_records(0, samples[0])] == [FRAMES] * 3
    pairs[1].with_suffix(".sigmf-data").write_bytes(b"")
    (record,) = publisher.sample_records(1, samples[1])
    failure = decode(record.value, FailureRecord)
    assert (record.topic, failure.sample_idx, failure.rx_id, failure.error) == (FEATURES, 1, None, "BadRecording")
    assert "rx1.sigmf-data: has changed" in failure.message
    assert [str(one) for one in failures] == [failure.message]
