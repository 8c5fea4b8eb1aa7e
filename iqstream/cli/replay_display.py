"""A replay's progress for people: two bars on a terminal, a line every few seconds elsewhere."""

import time
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from iqstream.cli.console import Console
from iqstream.replay.results import ReplayProgress

LINE_EVERY_S = 5.0
STILL_AFTER_S = 10.0
"""With everything published and nothing stored for so long, the reason is named."""


class ReplayDisplay:
    """Shows readings as they come, while the context lasts."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Bars(
            TextColumn("{task.description:<10}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}
        self._next_line_s = 0.0
        self._moved_s = time.monotonic()
        self._last: ReplayProgress | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def show(self, progress: ReplayProgress) -> None:
        """A reading."""
        now_s = time.monotonic()
        if progress != self._last:
            self._last, self._moved_s = progress, now_s
        waits = progress.published == progress.samples and now_s - self._moved_s > STILL_AFTER_S
        note = "waiting for the stages: do they run? `iqstream lag` shows it" if waits else ""
        if self._console.is_terminal:
            self._draw(progress, note)
        elif now_s >= self._next_line_s or progress.stored == progress.samples:
            self._next_line_s = now_s + LINE_EVERY_S
            line = f"published {progress.published}, stored {progress.stored} of {progress.samples}"
            self._console.print(f"{line}; {note}" if note else line, soft_wrap=True)

    def _draw(self, progress: ReplayProgress, note: str) -> None:
        for name, done in (("published", progress.published), ("stored", progress.stored)):
            if name not in self._tasks:
                self._tasks[name] = self._bars.add_task(name, total=progress.samples, note="")
            self._bars.update(self._tasks[name], completed=done, note=note if name == "stored" else "")


class ReplayDisplays:
    """One display after the other, as replays begin; none before the first."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._displays = ExitStack()
        self._display = ReplayDisplay(console)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._displays.close()

    def begin(self) -> None:
        """The readings that come are of another replay."""
        self._displays.close()
        self._display = self._displays.enter_context(ReplayDisplay(self._console))

    def show(self, progress: ReplayProgress) -> None:
        """A reading."""
        self._display.show(progress)
