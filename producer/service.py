"""The producer's service: shards of `iq.jobs` become frames on `iq.frames`."""

from collections.abc import Container, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from uuid import UUID

import msgspec
from aiokafka import ConsumerRecord

from iqstream.catalogue.withdrawn import WithdrawnDatasets
from iqstream.runtime.kafka import admin_client, member_consumer, started_reader
from iqstream.runtime.records import OutgoingRecord
from iqstream.runtime.retention_gate import RetentionGate
from iqstream.runtime.shell import StageShell
from iqstream.runtime.stages import EXTRACTOR, PRODUCER
from iqstream.runtime.topic_watch import watch_topics
from iqstream.runtime.topics import FEATURES, FRAME_LIMIT_BYTES, FRAMES, JOBS
from iqstream.runtime.transactions import transactional_ownerships
from iqstream.runtime.worker import Worker
from producer.synthesize import synthesize_sample
from producer.tile_directory import tiles_in
from producer.tiles import Tiles
from producer.version import GENERATOR_VERSION
from schemas import (
    Capture,
    DatasetSpec,
    GenerationShard,
    decode,
    encode,
    failures_of_shard,
    headers,
    sample_key,
)

SHARDS_PER_TRANSACTION = 1
"""A shard is a few samples (14 frames by default): already the size of a good transaction."""


class ShardToFrames:
    """What the producer does with one record of `iq.jobs`."""

    stage = PRODUCER.name

    def __init__(self, withdrawn: Container[tuple[str, int]], tiles: Tiles) -> None:
        self._withdrawn = withdrawn
        self._tiles = tiles

    def apply(self, record: ConsumerRecord) -> Sequence[OutgoingRecord] | None:
        """The frames of a shard's samples; None for a dataset that was cancelled or deleted."""
        shard = decode(record.value or b"", GenerationShard)
        if (shard.spec.dataset_id, shard.spec.dataset_version) in self._withdrawn:
            return None
        return [frame for index in shard.sample_indices for frame in frame_records(shard, index, self._tiles)]

    def fail(self, record: ConsumerRecord, error: Exception) -> Sequence[OutgoingRecord]:
        """A failure of each of the shard's samples, as far as the record says which they are."""
        return [
            OutgoingRecord(
                topic=FEATURES,
                key=sample_key(failure.dataset_id, failure.sample_idx),
                value=encode(failure),
                headers=headers(failure),
            )
            for failure in failures_of_shard(record, stage=self.stage, error=error)
        ]


def frame_records(shard: GenerationShard, sample_idx: int, tiles: Tiles) -> list[OutgoingRecord]:
    """One sample's frames as records: all on the partition of the sample's key."""
    key = sample_key(shard.spec.dataset_id, sample_idx)
    records = []
    for made in synthesize_sample(shard.spec, sample_idx, tiles=tiles).frames:
        frame = msgspec.structs.replace(made, generation=shard.generation) if shard.generation else made
        records.append(OutgoingRecord(topic=FRAMES, key=key, value=encode(frame), headers=headers(frame)))
    return records


def rehearse() -> None:
    """Makes a short sample, which loads the kernels."""
    spec = DatasetSpec(
        dataset_id=str(UUID(int=0)),
        name="rehearsal",
        samples=1,
        generator_version=GENERATOR_VERSION,
        capture=Capture(capture_ms=10, chunk_ms=10),
    )
    synthesize_sample(spec, 0)


async def serve(worker: Worker) -> None:
    """Runs one producer worker until it is told to stop."""
    settings, metrics = worker.settings, worker.metrics
    async with AsyncExitStack() as resources:
        admin = await resources.enter_async_context(admin_client(settings))
        reader = await resources.enter_async_context(started_reader(settings))
        gate = RetentionGate(
            admin=admin,
            reader=reader,
            topic=FRAMES,
            group=EXTRACTOR.group,
            record_bytes=FRAME_LIMIT_BYTES,
            metrics=metrics,
        )
        withdrawn = await resources.enter_async_context(WithdrawnDatasets(settings.postgres_dsn).followed())
        executor = resources.enter_context(ThreadPoolExecutor(1, thread_name_prefix="synthesis"))
        consumer = member_consumer(settings, group=PRODUCER.group, instance_id=worker.instance_id(PRODUCER.group))
        shell = StageShell(
            consumer=consumer,
            topic=JOBS,
            own=transactional_ownerships(
                settings=settings,
                group=PRODUCER.group,
                outputs=PRODUCER.outputs,
                transform=ShardToFrames(withdrawn, tiles_in(settings.terrain_dir)),
                consumer=consumer,
                executor=executor,
                metrics=metrics,
            ),
            batch_records=SHARDS_PER_TRANSACTION,
            metrics=metrics,
            beside=lambda: watch_topics(settings, (JOBS, *PRODUCER.outputs)),
            gate=await resources.enter_async_context(gate.watching()),
        )
        await shell.run(worker.stop)
