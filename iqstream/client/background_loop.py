"""Coroutines run from code that is not asynchronous, a notebook's included: its own loop already runs in its thread."""

import asyncio
import concurrent.futures
import threading
from collections.abc import AsyncGenerator, Coroutine, Iterator
from typing import Any, TypeVar

from iqstream.runtime.errors import UserError

T = TypeVar("T")


class BackgroundLoop:
    """An event loop in a thread of its own, from the first call until it is closed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Returns the coroutine's result. Interrupted by Ctrl-C, it is cancelled, and has ended before this ends.

        Raises:
            UserError: this is closed.
        """
        try:
            loop = self._running()
        except UserError:
            coroutine.close()
            raise
        done: concurrent.futures.Future[T] = concurrent.futures.Future()
        tasks: list[asyncio.Task[T]] = []

        def begin() -> None:
            tasks.append(loop.create_task(coroutine))
            tasks[0].add_done_callback(lambda task: _hand_over(task, done))

        def cancel() -> None:
            if tasks:
                tasks[0].cancel()
            else:  # interrupted before it began
                coroutine.close()
                done.cancel()

        try:
            loop.call_soon_threadsafe(begin)
            return done.result()
        except KeyboardInterrupt:
            loop.call_soon_threadsafe(cancel)
            concurrent.futures.wait([done])
            raise

    def iterate(self, items: AsyncGenerator[T, None]) -> Iterator[T]:
        """The items, each made when it is asked for; the generator is closed when the iteration ends or is left."""
        try:
            while (item := self.run(_next(items))) is not None:
                yield item[0]
        finally:
            if not self._closed:
                self.run(items.aclose())

    def close(self) -> None:
        """Ends the thread, and cancels what still runs on it. May be called again."""
        with self._lock:
            self._closed = True
            loop, thread, self._thread = self._loop, self._thread, None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._closed:
                raise UserError("this client is closed: iqstream.connect() makes another one")
            if self._loop is None:
                started: concurrent.futures.Future[asyncio.AbstractEventLoop] = concurrent.futures.Future()
                self._thread = threading.Thread(target=_serve, args=(started,), name="iqstream-client", daemon=True)
                self._thread.start()
                self._loop = started.result()
            return self._loop


def _serve(started: "concurrent.futures.Future[asyncio.AbstractEventLoop]") -> None:
    with asyncio.Runner() as runner:  # its end cancels what still runs
        loop = runner.get_loop()
        started.set_result(loop)
        loop.run_forever()


def _hand_over(task: asyncio.Task[T], done: "concurrent.futures.Future[T]") -> None:
    if task.cancelled():
        done.cancel()
        done.set_running_or_notify_cancel()
    elif (error := task.exception()) is not None:
        done.set_exception(error)
    else:
        done.set_result(task.result())


async def _next(items: AsyncGenerator[T, None]) -> tuple[T] | None:
    try:
        return (await anext(items),)
    except StopAsyncIteration:
        return None
