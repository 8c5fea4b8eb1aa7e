"""Windows of several receivers brought together by time: a merge that holds one window of each recording."""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from iqstream.recordings.errors import BadRecording
from iqstream.recordings.recording import Recording
from iqstream.recordings.windows import Window, windows_of
from schemas.recorded import TimeSource

ALIGNED_BY: tuple[TimeSource, ...] = ("gnss", "ntp", "arrival")
"""Sources of time that put windows of several receivers together. A name has whole seconds, of an unsaid zone."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AlignedWindows:
    """What the receivers recorded at one time on one centre frequency, by receiver."""

    windows: tuple[Window, ...]
    unaligned: str
    """Why this is a window of one receiver alone although others may have recorded at its time; else empty."""


def align(recordings: Sequence[Recording], grid_ns: int, context_samples: int = 0) -> Iterator[AlignedWindows]:
    """Windows of one grid index and one centre frequency (to 1 Hz) together, ascending in time.

    Windows of recordings whose time is not of `ALIGNED_BY` follow, each alone. Of two recordings of one receiver and
    one time the one whose file comes first is taken; the other is left out where its samples are the same, else it
    stands alone. Arguments and errors are those of `windows_of`.
    """
    timed = [recording for recording in recordings if recording.time_source in ALIGNED_BY]
    ways = [map(_keyed, windows_of(recording, grid_ns, context_samples)) for recording in timed]
    merged = heapq.merge(*ways, key=lambda keyed: keyed[0])
    for _, group in groupby(merged, key=lambda keyed: keyed[0][:2]):
        yield from _together([window for _, window in group])
    for recording in recordings:
        if recording.time_source not in ALIGNED_BY:
            why = f"the time of {recording.rx_name} is not known to a window: its source is {recording.time_source}"
            for window in windows_of(recording, grid_ns, context_samples):
                yield AlignedWindows(windows=(window,), unaligned=why)


def _keyed(window: Window) -> tuple[tuple[int, int, str, str, int], Window]:
    recording = window.recording
    index = -1 if window.grid_index is None else window.grid_index
    frequency = round(recording.center_frequency_hz)
    return (index, frequency, recording.rx_name, str(recording.storage.path), window.first_sample), window


def _together(group: list[Window]) -> Iterator[AlignedWindows]:
    by_receiver: dict[str, Window] = {}
    alone: list[Window] = []
    for window in group:
        name = window.recording.rx_name
        if window.grid_index is None:
            alone.append(window)
        elif name not in by_receiver:
            by_receiver[name] = window
        elif not _same_samples(by_receiver[name], window):
            alone.append(window)
    if by_receiver:
        yield AlignedWindows(windows=tuple(by_receiver.values()), unaligned="")
    for window in alone:
        name = window.recording.rx_name
        why = "has a segment without a time" if window.grid_index is None else "has another recording of this time"
        yield AlignedWindows(windows=(window,), unaligned=f"{name} {why}")


def _same_samples(one: Window, other: Window) -> bool:
    try:
        return one.identity() == other.identity()
    except BadRecording:
        return False
