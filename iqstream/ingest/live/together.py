"""Windows of receivers that send now put together by their place on the grid. Pure."""

from collections.abc import Iterator

from iqstream.recordings.alignment import AlignedWindows
from iqstream.recordings.windows import Window

WAIT_NS = 3_000_000_000
"""For a receiver whose window of the same time has not come."""


class Together:
    """Holds windows until all receivers that are connected have sent theirs, or for `WAIT_NS`."""

    def __init__(self) -> None:
        self.connected: set[str] = set()
        self._waiting: dict[int, dict[str, Window]] = {}
        self._given = -1
        """Place on the grid up to which windows were given on."""

    def add(self, window: Window, unaligned: str, now_ns: int) -> Iterator[AlignedWindows]:
        """What is ready with one more window, ascending in time."""
        place, name = window.grid_index, window.recording.rx_name
        assert place is not None  # noqa: S101  # windows that come now have a time
        if unaligned or place <= self._given:
            why = unaligned or "came after the others of its time"
            yield AlignedWindows(windows=(window,), unaligned=f"{name}: {why}")
        else:
            self._waiting.setdefault(place, {})[name] = window
        yield from self.ready(window.grid_ns, now_ns)

    def ready(self, grid_ns: int, now_ns: int) -> Iterator[AlignedWindows]:
        """What need not wait any longer."""
        whole = [place for place, windows in self._waiting.items() if windows.keys() >= self.connected]
        waited = [place for place in self._waiting if (place + 1) * grid_ns + WAIT_NS < now_ns]
        yield from self._give(max([*whole, *waited], default=-1))

    def rest(self) -> Iterator[AlignedWindows]:
        """What is left at the end."""
        yield from self._give(max(self._waiting, default=-1))

    def _give(self, last: int) -> Iterator[AlignedWindows]:
        self._given = max(self._given, last)
        for place in sorted(place for place in self._waiting if place <= last):
            windows = self._waiting.pop(place)
            yield AlignedWindows(windows=tuple(windows[name] for name in sorted(windows)), unaligned="")
