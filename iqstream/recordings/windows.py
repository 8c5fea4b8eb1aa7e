"""Windows of recordings on one time grid: window k begins at k times its length, counted in UTC from 1970.

A receiver's first sample in a window is taken up to one sample later than the window begins; how much later stays with
the window, exactly. Windows of recordings without a time follow one another from the first sample.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from iqstream.recordings.recording import NS_PER_S, Recording, Segment


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Window:
    """A span of a recording. Its samples are read when they are asked for."""

    recording: Recording
    first_sample: int
    """Index in the file."""
    samples: int
    grid_index: int | None
    """None where the recording has no time."""
    grid_ns: int
    """Length of the grid's windows."""
    late_samples: float
    """How much later than the grid's time the first sample was taken, in samples: 0 or more, less than 1."""
    lost_before_s: float | None = None
    """Seconds that are missing between the receiver's window ahead and this one; None where that is not known."""

    @property
    def started_at_ns(self) -> int | None:
        """UTC of the first sample, ns since 1970, to the nearest ns."""
        if self.grid_index is None:
            return None
        return self.grid_index * self.grid_ns + round(self.late_samples / self.recording.sample_rate_hz * NS_PER_S)

    def read(self) -> npt.NDArray[np.complex64]:
        """Complex samples, (samples,), 1.0 being full scale; raises BadRecording, see `Storage.read`."""
        return self.recording.read(self.first_sample, self.samples)

    def read_raw(self) -> npt.NDArray[np.generic]:
        """Components as they stand in the file, (samples, 2); raises BadRecording, see `Storage.read_raw`."""
        return self.recording.storage.read_raw(self.first_sample, self.samples)

    def identity(self) -> str:
        """SHA-256, in hex, of the window's content and place: the same for a file that is read again, or a copy."""
        recording = self.recording
        place = (
            recording.rx_name,
            recording.center_frequency_hz,
            recording.sample_rate_hz,
            recording.datatype,
            self.first_sample,
            self.samples,
            self.started_at_ns,
        )
        digest = hashlib.sha256(repr(place).encode("utf-8", "surrogatepass"))
        digest.update(self.read_raw().tobytes())
        return digest.hexdigest()


def windows_of(recording: Recording, grid_ns: int, context_samples: int = 0) -> Iterator[Window]:
    """The windows of a recording, ascending. None reaches over a gap; what is left at a segment's ends is left out.

    Args:
        recording: The recording.
        grid_ns: Length of a window. All have floor(length * sample rate) samples.
        context_samples: Samples of the same segment that have to stand on either side, for a filter.

    Raises:
        ValueError: a window shorter than a sample.
    """
    samples = samples_in(grid_ns, recording.sample_rate_hz)
    if samples < 1:
        raise ValueError(f"a window of {grid_ns} ns is shorter than a sample at {recording.sample_rate_hz:g} Hz")
    for segment in recording.segments:
        if segment.started_at_ns is None:
            yield from _one_after_another(recording, segment, grid_ns, samples, context_samples)
        else:
            yield from _on_grid(recording, segment, segment.started_at_ns, grid_ns, samples, context_samples)


def samples_in(span_ns: int, sample_rate_hz: float) -> int:
    """Whole samples within a span, exactly."""
    numerator, denominator = sample_rate_hz.as_integer_ratio()
    return span_ns * numerator // (denominator * NS_PER_S)


def _on_grid(
    recording: Recording, segment: Segment, started_at_ns: int, grid_ns: int, samples: int, context_samples: int
) -> Iterator[Window]:
    numerator, denominator = recording.sample_rate_hz.as_integer_ratio()
    denominator *= NS_PER_S
    index = -(-started_at_ns // grid_ns)
    while True:
        # Exact integers: nanoseconds since 1970 times a rate have more digits than a float.
        exact = (index * grid_ns - started_at_ns) * numerator
        first = -(-exact // denominator)
        if first + samples + context_samples > segment.samples:
            return
        if first >= context_samples:
            yield Window(
                recording=recording,
                first_sample=segment.first_sample + first,
                samples=samples,
                grid_index=index,
                grid_ns=grid_ns,
                late_samples=(first * denominator - exact) / denominator,
            )
        index += 1


def _one_after_another(
    recording: Recording, segment: Segment, grid_ns: int, samples: int, context_samples: int
) -> Iterator[Window]:
    for first in range(context_samples, segment.samples - samples - context_samples + 1, samples):
        yield Window(
            recording=recording,
            first_sample=segment.first_sample + first,
            samples=samples,
            grid_index=None,
            grid_ns=grid_ns,
            late_samples=0.0,
        )
