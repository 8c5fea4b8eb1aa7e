"""The CPU time that a process uses while it has nothing to do: its start, heartbeats, empty polls."""

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from prometheus_client import Counter
from prometheus_client.core import Metric
from prometheus_client.registry import Collector


class IdleCpu(Collector):
    """Counts it between batches and whenever it is read. The process's whole CPU less this is its work's."""

    def __init__(self, counter: Counter, stage: str) -> None:
        """`counter` is in no registry and has one label, the stage."""
        self._metric = counter
        self._counter = counter.labels(stage)
        self._lock = threading.Lock()
        self._in_hand = 0
        self._counted_s = 0.0
        """Process CPU time up to which idle time is counted."""

    @contextmanager
    def batch(self) -> Iterator[None]:
        """A batch is in hand for as long as the context lasts."""
        with self._lock:
            self._count()
            self._in_hand += 1
        try:
            yield
        finally:
            with self._lock:
                self._count()
                self._in_hand -= 1

    def describe(self) -> Iterable[Metric]:
        """The counter without its value."""
        return self._metric.describe()

    def collect(self) -> Iterable[Metric]:
        """The counter, up to date."""
        with self._lock:
            self._count()
        return self._metric.collect()

    def _count(self) -> None:
        now_s = time.process_time()
        if not self._in_hand:
            self._counter.inc(now_s - self._counted_s)
        self._counted_s = now_s
