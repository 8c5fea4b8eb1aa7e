"""Submission: a dataset's row first, then its shards, each exactly once however often it is resumed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import islice

from aiokafka.errors import KafkaError

from iqstream.catalogue.dataset_status import set_status
from iqstream.catalogue.new_datasets import create_dataset
from iqstream.catalogue.outcomes import decided_up_to
from iqstream.catalogue.postgres import Pool
from iqstream.runtime.errors import Unreachable
from iqstream.runtime.kafka import position_to_go_on_from, started_producer, transaction
from iqstream.runtime.records import send_all
from iqstream.runtime.settings import Settings
from iqstream.runtime.topics import JOBS
from iqstream.runtime.transactional_producer import TransactionalProducer
from iqstream.shards import SUBMISSION_PLACE, shard_record, shards, submission_group
from iqstream.submit.publishable import check_publishable
from schemas import DatasetSpec

SHARDS_PER_TRANSACTION = 1000


async def submit(
    settings: Settings, pool: Pool, spec: DatasetSpec, *, reuse_name: bool = False, description: str = ""
) -> None:
    """Makes the dataset's row, then publishes all its shards; the dataset runs when this returns.

    Raises:
        UserError: the name is in use or not fit to be one, or no frame or shard of the dataset can be published.
        Unreachable: no broker, or it has none of our topics.
    """
    await check_publishable(settings, spec)
    await create_dataset(pool, spec, reuse_name=reuse_name, description=description)
    await resume(settings, pool, spec)


async def resume(settings: Settings, pool: Pool, spec: DatasetSpec, *, known_samples: int = 0) -> int:
    """Publishes the shards that an interrupted submission did not; returns how many.

    Safe at any time and from several places at once: the last one to begin ends the others. `known_samples` are
    certain to be published, as are those below one that is decided, should the broker have forgotten how far it got.

    Raises:
        Unreachable: Kafka does not answer, or another submitter of this dataset began after us.
    """
    decided = await decided_up_to(pool, spec.dataset_id, spec.dataset_version)  # shards are published in order
    try:
        published = await publish_shards(settings, spec, known_samples=max(decided, known_samples))
    except (KafkaError, OSError, TimeoutError) as error:
        raise Unreachable(
            f"the submission of {spec.name!r} was interrupted ({type(error).__name__}: {error}). What is submitted "
            f"stays; `iqstream datasets resume {spec.dataset_id}` submits the rest."
        ) from None
    await set_status(pool, spec.dataset_id, spec.dataset_version, "running")
    return published


async def publish_shards(settings: Settings, spec: DatasetSpec, *, known_samples: int = 0) -> int:
    """Publishes the shards that are not published yet; returns how many."""
    published = 0
    async with shard_publisher(settings, spec, known_samples=known_samples) as publisher:
        while count := await publisher.publish(SHARDS_PER_TRANSACTION):
            published += count
    return published


class ShardPublisher:
    """Publishes a dataset's shards in order, each exactly once."""

    def __init__(self, producer: TransactionalProducer, spec: DatasetSpec, samples: int) -> None:
        self._producer = producer
        self._spec = spec
        self.samples = samples
        """Published so far, including those of earlier submitters."""
        self._pending = shards(spec, samples)

    async def publish(self, count: int) -> int:
        """Publishes the next shards, and how far it got in the same transaction; returns how many.

        Raises:
            TimeoutError: the broker is away, or slow; whether they stand is unknown. This publisher is of no more use.
            KafkaError: it refuses, or another publisher of the dataset has begun.
        """
        batch = list(islice(self._pending, count))
        if not batch:
            return 0
        async with transaction(self._producer):
            await send_all(self._producer, map(shard_record, batch))
            samples = batch[-1].sample_indices.stop
            await self._producer.send_position(SUBMISSION_PLACE, samples, since=self.samples)
        self.samples = samples
        return len(batch)


@asynccontextmanager
async def shard_publisher(
    settings: Settings, spec: DatasetSpec, *, known_samples: int = 0
) -> AsyncIterator[ShardPublisher]:
    """Returns a publisher that continues where an earlier one of the same dataset ended.

    The submission's own group holds that position, on partition 0 of `iq.jobs`: an offset that counts samples. Shards
    may begin anywhere, so a dataset that is extended goes on after its last sample, be their number odd or even.

    Args:
        settings: where Kafka is.
        spec: of the dataset.
        known_samples: certain to be published, should the broker have forgotten the position.
    """
    group = submission_group(spec)
    # Its start fences an earlier submitter of the same dataset and ends its transaction.
    async with started_producer(settings, group, outputs=(JOBS,), group=group) as producer:
        position = await position_to_go_on_from(settings, producer, group, SUBMISSION_PLACE)
        yield ShardPublisher(producer, spec, max(position, known_samples))
