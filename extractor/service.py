"""The extractor's service: frames of `iq.frames` become features, and time differences, on `iq.features`."""

from collections.abc import Container, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack

import msgspec
import numpy as np
from aiokafka import ConsumerRecord, TopicPartition

from extractor.extract import measure_chunks
from extractor.open_samples import Generation, LostSample, OpenSamples, generation_of
from extractor.pairs.record import pair_record
from extractor.record import feature_record
from iqstream.catalogue.withdrawn import WithdrawnDatasets
from iqstream.runtime.kafka import admin_client, member_consumer, started_reader
from iqstream.runtime.records import OutgoingRecord
from iqstream.runtime.retention_gate import sink_gate
from iqstream.runtime.shell import StageShell
from iqstream.runtime.stages import EXTRACTOR
from iqstream.runtime.topic_watch import watch_topics
from iqstream.runtime.topics import FEATURES, FRAMES
from iqstream.runtime.transactions import SamplesFailed, Transform, transactional_ownerships
from iqstream.runtime.worker import Worker
from schemas import (
    FailureRecord,
    FeatureRecord,
    IQFrame,
    Lineage,
    PairRecord,
    SampleKey,
    SchemaError,
    decode,
    encode,
    failure_of_frame,
    frame_crc32,
    headers,
    sample_key,
)

FRAMES_PER_TRANSACTION = 14
FETCH_BYTES = FRAMES_PER_TRANSACTION * 1024 * 1024
"""Of a partition: a transaction's frames in one answer."""


class IncompleteSample(Exception):
    """Recordings of a sample that were waited for did not come."""


class FrameToFeatures(Transform):
    """What the extractor does with the records of a partition of `iq.frames`, for as long as it owns that.

    A frame's features do not wait. The last frame of a sample brings its time differences as well, where its dataset
    asks for them; until then the sample's frames are kept (ADR 85).
    """

    stage = EXTRACTOR.name

    def __init__(self, withdrawn: Container[tuple[str, int]]) -> None:
        self._withdrawn = withdrawn
        self._open = OpenSamples()

    def apply(self, record: ConsumerRecord) -> Sequence[OutgoingRecord] | None:
        """The features of a frame, and what that makes known of samples; None for a dataset cancelled or deleted.

        Raises:
            SamplesFailed: it completes its sample, whose time differences cannot be measured.
        """
        frame = decode(record.value or b"", IQFrame)
        if (frame.dataset_id, frame.dataset_version) in self._withdrawn:
            self._open.forget(generation_of(frame))
            return None
        lineage = Lineage(
            topic=record.topic, partition=record.partition, offset=record.offset, crc32=frame_crc32(frame)
        )
        records = [_outgoing(feature_record(frame, lineage))]
        whole = self._open.add(record.offset, frame)
        records += self._given_up(record)
        if whole is not None:
            try:
                pairs = pair_record(whole, msgspec.structs.replace(lineage, crc32=None))
            except Exception as error:
                failure = failure_of_frame(record, stage=self.stage, error=error)
                failed = [] if failure is None else [_outgoing(msgspec.structs.replace(failure, rx_id=None))]
                raise SamplesFailed([*records, *failed], {frame.sample_idx: error}, every=True) from error
            records.append(_outgoing(pairs))
        return records

    def fail(self, record: ConsumerRecord, error: Exception) -> Sequence[OutgoingRecord]:
        """The failure of one receiver's frame, where the record says whose it was."""
        failure = failure_of_frame(record, stage=self.stage, error=error)
        if failure is None:
            return []
        self._note_failure(record.offset, failure)
        return [_outgoing(failure), *self._given_up(record)]

    def first_offsets(self) -> Sequence[int]:
        """Of the first frames of samples whose last is still to come."""
        return self._open.first_offsets()

    def give_up(self, partition: TopicPartition, end: int) -> Sequence[OutgoingRecord]:
        """The failures of samples whose last frames do not come."""
        return [_outgoing(_never_came(lost, partition, end)) for lost in self._open.give_up(end, every=True)]

    def recall(self, record: ConsumerRecord, *, first: bool) -> None:
        """Keeps a frame of a sample that was open where a former owner stopped."""
        try:
            frame = decode(record.value or b"", IQFrame)
        except SchemaError as error:
            failure = failure_of_frame(record, stage=self.stage, error=error)
            if failure is not None and (first or _of(failure) in self._open):
                self._note_failure(record.offset, failure)
            return
        if first or generation_of(frame) in self._open:
            self._open.add(record.offset, frame)

    def _given_up(self, record: ConsumerRecord) -> list[OutgoingRecord]:
        partition = TopicPartition(record.topic, record.partition)
        return [_outgoing(_never_came(lost, partition, record.offset)) for lost in self._open.give_up(record.offset)]

    def _note_failure(self, offset: int, failure: FailureRecord) -> None:
        if failure.rx_id is not None:
            self._open.fail(offset, _of(failure), failure.rx_id)


def _of(failure: FailureRecord) -> Generation:
    return Generation(SampleKey(failure.dataset_id, failure.dataset_version, failure.sample_idx), failure.generation)


def _never_came(lost: LostSample, partition: TopicPartition, offset: int) -> FailureRecord:
    """Why a sample that was given up at an offset has no time differences."""
    key = lost.sample.key
    error = IncompleteSample(
        f"time differences need every recording: {lost.heard} of {lost.expected} came from offset {lost.first_offset} "
        f"of {partition.topic}-{partition.partition} on, and no other before offset {offset}. Replay the sample"
    )
    return FailureRecord(
        dataset_id=key.dataset_id,
        dataset_version=key.dataset_version,
        sample_idx=key.sample_idx,
        generation=lost.sample.number,
        rx_id=None,
        stage=EXTRACTOR.name,
        error=type(error).__name__,
        message=str(error),
        lineage=Lineage(topic=partition.topic, partition=partition.partition, offset=lost.first_offset, crc32=None),
    )


def _outgoing(message: FeatureRecord | PairRecord | FailureRecord) -> OutgoingRecord:
    """A message as a record: all of a sample on the partition of its key."""
    return OutgoingRecord(
        topic=FEATURES,
        key=sample_key(message.dataset_id, message.sample_idx),
        value=encode(message),
        headers=headers(message),
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
                transform=lambda: FrameToFeatures(withdrawn),
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
