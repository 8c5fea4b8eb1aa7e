"""Samples of recordings to `iq.frames`, each exactly once however often it is begun again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from aiokafka.errors import KafkaError

from iqstream.ingest.samples import Cutter, RecordedSample, storable_name
from iqstream.ingest.track import Track
from iqstream.recordings import BadRecording
from iqstream.runtime.aiokafka_internals import DefaultRecordBatchBuilder
from iqstream.runtime.cluster_topics import topic_configs
from iqstream.runtime.errors import Unreachable, UserError
from iqstream.runtime.kafka import (
    MAX_REQUEST_BYTES,
    admin_client,
    position_to_go_on_from,
    started_producer,
    started_reader,
    transaction,
)
from iqstream.runtime.metrics import Metrics
from iqstream.runtime.records import OutgoingRecord, send_all
from iqstream.runtime.retention_gate import RetentionGate
from iqstream.runtime.settings import Settings
from iqstream.runtime.topics import EXTRACTOR_GROUP, FEATURES, FRAME_LIMIT_BYTES, FRAMES, JOBS
from iqstream.runtime.transactional_producer import TransactionalProducer
from iqstream.shards import SUBMISSION_PLACE, submission_group
from schemas import FailureRecord, IQFrame, Lineage, RecordedSpec, encode, headers, sample_key

TRANSACTION_BYTES = 8 * 1024 * 1024
TRANSACTION_SAMPLES = 64
STAGE = "ingest"
GATE_POLL_S = 0.2

Progress = Callable[[int, int], None]
"""Is given the samples published and all."""


class Lane:
    """An open way to `iq.frames`, which moves the number of published samples in the transactions that publish them."""

    def __init__(self, producer: TransactionalProducer, gate: RetentionGate, position: int) -> None:
        self._producer = producer
        self._gate = gate
        self.position = position
        """Samples that are published; 0 also where the broker has forgotten."""

    async def wait_for_readers(self) -> None:
        """Until Kafka can take more without dropping what nobody has read."""
        while self._gate.closed():  # noqa: ASYNC110  # it asks the broker once a second
            await asyncio.sleep(GATE_POLL_S)

    async def publish(self, records: Sequence[OutgoingRecord], since: int, until: int) -> None:
        """Publishes the samples from index `since` to below `until`, all or none.

        Raises:
            KafkaError, TimeoutError: whether they stand is unknown, and the lane is of no more use.
        """
        async with transaction(self._producer):
            await send_all(self._producer, records)
            await self._producer.send_position(SUBMISSION_PLACE, until, since=since)


class Publisher:
    """Publishes a dataset's samples in the order of their indices, and how far it got in the same transactions."""

    def __init__(
        self, settings: Settings, spec: RecordedSpec, cutter: Cutter, track: Track, failures: list[BadRecording]
    ) -> None:
        """`failures` takes what could be read when it was cut, and cannot be read any more."""
        self._settings = settings
        self._spec = spec
        self._receivers = {receiver.rx_id: receiver for receiver in spec.receivers}
        self._cutter = cutter
        self._track = track
        self._failures = failures

    async def publish(self, samples: Mapping[int, RecordedSample], on_progress: Progress) -> int:
        """Publishes those of `samples` that are not published yet; all below the first of them are. Returns how many.

        Raises:
            Unreachable: Kafka does not answer; what is published stays, and ingesting again goes on.
        """
        published = 0
        try:
            async with self.lane() as lane:
                waiting = [index for index in sorted(samples) if index >= lane.position]
                while waiting:
                    await lane.wait_for_readers()
                    records, done = await asyncio.to_thread(self._records, samples, waiting)
                    await lane.publish(records, waiting[0], waiting[done - 1] + 1)
                    waiting, published = waiting[done:], published + done
                    on_progress(published, published + len(waiting))
        except (KafkaError, OSError, TimeoutError) as error:
            raise Unreachable(
                f"ingesting into {self._spec.name!r} was interrupted ({type(error).__name__}: {error}). What is "
                "published stays; the same command goes on with the rest."
            ) from None
        return published

    @asynccontextmanager
    async def lane(self) -> AsyncIterator[Lane]:
        """The way to `iq.frames`; opening it ends whoever published to the dataset before.

        Raises:
            KafkaError, OSError, TimeoutError: Kafka is away.
        """
        group = submission_group(self._spec)
        async with AsyncExitStack() as resources:
            producer = await resources.enter_async_context(
                started_producer(self._settings, group, outputs=(JOBS, FRAMES, FEATURES), group=group)
            )
            gate = await resources.enter_async_context((await _gate(self._settings, resources)).watching())
            position = await position_to_go_on_from(self._settings, producer, group, SUBMISSION_PLACE)
            yield Lane(producer, gate, position)

    def _records(
        self, samples: Mapping[int, RecordedSample], waiting: Sequence[int]
    ) -> tuple[list[OutgoingRecord], int]:
        """The records of the next samples, as many as make a good transaction, and of how many samples."""
        records: list[OutgoingRecord] = []
        size = done = 0
        for index in waiting[:TRANSACTION_SAMPLES]:
            made = self.sample_records(index, samples[index])
            size += sum(len(record.value) for record in made)
            records += made
            done += 1
            if size >= TRANSACTION_BYTES:
                break
        return records, done

    def sample_records(self, index: int, sample: RecordedSample) -> list[OutgoingRecord]:
        """All receivers of a sample; its failure where one of them cannot be read any more."""
        try:
            frames = [self.frame(index, sample, at) for at in range(len(sample.windows))]
        except BadRecording as error:
            self._failures.append(error)
            return [_outgoing(FEATURES, self._failure(index, error))]
        return [_outgoing(FRAMES, frame) for frame in frames]

    def frame(self, index: int, sample: RecordedSample, at: int) -> IQFrame:
        """One receiver's window; raises BadRecording."""
        receiver = self._receivers[sample.windows[at].window.recording.rx_name]
        return self._cutter.frame(self._spec, index, sample, at, receiver, self._track)

    def _failure(self, index: int, error: BadRecording) -> FailureRecord:
        return FailureRecord(
            dataset_id=self._spec.dataset_id,
            dataset_version=self._spec.dataset_version,
            sample_idx=index,
            rx_id=None,
            stage=STAGE,
            error=type(error).__name__,
            message=storable_name(str(error)),
            lineage=Lineage(topic=FRAMES, partition=0, offset=0, crc32=None),
        )


