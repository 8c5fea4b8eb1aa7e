"""One transmission of DCF77 heard by three receivers with satellite time stamps.

It proves that files, time stamps and alignment are right; at 77.5 kHz it says nothing about VHF. The recordings are not
part of the project: the tests skip where they are not there.
"""

import numpy as np
import pytest

from benchmarks.recordings import apart_km, carrier_offset_hz, frames_of, locate, time_differences
from extractor.record import feature_record
from iqstream.ingest.samples import Cutter
from iqstream.ingest.track import UNKNOWN_TRACK
from iqstream.recordings import Recording, open_recordings
from schemas import Lineage, Receiver
from tests.recorded import DCF77, KIWI, KIWI_RECEIVERS, recorded_spec

SECOND_NS = 1_000_000_000

pytestmark = pytest.mark.skipif(not KIWI.is_dir(), reason=f"{KIWI} is not there")


@pytest.fixture(scope="module")
def recordings() -> tuple[Recording, ...]:
    opened = open_recordings([KIWI])
    assert opened.failures == ()
    assert [recording.rx_name for recording in opened.recordings] == list(KIWI_RECEIVERS)
    return opened.recordings


def test_time_stamps_give_rate_time_and_gaps(recordings: tuple[Recording, ...]) -> None:
    """The fmt chunk says 12001 Hz. The first block of each file is minutes older than the second."""
    for recording in recordings:
        assert recording.time_source == "gnss"
        assert 12_001.1 < recording.sample_rate_hz < 12_001.25
        assert recording.center_frequency_hz == 77_500
        (gap,) = recording.gaps
        assert gap.before_sample == 512
        assert gap.duration_ns is not None
        assert 227 < gap.duration_ns / SECOND_NS < 568
        starts = [segment.started_at_ns for segment in recording.segments if segment.started_at_ns is not None]
        assert starts == sorted(starts)
        assert abs(starts[1] / 1e9 - 1_511_779_316) < 1  # the name says 10:41:56Z


def test_the_carrier_is_within_one_hertz_and_time_differences_locate_the_transmitter(
    recordings: tuple[Recording, ...],
) -> None:
    """Within 25 km; 8.5 km when this was written. One pair's difference of 30 us is 9 km.

    Differences of second after second scatter as they say, to a factor of 2: fading on paths of 1,000 km is in it.
    """
    for recording in recordings:
        assert abs(recording.center_frequency_hz + carrier_offset_hz(recording) - 77_500) < 1
    samples, _ = frames_of(recordings, KIWI_RECEIVERS)
    by_second = time_differences(samples)
    assert len(by_second) >= 27
    error_km = apart_km(locate([pair for second in by_second for pair in second], KIWI_RECEIVERS), DCF77)
    assert error_km < 25, f"{error_km:.1f} km"
    for pairs in zip(*by_second, strict=True):
        scatter_us = np.std([pair.time_difference_us for pair in pairs])
        predicted_us = np.sqrt(np.mean([pair.standard_deviation_us**2 for pair in pairs]))
        assert 0.5 < scatter_us / predicted_us < 2.0


def test_every_whole_second_is_a_sample_of_all_receivers(recordings: tuple[Recording, ...]) -> None:
    """The features of a carrier in 12 kHz: that it is there, and where it stands if it is measured as a line.

    At rxa other signals fill the band, whose middle is the frequency then.
    """
    cutter = Cutter(1000, None)
    samples = list(cutter.samples(recordings))
    assert cutter.failures == []
    assert [len(sample.windows) for sample in samples].count(3) >= 27
    stations = {
        name: Receiver(rx_id=name, latitude=place[0], longitude=place[1], altitude_m=0.0)
        for name, place in KIWI_RECEIVERS.items()
    }
    spec = recorded_spec(receivers=tuple(stations.values()))
    lines: list[str] = []
    for at, one in enumerate(samples[3].windows):
        station = stations[one.window.recording.rx_name]
        frame = cutter.frame(spec, 3, samples[3], at, station, UNKNOWN_TRACK)
        assert 12_001.1 < frame.sample_rate_hz < 12_001.25
        assert frame.recorded is not None
        assert (frame.recorded.time_source, frame.recorded.level_reference) == ("gnss", "dbfs")
        record = feature_record(frame, Lineage(topic="iq.frames", partition=0, offset=0, crc32=None))
        assert record.value("signal_present") == 1.0
        if record.frequency_classes.tone == record.chunks:
            assert abs(record.value("frequency_offset_hz")) < 1
            lines.append(record.receiver.rx_id)
    assert lines
