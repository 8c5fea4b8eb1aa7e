"""A recording's waterfall as a small PNG: time to the right, frequency upwards, colour by power density."""

import numpy as np
import numpy.typing as npt

from iqstream.plot.palette_png import palette_png
from schemas import IQFrame

MAX_COLUMNS = 1024
"""Of the picture; of a longer part of the recording the windows lie farther apart, so its cost is bounded."""
_STOPS = np.array([[0, 0, 4], [81, 18, 124], [183, 55, 121], [252, 137, 97], [252, 253, 191]], float)
"""The colours of matplotlib's `magma`, at equal distances."""
_PALETTE = np.stack(
    [np.interp(np.linspace(0, 4, 256), np.arange(5), _STOPS[:, channel]) for channel in range(3)], axis=1
).astype(np.uint8)


def waterfall_png(frame: IQFrame, *, fft_length: int) -> bytes:
    """Returns the PNG of a recording, `fft_length` pixels high and at most 1024 wide.

    Colours go from the 10th percentile of its power densities less 3 dB to the 99.9th.

    Raises:
        ValueError: it holds less than a window of `fft_length` samples.
    """
    samples = frame.samples()
    if len(samples) < fft_length:
        raise ValueError(
            f"fft: a window of {fft_length} samples is longer than the part, which has {len(samples)}: "
            "a shorter window, a longer time or a wider band"
        )
    return palette_png(_levels(_density_db(samples, fft_length)), _PALETTE)


def _density_db(part: npt.NDArray[np.complex64], fft_length: int) -> npt.NDArray[np.float64]:
    """Power in dB of Hann windows, shape (frequencies, times), highest frequency first."""
    step = max(fft_length // 8, -(-(len(part) - fft_length + 1) // MAX_COLUMNS))
    windows = np.lib.stride_tricks.sliding_window_view(part, fft_length)[::step]
    spectra = np.fft.fftshift(np.fft.fft(windows * np.hanning(fft_length), axis=1), axes=1)
    decibels: npt.NDArray[np.float64] = 10 * np.log10(np.maximum(np.abs(spectra) ** 2, 1e-30)).T[::-1]
    return decibels


def _levels(decibels: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    low, high = np.percentile(decibels, (10, 99.9))
    low -= 3
    shares = np.clip((decibels - low) / max(high - low, 1e-9), 0, 1)
    levels: npt.NDArray[np.uint8] = (shares * 255).astype(np.uint8)
    return levels
