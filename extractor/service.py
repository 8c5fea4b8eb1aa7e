"""The extractor's service: frames of `iq.frames` become feature records on `iq.features`."""

from collections.abc import Container, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack

import numpy as np
from aiokafka import ConsumerRecord

from extractor.extract import measure_chunks
from extractor.record import feature_record
from iqstream.catalogue.withdrawn import WithdrawnDatasets
from iqstream.runtime.kafka import admin_client, member_consumer, started_reader
from iqstream.runtime.records import OutgoingRecord
from iqstream.runtime.retention_gate import sink_gate
from iqstream.runtime.shell import StageShell
from iqstream.runtime.stages import EXTRACTOR
from iqstream.runtime.topic_watch import watch_topics
from iqstream.runtime.topics import FEATURES, FRAMES
from iqstream.runtime.transactions import transactional_ownerships
from iqstream.runtime.worker import Worker
from schemas import IQFrame, Lineage, decode, encode, failure_of_frame, frame_crc32, headers, sample_key

FRAMES_PER_TRANSACTION = 14
FETCH_BYTES = FRAMES_PER_TRANSACTION * 1024 * 1024
"""Of a partition: a transaction's frames in one answer."""


class FrameToFeatures:
    """What the extractor does with one record of `iq.frames`."""

    stage = EXTRACTOR.name

    def __init__(self, withdrawn: Container[tuple[str, int]]) -> None:
        self._withdrawn = withdrawn

    def apply(self, record: ConsumerRecord) -> Sequence[OutgoingRecord] | None:
        """The features of a frame; None for a dataset that was cancelled or deleted."""
        frame = decode(record.value or b"", IQFrame)
        if (frame.dataset_id, frame.dataset_version) in self._withdrawn:
            return None
        lineage = Lineage(
            topic=record.topic, partition=record.partition, offset=record.offset, crc32=frame_crc32(frame)
        )
        features = feature_record(frame, lineage)
        return [
            OutgoingRecord(
                topic=FEATURES,
                key=sample_key(frame.dataset_id, frame.sample_idx),
                value=encode(features),
                headers=headers(features),
            )
        ]

    def fail(self, record: ConsumerRecord, error: Exception) -> Sequence[OutgoingRecord]:
        """The failure of one receiver's frame, where the record says whose it was."""
        failure = failure_of_frame(record, stage=self.stage, error=error)
        if failure is None:
            return []
        key = sample_key(failure.dataset_id, failure.sample_idx)
        return [OutgoingRecord(topic=FEATURES, key=key, value=encode(failure), headers=headers(failure))]


def rehearse() -> None:
    """Extracts a tone, which loads the kernels and plans the transforms of a default recording's chunk."""
    rate_hz = 200_000.0
    tone = np.exp(2j * np.pi * 0.1 * np.arange(round(0.2 * rate_hz))).astype(np.complex64)
    measure_chunks(tone, rate_hz)


async def serve(worker: Worker) -> None:
    """Runs one extractor worker until it is told to stop."""
    settings = worker.settings
    async with AsyncExitStack() as resources:
        admin = await resources.enter_async_context(admin_client(settings))
        reader = await resources.enter_async_context(started_reader(settings))
        withdrawn = await resources.enter_async_context(WithdrawnDatasets(settings.postgres_dsn).followed())
        executor = resources.enter_context(ThreadPoolExecutor(1, thread_name_prefix="extraction"))
        consumer = member_consumer(
            settings,
            group=EXTRACTOR.group,
            instance_id=worker.instance_id(EXTRACTOR.group),
            fetch_bytes=FETCH_BYTES,
        )
        shell = StageShell(
            consumer=consumer,
            topic=FRAMES,
            own=transactional_ownerships(
                settings=settings,
                group=EXTRACTOR.group,
                outputs=EXTRACTOR.outputs,
                transform=FrameToFeatures(withdrawn),
                consumer=consumer,
                executor=executor,
                metrics=worker.metrics,
            ),
            batch_records=FRAMES_PER_TRANSACTION,
            metrics=worker.metrics,
            beside=lambda: watch_topics(settings, (FRAMES, *EXTRACTOR.outputs)),
            gate=await resources.enter_async_context(sink_gate(settings, admin, reader, worker.metrics)),
        )
        await shell.run(worker.stop)
