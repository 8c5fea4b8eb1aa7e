"""A stage's position as rows beside its results: who may move it, and where it stands.

Functions take a connection within a transaction unless they say otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from iqstream.catalogue.postgres import QUERIES, Connection, Pool
from iqstream.runtime.errors import Failed, NoPosition


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The right to move a partition's offset, until somebody claims it again."""

    group: str
    topic: str
    partition: int
    owner_epoch: int
    next_offset: int


class StaleOwner(Exception):
    """Somebody else has claimed the partition: nothing of this transaction may stand."""


async def create_offsets(
    connection: Connection | Pool,
    *,
    group: str,
    topic: str,
    partitions: Iterable[int],
    cluster_id: str,
    topic_id: UUID,
) -> None:
    """Makes the missing rows of a topic's partitions at offset 0. No transaction needed.

    Rows of a topic of this cluster that had this name and is gone begin again at 0: its offsets mean nothing now.

    Raises:
        Failed: rows are there for another cluster.
    """
    for row in await connection.fetch(QUERIES["foreign_offsets"], group, topic, cluster_id):
        raise Failed(
            f"PostgreSQL's offsets of {group} on {topic} belong to cluster {row['cluster_id']}; this is cluster "
            f"{cluster_id}. Use the Kafka cluster that they belong to, or another database; rows of "
            "heimdall.stream_offsets may be deleted if that cluster is gone."
        )
    await connection.execute(QUERIES["begin_again"], group, topic, topic_id)
    await connection.execute(QUERIES["create_offset"], group, topic, list(partitions), cluster_id, topic_id)


async def claim_partition(
    connection: Connection | Pool, *, group: str, topic: str, partition: int, cluster_id: str, topic_id: UUID
) -> Claim:
    """Raises the partition's owner epoch: no former owner can commit any more. No transaction needed.

    Raises:
        NoPosition: there is no row yet.
        Failed: it belongs to another cluster or topic.
    """
    row = await connection.fetchrow(QUERIES["claim_partition"], group, topic, partition)
    if row is None:
        raise NoPosition(group, topic, partition)
    if (row["cluster_id"], row["topic_id"]) != (cluster_id, topic_id):
        raise Failed(
            f"the offset of {group} on {topic}-{partition} in PostgreSQL belongs to cluster {row['cluster_id']}, "
            f"topic {row['topic_id']}; this is cluster {cluster_id}, topic {topic_id}. "
            "Run `iqstream init` to see what does not match."
        )
    return Claim(
        group=group,
        topic=topic,
        partition=partition,
        owner_epoch=row["owner_epoch"],
        next_offset=row["next_offset"],
    )


async def store_offset(connection: Connection, claim: Claim, next_offset: int) -> None:
    """Moves the partition's offset: the last statement of a batch.

    Raises:
        StaleOwner: the claim was superseded; the transaction must roll back.
    """
    row = await connection.fetchrow(
        QUERIES["store_offset"], claim.group, claim.topic, claim.partition, claim.owner_epoch, next_offset
    )
    if row is None:
        raise StaleOwner(f"{claim.topic}-{claim.partition}: owner epoch {claim.owner_epoch} is superseded")


async def stored_offsets(connection: Connection | Pool, *, group: str, topic: str) -> dict[int, int]:
    """Where a group goes on, by partition of a topic. No transaction needed."""
    rows = await connection.fetch(
        'SELECT partition, next_offset FROM heimdall.stream_offsets WHERE "group" = $1 AND topic = $2',
        group,
        topic,
    )
    return {row["partition"]: row["next_offset"] for row in rows}
