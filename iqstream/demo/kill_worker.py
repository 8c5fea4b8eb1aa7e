"""Kills an extractor in the middle of a dataset and times how long its partitions stand still."""

import asyncio
import math
from collections.abc import Collection
from dataclasses import dataclass

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from iqstream.catalogue.counts import decided
from iqstream.catalogue.postgres import Pool
from iqstream.runtime.group_members import describe_group
from iqstream.runtime.kafka import admin_client
from iqstream.runtime.offsets import committed_offsets
from iqstream.runtime.settings import Settings
from iqstream.runtime.topics import EXTRACTOR_GROUP
from iqstream.runtime.worker import instance_id
from schemas import DatasetKey, DatasetSpec

KILL_AT_SHARE = 0.4
"""Of the samples, decided."""
POLL_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """A kill -9 of an extractor."""

    slot: int
    at_sample: int
    """Samples decided at that moment."""
    back_s: float | None
    """See `kill_one`; None where the dataset was decided without its successor."""


class Workers:
    """The process in each slot of a stage now; give `started` to `supervise`."""

    def __init__(self) -> None:
        self._processes: dict[int, asyncio.subprocess.Process] = {}

    def started(self, slot: int, process: asyncio.subprocess.Process) -> None:
        """A worker has started in a slot."""
        self._processes[slot] = process

    def second(self) -> tuple[int, asyncio.subprocess.Process] | None:
        """Slot and process of the second lowest slot; None where there are fewer."""
        slots = sorted(self._processes)
        return (slots[1], self._processes[slots[1]]) if len(slots) > 1 else None


async def kill_one(settings: Settings, pool: Pool, spec: DatasetSpec, workers: Workers) -> Kill | None:
    """Kills the second extractor with signal 9 when 40 % of the samples are decided; None if it never comes to that.

    `Kill.back_s` is the time from the signal until an offset is seen committed by the process that takes its slot, on
    one of the partitions that the slot owns: what it extracted there is then readable too, since both are one
    transaction. That includes starting the process, its joining the group, taking the partitions over, and
    waiting for work. Looked at every 50 ms. Offsets that the killed process had on their way do not count: the count
    starts when the group shows the new member in the slot, so a commit just then is missed and a later one taken.
    """
    kill_at = max(1, math.ceil(KILL_AT_SHARE * spec.samples))
    async with admin_client(settings) as admin:
        samples = 0
        while samples < kill_at:
            await asyncio.sleep(POLL_S)
            samples, ended = await _decided(pool, spec)
            if ended or samples >= spec.samples:
                return None
        found = workers.second()
        if found is None:
            return None
        slot, process = found
        member = instance_id(settings, EXTRACTOR_GROUP, slot)
        old = (await _member(admin, member))[0]
        process.kill()
        killed_at = asyncio.get_running_loop().time()
        back_at = await _back(admin, pool, spec, member, old)
        return Kill(slot=slot, at_sample=samples, back_s=None if back_at is None else back_at - killed_at)


async def _back(
    admin: AIOKafkaAdminClient,
    pool: Pool,
    spec: DatasetSpec,
    member: str,
    old: str,
) -> float | None:
    """When the member's new process has committed, by the loop's clock; None if the dataset is decided first."""
    loop = asyncio.get_running_loop()
    base: dict[TopicPartition, int] | None = None
    while True:
        identity, partitions = await _member(admin, member)
        if identity not in {"", old} and partitions:
            offsets = await _offsets(admin, partitions)
            if base is None:
                base = offsets
            elif any(offset > base.get(partition, offset) for partition, offset in offsets.items()):
                return loop.time()
        samples, ended = await _decided(pool, spec)
        if ended or samples >= spec.samples:
            return None
        await asyncio.sleep(POLL_S)


async def _offsets(admin: AIOKafkaAdminClient, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
    committed = await committed_offsets(admin, EXTRACTOR_GROUP)
    return {partition: committed[partition] for partition in partitions if partition in committed}


async def _member(admin: AIOKafkaAdminClient, client_id: str) -> tuple[str, list[TopicPartition]]:
    """The identity that the group gave to a member, and its partitions; no identity while it is not in the group.

    Our members' client ids are their static instance ids; a process that takes a slot over gets a new identity.
    """
    for member in (await describe_group(admin, EXTRACTOR_GROUP)).members:
        if member.client_id == client_id:
            return member.member_id, list(member.assigned)
    return "", []


async def _decided(pool: Pool, spec: DatasetSpec) -> tuple[int, bool]:
    """Samples decided, and whether the dataset was withdrawn."""
    found = await decided(pool, DatasetKey(spec.dataset_id, spec.dataset_version))
    return (0, False) if found is None else (found.samples, found.status in {"cancelled", "deleted"})
