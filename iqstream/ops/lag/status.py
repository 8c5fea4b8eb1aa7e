"""How a group does on a partition, judged from its last commits: the rules of LinkedIn's Burrow. Pure.

See https://github.com/linkedin/Burrow/wiki/Consumer-Lag-Evaluation-Rules. They need no threshold of lag: what counts
is whether a group that has something to do gets on.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeAlias

from iqstream.ops.lag.history import usual_distance_ms

Status: TypeAlias = Literal["OK", "UNKNOWN", "WARN", "REWIND", "STALL", "STOP"]

EXIT_CODES: Mapping[Status, int] = {"OK": 0, "UNKNOWN": 3, "WARN": 1, "REWIND": 2, "STALL": 2, "STOP": 2}
"""0 fine, 1 warning, 2 error, 3 not known: what scripts and monitoring plugins go by."""
_FROM_BEST: tuple[Status, ...] = ("OK", "UNKNOWN", "WARN", "REWIND", "STALL", "STOP")

ALLOWED_BACKLOG = 2
"""Offsets of a partition that are no sign of trouble: a record on its way, and the marker behind it."""
MIN_COMMITS = 3
STOP_AFTER_AT_LEAST_MS = 30_000
"""A restart takes up to a session timeout and a take-over, however short the last ten commits took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """A commit with the backlog that it left."""

    at_ms: int
    offset: int
    backlog: int


def judge(  # noqa: PLR0911  # a rule, a return: their order is what they say
    observed: Sequence[Observation],
    *,
    backlog: int,
    first_unread_ms: float | None,
    now_ms: float,
    allowed_backlog: int = ALLOWED_BACKLOG,
) -> Status:
    """The status of a partition; the first rule that applies decides.

    Args:
        observed: the last commits, oldest first.
        backlog: offsets unread now (not at the last commit: that one freezes when commits stop).
        first_unread_ms: when the first unread record was written. Before, there was nothing to commit: a topic with
            a record an hour would else look stopped whenever one arrives. None: not known.
        now_ms: Unix time.
        allowed_backlog: up to here all is well.
    """
    if len(observed) < MIN_COMMITS or backlog <= allowed_backlog:
        return "OK"
    last = observed[-1]
    silent_ms = now_ms - max(last.at_ms, first_unread_ms or 0)
    if silent_ms > max(_span_ms(observed), STOP_AFTER_AT_LEAST_MS):
        return "STOP"
    if _went_back([observation.offset for observation in observed]):
        return "REWIND"
    if any(observation.backlog <= allowed_backlog for observation in observed):
        return "OK"
    if all(observation.offset == last.offset for observation in observed):
        return "STALL"
    if all(after.backlog >= before.backlog for before, after in pairwise(observed)):
        return "WARN"
    return "OK"


def _span_ms(observed: Sequence[Observation]) -> int:
    """How long the commits span at their usual distance. A pause between them does not stretch it."""
    return usual_distance_ms([observation.at_ms for observation in observed]) * (len(observed) - 1)


def _went_back(offsets: Sequence[int]) -> bool:
    """Whether the position fell and is still below where it was."""
    return offsets[-1] < max(offsets)


def worst(statuses: Iterable[Status]) -> Status:
    """The status of several together; OK where there are none."""
    return max(statuses, key=_FROM_BEST.index, default="OK")
