"""Makes whatever the stages stand on: topics, first offsets, tables and the bucket. Safe to run again."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from iqstream.catalogue.offsets import create_offsets
from iqstream.catalogue.postgres import Pool
from iqstream.catalogue.roles import grant_dashboard, grant_sink, grant_stage
from iqstream.positions.first import FirstPositions, set_first_positions
from iqstream.reach import ensure_bucket, postgres_pool
from iqstream.runtime.cluster_topics import TopicsReport, ensure_topics
from iqstream.runtime.kafka import admin_client
from iqstream.runtime.settings import Settings
from iqstream.runtime.topics import FEATURES, SINK_GROUP


@dataclass(frozen=True, slots=True, kw_only=True)
class Initialised:
    """What was made and what differs from the settings (and was left as it is)."""

    topics_created: tuple[str, ...]
    bucket_created: bool
    mismatches: tuple[str, ...]
    positions: FirstPositions


async def initialise(
    settings: Settings,
    *,
    sink_roles: Sequence[str] = (),
    stage_roles: Sequence[str] = (),
    dashboard_roles: Sequence[str] = (),
) -> Initialised:
    """Topics, migrations, sink offsets, first positions, rights of roles, bucket.

    Raises:
        Unreachable: Kafka, PostgreSQL or the object store does not answer.
        Failed: PostgreSQL's offsets belong to another cluster or topic than the one that answers.
        UserError: there is no such role.
    """
    from iqstream.catalogue.migrations import migrate  # brings alembic and sqlalchemy, which no other command needs

    bucket_created = await ensure_bucket(settings)
    async with postgres_pool(settings) as pool, admin_client(settings) as admin:
        await migrate(settings.postgres_dsn)
        topics = await ensure_topics(admin, settings)
        await _sink_offsets(pool, topics)
        positions = await set_first_positions(settings, admin, pool, new_topics=topics.created)
        async with pool.acquire() as connection:
            for role in sink_roles:
                await grant_sink(connection, role)
            for role in stage_roles:
                await grant_stage(connection, role)
            for role in dashboard_roles:
                await grant_dashboard(connection, role)
    return Initialised(
        topics_created=topics.created, bucket_created=bucket_created, mismatches=topics.mismatches, positions=positions
    )


async def _sink_offsets(pool: Pool, topics: TopicsReport) -> None:
    """The sink's position is PostgreSQL's: a row for each partition, tied to this cluster and topic."""
    topic_id: UUID = topics.topic_ids[FEATURES]
    await create_offsets(
        pool,
        group=SINK_GROUP,
        topic=FEATURES,
        partitions=range(topics.partitions[FEATURES]),
        cluster_id=topics.cluster_id,
        topic_id=topic_id,
    )
