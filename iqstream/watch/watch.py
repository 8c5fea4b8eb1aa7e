"""Watching a dataset: readings of its progress, each with its rate, until nothing more will come."""

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import replace

from iqstream.runtime.errors import Unreachable
from iqstream.runtime.outages import ServersAway
from iqstream.runtime.settings import Settings
from iqstream.shards import SUBMITTED_VERSION
from iqstream.watch.event import Progress, WatchEvent
from iqstream.watch.progress import progress_reader
from iqstream.watch.speed import SpeedMeter

REFRESH_S = 0.5
OBSTACLE_AFTER_S = 8.0
OUTAGE_ALLOWED_S = 120.0


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
                "continues when the servers are back: `iqstream datasets watch` shows it again."
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
        meter, outages, lasting = SpeedMeter(), Outages(), Lasting()
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
            meter.add(now_s, progress.dataset.decided)
            lasts = lasting.of(now_s, progress.obstacles)
            yield WatchEvent(progress=replace(progress, obstacles=lasts), speed=meter.speed())
            if progress.finished:
                return
            await asyncio.sleep(REFRESH_S)
