"""What is known of an opened recording: one receiver, one centre frequency, one sample rate."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from iqstream.recordings.held import HeldSamples
from iqstream.recordings.storage import Storage
from schemas.recorded import TimeSource

NS_PER_S = 1_000_000_000
MIN_SAMPLE_RATE_HZ, MAX_SAMPLE_RATE_HZ = 1.0, 1e9
MAX_CENTER_FREQUENCY_HZ = 1e12


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Of the receiver's antenna, as its recording says."""

    latitude: float
    longitude: float
    altitude_m: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Samples taken one after another at the recording's rate."""

    first_sample: int
    """Index in the file, like every index of a sample."""
    samples: int
    started_at_ns: int | None
    """UTC of the first sample, ns since 1970; None where the time is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Time that was not recorded between two segments."""

    before_sample: int
    """Index of the first sample after it."""
    duration_ns: int | None
    """None where the time of a side is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a recording was read from."""

    file_format: str
    """As `sigmf`, `wav`, `wav kiwi`, `raw`, `npy` or `rtl_tcp`."""
    metadata: str
    """The file, or member of an archive, that described it; the name of the data where nothing else did."""
    recorder: str = ""
    """Software, hardware and description as far as the file names them."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recording:
    """An opened recording. The samples stay in the file until they are read."""

    rx_name: str
    sample_rate_hz: float
    center_frequency_hz: float
    segments: tuple[Segment, ...]
    """Ascending in sample and in time."""
    time_source: TimeSource
    position: Position | None
    dbm_at_full_scale: float | None
    """Power at the antenna input of a complex tone of amplitude 1.0 (0 dBFS); None without a calibration."""
    dc_of_device: bool
    """Whether the mean of the samples is the device's (direct conversion, unsigned bytes) and to be removed."""
    storage: Storage | HeldSamples
    provenance: Provenance
    scale: float | None = None
    """sqrt(mW) per unit of the components, where the file says so; `dbm_at_full_scale` follows from it."""
    automatic_gain: bool = False
    """A gain control was on: levels mean nothing."""

    @property
    def datatype(self) -> str:
        """SigMF's name of it."""
        return self.storage.datatype.name

    @property
    def started_at_ns(self) -> int | None:
        """UTC of the first sample, ns since 1970."""
        return self.segments[0].started_at_ns

    @property
    def samples(self) -> int:
        """At this centre frequency."""
        return sum(segment.samples for segment in self.segments)

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """Between the segments."""
        return tuple(
            Gap(before_sample=after.first_sample, duration_ns=self._time_between(before, after))
            for before, after in pairwise(self.segments)
        )

    def read(self, first_sample: int, samples: int) -> npt.NDArray[np.complex64]:
        """Complex samples, (samples,), 1.0 being full scale; see `Storage.read`."""
        return self.storage.read(first_sample, samples)

    def _time_between(self, before: Segment, after: Segment) -> int | None:
        if before.started_at_ns is None or after.started_at_ns is None:
            return None
        return after.started_at_ns - end_of(before, self.sample_rate_hz)


def end_of(segment: Segment, sample_rate_hz: float) -> int:
    """UTC of the sample that would follow a segment's last, ns since 1970. The segment has a time."""
    if segment.started_at_ns is None:
        raise ValueError("a segment without a time has no end")
    return segment.started_at_ns + duration_ns(segment.samples, sample_rate_hz)


def duration_ns(samples: int, sample_rate_hz: float) -> int:
    """How long samples take, rounded to a nanosecond; exact for any count."""
    numerator, denominator = sample_rate_hz.as_integer_ratio()
    return (2 * samples * NS_PER_S * denominator + numerator) // (2 * numerator)
