"""The extractor's service: frames of `iq.frames` become feature records on `iq.features`."""

from collections import Counter
from collections.abc import Container, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack

import numpy as np
from aiokafka import ConsumerRecord

from extractor.aggregate import aggregate
from extractor.extract import measure_chunks
from extractor.features.frequency import FrequencyClass
from extractor.version import EXTRACTOR_VERSION
from iqstream.catalogue.withdrawn import WithdrawnDatasets
from iqstream.runtime.kafka import member_consumer
from iqstream.runtime.records import OutgoingRecord
from iqstream.runtime.shell import StageShell
from iqstream.runtime.stages import EXTRACTOR
from iqstream.runtime.topic_watch import watch_topics
from iqstream.runtime.topics import FEATURES, FRAMES
from iqstream.runtime.transactions import transactional_ownerships
from iqstream.runtime.worker import Worker
from schemas import (
    FeatureRecord,
    FrequencyClasses,
    IQFrame,
    Lineage,
    decode,
    encode,
    failure_of_frame,
    frame_crc32,
    headers,
    sample_key,
)

FRAMES_PER_TRANSACTION = 14


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


def feature_record(frame: IQFrame, lineage: Lineage) -> FeatureRecord:
    """The values of a frame with its identity, its truth and where it stood."""
    chunks = measure_chunks(frame.samples(), frame.sample_rate_hz, frame.chunk_ms / 1000)
    classes = Counter(chunk.frequency_class for chunk in chunks)
    return FeatureRecord(
        dataset_id=frame.dataset_id,
        dataset_version=frame.dataset_version,
        sample_idx=frame.sample_idx,
        generation=frame.generation,
        receivers_expected=frame.receivers_expected,
        receiver=frame.receiver,
        captured_at_ns=frame.captured_at_ns,
        center_frequency_hz=frame.center_frequency_hz,
        sample_rate_hz=frame.sample_rate_hz,
        duration_ms=frame.duration_ms,
        chunk_ms=frame.chunk_ms,
        chunks=len(chunks),
        datatype=frame.datatype,
        values=tuple(aggregate(np.array([chunk.features for chunk in chunks])).ravel().tolist()),
        frequency_classes=FrequencyClasses(**{kind.value: classes[kind] for kind in FrequencyClass}),
        truth=frame.truth,
        extractor_version=EXTRACTOR_VERSION,
        lineage=lineage,
    )


def rehearse() -> None:
    """Extracts a tone, which loads the kernels and plans the transforms of a default recording's chunk."""
    rate_hz = 200_000.0
    tone = np.exp(2j * np.pi * 0.1 * np.arange(round(0.2 * rate_hz))).astype(np.complex64)
    measure_chunks(tone, rate_hz)


async def serve(worker: Worker) -> None:
    """Runs one extractor worker until it is told to stop."""
    settings = worker.settings
    async with AsyncExitStack() as resources:
        withdrawn = await resources.enter_async_context(WithdrawnDatasets(settings.postgres_dsn).followed())
        executor = resources.enter_context(ThreadPoolExecutor(1, thread_name_prefix="extraction"))
        consumer = member_consumer(settings, group=EXTRACTOR.group, instance_id=worker.instance_id(EXTRACTOR.group))
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
        )
        await shell.run(worker.stop)
