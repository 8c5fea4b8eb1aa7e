"""Server-sent events: one reader of each subject for all its pages, and the state first to whoever comes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import StreamingResponse

from iqstream.runtime.errors import Failed, IqstreamError, Unreachable
from iqstream.runtime.outages import NamelessOutage
from iqstream.web.problems import problem_of

log = logging.getLogger(__name__)
RETRY_S = 2.0
BREATH_S = 15.0
"""A comment is sent so often: a browser that has gone is noticed."""
MAX_LISTENERS = 200
SILENCE_S = 6.0
"""A source that says nothing for so long waits for a server."""
_TRIED_AGAIN: tuple[type[Exception], ...] = (IqstreamError, *NamelessOutage)
_SILENT = Unreachable("a server does not answer, and is waited for; what is shown is as it was before")

T = TypeVar("T")
Source = Callable[[], AsyncGenerator[msgspec.Struct | dict[str, object] | None, None]]
"""None: it is as it was."""


class Subject:
    """What is read for its listeners, and what was read last."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.listeners = 0
        self.number = 0
        self.latest: tuple[str, bytes] | None = None
        self.ended = False
        self._changed = asyncio.Condition()
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        latest: object = None
        while True:
            try:
                async with aclosing(self._source()) as documents:
                    async for document in _with_silences(documents):
                        if document is _SILENT:
                            await self._tell("problem", problem_of(_SILENT))
                        elif document is not None:
                            latest = document
                            await self._tell("state", document)
                        elif latest is not None:
                            await self._tell("state", latest)
            except _TRIED_AGAIN as error:  # a server is away, or the dataset has gone: tried again
                await self._tell("problem", problem_of(error))
                await asyncio.sleep(RETRY_S)
            else:
                self.ended = True
                async with self._changed:
                    self._changed.notify_all()
                return

    async def _tell(self, event: str, document: object) -> None:
        told = (event, msgspec.json.encode(document))
        if told != self.latest:
            self.latest, self.number = told, self.number + 1
            async with self._changed:
                self._changed.notify_all()

    def _has_news(self, seen: int) -> bool:
        return self.ended or seen != self.number

    async def follow(self) -> AsyncGenerator[bytes, None]:
        """Iterates events as they go over the wire: the state now, then what changes."""
        seen = 0
        while True:
            if self.latest is not None and seen != self.number:
                seen = self.number
                event, data = self.latest
                yield b"event: " + event.encode() + b"\ndata: " + data + b"\n\n"
                continue
            if self.ended:
                yield b"event: end\ndata: {}\n\n"
                return
            try:
                async with asyncio.timeout(BREATH_S), self._changed:
                    while not self._has_news(seen):
                        await self._changed.wait()
            except TimeoutError:
                yield b": still here\n\n"


async def _with_silences(documents: AsyncGenerator[T, None]) -> AsyncGenerator[T | Unreachable, None]:
    """Iterates documents, and `_SILENT` where one is overdue: watching waits for a server without a word."""
    while True:
        following = asyncio.ensure_future(anext(documents))
        try:
            while not (await asyncio.wait({following}, timeout=SILENCE_S))[0]:
                yield _SILENT
            document = await following
        except StopAsyncIteration:
            return
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
        yield document


class Hub:
    """Subjects by name, each read while somebody listens."""

    def __init__(self) -> None:
        self._subjects: dict[str, Subject] = {}

    def listeners(self) -> int:
        """How many listen, to all subjects together."""
        return sum(subject.listeners for subject in self._subjects.values())

    async def listen(self, name: str, source: Source) -> AsyncGenerator[bytes, None]:
        """Iterates a subject's events. Its reader starts with the first listener and stops with the last."""
        subject = self._subjects.get(name)
        if subject is None or subject.ended or subject.task.done():
            subject = self._subjects[name] = Subject(source)
        subject.listeners += 1
        try:
            async with aclosing(subject.follow()) as events:
                async for event in events:
                    yield event
        finally:
            subject.listeners -= 1
            if not subject.listeners:
                subject.task.cancel()
                if self._subjects.get(name) is subject:
                    del self._subjects[name]


def event_response(request: Request, name: str, source: Source) -> StreamingResponse:
    """Returns the stream of a subject's events.

    Raises:
        Failed: there are too many listeners.
    """
    hub: Hub = request.app.state.hub
    if hub.listeners() >= MAX_LISTENERS:
        raise Failed(f"{MAX_LISTENERS} pages are open already: close one")
    return StreamingResponse(
        hub.listen(name, source),
        media_type="text/event-stream",
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )
