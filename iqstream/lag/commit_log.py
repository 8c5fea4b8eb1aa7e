"""Follows `__consumer_offsets`: the commits that the groups' history is made of."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
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
    OffsetCommit,
    UnreadableCommit,
    decode_offset_commit,
    partition_of_group,
)
from iqstream.runtime.kafka import reader_consumer
from iqstream.runtime.offsets import Ends, partition_ends, partition_leaders, unsettled_batches
from iqstream.runtime.record_batches import (
    MALFORMED,
    Batch,
    Record,
    Unsettled,
    records_one_by_one,
    whole_batches,
)
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
        self._unsettled: Mapping[_Key, Sequence[OffsetCommit]] = {}
        """Commits behind an open transaction, read anew each time."""
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
                deadline = asyncio.get_running_loop().time() + CATCH_UP_DEADLINE_S
                await self._read_to(ends, deadline)
                self._unsettled = await self._read_unsettled(admin, leaders, ends, deadline)
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
        key = (group, partition)
        window = CommitWindow(self._windows[key].commits if key in self._windows else ())
        for commit in self._unsettled.get(key, ()):
            _add_to(window, commit)
        return window.commits

    def known_from_ms(self, group: str) -> float | None:
        """From when on a group's commits are known, all of them; None: not known."""
        span = self._spans.get(self._homes[group]) if group in self._homes else None
        return None if span is None else span.first_ms

    async def close(self) -> None:
        """Closes the consumer; what was read stays, and reading continues after it."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.stop()

    async def _read_to(self, ends: Mapping[TopicPartition, Ends], deadline: float) -> None:
        self.caught_up = True
        for home, there in ends.items():
            tail = max(there.log_start, there.end - TAIL_OFFSETS)
            span = self._spans.setdefault(home, _Span(log_start=there.log_start, first=tail, next=tail))
            span.log_start, span.next = there.log_start, max(span.next, there.log_start)
            read_to, first_ms = await self._read(home, span.next, there.end, self._windows, deadline)
            span.next, span.first_ms = read_to, first_ms if span.first_ms is None else span.first_ms
            self.caught_up &= read_to >= there.end

    async def _read_unsettled(
        self,
        admin: AIOKafkaAdminClient,
        leaders: Mapping[int, int],
        ends: Mapping[TopicPartition, Ends],
        deadline: float,
    ) -> Mapping[_Key, Sequence[OffsetCommit]]:
        """Reads what stands behind the first open transaction, which readers of committed records do not get.

        A transaction holds up the commits of all groups whose home it is: with a producer that died, for minutes.
        """
        found: defaultdict[_Key, list[OffsetCommit]] = defaultdict(list)
        for home, there in ends.items():
            at, unsettled = max(there.end, there.high_watermark - TAIL_OFFSETS), Unsettled()
            while at < there.high_watermark and asyncio.get_running_loop().time() < deadline:
                data = await unsettled_batches(admin, {COMMITS_TOPIC: leaders}, home, at)
                for batch in whole_batches(data, at):
                    at = batch.next_offset
                    if isinstance(batch, Batch):
                        for record in _records_settled_by(batch, unsettled):
                            if (commit := self._commit(record.key, record.value)) is not None:
                                found[_key_of(commit)].append(commit)
                if not data:
                    break
            self.caught_up &= at >= there.high_watermark
        return found

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
            if (commit := self._commit(record.key, record.value)) is not None:
                _add_to(windows.setdefault(_key_of(commit), CommitWindow()), commit)
        return reader.positions[home], first_ms

    async def _started(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            self._consumer = reader_consumer(self._settings)
            await self._consumer.start()
        return self._consumer

    def _commit(self, key: bytes | None, value: bytes | None) -> OffsetCommit | None:
        """A record as a commit of one of the groups; None where it is another's, or something else."""
        try:
            commit = decode_offset_commit(key, value)
        except UnreadableCommit as error:
            log.debug("a record of %s is skipped: %s", COMMITS_TOPIC, error)
            return None
        return commit if commit is not None and commit.group in self._homes else None


def _key_of(commit: OffsetCommit) -> _Key:
    return commit.group, TopicPartition(commit.topic, commit.partition)


def _add_to(window: CommitWindow, commit: OffsetCommit) -> None:
    if commit.offset is None or commit.at_ms is None:
        window.clear()
    else:
        window.add(Commit(at_ms=commit.at_ms, offset=commit.offset))


def _records_settled_by(batch: Batch, unsettled: Unsettled) -> Iterator[Record]:
    """The records that count from a batch on; what is damaged is left out."""
    try:
        for settled in unsettled.settled_by(batch):
            for record in records_one_by_one(settled, settled.base_offset):
                if isinstance(record, Record):
                    yield record
    except MALFORMED as error:
        log.debug("a batch of %s is skipped: %s", COMMITS_TOPIC, error)
