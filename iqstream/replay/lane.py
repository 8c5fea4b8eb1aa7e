"""One lane of a replay: its samples in order, results and the lane's position in one Kafka transaction per batch.

Runs in a process of its own. A lane holds the samples whose records go to one partition of `iq.features`.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

import msgspec
from aiokafka import TopicPartition
from aiokafka.errors import ProducerFenced

from iqstream.catalogue.connection import connect
from iqstream.catalogue.datasets import Dataset, generated_spec
from iqstream.catalogue.replays import Replay
from iqstream.replay.sources import GeneratedAgain, Gone, Source, read_sources
from iqstream.runtime.aiokafka_internals import murmur2
from iqstream.runtime.errors import Failed
from iqstream.runtime.kafka import position_to_go_on_from, reader_consumer, started_producer, transaction
from iqstream.runtime.outages import ServersAway
from iqstream.runtime.records import OutgoingRecord, send_all
from iqstream.runtime.settings import Settings
from iqstream.runtime.stages import EXTRACTOR
from iqstream.runtime.topics import FEATURES, FRAMES, JOBS
from iqstream.shards import shard_record
from schemas import (
    Extract,
    FailureRecord,
    FeatureRecord,
    GenerationShard,
    IQFrame,
    Lineage,
    MeasurePairs,
    PairRecord,
    encode,
    headers,
    sample_key,
)
from sink.frames import FrameReader
from sink.recordings import IQUnavailable, RecordedSample, Synthesize, find_recordings

SAMPLES_PER_TRANSACTION = 4
"""28 full-size frames in memory at most."""
ATTEMPTS = 5
"""In a row without a batch published; then somebody should look at the servers."""
RETRY_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneJob:
    """What a lane's process is given; the three that are called are functions of modules, so that they travel."""

    settings: Settings
    replay: Replay
    source: Dataset
    lane: int
    extract: Extract
    measure_pairs: MeasurePairs
    synthesize: Synthesize


@dataclass(slots=True, kw_only=True)
class LaneResult:
    """What became of the samples that a lane published in this run."""

    counts: Counter[str] = field(default_factory=Counter)
    """`frames_read`, `frames_synthesized`, `samples_generated_again`, `frames_failed`."""
    missing: list[tuple[int, str]] = field(default_factory=list)

    def add(self, other: "LaneResult") -> None:
        """Takes over another's counts."""
        self.counts += other.counts
        self.missing += other.missing


def lane_of(replay: Replay, sample_idx: int) -> int:
    """The lane of a sample: Kafka's partition of its key, so that a lane reads frames that stand together."""
    return int((murmur2(sample_key(replay.dataset_id, sample_idx)) & 0x7FFFFFFF) % replay.lanes)


def run_lane(job: LaneJob, stopped: Callable[[], bool]) -> LaneResult:
    """Publishes what the lane still has to do, until `stopped`; continues where an interrupted run stopped.

    Raises:
        Failed: another run has taken the replay over, or the servers do not recover.
    """
    return asyncio.run(_run(job, stopped))


async def _run(job: LaneJob, stopped: Callable[[], bool]) -> LaneResult:
    result, attempts = LaneResult(), 0
    while True:
        before = result.counts.total() + len(result.missing)
        try:
            await _publish_lane(job, stopped, result)
        except ProducerFenced:
            raise Failed("another run of this replay took over; this one ends") from None
        except ServersAway as error:
            moved = result.counts.total() + len(result.missing) > before
            attempts = 1 if moved else attempts + 1
            if attempts >= ATTEMPTS:
                raise Failed(
                    f"lane {job.lane} of the replay makes no progress: {type(error).__name__} {error}"
                ) from None
            await asyncio.sleep(RETRY_S)
        else:
            return result


async def _publish_lane(job: LaneJob, stopped: Callable[[], bool], result: LaneResult) -> None:
    place = TopicPartition(FEATURES, job.lane)
    connection = await connect(job.settings.postgres_dsn)
    group = job.replay.group
    try:
        # 1. Fences an earlier run of this lane and ends its transaction; then its position stands still.
        async with (
            started_producer(job.settings, f"{group}-{job.lane}", outputs=(FEATURES, JOBS), group=group) as producer,
            FrameReader(lambda: reader_consumer(job.settings)) as reader,
        ):
            published = await position_to_go_on_from(job.settings, producer, group, place)
            pending = islice(_indices(job), published, None)
            while not stopped() and (batch := list(islice(pending, SAMPLES_PER_TRANSACTION))):
                # 2. Everything is computed before the transaction is open: it stalls the readers of its partitions.
                done = LaneResult()
                records: list[OutgoingRecord] = []
                for source in await read_sources(connection, job.source, batch):
                    records += await _records_of(job, reader, source, done)
                # 3. Results and position, all or nothing.
                async with transaction(producer):
                    await send_all(producer, records)
                    await producer.send_position(place, published + len(batch), since=published)
                published += len(batch)
                result.add(done)
    finally:
        await _close(connection.close(timeout=2))


