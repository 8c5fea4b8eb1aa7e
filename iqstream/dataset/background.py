"""An asynchronous source iterated by ordinary code: it runs in a thread of its own and stays a little ahead."""

import asyncio
import queue
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from typing import Generic, TypeVar

import uvloop

T = TypeVar("T")
AHEAD = 2
"""Items that wait for whoever iterates; more would be memory without speed."""
FULL_POLL_S = 0.002


class _End:
    """What comes after the last item: why it ended."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class Stopped(Exception):
    """Raised in a source that was asked to stop. It is never cancelled: that could hit its clients while they close."""


class _Source(Generic[T]):
    """The thread's side."""

    def __init__(self, source: Callable[[Callable[[], bool]], AsyncGenerator[T, None]]) -> None:
        self.items: queue.SimpleQueue[T | _End] = queue.SimpleQueue()
        self.stopping = threading.Event()
        self._source = source
        self._room = threading.Semaphore(AHEAD)

    def run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._pump())
        except Stopped:
            self.items.put(_End(None))
        except BaseException as error:  # noqa: BLE001  # it is raised where the items are iterated
            self.items.put(_End(error))
        else:
            self.items.put(_End(None))

    async def _pump(self) -> None:
        async with aclosing(self._source(self.stopping.is_set)) as source:
            async for item in source:
                while not self._room.acquire(blocking=False):
                    if self.stopping.is_set():
                        return
                    await asyncio.sleep(FULL_POLL_S)
                self.items.put(item)

    def taken(self) -> None:
        self._room.release()


def in_background(source: Callable[[Callable[[], bool]], AsyncGenerator[T, None]]) -> Iterator[T]:
    """The items of the asynchronous generator that `source` makes; what it raises is raised here.

    `source` gets a function that tells whether to stop: then it raises `Stopped`. Leaving the iteration early asks for
    that, and waits until the thread has ended.
    """
    pumping = _Source(source)
    thread = threading.Thread(target=pumping.run, name="iqstream-dataset", daemon=True)
    thread.start()
    try:
        while not isinstance(item := pumping.items.get(), _End):
            pumping.taken()
            yield item
        if item.error is not None:
            raise item.error
    finally:
        pumping.stopping.set()
        thread.join()
