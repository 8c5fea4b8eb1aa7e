"""A watched dataset's progress for people: a bar per stage on a terminal, a line every few seconds elsewhere."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn
from rich.progress import Progress as Bars

from iqstream.cli.console import Console
from iqstream.cli.duration import duration
from iqstream.watch.event import Progress, WatchEvent
from iqstream.watch.speed import Speed

LINE_EVERY_S = 5.0


async def show_progress(events: AsyncGenerator[WatchEvent, None], console: Console) -> Progress:
    """Shows readings as they come, and how it ended; returns the last one."""
    display = LiveDisplay(console) if console.is_terminal else LineDisplay(console)
    with display:
        async with aclosing(events):
            async for event in events:
                last = event.progress
                display.show(last, event.speed)
    console.print(outcome_line(last), soft_wrap=True)
    return last


def outcome_line(progress: Progress) -> str:
    """How it ended, in one line."""
    dataset = progress.dataset
    if dataset.status != "complete":
        return f"{dataset.name}: {dataset.status} at {progress.dataset.decided} of {dataset.requested} samples"
    if dataset.failed == dataset.requested:
        return f"{dataset.name}: complete, but all {dataset.requested} samples failed"
    lost = f"; the IQ of {dataset.iq_samples_lost} cannot be had: `iqstream datasets show {dataset.id}` says why"
    return (
        f"Generation complete: {dataset.accepted} samples, {dataset.iq_samples_saved} IQ samples saved to MinIO"
        f"{lost if dataset.iq_samples_lost else ''}"
    )


def counts_line(progress: Progress, speed: Speed) -> str:
    """Counts by outcome, rate and time to go."""
    dataset = progress.dataset
    undecided = dataset.requested - dataset.decided
    ends = progress.finished or not undecided
    per_second = speed.overall_per_second if ends else speed.per_second
    eta_s = speed.eta_s(undecided) if progress.submitted == dataset.requested and not ends else None
    parts = [f"accepted {dataset.accepted}", f"rejected {dataset.rejected}", f"failed {dataset.failed}"]
    if per_second is not None:
        parts.append(f"{per_second:.1f} samples/s")
    if eta_s is not None:
        parts.append(f"{duration(eta_s)} to go")
    unsaved = progress.iq_wanted - dataset.iq_samples_saved
    if unsaved and not undecided and not progress.finished:
        parts.append(f"all decided, the IQ of {unsaved} samples is still to be saved")
    return "  ".join(parts)


def _done_by_stage(progress: Progress) -> list[tuple[str, int]]:
    """Samples that the stages before the sink have done, for those that are on the dataset's way."""
    done = [("generated", progress.generated)]
    return done if progress.extracted is None else [*done, ("extracted", progress.extracted)]


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

    def show(self, progress: Progress, speed: Speed) -> None:
        """Draws a reading."""
        submitted = progress.submitted
        for name, done, total in (
            *((stage, done, submitted) for stage, done in _done_by_stage(progress)),
            ("decided", progress.dataset.decided, submitted),
            ("IQ saved", progress.dataset.iq_samples_saved, progress.iq_wanted),
        ):
            if name not in self._tasks:
                self._tasks[name] = self._bars.add_task(name)
            self._bars.update(self._tasks[name], completed=done, total=max(total, 1) if done < total else done)
        lines = [counts_line(progress, speed), *(f"waiting: {obstacle}" for obstacle in progress.obstacles)]
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

    def show(self, progress: Progress, speed: Speed) -> None:
        """Prints a reading, unless one was printed a moment ago."""
        now_s = time.monotonic()
        if now_s < self._next_s and not progress.finished:
            return
        self._next_s = now_s + LINE_EVERY_S
        dataset = progress.dataset
        whole = progress.submitted == dataset.requested
        total = f"{dataset.requested}" if whole else f"{progress.submitted} submitted so far"
        stages = "".join(f"{stage} {done}, " for stage, done in _done_by_stage(progress))
        self._console.print(
            f"{dataset.name}: {stages}decided {dataset.decided} of {total}; IQ saved {dataset.iq_samples_saved}; "
            f"{counts_line(progress, speed)}",
            soft_wrap=True,
        )
        for obstacle in progress.obstacles:
            self._console.print(f"  waiting: {obstacle}", soft_wrap=True)
