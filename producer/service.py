"""The producer's service: shards of `iq.jobs` become frames on `iq.frames`, or features on `iq.features` at once."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from uuid import UUID

from aiokafka import ConsumerRecord

from iqstream.catalogue.withdrawn import WithdrawnDatasets
from iqstream.runtime.kafka import admin_client, member_consumer, started_reader
from iqstream.runtime.retention_gate import RetentionGate, sink_gate
from iqstream.runtime.shell import StageShell
from iqstream.runtime.stages import EXTRACTOR, PRODUCER
from iqstream.runtime.topic_watch import watch_topics
from iqstream.runtime.topics import FRAME_LIMIT_BYTES, FRAMES, JOBS
from iqstream.runtime.transactions import transactional_ownerships
from iqstream.runtime.worker import Worker
from producer.shard_records import ShardRecords
from producer.synthesize import synthesize_sample
from producer.tile_directory import tiles_in
from producer.version import GENERATOR_VERSION
from schemas import Capture, DatasetSpec, Extract, Lineage, MeasurePairs

SHARDS_PER_TRANSACTION = 1
"""A shard is a few samples: 14 frames or 56 records of features by default, the size of a good transaction."""


class ShardGate:
    """Holds the shards for whose frames there is no room; what becomes features at once passes, while there is."""

    def __init__(self, *, frames: RetentionGate, features: RetentionGate | None, transform: ShardRecords) -> None:
        """`features`: None where that topic keeps everything."""
        self._frames = frames
        self._features = features
        self._transform = transform

    def holds(self, record: ConsumerRecord) -> bool:
        """Whether a shard must wait."""
        if self._features is not None and self._features.closed():
            return True
        return self._frames.closed() and self._transform.makes_frames(record)


def rehearse(extract: Extract) -> None:
    """Makes a short sample and extracts it, which loads the kernels of both."""
    spec = DatasetSpec(
        dataset_id=str(UUID(int=0)),
        name="rehearsal",
        samples=1,
        generator_version=GENERATOR_VERSION,
        capture=Capture(capture_ms=200),  # a default chunk: plans its transforms, too
    )
    for frame in synthesize_sample(spec, 0).frames[:1]:
        extract(frame, Lineage(topic=JOBS, partition=0, offset=0, crc32=None))


async def serve(worker: Worker, extract: Extract, measure_pairs: MeasurePairs) -> None:
    """Runs one producer worker until it is told to stop.

    Args:
        worker: the process.
        extract: computes the features of a recording whose frame is not published.
        measure_pairs: likewise the time differences of a sample, for datasets that ask for them.
    """
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
        transform = ShardRecords(withdrawn, tiles_in(settings.terrain_dir), extract, measure_pairs)
        executor = resources.enter_context(ThreadPoolExecutor(1, thread_name_prefix="synthesis"))
        consumer = member_consumer(settings, group=PRODUCER.group, instance_id=worker.instance_id(PRODUCER.group))
        shell = StageShell(
            consumer=consumer,
            topic=JOBS,
            own=transactional_ownerships(
                settings=settings,
                group=PRODUCER.group,
                outputs=PRODUCER.outputs,
                transform=lambda: transform,
                consumer=consumer,
                executor=executor,
                metrics=metrics,
            ),
            batch_records=SHARDS_PER_TRANSACTION,
            metrics=metrics,
            beside=lambda: watch_topics(settings, (JOBS, *PRODUCER.outputs)),
            gate=ShardGate(
                frames=await resources.enter_async_context(gate.watching()),
                features=await resources.enter_async_context(sink_gate(settings, admin, reader, metrics)),
                transform=transform,
            ),
        )
        await shell.run(worker.stop)