async def check_frames(settings: Settings, frames: Sequence[IQFrame]) -> None:
    """Checks that the topic is there and takes frames of this size.

    Raises:
        UserError: one is larger; says what fits.
        Unreachable: no broker, or it has none of our topics.
    """
    async with admin_client(settings) as admin:
        if FRAMES not in await admin.list_topics():
            raise Unreachable(f"Kafka at {settings.kafka_bootstrap} has no topic {FRAMES}: run `iqstream init`.")
        config = (await topic_configs(admin, [FRAMES]))[FRAMES]
    limit = min(MAX_REQUEST_BYTES, int(config["max.message.bytes"]), int(config["segment.bytes"]))
    for frame in frames:
        record = _outgoing(FRAMES, frame)
        size = DefaultRecordBatchBuilder.estimate_size_in_bytes(record.key, record.value, list(record.headers))
        if size > limit:
            fits_ms = int(frame.duration_ms * (limit - (size - len(frame.iq))) / len(frame.iq))
            raise UserError(
                f"a window of {frame.duration_ms:g} ms of {frame.receiver.rx_id} at {frame.sample_rate_hz:g} Hz is "
                f"{size:,} bytes, and {FRAMES} takes {limit:,}: --window-ms of at most {fits_ms}, --to-rate with fewer "
                "samples a second, or a topic with a higher max.message.bytes"
            )


def _outgoing(topic: str, message: IQFrame | FailureRecord) -> OutgoingRecord:
    key = sample_key(message.dataset_id, message.sample_idx)
    return OutgoingRecord(topic=topic, key=key, value=encode(message), headers=headers(message))


async def _gate(settings: Settings, resources: AsyncExitStack) -> RetentionGate:
    admin = await resources.enter_async_context(admin_client(settings))
    reader = await resources.enter_async_context(started_reader(settings))
    return RetentionGate(
        admin=admin,
        reader=reader,
        topic=FRAMES,
        group=EXTRACTOR_GROUP,
        record_bytes=FRAME_LIMIT_BYTES,
        metrics=Metrics(STAGE),
    )
