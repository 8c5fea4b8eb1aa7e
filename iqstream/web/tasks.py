"""What takes longer than a request: replays, retries and exports, one at a time, in the background."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Literal, TypeAlias

import msgspec

from iqstream.runtime.errors import Conflict, NotFound
from iqstream.web.documents import Document
from iqstream.web.problems import problem_of

log = logging.getLogger(__name__)
KEPT = 50
_ASKED_AGAIN = "Asked for again, a replay or a retry goes on where it was, and an export begins anew."

State: TypeAlias = Literal["running", "done", "failed", "stopped"]
Tell: TypeAlias = Callable[..., None]
"""Takes fields of a `TaskDocument` as they are now."""


class FileDocument(Document, frozen=True, kw_only=True):
    """A file that a task wrote."""

    name: str
    size_bytes: int


class TaskDocument(Document, frozen=True, kw_only=True):
    """A replay, a retry or an export, how far it is, and how it ended."""

    number: int
    about: str
    """In words: what is processed again, or exported."""
    state: State
    begun_at: datetime
    ended_at: datetime | None = None
    samples: int = 0
    published: int | None = None
    """Samples whose records are in Kafka again; null: of an export."""
    done: int = 0
    """Samples that are decided anew, or written."""
    files: tuple[FileDocument, ...] = ()
    """At `/tasks/{number}/files/{name}`, as long as they are kept."""
    result: str = ""
    """How it ended, in words."""


class TaskPage(Document, frozen=True, kw_only=True):
    """The latest first."""

    tasks: list[TaskDocument]


class Tasks:
    """Those of this server, the latest 50. What a stopped one had not done is done when it is asked for again."""

    def __init__(self) -> None:
        self._latest: deque[TaskDocument] = deque(maxlen=KEPT)
        self._running: asyncio.Task[None] | None = None
        self._begun = 0

    def latest(self) -> list[TaskDocument]:
        """Returns them, the latest first."""
        return list(self._latest)

    def one(self, number: int) -> TaskDocument:
        """Returns one.

        Raises:
            NotFound: this server has begun no such task, or it was long ago.
        """
        found = next((task for task in self._latest if task.number == number), None)
        if found is None:
            raise NotFound(f"there is no task {number}: this server keeps its latest {KEPT}")
        return found

    def begin(self, about: str, work: Callable[[Tell], Awaitable[str]]) -> TaskDocument:
        """Begins a task and returns it; `work` is given what to tell its progress, and returns its result in words.

        Raises:
            Conflict: another one is under way.
        """
        if self._running is not None and not self._running.done():
            raise Conflict(f"{self._latest[0].about} is under way: one at a time; try again when it has ended")
        self._begun += 1
        self._latest.appendleft(
            TaskDocument(number=self._begun, about=about, state="running", begun_at=datetime.now(UTC))
        )
        self._running = asyncio.create_task(self._run(work))
        return self._latest[0]

    def forget_files(self, number: int) -> None:
        """Takes the files of a task from it, which are deleted."""
        for at, task in enumerate(self._latest):
            if task.number == number:
                self._latest[at] = msgspec.structs.replace(task, files=())

    async def _run(self, work: Callable[[Tell], Awaitable[str]]) -> None:
        try:
            self._end("done", await work(self._change))
        except asyncio.CancelledError:
            self._end("stopped", f"The dashboard was stopped. {_ASKED_AGAIN}")
            raise
        except Exception as error:
            log.warning("%s: %s", self._latest[0].about, error, exc_info=error)
            self._end("failed", problem_of(error).detail)

    def _change(self, **fields: object) -> None:
        self._latest[0] = msgspec.structs.replace(self._latest[0], **fields)

    def _end(self, state: State, result: str) -> None:
        self._change(state=state, result=result, ended_at=datetime.now(UTC))

    async def close(self) -> None:
        """Stops what is under way."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
