"""The shards of a dataset on `iq.jobs`, and which of its samples are submitted by those that are published."""

from collections.abc import Iterator

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from iqstream.catalogue.datasets import Dataset
from iqstream.catalogue.outcomes import decided_up_to
from iqstream.catalogue.postgres import Pool
from iqstream.catalogue.sample_ranges import SampleRanges
from iqstream.runtime.errors import Unreachable
from iqstream.runtime.kafka import stored_position
from iqstream.runtime.records import OutgoingRecord
from iqstream.runtime.settings import Settings
from iqstream.runtime.topics import JOBS
from schemas import DatasetSpec, GenerationShard, Spec, encode, headers, sample_key

FRAMES_SHARD_SAMPLES = 2
"""14 frames of the default network, some 11 MB: a good transaction."""
FEATURES_SHARD_SAMPLES = 8
"""56 records of the default network: as good a transaction, of 120 kB."""
FEATURES_SHARD_IQ = 8 * 7 * 200_000
"""Complex samples of IQ that become features in one transaction: those of 8 default samples."""
SUBMITTED_VERSION = 1
"""The one that is submitted; further ones are replays of it."""
SUBMISSION_PLACE = TopicPartition(JOBS, 0)
"""Where a submission's group keeps how many samples are published, as an offset."""


async def published_samples(settings: Settings, spec: Spec) -> int:
    """How many samples of the dataset are submitted; 0 also where the broker has forgotten. Keeps nobody from going on.

    Raises:
        Unreachable: Kafka does not answer.
    """
    try:
        return (await stored_position(settings, submission_group(spec), SUBMISSION_PLACE)).offset
    except (KafkaError, OSError, TimeoutError) as error:
        raise Unreachable(
            f"Kafka at {settings.kafka_bootstrap} does not say how much of {spec.name!r} is submitted: "
            f"{type(error).__name__}: {error}"
        ) from None


def submitted(dataset: Dataset, position: int) -> SampleRanges:
    """The samples of a version that have been submitted; `position` is that of its submission's group.

    The broker forgets a position some time after it was last moved. What is not known of a dataset that grows counts as
    not submitted; any other that runs was submitted whole.
    """
    if dataset.version != SUBMITTED_VERSION or dataset.status in {"complete", "deleted"}:
        return dataset.samples
    if position == 0 and dataset.status == "running" and not dataset.grows:
        return dataset.samples
    return dataset.samples & SampleRanges.first(position)


async def submitted_samples(settings: Settings, pool: Pool, dataset: Dataset) -> SampleRanges:
    """The samples of a version that have been submitted for certain: those that may be ordered again.

    Raises:
        Unreachable: Kafka does not answer.
    """
    if submitted(dataset, 0):  # wherever its submission stands
        return dataset.samples
    if position := await published_samples(settings, dataset.spec):
        return submitted(dataset, position)
    return dataset.samples & SampleRanges.first(await decided_up_to(pool, dataset.id, dataset.version))


def submission_group(spec: Spec) -> str:
    """The consumer group, and transactional id, of whoever submits the dataset."""
    return f"submit-{spec.dataset_id}"


def shard_record(shard: GenerationShard) -> OutgoingRecord:
    """What the producers read."""
    return OutgoingRecord(
        topic=JOBS,
        key=sample_key(shard.spec.dataset_id, shard.first_idx),
        value=encode(shard),
        headers=headers(shard),
    )


def samples_per_shard(spec: DatasetSpec) -> int:
    """How many samples a shard of the dataset has (the last one may have fewer): as many as make a good transaction."""
    if spec.publish == "frames":
        return FRAMES_SHARD_SAMPLES
    return max(1, min(FEATURES_SHARD_SAMPLES, FEATURES_SHARD_IQ // (len(spec.receivers) * spec.capture.samples)))


def shards(spec: DatasetSpec, first_idx: int = 0) -> Iterator[GenerationShard]:
    """The dataset from a sample on, cut into shards of a few samples."""
    size = samples_per_shard(spec)
    for first in range(first_idx, spec.samples, size):
        yield GenerationShard(spec=spec, first_idx=first, count=min(size, spec.samples - first))
