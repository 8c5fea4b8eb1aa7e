"""The picture of a sample's recordings: a row per receiver, nothing of a waveform lost, however long it is."""

import numpy as np
import pytest

from iqstream.plot.picture import Recording
from iqstream.plot.recordings_picture import COLUMNS, RecordingsPage, extremes, save_recordings_picture

RATE_HZ = 200_000.0


def recording(count, title="rx0"):
    random = np.random.default_rng(count)
    samples = random.standard_normal((count, 2)).astype(np.float32).view(np.complex64)[:, 0]
    return Recording(samples=samples, sample_rate_hz=RATE_HZ, center_frequency_hz=144e6, title=title)


@pytest.mark.parametrize("count", [1, 5, COLUMNS, COLUMNS + 1, 200_000])
def test_every_sample_lies_within_the_extremes_of_its_column_and_each_extreme_is_a_sample(count):
    samples = recording(count).samples
    time_ms, lowest, highest = extremes(samples, RATE_HZ)
    assert len(time_ms) == len(lowest) == len(highest) == min(count, COLUMNS)
    columns = np.searchsorted(np.rint(time_ms * RATE_HZ / 1000).astype(int), np.arange(count), side="right") - 1
    components = samples.view(np.float32).reshape(-1, 2)
    assert np.all((lowest[columns] <= components) & (components <= highest[columns]))
    assert np.isin(lowest, components).all()
    assert np.isin(highest, components).all()


@pytest.mark.parametrize("receivers", [1, 7])
def test_the_picture_has_a_row_per_receiver(receivers, tmp_path):
    path = tmp_path / "pictures" / "iq.png"
    page = RecordingsPage(title="$x$ [bold]", recordings=[recording(700, f"rx{at}") for at in range(receivers)])
    save_recordings_picture(page, path)
    header = path.read_bytes()[:24]
    assert int.from_bytes(header[16:20]) == 1920
    assert int.from_bytes(header[20:24]) == pytest.approx(120 * (0.8 + 2.4 * receivers), abs=1)
