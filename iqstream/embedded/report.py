"""Progress of `up`: shown by the command line, logged by default."""

import logging
import time
from typing import Protocol

_log = logging.getLogger(__name__)


class Report(Protocol):
    """Receives what happens, from several threads."""

    def step(self, message: str) -> None:
        """A step began or ended."""

    def downloaded(self, done_bytes: int, total_bytes: int) -> None:
        """The download of Kafka's jars went on; the last call has both equal."""


class LogReport:
    """One log line per step, and one every few seconds of a download."""

    def __init__(self, every_s: float = 2.0) -> None:
        self._every_s = every_s
        self._next_at_s = 0.0

    def step(self, message: str) -> None:
        """Log the message."""
        _log.info("%s", message)

    def downloaded(self, done_bytes: int, total_bytes: int) -> None:
        """Log the progress unless that was done a moment ago."""
        now_s = time.monotonic()
        if now_s >= self._next_at_s or done_bytes == total_bytes:
            self._next_at_s = now_s + self._every_s
            _log.info("Kafka's jars: %.1f of %.1f MB", done_bytes / 1e6, total_bytes / 1e6)
