"""The waterfall: a tone stands in its row, its size is bounded, and a part too short is refused."""

import io

import numpy as np
import pytest
from PIL import Image

from iqstream.dataset.part import part_of
from iqstream.plot.waterfall import MAX_COLUMNS, waterfall_png
from schemas import IQFrame, Receiver

RATE_HZ = 200_000.0


def frame_of(samples):
    return IQFrame(
        dataset_id="00000000-0000-0000-0000-000000000000", dataset_version=1, sample_idx=0, receivers_expected=1,
        receiver=Receiver(rx_id="a", latitude=45.0, longitude=8.0, altitude_m=0.0), captured_at_ns=0,
        center_frequency_hz=144e6, sample_rate_hz=RATE_HZ, chunk_ms=200, datatype="cf32_le", scale=1.0, truth=None,
        iq=memoryview(samples.astype(np.complex64).tobytes()),
    )  # fmt: skip


def picture(samples, **part):
    drawn = waterfall_png(part_of(frame_of(samples), **part), fft_length=256)
    return np.array(Image.open(io.BytesIO(drawn)).convert("RGB"), int)


def tone(offset_hz, samples=200_000):
    noise = np.random.default_rng(1).normal(size=(samples, 2)) @ [1, 1j]
    return noise * 1e-3 + np.exp(2j * np.pi * offset_hz / RATE_HZ * np.arange(samples))


@pytest.mark.parametrize("offset_hz", [-60_000.0, 0.0, 25_000.0])
def test_a_tone_stands_in_the_row_of_its_frequency_with_high_ones_above(offset_hz):
    rows = picture(tone(offset_hz)).sum(axis=(1, 2))
    assert abs(np.argmax(rows) - (127 - offset_hz / RATE_HZ * 256)) <= 1


def test_a_burst_stands_in_the_columns_of_its_time():
    samples = tone(0.0)
    samples[:150_000] *= 1e-3
    columns = picture(samples).sum(axis=(0, 2))
    assert columns[: int(0.7 * len(columns))].mean() < columns[int(0.8 * len(columns)) :].mean()


@pytest.mark.parametrize("samples", [256, 5000, 200_000, 2_000_000])
def test_a_picture_is_as_high_as_its_windows_and_bounded_in_width(samples):
    height, width, _ = picture(tone(0.0, samples)).shape
    assert height == 256
    assert 1 <= width <= MAX_COLUMNS


def test_a_part_that_holds_no_window_is_refused():
    for part in ({"start_ms": 999.9}, {"low_khz": 0.0, "high_khz": 0.05}):
        with pytest.raises(ValueError, match="a window of 256 samples is longer than the part"):
            picture(tone(0.0), **part)


def test_a_part_of_the_band_has_its_own_lowest_and_highest_frequency():
    """A tone at a quarter of a band stands in the lower quarter of its picture."""
    rows = picture(tone(25_000.0), low_khz=20.0, high_khz=40.0).sum(axis=(1, 2))
    assert abs(np.argmax(rows) - 256 * 3 / 4) <= 1
