"""Watching a dataset: readings of its progress, each with how fast it gets on, until nothing more will come."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace

from iqstream.catalogue.datasets import Dataset
from iqstream.runtime.errors import Failed, Unreachable
from iqstream.runtime.outages import ServersAway
from iqstream.runtime.readable import Readable
from iqstream.runtime.settings import Settings
from iqstream.shards import SUBMITTED_VERSION
from iqstream.watch.progress import Progress, progress_reader

REFRESH_S = 0.5
RATE_WINDOW_S = 15.0
OBSTACLE_AFTER_S = 8.0
OUTAGE_ALLOWED_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Speed(Readable):
    """Samples decided per second."""

    per_second: float | None
    """Over the last seconds; None until there are two readings apart."""
    overall_per_second: float | None
    """While samples were being decided; None where no decision was seen."""

    def eta_s(self, remaining: int) -> float | None:
        """The time that so many samples will take; None while nothing moves."""
        return remaining / self.per_second if self.per_second else None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class WatchEvent(Readable):
    """A reading of a dataset that is watched."""

    progress: Progress
    """Its obstacles are those that last."""
    speed: Speed

    @property
    def dataset(self) -> Dataset:
        """As it is now."""
        return self.progress.dataset


class Rate:
    """Samples decided per second, over the last seconds and over all, and the time that the rest will take."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()
        self._moves: list[tuple[float, int]] = []
        """The last reading before anything was decided, and the first that shows all that is decided now."""

    def add(self, now_s: float, decided: int) -> None:
        """A reading."""
        if self._seen and decided > self._seen[-1][1]:
            self._moves = [self._moves[0] if self._moves else self._seen[-1], (now_s, decided)]
        self._seen.append((now_s, decided))
        while now_s - self._seen[0][0] > RATE_WINDOW_S:
            self._seen.popleft()

    def per_second(self) -> float | None:
        """None until there are two readings apart."""
        (first_s, first), (last_s, last) = self._seen[0], self._seen[-1]
        return (last - first) / (last_s - first_s) if last_s > first_s else None

    def overall_per_second(self) -> float | None:
        """While samples were being decided, the wait before and after left out; None where no decision was seen."""
        if not self._moves:
            return None
        (first_s, first), (last_s, last) = self._moves
        return (last - first) / (last_s - first_s) if last_s > first_s else None

    def speed(self) -> Speed:
        """As it is now."""
        return Speed(per_second=self.per_second(), overall_per_second=self.overall_per_second())


class Lasting:
    """Obstacles that last: a stage that is just starting is none yet."""

    def __init__(self) -> None:
        self._since_s: dict[str, float] = {}

    def of(self, now_s: float, obstacles: tuple[str, ...]) -> tuple[str, ...]:
        """Those of a reading that every reading of the last seconds had."""
        self._since_s = {obstacle: self._since_s.get(obstacle, now_s) for obstacle in obstacles}
        return tuple(o for o, since_s in self._since_s.items() if now_s - since_s >= OBSTACLE_AFTER_S)


class Outages:
    """A server that is away for a while does not end the watching: the stages wait for it, too."""

    def __init__(self) -> None:
        self._since_s: float | None = None

    def note(self, now_s: float, error: Exception) -> None:
        """A reading that failed.

        Raises:
            Unreachable: none has succeeded for too long.
        """
        self._since_s = now_s if self._since_s is None else self._since_s
        if now_s - self._since_s > OUTAGE_ALLOWED_S:
            raise Unreachable(
                f"no progress can be read for {OUTAGE_ALLOWED_S:.0f} s ({type(error).__name__}: {error}). The dataset "
                "goes on when the servers are back: `iqstream datasets watch` shows it again."
            ) from None

    def end(self) -> None:
        """A reading that succeeded."""
        self._since_s = None


async def watch_dataset(
    settings: Settings, dataset_id: str, *, version: int = SUBMITTED_VERSION
) -> AsyncGenerator[WatchEvent, None]:
    """Reads progress until the version of the dataset is complete, cancelled or deleted; the last reading says which.

    A server that goes away meanwhile is waited for: the dataset goes on when it is back, and so do the readings.

    Raises:
        Unreachable: a server does not answer at the start, or stays away for too long.
    """
    async with progress_reader(settings) as reader:
        rate, outages, lasting = Rate(), Outages(), Lasting()
        progress: Progress | None = None
        while True:
            try:
                progress = await reader.read(dataset_id, version)
                outages.end()
            except ServersAway as error:
                task = asyncio.current_task()
                if task is not None and task.cancelling():  # Ctrl-C: a client took it for an outage
                    raise asyncio.CancelledError from None
                outages.note(time.monotonic(), error)
                if progress is None:
                    await asyncio.sleep(REFRESH_S)
                    continue
                away = f"a server does not answer, {type(error).__name__}: {error}"
                progress = replace(progress, obstacles=(away,))
            now_s = time.monotonic()
            rate.add(now_s, progress.dataset.decided)
            lasts = lasting.of(now_s, progress.obstacles)
            yield WatchEvent(progress=replace(progress, obstacles=lasts), speed=rate.speed())
            if progress.finished:
                return
            await asyncio.sleep(REFRESH_S)


def require_success(dataset: Dataset) -> None:
    """Raises Failed where a dataset has come to its end with no sample that did not fail."""
    if dataset.failed == dataset.requested:
        raise Failed(
            f"every sample of {dataset.name!r} failed: `iqstream datasets show {dataset.id}` says why, "
            "`iqstream dead-letters list` what is kept of them"
        )


def duration(seconds: float) -> str:
    """`45 s`, `3 min 05 s` or `2 h 10 min`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes_of_hour = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes_of_hour:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
