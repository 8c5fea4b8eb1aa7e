"""Samples that wait to be published, in bounded memory: what finds no room is left out, and counted as lost."""

import asyncio
from collections import deque
from dataclasses import replace

from iqstream.recordings.alignment import AlignedWindows
from iqstream.recordings.windows import Window

MOST_BYTES = 64 * 1024 * 1024
MOST_SAMPLES = 10_000


class Waiting:
    """A queue of samples, in the order in which they came."""

    def __init__(self) -> None:
        self._samples: deque[AlignedWindows] = deque()
        self._bytes = 0
        self._left_out_s: dict[str, float] = {}
        self._changed = asyncio.Event()
        self._ended = False

    def __len__(self) -> int:
        return len(self._samples)

    def put(self, sample: AlignedWindows) -> AlignedWindows | None:
        """The sample as it waits now, with what its receivers lost before it; None where there was no room."""
        size = sum(map(_bytes_of, sample.windows))
        if len(self._samples) >= MOST_SAMPLES or (self._samples and self._bytes + size > MOST_BYTES):
            for window in sample.windows:
                name = window.recording.rx_name
                lost_s = self._left_out_s.get(name, 0.0) + (window.lost_before_s or 0.0)
                self._left_out_s[name] = lost_s + window.grid_ns / 1e9
            return None
        kept = replace(sample, windows=tuple(self._with_loss(window) for window in sample.windows))
        self._samples.append(kept)
        self._bytes += size
        self._changed.set()
        return kept

    def end(self) -> None:
        """Nothing more is put."""
        self._ended = True
        self._changed.set()

    async def take(self, most_samples: int, most_bytes: int) -> list[AlignedWindows]:
        """The next samples, at least one; none at the end."""
        while not self._samples and not self._ended:
            self._changed.clear()
            await self._changed.wait()
        taken: list[AlignedWindows] = []
        taken_bytes = 0
        while self._samples and len(taken) < most_samples and taken_bytes < most_bytes:
            taken.append(self._samples.popleft())
            taken_bytes += sum(map(_bytes_of, taken[-1].windows))
        self._bytes -= taken_bytes
        return taken

    def _with_loss(self, window: Window) -> Window:
        left_out_s = self._left_out_s.pop(window.recording.rx_name, 0.0)
        return replace(window, lost_before_s=(window.lost_before_s or 0.0) + left_out_s) if left_out_s else window


def _bytes_of(window: Window) -> int:
    return window.samples * window.recording.storage.datatype.sample_bytes
