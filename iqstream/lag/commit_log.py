"""Follows `__consumer_offsets`: the commits that the groups' history is made of."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    OffsetOutOfRangeError,
    TopicAuthorizationFailedError,
)

from iqstream.lag.history import Commit, CommitWindow
from iqstream.lag.offset_commits import (
    COMMITS_TOPIC,
    UnreadableCommit,
    decode_offset_commit,
    partition_of_group,
)
from iqstream.runtime.kafka import reader_consumer
from iqstream.runtime.offsets import partition_ends, partition_leaders
from iqstream.runtime.settings import Settings
from iqstream.runtime.span_reader import SpanReader

log = logging.getLogger(__name__)

TAIL_OFFSETS = 20_000
"""How far back the first reading looks: some MB, and hours of a group that commits every few seconds."""
CATCH_UP_DEADLINE_S = 10.0
LOOK_BACK_DEADLINE_S = 5.0
"""For commits that are older than that: other groups commit too, and push them out of what the first reading sees."""

_Key: TypeAlias = tuple[str, TopicPartition]
"""A group and what it commits on."""


@dataclass(slots=True, kw_only=True)
class _Span:
    """What has been read of a partition of the log: from `first` up to and without `next`."""

    log_start: int
    first: int
    next: int
    first_ms: float | None = None
    """Time of the first record that was read."""
    looked_back: bool = False


class CommitLog:
    """The last commits of some groups. The first reading looks back, later ones read on from there."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._consumer: AIOKafkaConsumer | None = None
        self._homes: dict[str, TopicPartition] = {}
        """Where each group's commits are."""
        self._spans: dict[TopicPartition, _Span] = {}
        self._windows: dict[_Key, CommitWindow] = {}
        self.accessible = True
        """False once the broker has refused: then there is no history but the one that is polled."""
        self.caught_up = True
        """Whether the last reading came to the end: commits that were not read would look like none made."""

    async def catch_up(self, admin: AIOKafkaAdminClient, groups: Collection[str]) -> None:
        """Reads the groups' commits up to now, as far as some seconds suffice.

        Raises:
            KafkaError: the broker does not answer; `close` before trying again.
        """
        if not self.accessible:
            return
        try:
            leaders = (await partition_leaders(admin, [COMMITS_TOPIC])).get(COMMITS_TOPIC, {})
            if leaders:  # no group has ever committed where the topic is missing
                self._homes = {g: TopicPartition(COMMITS_TOPIC, partition_of_group(g, len(leaders))) for g in groups}
                numbers = {home.partition for home in self._homes.values()}
                ends = await partition_ends(admin, {COMMITS_TOPIC: {n: leaders[n] for n in numbers}})
                await self._read_to({p: (e.log_start, e.end) for p, e in ends.items()})
        except (TopicAuthorizationFailedError, GroupAuthorizationFailedError):
            log.info("%s may not be read: the history of commits is polled instead", COMMITS_TOPIC)
            self.accessible = False
            await self.close()

    async def look_back(self, wanted: Mapping[str, Collection[TopicPartition]]) -> None:
        """Reads older parts of the log, ever longer ones, until a commit on each was found or time is up.

        Once for each partition of the log: whose commits are not there will not get older ones.

        Raises:
            KafkaError: the broker does not answer; `close` before trying again.
        """
        missing: defaultdict[TopicPartition, set[_Key]] = defaultdict(set)
        for group, partitions in wanted.items():
            keys = {(group, partition) for partition in partitions} - self._windows.keys()
            if keys and group in self._homes:
                missing[self._homes[group]] |= keys
        deadline = asyncio.get_running_loop().time() + LOOK_BACK_DEADLINE_S
        for home, keys in missing.items():
            await self._look_back(home, keys, deadline)

    def commits(self, group: str, partition: TopicPartition) -> tuple[Commit, ...]:
        """The last ones, oldest first."""
        window = self._windows.get((group, partition))
        return () if window is None else window.commits

    def known_from_ms(self, group: str) -> float | None:
        """From when on a group's commits are known, all of them; None: not known."""
        span = self._spans.get(self._homes[group]) if group in self._homes else None
        return None if span is None else span.first_ms

    async def close(self) -> None:
        """Closes the consumer; what was read stays, and reading continues after it."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.stop()

    async def _read_to(self, spans: dict[TopicPartition, tuple[int, int]]) -> None:
        deadline = asyncio.get_running_loop().time() + CATCH_UP_DEADLINE_S
        self.caught_up = True
        for home, (log_start, end) in spans.items():
            tail = max(log_start, end - TAIL_OFFSETS)
            span = self._spans.setdefault(home, _Span(log_start=log_start, first=tail, next=tail))
            span.log_start, span.next = log_start, max(span.next, log_start)
            read_to, first_ms = await self._read(home, span.next, end, self._windows, deadline)
            span.next, span.first_ms = read_to, first_ms if span.first_ms is None else span.first_ms
            self.caught_up &= read_to >= end

    async def _look_back(self, home: TopicPartition, keys: set[_Key], deadline: float) -> None:
        span, length = self._spans.get(home), TAIL_OFFSETS
        if span is None or span.looked_back or not self.caught_up:
            return
        span.looked_back = True
        while span.first > span.log_start and not keys <= self._windows.keys():
            length *= 2
            start, older = max(span.log_start, span.first - length), dict[_Key, CommitWindow]()
            read_to, first_ms = await self._read(home, start, span.first, older, deadline)
            if read_to < span.first:
                return  # what was found may not be the last
            for key, window in older.items():
                self._windows.setdefault(key, window)
            span.first, span.first_ms = start, span.first_ms if first_ms is None else first_ms

    async def _read(
        self, home: TopicPartition, start: int, end: int, windows: dict[_Key, CommitWindow], deadline: float
    ) -> tuple[int, float | None]:
        """Reads a part of the log into windows; returns how far it came, and the time of the first record if any."""
        if start >= end:
            return start, None
        reader = SpanReader(
            await self._started(),
            {home: range(start, end)},
            within_s=deadline - asyncio.get_running_loop().time(),
            tolerated=(OffsetOutOfRangeError,),  # cleaned up since it was asked where the log begins
        )
        first_ms = None
        async for record in reader.records():
            first_ms = float(record.timestamp) if first_ms is None else first_ms
            self._add(record.key, record.value, windows)
        return reader.positions[home], first_ms

    async def _started(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            self._consumer = reader_consumer(self._settings)
            await self._consumer.start()
        return self._consumer

    def _add(self, key: bytes | None, value: bytes | None, windows: dict[_Key, CommitWindow]) -> None:
        try:
            commit = decode_offset_commit(key, value)
        except UnreadableCommit as error:
            log.debug("a record of %s is skipped: %s", COMMITS_TOPIC, error)
            return
        if commit is None or commit.group not in self._homes:
            return
        window = windows.setdefault((commit.group, TopicPartition(commit.topic, commit.partition)), CommitWindow())
        if commit.offset is None or commit.at_ms is None:
            window.clear()
        else:
            window.add(Commit(at_ms=commit.at_ms, offset=commit.offset))
