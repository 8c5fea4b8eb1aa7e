"""One transmission at several receivers: its carrier, where time differences place it, and what reading costs.

Run: `python -m benchmarks.recordings FOLDER --at rxa=53.67,7.28 --at rxb=45.78,0.61 --at rxc=47.17,8.43
--transmitter 50.0152,9.0112`. Prints one JSON object. The recordings have time stamps of satellites, and one centre
frequency, which is the transmitter's. Differences and places are made as from a dataset, without servers.
"""

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from extractor.pairs.record import pair_record
from extractor.record import feature_record
from iqstream.ingest.samples import Cutter
from iqstream.ingest.track import UNKNOWN_TRACK
from iqstream.locate.cells import even_cells
from iqstream.locate.differences import ECHO_US, least_squares
from iqstream.locate.estimate import Pairs, distances_km
from iqstream.recordings import Recording, open_recordings
from schemas import IQFrame, Lineage, PairMeasurement, Receiver, RecordedSpec, encode

NOWHERE = Lineage(topic="iq.frames", partition=0, offset=0, crc32=None)
Place = tuple[float, float]


def carrier_offset_hz(recording: Recording) -> float:
    """Of the strongest line from the centre, over the longest segment; to the width of a bin."""
    segment = max(recording.segments, key=lambda one: one.samples)
    iq = recording.read(segment.first_sample, segment.samples)
    spectrum = np.abs(np.fft.fft(iq * np.hanning(len(iq))))
    return float(np.fft.fftfreq(len(iq), 1 / recording.sample_rate_hz)[int(spectrum.argmax())])


def frames_of(recordings: Sequence[Recording], receivers: Mapping[str, Place]) -> tuple[list[list[IQFrame]], float]:
    """By whole second the frames of all receivers, and how much CPU time it took to find the windows."""
    network = network_of(receivers)
    spec = RecordedSpec(
        dataset_id="00000000-0000-4000-8000-000000000000", name="recordings", samples=1, ingest_version="1",
        receivers=network, pairs=True,
    )  # fmt: skip
    by_id = {receiver.rx_id: receiver for receiver in network}
    cutter, began = Cutter(spec.window_ms, None), time.process_time()
    samples = list(cutter.samples(recordings))
    cut_s = time.process_time() - began
    return [
        [
            cutter.frame(spec, index, sample, at, by_id[one.window.recording.rx_name], UNKNOWN_TRACK)
            for at, one in enumerate(sample.windows)
        ]
        for index, sample in enumerate(samples)
    ], cut_s


def network_of(receivers: Mapping[str, Place]) -> tuple[Receiver, ...]:
    return tuple(
        Receiver(rx_id=name, latitude=place[0], longitude=place[1], altitude_m=0.0) for name, place in receivers.items()
    )


def time_differences(samples: Sequence[Sequence[IQFrame]]) -> list[list[PairMeasurement]]:
    """What was found between the receivers, by sample."""
    measured = ([pair for pair in pair_record(frames, NOWHERE).pairs if pair.found] for frames in samples)
    return [pairs for pairs in measured if pairs]


def locate(found: Sequence[PairMeasurement], receivers: Mapping[str, Place]) -> Place:
    """Where a transmitter stands that is still."""
    names = list(receivers)
    pairs = Pairs(
        one=np.array([names.index(pair.receiver_a) for pair in found]),
        other=np.array([names.index(pair.receiver_b) for pair in found]),
        difference_us=np.array([pair.time_difference_us for pair in found]),
        deviation_us=np.array([pair.standard_deviation_us for pair in found]),
    )
    place = least_squares(even_cells(network_of(receivers)), np.array(list(receivers.values())), pairs, ECHO_US)
    return place.latitude, place.longitude


def apart_km(one: Place, other: Place) -> float:
    return float(distances_km(np.array([one[0]]), np.array([one[1]]), np.array([other]))[0, 0])


def speed(recordings: Sequence[Recording], receivers: Mapping[str, Place]) -> dict[str, float]:
    """Recorded seconds per second of CPU time: finding windows, making frames, features, and time differences."""
    began = time.process_time()
    samples, cut_s = frames_of(recordings, receivers)
    frames = [frame for sample in samples for frame in sample]
    size = sum(len(encode(frame)) for frame in frames)
    framed_s = time.process_time() - began - cut_s
    feature_record(frames[0], NOWHERE)  # compiles the kernels
    pair_record(samples[-1], NOWHERE)
    compiled = time.process_time()
    for frame in frames:
        feature_record(frame, NOWHERE)
    extracted = time.process_time()
    time_differences(samples)
    compared = time.process_time()
    seconds = sum(frame.duration_ms for frame in frames) / 1000
    return {
        "recorded_s": round(seconds),
        "frames_mb": round(size / 1e6, 2),
        "cut_s_per_s": round(seconds / cut_s),
        "frame_s_per_s": round(seconds / framed_s),
        "extract_s_per_s": round(seconds / (extracted - compiled)),
        "compare_s_per_s": round(seconds / (compared - extracted)),
    }


def measure(folder: Path, receivers: Mapping[str, Place], transmitter: Place) -> dict[str, Any]:
    opened = open_recordings([folder])
    if opened.failures:
        raise SystemExit(f"not read: {opened.failures[0]}")
    by_second = time_differences(frames_of(opened.recordings, receivers)[0])
    by_pair: dict[str, list[PairMeasurement]] = defaultdict(list)
    for pair in (pair for second in by_second for pair in second):
        by_pair[f"{pair.receiver_a}-{pair.receiver_b}"].append(pair)
    place = locate([pair for second in by_second for pair in second], receivers)
    each_km = [apart_km(locate(second, receivers), transmitter) for second in by_second if len(second) > 1]
    return {
        "carrier_hz": {
            one.rx_name: round(one.center_frequency_hz + carrier_offset_hz(one), 3) for one in opened.recordings
        },
        "seconds": len(by_second),
        "difference_us": {
            name: {
                "median": round(float(np.median([pair.time_difference_us for pair in pairs])), 1),
                "scatter": round(float(np.std([pair.time_difference_us for pair in pairs])), 1),
                "predicted": round(float(np.median([pair.standard_deviation_us for pair in pairs])), 1),
            }
            for name, pairs in by_pair.items()
        },
        "latitude": round(place[0], 3),
        "longitude": round(place[1], 3),
        "error_km": round(apart_km(place, transmitter), 1),
        "error_of_a_second_km": {"median": round(float(np.median(each_km)), 1), "largest": round(max(each_km), 1)},
        "speed": speed(opened.recordings, receivers),
    }


def _place(text: str) -> Place:
    latitude, longitude = map(float, text.split(",")[:2])
    return latitude, longitude


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--at", action="append", required=True, metavar="ID=LAT,LON")
    parser.add_argument("--transmitter", type=_place, required=True, metavar="LAT,LON")
    asked = parser.parse_args()
    receivers = {name: _place(place) for name, _, place in (one.partition("=") for one in asked.at)}
    print(json.dumps(measure(asked.folder, receivers, asked.transmitter)))


if __name__ == "__main__":
    main()
