"""How far a dataset is, stage by stage."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient

from iqstream.catalogue.datasets import OPEN, Dataset, find_dataset
from iqstream.catalogue.postgres import Pool
from iqstream.reach import postgres_pool
from iqstream.runtime.backlog import group_positions, unread_offsets
from iqstream.runtime.kafka import admin_client, started_reader
from iqstream.runtime.settings import Settings
from iqstream.runtime.topics import EXTRACTOR_GROUP, FRAMES, JOBS, PRODUCER_GROUP
from iqstream.shards import SUBMISSION_PLACE, SUBMITTED_VERSION, samples_per_shard, submission_group, submitted
from iqstream.watch.event import Progress
from iqstream.watch.obstacles import obstacles, skipped_records
from iqstream.watch.withheld import WithheldRecords
from schemas import DatasetSpec


class ProgressReader:
    """Asks PostgreSQL for what is decided and Kafka for what is still to do."""

    def __init__(self, pool: Pool, admin: AIOKafkaAdminClient, reader: AIOKafkaConsumer) -> None:
        self._pool = pool
        self._admin = admin
        self._reader = reader
        self._withheld = WithheldRecords(admin)

    async def read(self, dataset_id: str, version: int = SUBMITTED_VERSION) -> Progress:
        """A version's progress now. Other datasets' work in the topics makes the stages look behind, never ahead."""
        shards = await self._backlog(JOBS, PRODUCER_GROUP)
        frames = await self._backlog(FRAMES, EXTRACTOR_GROUP)
        dataset = await find_dataset(self._pool, dataset_id, version=version)
        progress = reckon(dataset, await self._submitted(dataset), shards, frames)
        found = await obstacles(self._pool, self._admin, progress.dataset.id, progress.waiting_stages, self._withheld)
        return replace(progress, obstacles=found or skipped_records(progress))

    async def _submitted(self, dataset: Dataset) -> int:
        if dataset.version != SUBMITTED_VERSION or dataset.status not in OPEN:
            return dataset.requested
        positions = await group_positions(self._admin, submission_group(dataset.spec), [SUBMISSION_PLACE])
        return len(submitted(dataset, positions[SUBMISSION_PLACE]))

    async def _backlog(self, topic: str, group: str) -> int:
        return sum((await unread_offsets(self._admin, self._reader, topic, group)).values())


def reckon(dataset: Dataset, submitted: int, unread_shards: int, unread_frames: int) -> Progress:
    """What the backlogs say of a dataset, never less than what is decided."""
    submitted = max(dataset.decided, submitted)
    generated = submitted
    if isinstance(dataset.spec, DatasetSpec):
        generated = max(dataset.decided, submitted - unread_shards * samples_per_shard(dataset.spec))
    extracted = None
    if dataset.spec.publish == "frames":
        extracted = max(dataset.decided, generated - -(-unread_frames // len(dataset.spec.receivers)))
    return Progress(dataset=dataset, submitted=submitted, generated=generated, extracted=extracted)


@asynccontextmanager
async def progress_reader(settings: Settings) -> AsyncIterator[ProgressReader]:
    """A reader with its clients, for as long as the context lasts.

    Raises:
        Unreachable: Kafka or PostgreSQL does not answer.
    """
    async with postgres_pool(settings) as pool, admin_client(settings) as admin, started_reader(settings) as reader:
        yield ProgressReader(pool, admin, reader)
