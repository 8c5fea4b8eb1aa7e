"""The cost of a computation is what its thread used, not what it waited for."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from iqstream.runtime.computation import compute


def burn(seconds: float) -> str:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass
    return "done"


async def test_of_two_in_one_thread_the_second_waits_and_costs_no_more():
    with ThreadPoolExecutor(1) as executor:
        first, second = await asyncio.gather(*(compute(lambda: burn(0.1), executor) for _ in range(2)))
    assert (first.result, second.result) == ("done", "done")
    assert second.queue_s > 0.05 > first.queue_s  # it was asked for a moment after the first had begun
    assert [one.cpu_s for one in (first, second)] == pytest.approx([0.1, 0.1], abs=0.02)


async def test_a_computation_that_waits_costs_nothing_meanwhile():
    event = threading.Event()
    threading.Timer(0.2, event.set).start()
    found = await compute(lambda: event.wait(10))
    assert found.result
    assert found.cpu_s < 0.1


async def test_an_error_of_the_computation_is_raised():
    with pytest.raises(ZeroDivisionError):
        await compute(lambda: 1 / 0)
