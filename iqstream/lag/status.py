"""How a group does on a partition: the one place where a status is decided. Pure.

What commits say is judged by the rules of LinkedIn's Burrow, see
https://github.com/linkedin/Burrow/wiki/Consumer-Lag-Evaluation-Rules. They need no threshold of lag: what counts is
whether a group that has something to do gets on. What is not known is never OK.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeAlias

from iqstream.lag.history import usual_distance_ms

Status: TypeAlias = Literal["OK", "UNKNOWN", "WARN", "REWIND", "STALL", "STOP"]
State: TypeAlias = Literal[
    "drained", "held back", "behind", "empty", "no offset", "ahead", "unreadable", "not read", "no group"
]

EXIT_CODES: Mapping[Status, int] = {"OK": 0, "UNKNOWN": 3, "WARN": 1, "REWIND": 2, "STALL": 2, "STOP": 2}
"""0 fine, 1 warning, 2 error, 3 not known: what scripts and monitoring plugins go by."""
_FROM_BEST: tuple[Status, ...] = ("OK", "UNKNOWN", "WARN", "REWIND", "STALL", "STOP")

ALLOWED_BACKLOG = 2
"""Offsets of a partition that are no sign of trouble: a record on its way, and the marker after it."""
MIN_COMMITS = 3
STOP_AFTER_AT_LEAST_MS = 30_000
"""A restart takes up to a session timeout and a take-over, however short the last ten commits took."""
STOP_AFTER_AT_MOST_MS = 300_000
"""Where too few commits are known to say how often a group commits: Kafka removes a consumer that has not polled for
as long (`max.poll.interval.ms`)."""
SLOW_TRANSACTION_S = 5.0
"""Our stages send and commit a batch in much less."""
HANGING_TRANSACTION_S = STOP_AFTER_AT_LEAST_MS / 1000
"""By then whoever takes over has ended the transaction of a producer that died."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """A commit with the backlog that it left."""

    at_ms: int
    offset: int
    backlog: int | None
    """None: where the partition ended then is not known."""


def judge(  # noqa: PLR0911  # a rule, a return: their order is what they say
    observed: Sequence[Observation],
    *,
    backlog: int,
    first_unread_ms: float | None,
    now_ms: float,
    history_from_ms: float | None = None,
    members: int | None = None,
    allowed_backlog: int = ALLOWED_BACKLOG,
) -> Status:
    """What a group's commits on a partition say; the first rule that applies decides.

    Args:
        observed: the last commits, oldest first.
        backlog: offsets unread now (not at the last commit: that one freezes when commits stop).
        first_unread_ms: when the first unread record was written. Before, there was nothing to commit: a topic with
            a record an hour would else look stopped whenever one arrives. None: not known, so it counts as old.
        now_ms: Unix time.
        history_from_ms: from when on all commits are known: where none is, the last was made before. None: not known.
        members: consumers in the group; None: not known.
        allowed_backlog: up to here all is well.
    """
    if backlog <= allowed_backlog:
        return "OK"
    last_commit_ms = observed[-1].at_ms if observed else history_from_ms
    silent_ms = 0.0 if last_commit_ms is None else now_ms - max(last_commit_ms, first_unread_ms or 0)
    enough = len(observed) >= MIN_COMMITS
    if silent_ms > (_stop_after_ms(observed) if enough else _stop_after_ms_unseen(members)):
        return "STOP"
    if not enough:
        return "UNKNOWN"
    offsets = [observation.offset for observation in observed]
    if offsets[-1] < max(offsets):  # the position fell and is still below where it was
        return "REWIND"
    if members == 0 and silent_ms > max(2 * _usual_ms(observed), STOP_AFTER_AT_LEAST_MS):
        return "WARN"  # it commits seldom, but who would?
    if any(observation.backlog is not None and observation.backlog <= allowed_backlog for observation in observed):
        return "OK"
    if len(set(offsets)) == 1:
        return "STALL"
    backlogs = [observation.backlog for observation in observed if observation.backlog is not None]
    if len(backlogs) < len(observed):
        return "UNKNOWN"
    return "WARN" if all(after >= before for before, after in pairwise(backlogs)) else "OK"


def _stop_after_ms(observed: Sequence[Observation]) -> int:
    """How long the commits span at their usual distance. A pause between them does not stretch it."""
    return max(_usual_ms(observed) * (len(observed) - 1), STOP_AFTER_AT_LEAST_MS)


def _stop_after_ms_unseen(members: int | None) -> int:
    """Nobody in the group: nobody will commit."""
    return STOP_AFTER_AT_LEAST_MS if members == 0 else STOP_AFTER_AT_MOST_MS


def _usual_ms(observed: Sequence[Observation]) -> int:
    return usual_distance_ms([observation.at_ms for observation in observed])


def partition_status(
    state: State, *, by_commits: Status, held_back: int | None, transaction_age_s: float | None
) -> Status:
    """The status of a partition.

    Args:
        state: how it stands.
        by_commits: what `judge` says, which counts where something is unread.
        held_back: offsets that open transactions keep from the group; None: not known.
        transaction_age_s: how long the oldest of these transactions has been open; None: not known.
    """
    if state == "not read":
        return "OK"  # nobody is to read it
    if state not in {"drained", "held back", "behind", "empty"} or held_back is None:
        return "UNKNOWN"
    return worst([by_commits if state == "behind" else "OK", _transaction_status(held_back, transaction_age_s)])


def _transaction_status(held_back: int, age_s: float | None) -> Status:
    """A transaction that does not end stops every reader, whatever their commits look like."""
    if held_back == 0:
        return "OK"
    if age_s is None:
        return "UNKNOWN"
    return "STALL" if age_s > HANGING_TRANSACTION_S else "WARN" if age_s > SLOW_TRANSACTION_S else "OK"


def worst(statuses: Iterable[Status]) -> Status:
    """The status of several together; UNKNOWN where there are none."""
    return max(statuses, key=_FROM_BEST.index, default="UNKNOWN")
