"""The page of a dataset: it can always be drawn, and its spectrogram is in true densities."""

from datetime import UTC, datetime

import numpy as np
import pytest

from iqstream.catalogue.outcomes import SampleOutcome
from iqstream.plot.picture import Page, Recording, heard_link, save_picture, spectrogram_dbm_per_hz
from iqstream.plot.truth import RecordingErrors
from tests.sink_samples import CENTRE, feature_record, make_spec

RATE_HZ = 200_000.0
SPEC = make_spec(samples=2)


def noise(power_mw, count=100_000, seed=1):
    random = np.random.default_rng(seed)
    parts = random.standard_normal((2, count)) * np.sqrt(power_mw / 2)
    return (parts[0] + 1j * parts[1]).astype(np.complex64)


def test_white_noise_has_its_power_over_the_rate_as_density():
    # 194 half-overlapping Hann windows of 1,024 bins: the mean density is known to 0.3 %, 5 sigma are 0.07 dB.
    density = spectrogram_dbm_per_hz(noise(2.0), RATE_HZ)
    mean_dbm = 10 * np.log10(np.mean(10 ** (density / 10)))
    assert mean_dbm == pytest.approx(10 * np.log10(2.0 / RATE_HZ), abs=0.07)


@pytest.mark.parametrize("frequency_hz", [-60_000.0, 0.0, 37_500.0])
def test_a_tone_stands_at_its_frequency(frequency_hz):
    tone = np.exp(2j * np.pi * frequency_hz / RATE_HZ * np.arange(20_000)).astype(np.complex64)
    peaks = spectrogram_dbm_per_hz(tone, RATE_HZ).argmax(axis=1)
    frequencies_hz = (peaks - 512) * RATE_HZ / 1024
    assert np.all(np.abs(frequencies_hz - frequency_hz) <= RATE_HZ / 1024)


@pytest.mark.parametrize("count", [1, 7, 1024, 1500])
def test_a_short_recording_and_a_silent_one_have_finite_densities(count):
    assert np.isfinite(spectrogram_dbm_per_hz(np.zeros(count, np.complex64), RATE_HZ)).all()


def test_a_link_is_drawn_where_the_receiver_heard_the_signal():
    link = heard_link(feature_record(SPEC, 0, snr_db=12.0), detection_snr_db=-12.0)
    assert (link.tx_latitude, link.tx_longitude, link.snr_db) == (*CENTRE, 12.0)
    assert heard_link(feature_record(SPEC, 0, snr_db=-13.0), detection_snr_db=-12.0) is None
    assert heard_link(feature_record(SPEC, 0, truth=False), detection_snr_db=-12.0) is None


def outcome(sample_idx, verdict, reason=None, place=CENTRE):
    return SampleOutcome(
        sample_idx=sample_idx, verdict=verdict, reason=reason, place="inside", latitude=place and place[0],
        longitude=place and place[1], decided_at=datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip


EMPTY = Page(title="Nothing", receivers=SPEC.receivers, outcomes=(), links=(), recording=None, errors=())
FULL = Page(
    title="Everything",
    receivers=SPEC.receivers,
    outcomes=(
        outcome(0, "accepted"),
        outcome(1, "rejected", "low_snr", (45.2, 8.3)),
        outcome(2, "failed", place=None),
    ),
    links=[heard_link(feature_record(SPEC, 0, receiver), detection_snr_db=-12.0) for receiver in range(3)],
    recording=Recording(samples=noise(1e-9, 5000), sample_rate_hz=RATE_HZ, center_frequency_hz=144e6, title="Noise"),
    errors=[RecordingErrors(true_snr_db=20.0, errors=(0.0, 0.1, 0.0, 3.0), doppler_max_hz=4.0, has_goals=True)],
)


@pytest.mark.parametrize("page", [EMPTY, FULL], ids=["empty", "full"])
def test_the_picture_is_a_png_of_its_size_in_a_folder_that_need_not_exist(page, tmp_path):
    path = tmp_path / "pictures" / "page.png"
    save_picture(page, path)
    header = path.read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    assert (int.from_bytes(header[16:20]), int.from_bytes(header[20:24])) == (1920, 1080)
