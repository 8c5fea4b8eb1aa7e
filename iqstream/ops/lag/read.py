"""One reading of consumer lag: what groups have committed, where their topics end, what is between."""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from iqstream.ops.lag.figures import (
    ClusterLag,
    Ends,
    GroupLag,
    TopicLag,
    Unread,
    partition_lag,
    topic_value,
    unread_from,
)
from iqstream.ops.lag.offsets import committed_offsets, existing_groups, partition_ends, partition_leaders
from iqstream.ops.lag.probe import Span, read_on
from iqstream.runtime.errors import Failed, Unreachable, UserError
from iqstream.runtime.kafka import admin_client
from iqstream.runtime.settings import Settings
from iqstream.runtime.topics import GROUP_OF_TOPIC

READ_DEADLINE_S = 30.0
RETRY_S = 0.2

Offsets = Mapping[TopicPartition, int]


async def read_lag(settings: Settings, *, groups: Sequence[str] = (), topics: Sequence[str] = ()) -> ClusterLag:
    """The lag of groups on topics, now. Belongs to no group, commits nothing, makes no topic.

    `groups`: by default those of the three stages. `topics`: by default every topic on which a group has an
    offset, and the one that a stage reads.

    Raises:
        UserError: a topic is asked for without a group, and none of the stages reads it.
        Unreachable: Kafka does not answer.
        Failed: Kafka refuses to tell.
    """
    trouble: KafkaError | None = None
    try:
        async with asyncio.timeout(READ_DEADLINE_S):
            while True:
                try:
                    async with admin_client(settings) as admin:
                        return await _read(admin, settings, groups, topics)
                except KafkaError as error:
                    if not error.retriable:
                        raise Failed(
                            f"lag cannot be read from Kafka at {settings.kafka_bootstrap}: "
                            f"{type(error).__name__} {error}"
                        ) from None
                    trouble = error
                await asyncio.sleep(RETRY_S)
    except TimeoutError:
        raise Unreachable(
            f"Kafka at {settings.kafka_bootstrap} gives no answer in {READ_DEADLINE_S:.0f} s ({trouble!r}). "
            "`iqstream status` shows whether the embedded servers run; else look at that broker."
        ) from None


async def _read(
    admin: AIOKafkaAdminClient, settings: Settings, groups: Sequence[str], topics: Sequence[str]
) -> ClusterLag:
    # 1. What is committed: first, so that no end is older than a position.
    known = await existing_groups(admin)
    asked = dict.fromkeys(groups or GROUP_OF_TOPIC.values())
    committed = {group: await committed_offsets(admin, group) for group in asked}
    # 2. The topics to look at, and where their partitions end.
    topics_by_group = choose_topics(committed, asked_topics=topics, by_name=bool(groups))
    leaders = await partition_leaders(admin, sorted({t for chosen in topics_by_group.values() for t in chosen}))
    ends = await partition_ends(admin, leaders)
    # 3. Whether anything readable is in between, and how old it is.
    unread = await asyncio.gather(
        *(read_on(settings, _spans(committed[g], ends, chosen)) for g, chosen in topics_by_group.items())
    )
    now_s = time.time()
    return ClusterLag(
        read_at_s=now_s,
        groups=tuple(
            GroupLag(
                group=group,
                exists=group in known or bool(committed[group]),
                topics=tuple(
                    _topic_lag(topic, leaders.get(topic), committed[group], ends, seen, now_s) for topic in chosen
                ),
            )
            for (group, chosen), seen in zip(topics_by_group.items(), unread, strict=True)
        ),
    )


def choose_topics(
    committed: Mapping[str, Offsets], *, asked_topics: Sequence[str], by_name: bool
) -> dict[str, list[str]]:
    """Which topics to show for which group. `by_name`: whether somebody asked for these very groups.

    Raises:
        UserError: an asked topic that none of the groups reads, where the groups were not named.
    """
    chosen: dict[str, list[str]] = {}
    for group, offsets in committed.items():
        reads = {partition.topic for partition in offsets}
        reads |= {topic for topic, reader in GROUP_OF_TOPIC.items() if reader == group}
        if not asked_topics:
            chosen[group] = sorted(reads)
        elif by_name or reads & set(asked_topics):
            chosen[group] = [t for t in dict.fromkeys(asked_topics) if by_name or t in reads]
    shown = {topic for topics in chosen.values() for topic in topics}
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


def _topic_lag(
    topic: str,
    leaders: Mapping[int, int] | None,
    committed: Offsets,
    ends: Mapping[TopicPartition, Ends],
    unread: Mapping[TopicPartition, Unread],
    now_s: float,
) -> TopicLag:
    numbers = set(leaders or ()) | {p.partition for p in committed if p.topic == topic}
    partitions = tuple(
        partition_lag(
            number,
            committed=committed.get(TopicPartition(topic, number)),
            ends=ends.get(TopicPartition(topic, number)),
            unread=unread.get(TopicPartition(topic, number)),
            now_ms=now_s * 1000,
        )
        for number in sorted(numbers)
    )
    of_topic = {p.partition: seen for p, seen in unread.items() if p.topic == topic}
    exists = leaders is not None
    return TopicLag(
        topic=topic,
        exists=exists,
        partitions=partitions,
        value=topic_value(topic, partitions, of_topic) if exists else None,
    )
