"""Whose IQ is kept: the first accepted samples of a dataset, chosen as soon as that is certain."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """How far the choice has got."""

    frontier: int
    """Every sample below it is decided and considered."""
    chosen: tuple[int, ...]
    """Samples chosen by this step, ascending."""
    stuck: bool
    """Nothing further can be chosen: the quota is full, or the sample at the frontier is undecided."""


def choose(frontier: int, wanted: int, decided: Iterable[tuple[int, bool]]) -> Choice:
    """Moves the frontier over decided samples and chooses the accepted ones among them.

    A sample belongs to the kept ones if fewer than the quota of lower indices are accepted and all lower
    indices are decided; so walking up from the frontier, whatever the order of decisions, gives that set.

    Args:
        frontier: where the last step stopped.
        wanted: how many may still be chosen.
        decided: (index, accepted) from the frontier up, ascending, gaps where a sample is undecided.
    """
    chosen: list[int] = []
    stuck = False
    for idx, accepted in decided:
        if idx != frontier or len(chosen) == wanted:
            stuck = True
            break
        frontier += 1
        if accepted:
            chosen.append(idx)
    return Choice(frontier=frontier, chosen=tuple(chosen), stuck=stuck or len(chosen) == wanted)
