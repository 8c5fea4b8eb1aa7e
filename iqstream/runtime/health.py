"""Whether a worker is alive: its event loop turns. What `/healthz` answers, for whoever would restart it."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

BEAT_S = 1.0
SILENCE_ALLOWED_S = 30.0
"""Numeric work runs off the loop, so that it turns all the time; three times a session timeout is no hiccup."""


class Pulse:
    """A beat of the event loop every second, that another thread can look at."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._beat_at = clock()

    def silent_s(self) -> float:
        """Seconds since the last beat."""
        return self._clock() - self._beat_at

    @contextlib.asynccontextmanager
    async def beating(self) -> AsyncIterator[None]:
        """Beats while the context lasts and the loop turns."""
        beating = asyncio.create_task(self._beat())
        try:
            yield
        finally:
            beating.cancel()

    async def _beat(self) -> None:
        while True:
            self._beat_at = self._clock()
            await asyncio.sleep(BEAT_S)


def with_health(metrics: WSGIApplication, silent_s: Callable[[], float]) -> WSGIApplication:
    """The metrics' application with `/healthz` beside it: 200 while the loop turns, 503 when it has stopped."""

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/healthz":
            return metrics(environ, start_response)
        silence_s = silent_s()
        alive = silence_s < SILENCE_ALLOWED_S
        status = "200 OK" if alive else "503 Service Unavailable"
        start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
        return [b"alive\n" if alive else f"the event loop has stood still for {silence_s:.0f} s\n".encode()]

    return application