async def _close(closing: Awaitable[object]) -> None:
    """What a client says of its end is of no consequence: nothing is open that could be lost."""
    await asyncio.wait([asyncio.ensure_future(closing)], timeout=2)


def _indices(job: LaneJob) -> Iterator[int]:
    return (index for index in job.replay.samples if lane_of(job.replay, index) == job.lane)


async def _records_of(job: LaneJob, reader: FrameReader, source: Source, done: LaneResult) -> list[OutgoingRecord]:
    """What is emitted for one sample. Whatever is wrong with it ends here, as a failure of the sample."""
    if isinstance(source, GeneratedAgain):
        done.counts["samples_generated_again"] += 1
        return [_shard(job, source.sample_idx)]
    if isinstance(source, Gone):
        done.missing.append((source.sample_idx, source.reason))
        lineage = Lineage(topic=FRAMES, partition=0, offset=0, crc32=None)
        return [_failure(job, source.sample_idx, None, IQUnavailable(source.reason), lineage)]
    try:
        found = await find_recordings(reader, job.synthesize, source)
    except IQUnavailable as error:
        done.missing.append((source.key.sample_idx, str(error)))
        first = msgspec.convert(source.lineage[min(source.lineage)], Lineage)
        return [_failure(job, source.key.sample_idx, None, error, first)]
    done.counts["frames_read"] += len(found.frames) - len(found.synthesized)
    done.counts["frames_synthesized"] += len(found.synthesized)
    return await asyncio.to_thread(_extract_all, job, source, found.frames, done)


def _extract_all(
    job: LaneJob, source: RecordedSample, frames: Mapping[str, IQFrame], done: LaneResult
) -> list[OutgoingRecord]:
    records: list[OutgoingRecord] = []
    failed = False
    for rx_id in sorted(frames):
        lineage = msgspec.convert(source.lineage[rx_id], Lineage)
        try:
            features = job.extract(frames[rx_id], lineage)
        except Exception as error:  # noqa: BLE001  # one bad frame must not stop a replay
            done.counts["frames_failed"] += 1
            failed = True
            records.append(_failure(job, source.key.sample_idx, rx_id, error, lineage))
            continue
        records.append(
            _outgoing(
                msgspec.structs.replace(
                    features,
                    dataset_version=job.replay.dataset_version,
                    generation=job.replay.generation,
                    pairs_expected=source.spec.pairs,
                )
            )
        )
    if source.spec.pairs and not failed:
        records.append(_pairs(job, source, frames))
    return records


def _pairs(job: LaneJob, source: RecordedSample, frames: Mapping[str, IQFrame]) -> OutgoingRecord:
    """The time differences of a sample whose every recording is there, or why there are none."""
    last = max(frames)
    lineage = msgspec.structs.replace(msgspec.convert(source.lineage[last], Lineage), crc32=None)
    try:
        return _outgoing(
            job.measure_pairs(
                [  # some may be of an earlier replay, others synthesised
                    msgspec.structs.replace(
                        frame, dataset_version=job.replay.dataset_version, generation=job.replay.generation
                    )
                    for frame in frames.values()
                ],
                lineage,
            )
        )
    except Exception as error:  # noqa: BLE001  # as above
        return _failure(job, source.key.sample_idx, None, error, lineage)


def _failure(job: LaneJob, sample_idx: int, rx_id: str | None, error: Exception, lineage: Lineage) -> OutgoingRecord:
    return _outgoing(
        FailureRecord(
            dataset_id=job.replay.dataset_id,
            dataset_version=job.replay.dataset_version,
            sample_idx=sample_idx,
            generation=job.replay.generation,
            rx_id=rx_id,
            stage=EXTRACTOR.name,
            error=type(error).__name__,
            message=str(error).encode(errors="backslashreplace").decode().replace("\0", "\\x00")[:2000],
            lineage=lineage,
        )
    )


def _outgoing(message: FeatureRecord | PairRecord | FailureRecord) -> OutgoingRecord:
    key = sample_key(message.dataset_id, message.sample_idx)
    return OutgoingRecord(topic=FEATURES, key=key, value=encode(message), headers=headers(message))


def _shard(job: LaneJob, sample_idx: int) -> OutgoingRecord:
    """The order to make a sample once more: it takes the way of every new one, with this replay's generation."""
    spec = msgspec.structs.replace(generated_spec(job.source), dataset_version=job.replay.dataset_version)
    return shard_record(GenerationShard(spec=spec, first_idx=sample_idx, count=1, generation=job.replay.generation))
