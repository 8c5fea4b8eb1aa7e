"""Makes whatever the stages stand on: topics, first offsets, tables and the bucket. Safe to run again."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from aiokafka import TopicPartition

from iqstream.ops.reach import ensure_bucket, postgres_pool
from iqstream.runtime.kafka import admin_client, started_reader
from iqstream.runtime.settings import Settings
from iqstream.runtime.topics import FEATURES, GROUP_OF_TOPIC, SINK_GROUP, TopicsReport, ensure_topics
from sink.postgres import Pool, create_offsets
from sink.roles import grant_sink, grant_stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Initialised:
    """What was made and what differs from the settings (and was left as it is)."""

    topics_created: tuple[str, ...]
    bucket_created: bool
    mismatches: tuple[str, ...]


async def initialise(
    settings: Settings, *, sink_roles: Sequence[str] = (), stage_roles: Sequence[str] = ()
) -> Initialised:
    """Topics, offset 0 for our groups on topics just made, migrations, sink offsets, rights of roles, bucket.

    Raises:
        Unreachable: Kafka, PostgreSQL or the object store does not answer.
        Failed: PostgreSQL's offsets belong to another cluster or topic than the one that answers.
        UserError: there is no such role.
    """
    from sink.migrations import migrate  # brings alembic and sqlalchemy, which no other command needs

    bucket_created = await ensure_bucket(settings)
    async with postgres_pool(settings) as pool, admin_client(settings) as admin:
        await migrate(settings.postgres_dsn)
        topics = await ensure_topics(admin, settings)
        await _first_group_offsets(settings, topics)
        await _sink_offsets(pool, topics, settings.partitions)
        async with pool.acquire() as connection:
            for role in sink_roles:
                await grant_sink(connection, role)
            for role in stage_roles:
                await grant_stage(connection, role)
    return Initialised(topics_created=topics.created, bucket_created=bucket_created, mismatches=topics.mismatches)


async def _first_group_offsets(settings: Settings, topics: TopicsReport) -> None:
    """Offset 0, only on a topic that was just made: elsewhere a missing offset is an error to look at."""
    for topic in topics.created:
        group = GROUP_OF_TOPIC.get(topic)
        if group is None:
            continue
        async with started_reader(settings, group=group) as consumer:
            partitions = [TopicPartition(topic, p) for p in range(settings.partitions)]
            consumer.assign(partitions)
            await consumer.commit(dict.fromkeys(partitions, 0))


async def _sink_offsets(pool: Pool, topics: TopicsReport, partitions: int) -> None:
    """The sink's position is PostgreSQL's: a row for each partition, tied to this cluster and topic."""
    topic_id: UUID = topics.topic_ids[FEATURES]
    await create_offsets(
        pool,
        group=SINK_GROUP,
        topic=FEATURES,
        partitions=range(partitions),
        cluster_id=topics.cluster_id,
        topic_id=topic_id,
    )
