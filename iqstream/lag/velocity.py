"""How fast a group reads and its input grows, and what follows for the time to drain. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

RATE_WINDOW_S = 15.0
"""Rates are means over this long, or over the known commits where they reach less far back."""
RATE_WINDOW_COMMITS = 3
"""And over at least so many usual distances of commits: a group that commits once a minute would read in jumps."""
LONGEST_WINDOW_S = 300.0
SHORTEST_S = 1.0
"""Over less there is no rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Velocity:
    """Offsets per second. A position that was set back reads at a negative rate; that is not shown as one."""

    consumed_per_s: float
    produced_per_s: float

    @property
    def net_per_s(self) -> float:
        """By how much the backlog shrinks in a second; negative while it grows."""
        return self.consumed_per_s - self.produced_per_s


def velocity(
    *, position_then: int, position_now: int, end_then: int, end_now: int, elapsed_s: float
) -> Velocity | None:
    """The rates between two moments; None where they are too close."""
    if elapsed_s < SHORTEST_S:
        return None
    return Velocity(
        consumed_per_s=max(0, position_now - position_then) / elapsed_s,
        produced_per_s=max(0, end_now - end_then) / elapsed_s,
    )


def together(velocities: Iterable[Velocity | None]) -> Velocity | None:
    """The sum of those that are known; None where none is."""
    known = [one for one in velocities if one is not None]
    if not known:
        return None
    return Velocity(
        consumed_per_s=sum(one.consumed_per_s for one in known),
        produced_per_s=sum(one.produced_per_s for one in known),
    )


def seconds_to_close(backlog: int, rates: Velocity | None) -> float | None:
    """Backlog over net rate; 0 where nothing is unread; None while the backlog does not shrink."""
    if backlog == 0:
        return 0.0
    if rates is None or rates.net_per_s <= 0:
        return None
    return backlog / rates.net_per_s
