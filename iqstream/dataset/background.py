"""A source that runs on an event loop in a thread of its own, a little ahead of whoever iterates its items."""

import asyncio
import contextlib
import queue
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from typing import Generic, TypeAlias, TypeVar

import uvloop

T = TypeVar("T")
Source: TypeAlias = Callable[[Callable[[], bool]], AsyncGenerator[T, None]]
"""Makes a generator, given what tells whether to stop: then it raises `Stopped`."""
AHEAD = 2
"""Items that wait for whoever iterates; more would be memory without speed."""
FULL_POLL_S = 0.002


class _End:
    """What comes after the last item: why it ended."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class Stopped(Exception):
    """Raised in a source that was asked to stop. It is never cancelled: that could hit its clients while they close."""


class _Pump(Generic[T]):
    """Runs a source in a thread and delivers its items."""

    def __init__(self, source: Source[T], deliver: Callable[[T | _End], None]) -> None:
        """Starts it. `deliver` is called in the thread."""
        self._deliver = deliver
        self._source = source
        self._stopping = threading.Event()
        self._room = threading.Semaphore(AHEAD)
        self._thread = threading.Thread(target=self._run, name="iqstream-dataset", daemon=True)
        self._thread.start()

    def taken(self) -> None:
        """An item has left the queue: there is room for one more."""
        self._room.release()

    def ask_to_stop(self) -> None:
        """The source raises `Stopped` when it looks next."""
        self._stopping.set()

    def join(self) -> None:
        """Waits until the source has closed."""
        self._thread.join()

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._pump())
        except Stopped:
            self._deliver(_End(None))
        except BaseException as error:  # noqa: BLE001  # it is raised where the items are iterated
            self._deliver(_End(error))
        else:
            self._deliver(_End(None))

    async def _pump(self) -> None:
        async with aclosing(self._source(self._stopping.is_set)) as source:
            async for item in source:
                while not self._room.acquire(blocking=False):
                    if self._stopping.is_set():
                        return
                    await asyncio.sleep(FULL_POLL_S)
                self._deliver(item)


def in_background(source: Source[T]) -> Iterator[T]:
    """The items of a source, for ordinary code; what it raises is raised here.

    Leaving the iteration early asks the source to stop, and waits until it has closed.
    """
    items: queue.SimpleQueue[T | _End] = queue.SimpleQueue()
    pump = _Pump(source, items.put)
    try:
        while not isinstance(item := items.get(), _End):
            pump.taken()
            yield item
        if item.error is not None:
            raise item.error
    finally:
        pump.ask_to_stop()
        pump.join()


async def in_background_of_loop(source: Source[T]) -> AsyncGenerator[T, None]:
    """`in_background` for code on an event loop, which goes on meanwhile.

    `break` only drops an asynchronous generator, and its loop may be over before it is closed. So closing awaits
    nothing that matters: the source closes in its own thread.
    """
    loop = asyncio.get_running_loop()
    items: asyncio.Queue[T | _End] = asyncio.Queue()

    def deliver(item: T | _End) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits for it
            loop.call_soon_threadsafe(items.put_nowait, item)

    pump = _Pump(source, deliver)
    try:
        while not isinstance(item := await items.get(), _End):
            pump.taken()
            yield item
        if item.error is not None:
            raise item.error
    finally:
        pump.ask_to_stop()
        await asyncio.to_thread(pump.join)
