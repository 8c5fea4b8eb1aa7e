"""Status and velocity of partitions, from their groups' commits and where the partitions ended at those times."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from iqstream.lag.figures import CLOCK_SKEW_MS, NO_TREND, Trend, credible_ms
from iqstream.lag.history import Commit, position_at, usual_distance_ms
from iqstream.lag.status import Observation, judge
from iqstream.lag.velocity import (
    LONGEST_WINDOW_S,
    RATE_WINDOW_COMMITS,
    RATE_WINDOW_S,
    Velocity,
    velocity,
)
from iqstream.runtime.offsets import offsets_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """A group's partition as it stands."""

    commits: Sequence[Commit]
    """The last ones, oldest first."""
    enough: bool
    """False while the commits are only polled and too few looks have been taken."""
    committed: int
    end: int
    backlog: int
    first_unread_ms: int | None
    """By the record itself; None where it was not read."""
    history_from_ms: float | None = None
    """From when on all commits are known; None: not known."""
    members: int | None = None
    """Consumers in the group; None: not known."""


EndsByTime = Mapping[tuple[TopicPartition, int], int]
"""Where a partition ended at a time in ms; left out where it is not known."""


def times_to_ask(followed: Followed, now_ms: float, allowed_backlog: int) -> list[int]:
    """When one needs to know where the partition ended: the start of the rates, and each commit if it is judged."""
    if not followed.commits:
        return []
    times = [_rate_start_ms(followed, now_ms)]
    if followed.backlog > allowed_backlog:
        times += [commit.at_ms for commit in followed.commits]
    return times


def _rate_start_ms(followed: Followed, now_ms: float) -> int:
    usual_s = usual_distance_ms([commit.at_ms for commit in followed.commits]) / 1000
    window_s = min(max(RATE_WINDOW_S, RATE_WINDOW_COMMITS * usual_s), LONGEST_WINDOW_S)
    return max(int(now_ms - window_s * 1000), followed.commits[0].at_ms)


async def ends_by_time(
    admin: AIOKafkaAdminClient,
    leaders: Mapping[str, Mapping[int, int]],
    ends: Mapping[TopicPartition, int],
    times_ms: Mapping[TopicPartition, Sequence[int]],
    now_ms: float,
) -> EndsByTime:
    """Asks for all of them; a request takes one time of each partition, so that there are few.

    A partition ended at a time before its first record that is stamped later. From a record on that is stamped in the
    future nothing is known: everything behind it would seem to have come later.
    """
    future_ms = int(now_ms) + CLOCK_SKEW_MS
    ahead = await offsets_at(admin, leaders, dict.fromkeys(times_ms, future_ms)) if times_ms else {}
    rounds: defaultdict[int, dict[TopicPartition, int]] = defaultdict(dict)
    for partition, times in times_ms.items():
        for number, at in enumerate(sorted(set(times))):
            rounds[number][partition] = at
    answers = await asyncio.gather(*(offsets_at(admin, leaders, asked) for asked in rounds.values()))
    return {
        (partition, asked[partition]): ends[partition] if offset is None else min(offset, ends[partition])
        for asked, found in zip(rounds.values(), answers, strict=True)
        for partition, offset in found.items()
        if partition in ahead and _before(offset, ahead[partition])
    }


def _before(offset: int | None, ahead: int | None) -> bool:
    """Whether an offset, or the end, lies before the first record that is stamped in the future."""
    return ahead is None or (offset is not None and offset < ahead)


def trend(
    partition: TopicPartition, followed: Followed, ended: EndsByTime, now_ms: float, allowed_backlog: int
) -> Trend:
    """What the commits of a partition say."""
    observed = [
        Observation(
            at_ms=commit.at_ms,
            offset=commit.offset,
            backlog=None if (end := ended.get((partition, commit.at_ms))) is None else max(0, end - commit.offset),
        )
        for commit in followed.commits
    ]
    rates = _velocity(partition, followed, ended, now_ms)
    if not followed.enough:
        return Trend(status=NO_TREND.status, commits=len(followed.commits), velocity=rates)
    status = judge(
        observed,
        backlog=followed.backlog,
        first_unread_ms=first_unread_ms(partition, followed, ended, now_ms),
        now_ms=now_ms,
        history_from_ms=followed.history_from_ms,
        members=followed.members,
        allowed_backlog=allowed_backlog,
    )
    return Trend(status=status, commits=len(followed.commits), velocity=rates)


def first_unread_ms(partition: TopicPartition, followed: Followed, ended: EndsByTime, now_ms: float) -> float | None:
    """When the first unread record was written: as it says itself, else between the times that are known.

    None where it is not known, as where the record is stamped in the future.
    The partition ended at or before the position at one time and behind it at a later one: a straight line between.
    """
    if followed.first_unread_ms is not None:
        return credible_ms(followed.first_unread_ms, now_ms)
    known: list[tuple[float, int]] = sorted((at, end) for (where, at), end in ended.items() if where == partition)
    known.append((now_ms, followed.end))
    before = [(at, end) for at, end in known if end <= followed.committed]
    after = [(at, end) for at, end in known if end > followed.committed]
    if not before or not after:
        return None
    (early_ms, early_end), (late_ms, late_end) = before[-1], after[0]
    if late_ms <= early_ms:
        return None
    return early_ms + (late_ms - early_ms) * (followed.committed - early_end) / (late_end - early_end)


def _velocity(partition: TopicPartition, followed: Followed, ended: EndsByTime, now_ms: float) -> Velocity | None:
    if not followed.commits:
        return None
    start_ms = _rate_start_ms(followed, now_ms)
    position_then, end_then = position_at(followed.commits, start_ms), ended.get((partition, start_ms))
    if position_then is None or end_then is None:
        return None
    return velocity(
        position_then=position_then,
        position_now=followed.committed,
        end_then=end_then,
        end_now=followed.end,
        elapsed_s=(now_ms - start_ms) / 1000,
    )
