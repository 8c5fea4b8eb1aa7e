"""The occupied band as a slow complex signal, cut out of the short-time spectra that are there already."""

from typing import NamedTuple

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from extractor.features.band import Band
from extractor.features.spectrum import Spectrum
from extractor.kernel import kernel

LARGEST_DECIMATION = 8
# Of the baseband's rate: a signal of this 99 % bandwidth turns by less than half a turn from sample to sample.
_WIDEST_SHARE = 2.0 / 3.0


class Baseband(NamedTuple):
    """complex64 samples, moved down by ``centre_hz``, with everything outside ``width_hz`` around it removed."""

    samples: NDArray[np.complex64]
    sample_rate_hz: float
    centre_hz: float
    width_hz: float


def to_baseband(spectrum: Spectrum, band: Band) -> Baseband:
    """Return the band's samples at the lowest of 1/8, 1/4, 1/2 and 1 of the rate that leaves room beside them.

    Periodic Hann windows with 50 % overlap add up to a constant, so the inverse FFTs of the bins around the band,
    added at half their length, are the filtered and decimated signal: a thirtieth of the work of filtering the
    samples. Filtering wraps within a segment, under the taper of the window. Half a segment at either end, which
    one window alone covers, is left out (unless there is only one). The filter lies symmetrically around the
    centroid and reaches to the further of the bins that stand out of the noise.
    """
    count, length = spectrum.segments.shape
    width = length // LARGEST_DECIMATION
    while width < length and band.bandwidth_hz > _WIDEST_SHARE * width * spectrum.bin_hz:
        width *= 2
    centre = round(band.centroid_hz / spectrum.bin_hz)
    middle = centre + length // 2
    reach = max(middle - band.first, band.last - 1 - middle) - band.margin
    reach = min(max(reach, 1), width // 2 - 1)
    selected = np.empty((count, width), np.complex64)
    _select(spectrum.segments.view(np.float32), centre, reach, selected.view(np.float32))
    pieces = scipy.fft.ifft(selected, axis=1, workers=1, overwrite_x=True)
    samples = pieces[0] if count == 1 else _overlap_add(pieces)
    bin_hz = spectrum.bin_hz
    return Baseband(samples, bin_hz * width, centre * bin_hz, (2 * reach + 1) * bin_hz)


@kernel
def _select(segments: NDArray[np.float32], centre: int, reach: int, selected: NDArray[np.float32]) -> None:
    """Copy the bins within the reach of the centre, and zeros beside them; both as pairs of real and imaginary part.

    Odd centres turn by pi from one segment to the next, half a length on.
    """
    count, length = segments.shape[0], segments.shape[1] // 2
    width = selected.shape[1] // 2
    # Unit-rms Hann windows add up to 1 / sqrt(3/8); the shorter inverse FFT brings the ratio of lengths.
    scale = np.float32(np.sqrt(0.375) * width / length)
    selected[:] = 0.0
    for s in range(count):
        sign = -scale if (centre * s) % 2 else scale
        for offset, size in ((0, reach + 1), (-reach, reach)):
            source, target = (centre + offset) % length, offset % width
            before_end = min(size, length - source)
            _scale_run(segments[s], source, sign, selected[s], target, before_end)
            _scale_run(segments[s], 0, sign, selected[s], target + before_end, size - before_end)


@kernel
def _scale_run(
    values: NDArray[np.float32], first: int, factor: np.float32, out: NDArray[np.float32], at: int, size: int
) -> None:
    taken, written = values[2 * first : 2 * (first + size)], out[2 * at : 2 * (at + size)]
    for i in range(taken.size):
        written[i] = taken[i] * factor


@kernel
def _overlap_add(pieces: NDArray[np.complex64]) -> NDArray[np.complex64]:
    count, width = pieces.shape
    half = width // 2
    samples = np.empty((count - 1) * half, np.complex64)
    for s in range(count - 1):
        for i in range(half):
            samples[s * half + i] = pieces[s, half + i] + pieces[s + 1, i]
    return samples
