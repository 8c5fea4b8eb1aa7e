"""How the lag stood over the last minutes, for the lines on the page."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import aclosing

from iqstream.client.asynchronous import AsyncClient
from iqstream.lag.figures import ClusterLag
from iqstream.runtime.errors import IqstreamError, Unreachable

INTERVAL_S = 5.0
READINGS = 720
"""An hour."""


class LagHistory:
    """Readings, the oldest first, and why there is none now."""

    def __init__(self) -> None:
        self.readings: deque[ClusterLag] = deque(maxlen=READINGS)
        self.problem: IqstreamError | None = Unreachable("the lag has not been read yet")

    async def keep(self, client: AsyncClient) -> None:
        """Reads the lag until it is cancelled."""
        while True:
            try:
                async with aclosing(client.follow_lag(interval_s=INTERVAL_S, on_outage=self._fail)) as readings:
                    async for reading in readings:
                        self.readings.append(reading)
                        self.problem = None
            except IqstreamError as error:
                self.problem = error
            await asyncio.sleep(INTERVAL_S)

    def _fail(self, problem: str) -> None:
        self.problem = Unreachable(problem)

    def latest(self) -> ClusterLag:
        """Returns the last reading.

        Raises:
            IqstreamError: the lag cannot be read now.
        """
        if self.problem is not None:
            raise self.problem
        return self.readings[-1]
