"""What keeps a dataset from getting on, as far as it can be seen from outside: absent stages, IQ that is not saved."""

from collections.abc import Iterable
from uuid import UUID

from aiokafka.admin import AIOKafkaAdminClient

from iqstream.runtime.topics import EXTRACTOR_GROUP, PRODUCER_GROUP, SINK_GROUP
from sink.postgres import Pool

STAGE_GROUPS = {"producer": PRODUCER_GROUP, "extractor": EXTRACTOR_GROUP, "sink": SINK_GROUP}


async def obstacles(
    pool: Pool, admin: AIOKafkaAdminClient, dataset_id: str, waiting_stages: Iterable[str]
) -> tuple[str, ...]:
    """A sentence each, with what to do.

    Args:
        pool: connections to PostgreSQL.
        admin: of the cluster.
        dataset_id: of the dataset.
        waiting_stages: stages that still have something to do for it.
    """
    found = [
        f"no {stage} is running: start one with `iqstream {stage}`"
        for stage in waiting_stages
        if not await _has_members(admin, STAGE_GROUPS[stage])
    ]
    unsaved = await pool.fetchrow(
        "SELECT count(*) AS samples, min(error) AS error FROM heimdall.iq_saves "
        "WHERE dataset_id = $1 AND saved_at IS NULL AND error IS NOT NULL",
        UUID(dataset_id),
    )
    if unsaved is not None and unsaved["samples"]:
        found.append(f"the IQ of {unsaved['samples']} samples waits to be saved: {unsaved['error']}")
    return tuple(found)


async def _has_members(admin: AIOKafkaAdminClient, group: str) -> bool:
    """Whether anybody is in a group; the client can read the answer on one group only."""
    _error, _group, _state, _protocol_type, _protocol, members, *_ = (await admin.describe_consumer_groups([group]))[
        0
    ].groups[0]
    return bool(members)
