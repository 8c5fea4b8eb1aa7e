"""An asynchronous source iterated by ordinary code: it runs in a thread of its own and stays a little ahead."""

import asyncio
import queue
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Generic, TypeVar

import uvloop

T = TypeVar("T")
AHEAD = 2
"""Items that wait for whoever iterates; more would be memory without speed."""
CANCEL_AGAIN_S = 5.0


class _End:
    """What comes after the last item: why it ended."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class _Source(Generic[T]):
    """The thread's side."""

    def __init__(self, source: Callable[[], AsyncGenerator[T, None]]) -> None:
        self.items: queue.SimpleQueue[T | _End] = queue.SimpleQueue()
        self._source = source
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._room = asyncio.Semaphore(AHEAD)
        self._started = threading.Event()
        self._stopping = False

    def run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._pump())
        except asyncio.CancelledError:
            self.items.put(_End(None))
        except BaseException as error:  # noqa: BLE001  # it is raised where the items are iterated
            self.items.put(_End(error))
        else:
            self.items.put(_End(None))
        finally:
            self._started.set()

    async def _pump(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        self._started.set()
        source = self._source()
        try:
            async for item in source:
                await self._room.acquire()
                if self._stopping:
                    return
                self.items.put(item)
        finally:
            await source.aclose()

    def taken(self) -> None:
        self._call(self._room.release)

    def cancel(self) -> None:
        """Safe to call again: a client may swallow a cancellation that it did not ask for."""
        self._stopping = True
        self._started.wait()
        self._call(self._room.release)
        if self._task is not None:
            self._call(self._task.cancel)

    def _call(self, what: Callable[[], object]) -> None:
        if self._loop is not None and not self._loop.is_closed():
            try:
                self._loop.call_soon_threadsafe(what)
            except RuntimeError:  # it closed in this very moment: there is nothing left to tell it
                return


def in_background(source: Callable[[], AsyncGenerator[T, None]]) -> Iterator[T]:
    """The items of the asynchronous generator that `source` makes; what it raises is raised here.

    Leaving the iteration early ends the generator and the thread.
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
        while thread.is_alive():
            pumping.cancel()
            thread.join(timeout=CANCEL_AGAIN_S)
