"""The last commits of a partition by a group: what status and velocity are judged from. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

WINDOW_COMMITS = 10
MIN_DISTANCE_MS = 1_000
"""Commits that follow closer than this count as one: ten batches of a fast stage would span no time at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A position that a group stored."""

    at_ms: int
    """Unix time."""
    offset: int


class CommitWindow:
    """The last ten commits, a second or more apart except the newest, which is always there."""

    def __init__(self, commits: Iterable[Commit] = ()) -> None:
        self._commits = list(commits)

    def add(self, commit: Commit) -> None:
        """A commit after all others; a clock that went back is held where it was."""
        if self._commits and commit.at_ms < self._commits[-1].at_ms:
            commit = Commit(at_ms=self._commits[-1].at_ms, offset=commit.offset)
        if len(self._commits) > 1 and self._commits[-1].at_ms - self._commits[-2].at_ms < MIN_DISTANCE_MS:
            self._commits.pop()
        self._commits.append(commit)
        del self._commits[:-WINDOW_COMMITS]

    def clear(self) -> None:
        """The group's offset was forgotten: what was before tells nothing about what comes."""
        self._commits.clear()

    @property
    def commits(self) -> tuple[Commit, ...]:
        """Oldest first."""
        return tuple(self._commits)


class PolledWindow:
    """The same from positions that were asked for, where the commits themselves cannot be read.

    A look is kept every six seconds, so that ten of them span several commits of an ordinary client (one in 5 s):
    closer ones would take a client that has just committed for one that stands still.
    """

    DISTANCE_MS = 6_000

    def __init__(self) -> None:
        self._looks: list[Commit] = []

    def look(self, at_ms: int, offset: int) -> None:
        """The position as it is now."""
        if not self._looks or at_ms - self._looks[-1].at_ms >= self.DISTANCE_MS:
            self._looks.append(Commit(at_ms=at_ms, offset=offset))
            del self._looks[:-WINDOW_COMMITS]

    @property
    def commits(self) -> tuple[Commit, ...]:
        """Oldest first."""
        return tuple(self._looks)

    @property
    def enough(self) -> bool:
        """Whether a status can be judged from it."""
        return len(self._looks) == WINDOW_COMMITS


def usual_distance_ms(times_ms: Sequence[int]) -> int:
    """The median time between commits, the lower of two: a pause among them does not move it. 0 for a single one."""
    distances = sorted(after - before for before, after in pairwise(times_ms))
    return distances[(len(distances) - 1) // 2] if distances else 0


def position_at(commits: Sequence[Commit], at_ms: float) -> int | None:
    """The position at a time: that of the last commit until then; None before the first."""
    known = [commit.offset for commit in commits if commit.at_ms <= at_ms]
    return known[-1] if known else None
