"""What keeps a dataset from getting on, as far as it can be seen from outside.

Stages that do not run or have no position, transactions that do not end, records that the broker does not
give or that were skipped, IQ that is not saved.
"""

from collections.abc import Collection, Sequence

from aiokafka.admin import AIOKafkaAdminClient

from iqstream.catalogue.iq_saves import unsaved_iq
from iqstream.catalogue.postgres import Pool
from iqstream.runtime.errors import Failed
from iqstream.runtime.group_members import describe_group
from iqstream.runtime.stages import STAGES
from iqstream.stage_position import StagePosition, read_position
from iqstream.watch.event import Progress
from iqstream.watch.withheld import WithheldRecords


async def obstacles(
    pool: Pool,
    admin: AIOKafkaAdminClient,
    dataset_id: str,
    waiting_stages: Collection[str],
    withheld: WithheldRecords,
) -> tuple[str, ...]:
    """A sentence each, with what to do.

    Args:
        pool: connections to PostgreSQL.
        admin: of the cluster.
        dataset_id: of the dataset.
        waiting_stages: stages that still have something to do for it.
        withheld: the same for all readings of a dataset.
    """
    found = [
        f"no {stage} is running: start one with `iqstream {stage}`"
        for stage in waiting_stages
        if not (await describe_group(admin, STAGES[stage].group)).members
    ]
    positions = []
    for stage in waiting_stages:
        try:
            positions.append(await read_position(admin, pool, STAGES[stage]))
        except Failed as error:  # no topic
            found.append(str(error))
    found += _missing_positions(positions)
    found += await withheld.found(positions)
    found += _open_transactions(positions)
    unsaved = await unsaved_iq(pool, dataset_id)
    if unsaved.samples:
        found.append(f"the IQ of {unsaved.samples} samples waits to be saved: {unsaved.error}")
    return tuple(found)


def skipped_records(progress: Progress) -> tuple[str, ...]:
    """What is said where nothing else is in the way: the sink is through with the rest in a moment, or never."""
    if not (left := progress.waits_for_nothing_known):
        return ()
    told = (
        f"nothing is left to generate or extract, {progress.dataset.decided} samples are decided and {left} are not: "
        "if it stays so, records of them were skipped or lost, and `iqstream replay --dataset "
        f"{progress.dataset.id}` shows what can be made again"
    )
    return (told,)


def _missing_positions(positions: Sequence[StagePosition]) -> list[str]:
    return [
        f"the {position.stage.name} has no position on {position.stage.topic}:{','.join(map(str, missing))}: "
        "`iqstream init` sets it, or names the command"
        for position in positions
        if (missing := sorted(place.partition for place in position.ends.keys() - position.current.keys()))
    ]


def _open_transactions(positions: Sequence[StagePosition]) -> list[str]:
    """Most are over in a moment: the offset tells one that stays from the next."""
    ends = {place: end for position in positions for place, end in position.ends.items()}
    return [
        f"{topic}-{partition} stands still at offset {end.end}, where a transaction has not ended; "
        "`kafka-transactions.sh find-hanging` says whose it is"
        for (topic, partition), end in sorted(ends.items())
        if end.end < end.high_watermark
    ]
