"""Runs a computation in a thread, and says how long it waited for the thread and what it cost there."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Computed(Generic[T]):
    """A result with its times."""

    result: T
    queue_s: float
    """From asking for the thread until it began: other partitions are computed in the same one."""
    cpu_s: float
    """CPU time of the thread: neither waiting nor what other processes took of the machine is in it."""


async def compute(work: Callable[[], T], executor: Executor | None = None) -> Computed[T]:
    """Runs `work` in a thread of `executor`, by default of the event loop's own."""
    asked_s = time.perf_counter()

    def run() -> Computed[T]:
        queue_s, began_s = time.perf_counter() - asked_s, time.thread_time()
        result = work()
        return Computed(result=result, queue_s=queue_s, cpu_s=time.thread_time() - began_s)

    return await asyncio.get_running_loop().run_in_executor(executor, run)
