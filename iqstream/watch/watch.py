"""Watching a dataset: a bar per stage on a terminal, a line every few seconds elsewhere."""

import asyncio
import time
from collections import deque
from dataclasses import replace

from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn
from rich.progress import Progress as Bars

from iqstream.catalogue.datasets import Dataset
from iqstream.cli.console import Console
from iqstream.runtime.errors import Failed, Unreachable
from iqstream.runtime.outages import ServersAway
from iqstream.runtime.settings import Settings
from iqstream.shards import SUBMITTED_VERSION
from iqstream.watch.progress import Progress, progress_reader

REFRESH_S = 0.5
LINE_EVERY_S = 5.0
RATE_WINDOW_S = 15.0
OBSTACLE_AFTER_S = 8.0
OUTAGE_ALLOWED_S = 120.0


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

    def eta_s(self, remaining: int) -> float | None:
        """None while nothing moves."""
        rate = self.per_second()
        return remaining / rate if rate else None


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
    settings: Settings, dataset_id: str, console: Console | None = None, *, version: int = SUBMITTED_VERSION
) -> Progress:
    """Shows progress until the version of the dataset is complete, cancelled or deleted; returns the last reading.

    A server that goes away meanwhile is waited for: the dataset goes on when it is back, and so does the display.

    Raises:
        Unreachable: a server does not answer at the start, or stays away for too long.
    """
    console = console or Console()
    async with progress_reader(settings) as reader:
        display = LiveDisplay(console) if console.is_terminal else LineDisplay(console)
        with display:
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
                display.show(replace(progress, obstacles=lasting.of(now_s, progress.obstacles)), rate)
                if progress.finished:
                    break
                await asyncio.sleep(REFRESH_S)
    console.print(outcome_line(progress), soft_wrap=True)
    return progress


def outcome_line(progress: Progress) -> str:
    """How it ended, in one line."""
    dataset = progress.dataset
    if dataset.status != "complete":
        return f"{dataset.name}: {dataset.status} at {progress.dataset.decided} of {dataset.requested} samples"
    if dataset.failed == dataset.requested:
        return f"{dataset.name}: complete, but all {dataset.requested} samples failed"
    return f"Generation complete: {dataset.accepted} samples, {dataset.iq_samples_saved} IQ samples saved to MinIO"


def require_success(dataset: Dataset) -> None:
    """Raises Failed where a dataset has come to its end with no sample that did not fail."""
    if dataset.failed == dataset.requested:
        raise Failed(
            f"every sample of {dataset.name!r} failed: `iqstream datasets show {dataset.id}` says why, "
            "`iqstream dead-letters list` what is kept of them"
        )


def counts_line(progress: Progress, rate: Rate) -> str:
    """Counts by outcome, rate and time to go."""
    dataset = progress.dataset
    undecided = dataset.requested - dataset.decided
    ends = progress.finished or not undecided
    speed = rate.overall_per_second() if ends else rate.per_second()
    eta_s = rate.eta_s(undecided) if progress.submitted == dataset.requested and not ends else None
    parts = [f"accepted {dataset.accepted}", f"rejected {dataset.rejected}", f"failed {dataset.failed}"]
    if speed is not None:
        parts.append(f"{speed:.1f} samples/s")
    if eta_s is not None:
        parts.append(f"{duration(eta_s)} to go")
    unsaved = progress.iq_wanted - dataset.iq_samples_saved
    if unsaved and not undecided and not progress.finished:
        parts.append(f"all decided, the IQ of {unsaved} samples is still to be saved")
    return "  ".join(parts)


def duration(seconds: float) -> str:
    """`45 s`, `3 min 05 s` or `2 h 10 min`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes_of_hour = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes_of_hour:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


class LiveDisplay:
    """Bars that refresh in place."""

    def __init__(self, console: Console) -> None:
        self._bars = Bars(TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), console=console)
        self._tasks: dict[str, TaskID] = {}
        self._live = Live(console=console, refresh_per_second=4)

    def __enter__(self) -> None:
        self._live.start()

    def __exit__(self, *_error: object) -> None:
        self._live.stop()

    def show(self, progress: Progress, rate: Rate) -> None:
        """Draws a reading."""
        submitted = progress.submitted
        for name, done, total in (
            ("generated", progress.generated, submitted),
            ("extracted", progress.extracted, submitted),
            ("decided", progress.dataset.decided, submitted),
            ("IQ saved", progress.dataset.iq_samples_saved, progress.iq_wanted),
        ):
            if name not in self._tasks:
                self._tasks[name] = self._bars.add_task(name)
            self._bars.update(self._tasks[name], completed=done, total=max(total, 1) if done < total else done)
        lines = [counts_line(progress, rate), *(f"waiting: {obstacle}" for obstacle in progress.obstacles)]
        self._live.update(Group(self._bars, *lines))


class LineDisplay:
    """A line now and then."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._next_s = 0.0

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_error: object) -> None:
        return None

    def show(self, progress: Progress, rate: Rate) -> None:
        """Prints a reading, unless one was printed a moment ago."""
        now_s = time.monotonic()
        if now_s < self._next_s and not progress.finished:
            return
        self._next_s = now_s + LINE_EVERY_S
        dataset = progress.dataset
        whole = progress.submitted == dataset.requested
        total = f"{dataset.requested}" if whole else f"{progress.submitted} submitted so far"
        self._console.print(
            f"{dataset.name}: generated {progress.generated}, extracted {progress.extracted}, decided "
            f"{dataset.decided} of {total}; IQ saved {dataset.iq_samples_saved}; "
            f"{counts_line(progress, rate)}",
            soft_wrap=True,
        )
        for obstacle in progress.obstacles:
            self._console.print(f"  waiting: {obstacle}", soft_wrap=True)
