"""One receiver, listened to for as long as it takes: connected again whenever nothing comes, recorded beside it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from iqstream.ingest.live.arrival import Arrival, Piece, WrongRate
from iqstream.ingest.live.cut import LiveWindows
from iqstream.ingest.live.given import Source
from iqstream.ingest.live.recorder import Recorder
from iqstream.ingest.live.rtl_tcp import Connection, Lost, connect
from iqstream.recordings.windows import Window

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 15.0
"""Before a receiver that is away is tried again; doubled each time until samples come."""

_BEGAN_NS = time.time_ns() - time.monotonic_ns()


def now_ns() -> int:
    """UTC in ns since 1970; goes on evenly where somebody sets the clock."""
    return _BEGAN_NS + time.monotonic_ns()


class Reception:
    """What one receiver sends, as windows."""

    def __init__(
        self,
        source: Source,
        windows: LiveWindows,
        recorder: Recorder | None,
        *,
        on_window: Callable[[Window, str], None],
        connected: set[str],
        on_event: Callable[[str], None],
    ) -> None:
        """The callbacks.

        Args:
            source: which receiver.
            windows: cuts what it sends.
            recorder: keeps it as it came.
            on_window: is given each window, and why it cannot be aligned (empty where it can).
            connected: holds the receiver's name while samples of it come.
            on_event: is told what goes wrong, in a sentence.
        """
        self._source = source
        self._windows = windows
        self._recorder = recorder
        self._on_window = on_window
        self._connected = connected
        self._on_event = on_event
        self._wait_s = FIRST_WAIT_S
        self._gap = ""
        """Why time is missing before the next samples."""
        self.outages = 0
        self.problems: list[str] = []
        """What stays wrong."""

    async def run(self, connection: Connection | None) -> None:
        """Listens until it is cancelled, or the receiver is given up, since its samples would be taken for others."""
        try:
            while True:
                try:
                    if connection is None:
                        connection = await connect(self._source.address, self._source.tuning)
                    await self._receive(connection)
                except Lost as error:
                    self.outages += 1
                    self._gap = str(error)
                    self._tell(f"{error}; it is tried again")
                except WrongRate as error:
                    self._stays(f"{self._source.address} is given up: {error}")
                    return
                finally:
                    self._connected.discard(self._source.rx_id)
                    if connection is not None:
                        connection.close()
                        connection = None
                await asyncio.sleep(self._wait_s)
                self._wait_s = min(2 * self._wait_s, LONGEST_WAIT_S)
        finally:
            if self._recorder is not None:
                self._recorder.close()

    async def _receive(self, connection: Connection) -> None:
        arrival = Arrival(self._source.tuning.sample_rate_hz)
        self._windows.reconnected()
        came = False
        while True:
            piece = arrival.take(await connection.read(), now_ns())
            if piece is None:
                continue
            if not came:
                came, self._wait_s = True, FIRST_WAIT_S
                self._connected.add(self._source.rx_id)
            await self._record(piece, arrival)
            for window, unaligned in self._windows.cut(piece, arrival):
                self._on_window(window, unaligned)

    async def _record(self, piece: Piece, arrival: Arrival) -> None:
        if piece.lost_s:
            self._gap = f"{piece.lost_s:.1f} s of samples were dropped on the way"
            self._tell(self._gap)
        gap, self._gap = self._gap, ""
        if self._recorder is None:
            return
        try:
            started_at_ns = arrival.time_of(piece.first_sample)
            await asyncio.to_thread(self._recorder.write, piece.raw, started_at_ns, gap)
        except OSError as error:
            self._recorder.close()
            self._recorder = None
            self._stays(f"its recording has ended: {error.strerror or error}")

    def _stays(self, problem: str) -> None:
        self.problems.append(f"{self._source.rx_id}: {problem}")
        self._tell(problem)

    def _tell(self, what: str) -> None:
        self._on_event(f"{self._source.rx_id}: {what}")
