"""Reads consumer lag: what groups have committed, where their topics end, what is between, and how it moves."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupAuthorizationFailedError, KafkaError, TopicAuthorizationFailedError

from iqstream.lag.assemble import GroupSnapshot, Snapshot, lag_of
from iqstream.lag.commit_log import CommitLog
from iqstream.lag.figures import ClusterLag, Unread, backlog_of, unread_from
from iqstream.lag.history import PolledWindow
from iqstream.lag.mean_size import MeanSizes
from iqstream.lag.members import NOT_KNOWN, Membership, membership
from iqstream.lag.open_transactions import transaction_ages
from iqstream.lag.probe import Span, read_on
from iqstream.lag.retention import retentions
from iqstream.lag.status import ALLOWED_BACKLOG
from iqstream.lag.trend import EndsByTime, Followed, ends_by_time, times_to_ask
from iqstream.runtime.errors import Failed, Unreachable, UserError
from iqstream.runtime.kafka import admin_client
from iqstream.runtime.offsets import Ends, committed_offsets, existing_groups, partition_ends, partition_leaders
from iqstream.runtime.settings import Settings
from iqstream.runtime.stages import GROUP_OF_TOPIC

READ_DEADLINE_S = 30.0
PATIENCE_S = 10.0
"""After that, a single group or topic that does not answer no longer keeps the others from being shown."""
RETRY_S = 0.2
SHORTEST_INTERVAL_S = 0.2
LONGEST_INTERVAL_S = 86_400.0

Offsets = Mapping[TopicPartition, int]


async def read_lag(
    settings: Settings,
    *,
    groups: Sequence[str] = (),
    topics: Sequence[str] = (),
    allowed_backlog: int = ALLOWED_BACKLOG,
) -> ClusterLag:
    """The lag of groups on topics, now; see `LagReader`."""
    async with lag_reader(settings, groups=groups, topics=topics, allowed_backlog=allowed_backlog) as reader:
        return await reader.read()


@asynccontextmanager
async def lag_reader(
    settings: Settings,
    *,
    groups: Sequence[str] = (),
    topics: Sequence[str] = (),
    allowed_backlog: int = ALLOWED_BACKLOG,
) -> AsyncIterator["LagReader"]:
    """A reader for as long as the context lasts.

    `groups`: by default those of the three stages. `topics`: by default every topic on which a group has an
    offset, and the one that a stage reads. `allowed_backlog`: offsets of a partition up to which its status is OK.
    """
    reader = LagReader(settings, groups=groups, topics=topics, allowed_backlog=allowed_backlog)
    try:
        yield reader
    finally:
        await reader.close()


async def follow_lag(
    settings: Settings,
    *,
    groups: Sequence[str],
    topics: Sequence[str],
    allowed_backlog: int,
    interval_s: float,
    on_outage: Callable[[str], None],
) -> AsyncGenerator[ClusterLag, None]:
    """Iterates readings of the lag, `interval_s` apart, without end; see `LagReader`.

    The first one must succeed; later a broker may be away for a while, which `on_outage` is told each time.
    """
    check_interval(interval_s)
    async with lag_reader(settings, groups=groups, topics=topics, allowed_backlog=allowed_backlog) as reader:
        yield await reader.read()
        while True:
            await asyncio.sleep(interval_s)
            try:
                reading = await reader.read()
            except Unreachable as error:
                on_outage(str(error))
            else:
                yield reading


def check_interval(interval_s: float) -> None:
    """Raises UserError for a time between readings that is no time, or after which figures are old."""
    if not SHORTEST_INTERVAL_S <= interval_s <= LONGEST_INTERVAL_S:
        raise UserError(
            f"an interval of {interval_s:g} s between readings: allowed are {SHORTEST_INTERVAL_S:g} to "
            f"{LONGEST_INTERVAL_S:g} s"
        )


class LagReader:
    """Reads lag again and again. Belongs to no group, commits nothing, makes no topic."""

    def __init__(
        self, settings: Settings, *, groups: Sequence[str], topics: Sequence[str], allowed_backlog: int
    ) -> None:
        self._settings = settings
        self._groups = tuple(dict.fromkeys(groups or GROUP_OF_TOPIC.values()))
        self._by_name = bool(groups)
        self._topics = topics
        self._allowed_backlog = allowed_backlog
        self._log = CommitLog(settings)
        self._polled: defaultdict[tuple[str, TopicPartition], PolledWindow] = defaultdict(PolledWindow)
        self._sizes = MeanSizes()

    async def read(self) -> ClusterLag:
        """The lag now.

        Raises:
            UserError: a topic is asked for without a group, and none of the stages reads it.
            Unreachable: Kafka does not answer.
            Failed: Kafka refuses to tell.
        """
        last: KafkaError | None = None
        place = self._settings.kafka_bootstrap
        started_s = time.monotonic()
        try:
            async with asyncio.timeout(READ_DEADLINE_S):
                while True:
                    try:
                        async with admin_client(self._settings) as admin:
                            return await self._read(admin, patient=time.monotonic() - started_s < PATIENCE_S)
                    except KafkaError as error:
                        await self._log.close()
                        if not error.retriable:
                            raise Failed(
                                f"lag cannot be read from Kafka at {place}: {type(error).__name__} {error}"
                            ) from None
                        last = error
                    await asyncio.sleep(RETRY_S)
        except TimeoutError:
            await self._log.close()
            raise Unreachable(
                f"Kafka at {place} did not answer within {READ_DEADLINE_S:.0f} s ({last!r}). "
                "`iqstream status` shows whether the embedded servers run; otherwise check that broker."
            ) from None

    async def close(self) -> None:
        """Closes the clients."""
        await self._log.close()

    async def _read(self, admin: AIOKafkaAdminClient, *, patient: bool) -> ClusterLag:
        """`patient`: a group or topic of which the broker says to ask again is not yet shown as one in trouble."""
        # 1. What is committed, and was before: first, so that no end is older than a position.
        known = await existing_groups(admin)
        asked = (_asked_group(admin, group, exists=group in known, patient=patient) for group in self._groups)
        groups = dict(zip(self._groups, await asyncio.gather(*asked), strict=True))
        committed = {group: found.committed for group, found in groups.items()}
        await self._log.catch_up(admin, self._groups)
        # 2. The topics to look at, where their partitions end, and what they keep.
        topics = choose_topics(
            {group: found.topics for group, found in groups.items()}, asked_topics=self._topics, by_name=self._by_name
        )
        names = sorted({topic for chosen in topics.values() for topic in chosen})
        answers = await asyncio.gather(*(_asked_topic(admin, topic, patient=patient) for topic in names))
        seen = dict(zip(names, answers, strict=True))
        leaders = {topic: found.leaders for topic, found in seen.items() if found.leaders is not None}
        ends = {place: end for found in seen.values() for place, end in found.ends.items()}
        kept = await retentions(admin, sorted(leaders))
        # 3. Whether anything readable is in between, and how old it is; what open transactions keep back.
        unread = await self._read_on(committed, topics, ends)
        ages_s = await transaction_ages(self._settings, ends)
        # 4. How it moves: the commits, against where the partitions ended when they were made.
        backlogs = {group: _backlogs(committed[group], ends, unread[group]) for group in topics}
        await self._log.look_back(
            {
                group: [place for place, backlog in found.items() if backlog > self._allowed_backlog]
                for group, found in backlogs.items()
            }
        )
        now_s = time.time()
        followed = {
            group: self._followed(group, groups[group], ends, unread[group], backlogs[group], int(now_s * 1000))
            for group in topics
        }
        ended = await self._ended(admin, leaders, ends, followed, now_s * 1000)
        snapshot = Snapshot(
            now_s=now_s,
            groups={
                group: GroupSnapshot(
                    exists=groups[group].exists,
                    membership=groups[group].membership,
                    trouble=groups[group].trouble,
                    topics=tuple(chosen) if groups[group].trouble is None else (),
                    committed=committed[group],
                    unread=unread[group],
                    followed=followed[group],
                )
                for group, chosen in topics.items()
            },
            partitions={topic: frozenset(numbers) for topic, numbers in leaders.items()},
            trouble={topic: found.trouble for topic, found in seen.items() if found.trouble is not None},
            ends=ends,
            transaction_ages_s=ages_s,
            ended=ended,
            retentions=kept,
            mean_record_bytes=self._sizes.means(),
        )
        return lag_of(snapshot, self._allowed_backlog)

    async def _read_on(
        self,
        committed: Mapping[str, Offsets],
        topics: Mapping[str, Collection[str]],
        ends: Mapping[TopicPartition, Ends],
    ) -> dict[str, dict[TopicPartition, Unread]]:
        found = await asyncio.gather(
            *(read_on(self._settings, _spans(committed[group], ends, chosen)) for group, chosen in topics.items())
        )
        for unread in found:
            self._sizes.add(unread)
        return dict(zip(topics, found, strict=True))

    def _followed(
        self,
        group: str,
        asked: "_AskedGroup",
        ends: Mapping[TopicPartition, Ends],
        unread: Mapping[TopicPartition, Unread],
        backlogs: Mapping[TopicPartition, int],
        now_ms: int,
    ) -> dict[TopicPartition, Followed]:
        followed = {}
        for partition, backlog in backlogs.items():
            position = asked.committed[partition]
            commits, enough = self._log.commits(group, partition), self._log.caught_up
            if not self._log.accessible:
                looks = self._polled[group, partition]
                looks.look(now_ms, position)
                commits, enough = looks.commits, looks.enough
            seen = unread.get(partition)
            followed[partition] = Followed(
                commits=commits,
                history_from_ms=self._log.known_from_ms(group),
                enough=enough,
                members=asked.membership.members,
                committed=position,
                end=ends[partition].end,
                backlog=backlog,
                first_unread_ms=None if seen is None else seen.first_timestamp_ms,
            )
        return followed

    async def _ended(
        self,
        admin: AIOKafkaAdminClient,
        leaders: Mapping[str, Mapping[int, int]],
        ends: Mapping[TopicPartition, Ends],
        followed: Mapping[str, Mapping[TopicPartition, Followed]],
        now_ms: float,
    ) -> EndsByTime:
        times: defaultdict[TopicPartition, set[int]] = defaultdict(set)
        for partitions in followed.values():
            for partition, one in partitions.items():
                times[partition].update(times_to_ask(one, now_ms, self._allowed_backlog))
        asked = {partition: sorted(moments) for partition, moments in times.items()}
        return await ends_by_time(admin, leaders, {p: e.end for p, e in ends.items()}, asked, now_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class _AskedGroup:
    """What the broker says of a group."""

    exists: bool
    committed: Offsets
    membership: Membership
    trouble: str | None
    """Why it says nothing."""

    @property
    def topics(self) -> set[str]:
        """Those with offsets, and those that its consumers read."""
        return {partition.topic for partition in self.committed} | (self.membership.topics or set())


async def _asked_group(admin: AIOKafkaAdminClient, group: str, *, exists: bool, patient: bool) -> _AskedGroup:
    try:
        committed = await committed_offsets(admin, group)
        members = await membership(admin, group, exists=exists)
    except KafkaError as error:
        trouble = _trouble(error, patient=patient)
        return _AskedGroup(exists=True, committed={}, membership=NOT_KNOWN, trouble=trouble)
    return _AskedGroup(exists=exists or bool(committed), committed=committed, membership=members, trouble=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _AskedTopic:
    """What the broker says of a topic."""

    leaders: Mapping[int, int] | None
    """None where the topic does not exist, or may not be seen."""
    ends: Mapping[TopicPartition, Ends]
    trouble: str | None
    """Why it says nothing, or not all."""


async def _asked_topic(admin: AIOKafkaAdminClient, topic: str, *, patient: bool) -> _AskedTopic:
    leaders: Mapping[int, int] | None = None
    try:
        leaders = (await partition_leaders(admin, [topic])).get(topic)
        ends = {} if leaders is None else await partition_ends(admin, {topic: leaders})
    except KafkaError as error:
        return _AskedTopic(leaders=leaders, ends={}, trouble=_trouble(error, patient=patient))
    return _AskedTopic(leaders=leaders, ends=ends, trouble=None)


def _trouble(error: KafkaError, *, patient: bool) -> str:
    """Why something could not be looked at, in words; an error that may pass is raised again while there is time."""
    if error.retriable and patient:
        raise error
    if isinstance(error, GroupAuthorizationFailedError | TopicAuthorizationFailedError):
        return f"may not be read by this user ({type(error).__name__})"
    return f"could not be read ({type(error).__name__} {error})"


def _backlogs(
    committed: Offsets, ends: Mapping[TopicPartition, Ends], unread: Mapping[TopicPartition, Unread]
) -> dict[TopicPartition, int]:
    """Where they are known."""
    found = {place: backlog_of(offset, ends.get(place), unread.get(place)) for place, offset in committed.items()}
    return {place: backlog for place, backlog in found.items() if backlog is not None}


def choose_topics(
    reads: Mapping[str, Collection[str]], *, asked_topics: Sequence[str], by_name: bool
) -> dict[str, list[str]]:
    """Which topics to show for which group. `by_name`: whether somebody asked for these very groups.

    `reads`: the topics of each group, by its offsets and its consumers.

    Raises:
        UserError: an asked topic that none of the groups reads, where the groups were not named.
    """
    chosen: dict[str, list[str]] = {}
    for group, found in reads.items():
        topics = set(found) | {topic for topic, reader in GROUP_OF_TOPIC.items() if reader == group}
        if not asked_topics:
            chosen[group] = sorted(topics)
        elif by_name or topics & set(asked_topics):
            chosen[group] = [t for t in dict.fromkeys(asked_topics) if by_name or t in topics]
    shown = {topic for names in chosen.values() for topic in names}
    for topic in asked_topics:
        if topic not in shown:
            raise UserError(
                f"no stage of iqstream reads topic {topic}; name the group that does: "
                f"iqstream lag --group GROUP --topic {topic}"
            )
    return chosen


def _spans(
    committed: Offsets, ends: Mapping[TopicPartition, Ends], topics: Collection[str]
) -> dict[TopicPartition, Span]:
    """What somebody has to read on in: the partitions with offsets between position and end."""
    return {
        partition: Span(start=unread_from(offset, ends[partition]), end=ends[partition].end)
        for partition, offset in committed.items()
        if partition.topic in topics
        and partition in ends
        and unread_from(offset, ends[partition]) < ends[partition].end
    }
