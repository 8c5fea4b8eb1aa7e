"""Time of a KiwiSDR's recording: a satellite time stamp before every block of samples."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from iqstream.recordings.errors import BadRecording
from iqstream.recordings.names import utc_ns
from iqstream.recordings.recording import NS_PER_S, Segment

WEEK_NS = 604_800 * NS_PER_S
_GPS_EPOCH_NS = utc_ns(1980, 1, 6, 0, 0, 0)
_LEAP_SECONDS = (  # GPS time minus UTC, from the beginning of a year or half-year
    (utc_ns(2017, 1, 1, 0, 0, 0), 18),
    (utc_ns(2015, 7, 1, 0, 0, 0), 17),
    (utc_ns(2012, 7, 1, 0, 0, 0), 16),
    (utc_ns(2009, 1, 1, 0, 0, 0), 15),
)
"""Of the years since the first KiwiSDR; the last entry holds until another leap second is announced."""
_RATE_TOLERANCE = 0.01
"""Between the rate by the stamps and that of the header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamps:
    """One for each block, in the file's order."""

    block_first_samples: npt.NDArray[np.int64]
    samples: int
    age_s: npt.NDArray[np.uint8]
    """Of the satellite solution; 255 stands for that and everything longer."""
    gps_ns: npt.NDArray[np.int64]
    """GPS time within the week."""

    @property
    def known(self) -> bool:
        """Whether the receiver had satellites: without them the stamps are 0, or of a solution of long ago."""
        return bool((self.gps_ns > 0).all() and (self.age_s < 255).all())


def true_rate_and_segments(
    path: Path, stamps: Stamps, header_rate_hz: float, about_ns: int
) -> tuple[float, tuple[Segment, ...]]:
    """The rate by the time stamps, in Hz, and the stretches without a gap.

    The rate is the slope of samples over time, by least squares within the stretches; a stretch begins where the mean
    of its stamps says (they jitter by some 100 ns). A gap is a step of time of more than half a sample. Stamps do not
    say the week: `about_ns` is UTC to within half a week, ns since 1970.

    Raises:
        BadRecording: time stands still or goes back, or its rate is far from the header's.
    """
    # Within half a week of the block before: the week ends somewhere.
    first = stamps.block_first_samples
    steps_ns = np.diff(stamps.gps_ns)
    steps_ns = (steps_ns + WEEK_NS // 2) % WEEK_NS - WEEK_NS // 2
    sizes = np.diff(first)
    back = np.flatnonzero(steps_ns < 0)
    if back.size:
        at = int(back[0]) + 1
        raise BadRecording(path, f"sample {first[at]}", f"time goes back by {-steps_ns[at - 1] / 1e9:g} s")
    gps_ns = stamps.gps_ns[0] + np.concatenate([np.zeros(1, np.int64), np.cumsum(steps_ns)])
    rate_hz = header_rate_hz
    moved = (steps_ns > 0) & (sizes > 0)
    if moved.sum() > 1:  # gaps make a block seem slower, so one of the faster ones is without
        rate_hz = 1e9 * float(np.quantile(sizes[moved] / steps_ns[moved], 0.75, method="higher"))
    for _ in range(2):  # with the rate of one block, then with the measured one
        starts = np.flatnonzero(np.abs(steps_ns - sizes * (1e9 / rate_hz)) > 0.5e9 / rate_hz) + 1
        bounds = [0, *starts.tolist(), len(first)]
        rate_hz = _rate(first, gps_ns, bounds) or rate_hz
    if not abs(rate_hz / header_rate_hz - 1) <= _RATE_TOLERANCE:
        raise BadRecording(
            path, "kiwi chunks", f"{rate_hz:g} Hz by the time stamps, but {header_rate_hz:g} Hz by the fmt chunk"
        )
    week_ns = _utc_of_week(int(gps_ns[0]), about_ns)
    segments = []
    for begin, end in pairwise(bounds):
        if begin == end:
            continue
        last = int(first[end]) if end < len(first) else stamps.samples
        count = last - int(first[begin])
        if count == 0:
            continue
        offsets_ns = gps_ns[begin:end] - gps_ns[begin] - (first[begin:end] - first[begin]) * (1e9 / rate_hz)
        started_gps_ns = int(gps_ns[begin]) + round(float(offsets_ns.mean()))
        utc = week_ns + started_gps_ns
        segments.append(Segment(first_sample=int(first[begin]), samples=count, started_at_ns=utc))
    return rate_hz, tuple(segments)


def _rate(first: npt.NDArray[np.int64], gps_ns: npt.NDArray[np.int64], bounds: list[int]) -> float | None:
    """Samples per second within the stretches; None where none has two stamps."""
    covariance = variance = 0.0
    for begin, end in pairwise(bounds):
        if end - begin < 2:
            continue
        seconds = (gps_ns[begin:end] - gps_ns[begin]) / 1e9
        seconds = seconds - seconds.mean()
        samples = (first[begin:end] - first[begin]).astype(np.float64)
        covariance += float(seconds @ samples)
        variance += float(seconds @ seconds)
    rate = covariance / variance if variance > 0 else 0.0
    return rate if rate > 0 else None


def _utc_of_week(gps_ns: int, about_ns: int) -> int:
    """UTC at the beginning of the GPS week in which `gps_ns` is nearest to a time."""
    leap_ns = next((seconds for since, seconds in _LEAP_SECONDS if about_ns >= since), 14) * NS_PER_S
    first_week_ns = _GPS_EPOCH_NS - leap_ns
    weeks = round((about_ns - gps_ns - first_week_ns) / WEEK_NS)
    return first_week_ns + weeks * WEEK_NS
