"""Follows `__consumer_offsets`: the commits that the groups' history is made of."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    OffsetOutOfRangeError,
    TopicAuthorizationFailedError,
)

from iqstream.ops.lag.history import Commit, CommitWindow
from iqstream.ops.lag.offset_commits import (
    COMMITS_TOPIC,
    UnreadableCommit,
    decode_offset_commit,
    partition_of_group,
)
from iqstream.ops.lag.offsets import partition_ends, partition_leaders
from iqstream.runtime.kafka import reader_consumer
from iqstream.runtime.settings import Settings

log = logging.getLogger(__name__)

TAIL_OFFSETS = 20_000
"""How far back the first reading looks: some MB, and hours of a group that commits every few seconds."""
CATCH_UP_DEADLINE_S = 10.0
POLL_MS = 200


class CommitLog:
    """The last commits of some groups. The first reading looks back, later ones read on from there."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._consumer: AIOKafkaConsumer | None = None
        self._positions: dict[TopicPartition, int] = {}
        self._windows: defaultdict[tuple[str, TopicPartition], CommitWindow] = defaultdict(CommitWindow)
        self.accessible = True
        """False once the broker has refused: then there is no history but the one that is polled."""
        self.caught_up = True
        """Whether the last reading came to the end: commits that were not read would look like none made."""

    async def catch_up(self, admin: AIOKafkaAdminClient, groups: Iterable[str]) -> None:
        """Reads the groups' commits up to now, as far as some seconds suffice.

        Raises:
            KafkaError: the broker does not answer; `close` before trying again.
        """
        if not self.accessible:
            return
        try:
            leaders = (await partition_leaders(admin, [COMMITS_TOPIC])).get(COMMITS_TOPIC, {})
            if leaders:  # no group has ever committed where the topic is missing
                numbers = {partition_of_group(group, len(leaders)) for group in groups}
                ends = await partition_ends(admin, {COMMITS_TOPIC: {n: leaders[n] for n in numbers}})
                await self._read_to({p: (e.log_start, e.end) for p, e in ends.items()}, frozenset(groups))
        except (TopicAuthorizationFailedError, GroupAuthorizationFailedError):
            log.info("%s may not be read: the history of commits is polled instead", COMMITS_TOPIC)
            self.accessible = False
            await self.close()

    def commits(self, group: str, partition: TopicPartition) -> tuple[Commit, ...]:
        """The last ones, oldest first."""
        return self._windows[group, partition].commits

    async def close(self) -> None:
        """Lets go of the consumer; what was read stays, and reading goes on behind it."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.stop()

    async def _read_to(self, spans: dict[TopicPartition, tuple[int, int]], groups: frozenset[str]) -> None:
        for partition, (log_start, end) in spans.items():
            known = self._positions.get(partition, max(log_start, end - TAIL_OFFSETS))
            self._positions[partition] = max(known, log_start)
        behind = {partition for partition, (_, end) in spans.items() if self._positions[partition] < end}
        self.caught_up = not behind
        if not behind:
            return
        consumer = await self._started(behind)
        deadline = asyncio.get_running_loop().time() + CATCH_UP_DEADLINE_S
        while behind and asyncio.get_running_loop().time() < deadline:
            try:
                fetched = await consumer.getmany(*behind, timeout_ms=POLL_MS)
            except OffsetOutOfRangeError:  # cleaned up between the two requests
                await self.close()
                return
            for records in fetched.values():
                for record in records:
                    self._add(record.key, record.value, groups)
            for partition in tuple(behind):
                self._positions[partition] = max(self._positions[partition], await consumer.position(partition))
                if self._positions[partition] >= spans[partition][1]:
                    behind.discard(partition)
        self.caught_up = not behind

    async def _started(self, behind: set[TopicPartition]) -> AIOKafkaConsumer:
        if self._consumer is None:
            self._consumer = reader_consumer(self._settings)
            await self._consumer.start()
        if not behind <= self._consumer.assignment():
            self._consumer.assign(list(self._positions))
            for partition, position in self._positions.items():
                self._consumer.seek(partition, position)
        return self._consumer

    def _add(self, key: bytes | None, value: bytes | None, groups: frozenset[str]) -> None:
        try:
            commit = decode_offset_commit(key, value)
        except UnreadableCommit as error:
            log.debug("a record of %s is passed over: %s", COMMITS_TOPIC, error)
            return
        if commit is None or commit.group not in groups:
            return
        window = self._windows[commit.group, TopicPartition(commit.topic, commit.partition)]
        if commit.offset is None or commit.at_ms is None:
            window.clear()
        else:
            window.add(Commit(at_ms=commit.at_ms, offset=commit.offset))
