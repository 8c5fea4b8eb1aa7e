"""One transmission of DCF77 heard by three receivers with satellite time stamps.

It proves that files, time stamps and alignment are right; at 77.5 kHz it says nothing about VHF. The recordings are not
part of the project: the tests skip where they are not there.
"""

import math
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from iqstream.recordings import Recording, open_recordings
from iqstream.recordings.alignment import align

FOLDER = Path(__file__).parents[4] / "shared" / "recordings" / "kiwi"
TRANSMITTER = (50.0152, 9.0112)
RECEIVERS = {"rxa": (53.67, 7.28), "rxb": (45.78, 0.61), "rxc": (47.17, 8.43)}
SECOND_NS = 1_000_000_000
KM_PER_S = 299_792.458 / 1.0003
EARTH_KM = 6371.0

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"{FOLDER} is not there")


@pytest.fixture(scope="module")
def recordings() -> tuple[Recording, ...]:
    opened = open_recordings([FOLDER])
    assert opened.failures == ()
    assert [recording.rx_name for recording in opened.recordings] == list(RECEIVERS)
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


def test_the_carrier_is_within_one_hertz_at_every_receiver(recordings: tuple[Recording, ...]) -> None:
    for recording in recordings:
        segment = recording.segments[1]
        iq = recording.read(segment.first_sample, segment.samples)
        spectrum = np.abs(np.fft.fft(iq * np.hanning(len(iq))))
        offset_hz = np.fft.fftfreq(len(iq), 1 / recording.sample_rate_hz)[int(spectrum.argmax())]
        assert abs(recording.center_frequency_hz + offset_hz - 77_500) < 1
        floor = np.median(spectrum)
        assert spectrum.max() > 1000 * floor


def test_time_differences_locate_the_transmitter(recordings: tuple[Recording, ...]) -> None:
    """Within 25 km; 9.4 km when this was written. One pair's difference of 30 us is 9 km."""
    differences = _time_differences_s(recordings)
    latitudes, longitudes = np.radians(np.linspace(45, 55, 501)), np.radians(np.linspace(0, 16, 801))
    grid = np.meshgrid(latitudes, longitudes, indexing="ij")
    distances = {name: _distance_km(place, *grid) for name, place in RECEIVERS.items()}
    misfit = sum(
        ((distances[one] - distances[other]) / KM_PER_S - seconds) ** 2 for (one, other), seconds in differences.items()
    )
    row, column = np.unravel_index(np.argmin(misfit), misfit.shape)
    error_km = float(_distance_km(TRANSMITTER, latitudes[row], longitudes[column]))
    assert error_km < 25, f"{error_km:.1f} km"


def _time_differences_s(recordings: tuple[Recording, ...]) -> dict[tuple[str, str], float]:
    """Arrival at one receiver minus that at the other, from the modulation: carriers are ambiguous every 3.9 km.

    Spectra of whole seconds, of the signal over its carrier, moved to the grid's time, are multiplied and whitened.
    """
    size, rate_hz, finer = 12_001, 12_001.16, 64
    frequencies_hz = np.fft.fftfreq(size, 1 / rate_hz)
    pairs = list(combinations(RECEIVERS, 2))
    sums = {pair: np.zeros(size, complex) for pair in pairs}
    seconds = 0
    for aligned in align(recordings, SECOND_NS):
        if len(aligned.windows) < len(RECEIVERS):
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
    assert seconds >= 27
    half, band = size // 2, (np.abs(frequencies_hz) > 20) & (np.abs(frequencies_hz) < 1000)
    found = {}
    for pair, total in sums.items():
        padded = np.zeros(size * finer, complex)
        padded[: half + 1] = np.where(band, total, 0)[: half + 1]
        padded[-half:] = np.where(band, total, 0)[-half:]
        lag = int(np.abs(np.fft.ifft(padded)).argmax())
        found[pair] = (lag - (len(padded) if lag > len(padded) // 2 else 0)) / (rate_hz * finer)
    return found


def _distance_km(place: tuple[float, float], latitude: np.ndarray, longitude: np.ndarray) -> np.ndarray:
    """Great circle from a place in degrees to places in radians."""
    here, there = math.radians(place[0]), math.radians(place[1])
    half = np.sin((latitude - here) / 2) ** 2 + math.cos(here) * np.cos(latitude) * np.sin((longitude - there) / 2) ** 2
    return 2 * EARTH_KM * np.arcsin(np.sqrt(half))
