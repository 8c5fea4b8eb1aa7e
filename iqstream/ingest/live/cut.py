"""What one receiver sends, cut into windows on the grid of time. Pure."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from iqstream.ingest.live.arrival import LATE_S, Arrival, Piece
from iqstream.recordings.held import HeldSamples
from iqstream.recordings.recording import NS_PER_S, Recording
from iqstream.recordings.windows import Window, samples_in

TOLERANCE = 0.1
"""Of a window, by which it may lie beside its place on the grid: time of arrival is no better known."""


class LiveWindows:
    """Windows of one receiver, over all of its connections: no place on the grid is taken twice."""

    def __init__(self, recording: Recording, grid_ns: int, context_samples: int) -> None:
        """`recording` says what is known of the receiver; `context_samples` stand on either side, for a filter."""
        self._recording = recording
        self._grid_ns = grid_ns
        self._samples = samples_in(grid_ns, recording.sample_rate_hz)
        self._context = context_samples
        self._received = 0
        """Samples of earlier connections."""
        self._next_grid = 0
        self._last_grid: int | None = None
        """Of the window ahead."""
        self._held = bytearray()
        self._held_first = 0
        """Of the connection, like the next."""
        self._window_first: int | None = None

    def reconnected(self) -> None:
        """What was held of the connection before is left out: it is no whole window."""
        self._received += self._held_first + len(self._held) // 2
        self._held.clear()
        self._held_first = 0
        self._window_first = None

    def cut(self, piece: Piece, arrival: Arrival) -> Iterator[tuple[Window, str]]:
        """The windows that a piece completes, and for each why it cannot be aligned (empty where it can)."""
        if piece.lost_s or piece.first_sample != self._held_first + len(self._held) // 2:
            self._held.clear()
            self._held_first = piece.first_sample
            self._window_first = None
        self._held += piece.raw
        while True:
            if self._window_first is None:
                self._align(arrival)
            assert self._window_first is not None  # noqa: S101  # `_align` has set it
            end = self._window_first + self._samples + self._context
            if end > self._held_first + len(self._held) // 2:
                break
            yield self._window(self._window_first), _why_unaligned(arrival)
            self._window_first += self._samples
            self._last_grid = self._next_grid
            self._next_grid += 1
            beside_ns = arrival.time_of(self._window_first) - self._next_grid * self._grid_ns
            if abs(beside_ns) > TOLERANCE * self._grid_ns:
                self._window_first = None
        unused = min(max(self._window_first - self._context - self._held_first, 0), len(self._held) // 2)
        del self._held[: 2 * unused]
        self._held_first += unused

    def _align(self, arrival: Arrival) -> None:
        earliest = self._held_first + self._context
        self._next_grid = max(self._next_grid, -(-arrival.time_of(earliest) // self._grid_ns))
        self._window_first = max(earliest, arrival.first_at(self._next_grid * self._grid_ns))

    def _window(self, first: int) -> Window:
        start = first - self._context - self._held_first
        count = self._samples + 2 * self._context
        raw = np.frombuffer(bytes(self._held[2 * start : 2 * (start + count)]), np.uint8).reshape(-1, 2)
        held = HeldSamples(
            path=self._recording.storage.path,
            datatype=self._recording.storage.datatype,
            first_sample=self._received + first - self._context,
            raw=raw,
        )
        return Window(
            recording=replace(self._recording, storage=held),
            first_sample=self._received + first,
            samples=self._samples,
            grid_index=self._next_grid,
            grid_ns=self._grid_ns,
            late_samples=0.0,
            lost_before_s=None
            if self._last_grid is None
            else (self._next_grid - self._last_grid - 1) * self._grid_ns / NS_PER_S,
        )


def _why_unaligned(arrival: Arrival) -> str:
    late_s = arrival.late_ns / NS_PER_S
    if late_s <= LATE_S:
        return ""
    return f"it came {late_s:.1f} s late: it may have been taken so much later than it says"
