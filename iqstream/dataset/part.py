"""A part of a recording, cut out in time and in frequency. Pure."""

import math

import msgspec
import numpy as np
import numpy.typing as npt

from schemas import IQFrame


def part_of(
    frame: IQFrame,
    *,
    start_ms: float = 0.0,
    stop_ms: float | None = None,
    low_khz: float | None = None,
    high_khz: float | None = None,
) -> IQFrame:
    """Returns a part of a recording as a recording of its own, without truth: that is told by chunk of the whole.

    A part of the band is moved to the middle and sampled as fast as the band is wide: its bins of the part's Fourier
    transform are kept, those beside it are dropped, so powers within the band stay as they are.

    Args:
        frame: the recording.
        start_ms: where the part begins.
        stop_ms: where it ends, exclusive; None: at the end.
        low_khz: lower edge of the band, from the recording's centre frequency; None: all.
        high_khz: upper edge; None: all.

    Raises:
        ValueError: the part holds no sample, or the band not two bins.
    """
    if (start_ms, stop_ms, low_khz, high_khz) == (0.0, None, None, None):
        return frame
    samples = frame.samples()
    first = round(start_ms * frame.sample_rate_hz / 1000)
    stop = len(samples) if stop_ms is None else round(stop_ms * frame.sample_rate_hz / 1000)
    part = samples[first:stop]
    if not len(part):
        raise ValueError(f"start_ms, stop_ms: no sample of the {len(samples)} lies there")
    rate_hz, centre_hz = frame.sample_rate_hz, frame.center_frequency_hz
    if low_khz is not None or high_khz is not None:
        part, offset_hz = _band(part, rate_hz, low_khz, high_khz)
        rate_hz, centre_hz = rate_hz * len(part) / (min(stop, len(samples)) - first), centre_hz + offset_hz
    return msgspec.structs.replace(
        frame,
        captured_at_ns=frame.captured_at_ns + round(1e9 * first / frame.sample_rate_hz),
        sample_rate_hz=rate_hz,
        center_frequency_hz=centre_hz,
        datatype="cf32_le",
        scale=1.0,
        truth=None,
        iq=memoryview(part.astype("<c8").tobytes()),
    )


def _band(
    samples: npt.NDArray[np.complex64], rate_hz: float, low_khz: float | None, high_khz: float | None
) -> tuple[npt.NDArray[np.complex64], float]:
    """The samples of a band, and by how much its middle is above that of the whole, Hz."""
    count = len(samples)
    bin_hz = rate_hz / count
    lowest, highest = -(count // 2), (count - 1) // 2
    low = lowest if low_khz is None else max(lowest, math.ceil(low_khz * 1000 / bin_hz))
    high = highest if high_khz is None else min(highest, math.floor(high_khz * 1000 / bin_hz))
    kept = high - low + 1
    if kept < 2:
        raise ValueError(
            f"low_khz, high_khz: the band holds {max(kept, 0)} bins of {bin_hz:.3g} Hz, and a part has two at least"
        )
    middle = low + kept // 2
    spectrum = np.fft.fftshift(np.fft.fft(samples))[low - lowest : high - lowest + 1]
    band = np.fft.ifft(np.fft.ifftshift(spectrum)) * (kept / count)
    return band.astype(np.complex64), middle * bin_hz
