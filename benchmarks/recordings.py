"""One transmission at several receivers: its carrier, where time differences place it, and what reading costs.

Run: `python -m benchmarks.recordings FOLDER --at rxa=53.67,7.28 --at rxb=45.78,0.61 --at rxc=47.17,8.43
--transmitter 50.0152,9.0112`. Prints one JSON object. The recordings have time stamps of satellites, and one centre
frequency, which is the transmitter's. Differences come from the modulation: a carrier is ambiguous every wavelength.
"""

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from extractor.record import feature_record
from iqstream.ingest.samples import Cutter
from iqstream.ingest.track import UNKNOWN_TRACK
from iqstream.locate.estimate import distances_km
from iqstream.recordings import Recording, open_recordings
from iqstream.recordings.alignment import align
from schemas import Lineage, Receiver, RecordedSpec, encode

SECOND_NS = 1_000_000_000
KM_PER_S = 299_792.458 / 1.0003
"""In air."""
FINER = 64
"""Points of the correlation for one sample."""
BAND_HZ = (20.0, 1000.0)
"""Of the modulation, on either side of the carrier."""
GRID_DEG = (5.0, 8.0)
"""North and east of the receivers' middle that are searched."""
Place = tuple[float, float]


def carrier_offset_hz(recording: Recording) -> float:
    """Of the strongest line from the centre, over the longest segment; to the width of a bin."""
    segment = max(recording.segments, key=lambda one: one.samples)
    iq = recording.read(segment.first_sample, segment.samples)
    spectrum = np.abs(np.fft.fft(iq * np.hanning(len(iq))))
    return float(np.fft.fftfreq(len(iq), 1 / recording.sample_rate_hz)[int(spectrum.argmax())])


def time_differences_s(recordings: Sequence[Recording]) -> tuple[dict[tuple[str, str], float], int]:
    """Arrival at one receiver minus that at the other, and from how many seconds.

    Spectra of whole seconds, of the signal over its carrier, moved to the grid's time, are multiplied and whitened.
    """
    names = sorted(recording.rx_name for recording in recordings)
    rate_hz = float(np.median([recording.sample_rate_hz for recording in recordings]))
    size = int(rate_hz)
    frequencies_hz = np.fft.fftfreq(size, 1 / rate_hz)
    pairs = list(combinations(names, 2))
    sums = {pair: np.zeros(size, complex) for pair in pairs}
    seconds = 0
    for aligned in align(recordings, SECOND_NS):
        if len(aligned.windows) < len(names):
            continue
        seconds += 1
        spectra = {}
        for window in aligned.windows:
            iq = window.read().astype(complex)
            own_hz = window.recording.sample_rate_hz
            late_s = window.late_samples / own_hz + len(iq) / 2 * (1 / own_hz - 1 / rate_hz)
            spectrum = np.fft.fft(iq / iq.mean() - 1, size)
            spectra[window.recording.rx_name] = spectrum * np.exp(-2j * np.pi * frequencies_hz * late_s)
        for one, other in pairs:
            cross = spectra[one] * spectra[other].conj()
            sums[one, other] += cross / np.abs(cross)
    half, band = size // 2, (np.abs(frequencies_hz) > BAND_HZ[0]) & (np.abs(frequencies_hz) < BAND_HZ[1])
    found = {}
    for pair, total in sums.items():
        padded = np.zeros(size * FINER, complex)
        padded[: half + 1] = np.where(band, total, 0)[: half + 1]
        padded[-half:] = np.where(band, total, 0)[-half:]
        lag = int(np.abs(np.fft.ifft(padded)).argmax())
        found[pair] = (lag - (len(padded) if lag > len(padded) // 2 else 0)) / (rate_hz * FINER)
    return found, seconds


def locate(differences_s: Mapping[tuple[str, str], float], receivers: Mapping[str, Place]) -> Place:
    """The place whose distances fit the differences best (least squares), on a grid of 0.02 degrees."""
    names = list(receivers)
    middle = np.mean(list(receivers.values()), axis=0)
    latitudes = np.arange(middle[0] - GRID_DEG[0], middle[0] + GRID_DEG[0], 0.02)
    longitudes = np.arange(middle[1] - GRID_DEG[1], middle[1] + GRID_DEG[1], 0.02)
    grid = [axis.ravel() for axis in np.meshgrid(latitudes, longitudes, indexing="ij")]
    away_km = dict(zip(names, distances_km(*grid, np.array(list(receivers.values()))).T, strict=True))
    misfit = sum(
        ((away_km[one] - away_km[other]) / KM_PER_S - seconds) ** 2 for (one, other), seconds in differences_s.items()
    )
    best = int(np.argmin(misfit))
    return float(grid[0][best]), float(grid[1][best])


def apart_km(one: Place, other: Place) -> float:
    return float(distances_km(np.array([one[0]]), np.array([one[1]]), np.array([other]))[0, 0])


def speed(recordings: Sequence[Recording], receivers: Mapping[str, Place]) -> dict[str, float]:
    """Recorded seconds per second of CPU time: finding windows, making frames of them, extracting their features."""
    network = tuple(
        Receiver(rx_id=name, latitude=place[0], longitude=place[1], altitude_m=0.0) for name, place in receivers.items()
    )
    spec = RecordedSpec(
        dataset_id="00000000-0000-4000-8000-000000000000", name="speed", samples=1, ingest_version="1",
        receivers=network,
    )  # fmt: skip
    by_id = {receiver.rx_id: receiver for receiver in network}
    cutter = Cutter(spec.window_ms, None)
    began = time.process_time()
    samples = list(cutter.samples(recordings))
    cut = time.process_time()
    frames = [
        cutter.frame(spec, index, sample, at, by_id[one.window.recording.rx_name], UNKNOWN_TRACK)
        for index, sample in enumerate(samples)
        for at, one in enumerate(sample.windows)
    ]
    size = sum(len(encode(frame)) for frame in frames)
    framed = time.process_time()
    where = Lineage(topic="iq.frames", partition=0, offset=0, crc32=None)
    feature_record(frames[0], where)  # compiles the kernels
    compiled = time.process_time()
    for frame in frames:
        feature_record(frame, where)
    done = time.process_time()
    seconds = len(frames) * spec.window_ms / 1000
    return {
        "recorded_s": seconds,
        "frames_mb": round(size / 1e6, 2),
        "cut_s_per_s": round(seconds / (cut - began)),
        "frame_s_per_s": round(seconds / (framed - cut)),
        "extract_s_per_s": round(seconds / (done - compiled)),
    }


def measure(folder: Path, receivers: Mapping[str, Place], transmitter: Place) -> dict[str, Any]:
    opened = open_recordings([folder])
    if opened.failures:
        raise SystemExit(f"not read: {opened.failures[0]}")
    differences_s, seconds = time_differences_s(opened.recordings)
    place = locate(differences_s, receivers)
    return {
        "carrier_hz": {
            one.rx_name: round(one.center_frequency_hz + carrier_offset_hz(one), 3) for one in opened.recordings
        },
        "seconds": seconds,
        "difference_us": {f"{one}-{other}": round(1e6 * found, 2) for (one, other), found in differences_s.items()},
        "latitude": round(place[0], 3),
        "longitude": round(place[1], 3),
        "error_km": round(apart_km(place, transmitter), 1),
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
