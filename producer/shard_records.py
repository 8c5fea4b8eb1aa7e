"""What becomes of a shard: its samples' frames, or their features at once, as the spec says (ADR 72)."""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

import msgspec
from aiokafka import ConsumerRecord

from iqstream.runtime.records import OutgoingRecord
from iqstream.runtime.stages import PRODUCER
from iqstream.runtime.topics import FEATURES, FRAMES
from iqstream.runtime.transactions import SamplesFailed, Transform
from producer.synthesize import synthesize_sample
from producer.tiles import Tiles
from schemas import (
    Extract,
    FailureRecord,
    FeatureRecord,
    GenerationShard,
    IQFrame,
    Lineage,
    MeasurePairs,
    PairRecord,
    SchemaError,
    decode,
    encode,
    failure_of_sample,
    failures_of_shard,
    frame_crc32,
    headers,
    sample_key,
)


class ShardRecords(Transform):
    """What the producer does with one record of `iq.jobs`."""

    stage = PRODUCER.name

    def __init__(
        self, withdrawn: Container[tuple[str, int]], tiles: Tiles, extract: Extract, measure_pairs: MeasurePairs
    ) -> None:
        self._withdrawn = withdrawn
        self._tiles = tiles
        self._extract = extract
        self._measure_pairs = measure_pairs

    def apply(self, record: ConsumerRecord) -> Sequence[OutgoingRecord] | None:
        """The records of a shard's samples; None for a dataset that was cancelled or deleted.

        Raises:
            SchemaError: it is no shard.
            SamplesFailed: of some samples, or of all, something could not be made.
        """
        shard = decode(record.value or b"", GenerationShard)
        if self._is_withdrawn(shard):
            return None
        records: list[OutgoingRecord] = []
        errors: dict[int, Exception] = {}
        for index in shard.sample_indices:
            for made in self._messages(record, shard, index):
                if isinstance(made, _Failed):
                    errors.setdefault(index, made.error)
                    records.append(_outgoing(made.failure))
                else:
                    records.append(_outgoing(made))
        if errors:
            raise SamplesFailed(records, errors, every=len(errors) == len(shard.sample_indices))
        return records

    def fail(self, record: ConsumerRecord, error: Exception) -> Sequence[OutgoingRecord]:
        """A failure of each of the shard's samples, as far as the record says which they are."""
        return [_outgoing(failure) for failure in failures_of_shard(record, stage=self.stage, error=error)]

    def makes_frames(self, record: ConsumerRecord) -> bool:
        """Whether frames become of a record, for which there must be room."""
        try:
            shard = decode(record.value or b"", GenerationShard)
        except SchemaError:
            return False
        return shard.spec.publish == "frames" and not self._is_withdrawn(shard)

    def _is_withdrawn(self, shard: GenerationShard) -> bool:
        return (shard.spec.dataset_id, shard.spec.dataset_version) in self._withdrawn

    def _messages(
        self, record: ConsumerRecord, shard: GenerationShard, sample_idx: int
    ) -> Iterator["IQFrame | FeatureRecord | PairRecord | _Failed"]:
        """What is published of one sample. A sample that cannot be made fails alone; so does a recording.

        A sample with a failed recording waits for nothing more, so its pairs are not measured.
        """

        def failed(error: Exception, rx_id: str | None = None) -> _Failed:
            failure = failure_of_sample(record, shard, sample_idx, rx_id=rx_id, stage=self.stage, error=error)
            return _Failed(error, failure)

        try:
            frames = synthesize_sample(shard.spec, sample_idx, tiles=self._tiles).frames
        except OSError:
            raise  # a file of this machine: no fault of the sample's
        except Exception as error:  # noqa: BLE001  # one bad sample must not take its neighbours with it
            yield failed(error)
            return
        if shard.generation or shard.spec.pairs:
            frames = tuple(
                msgspec.structs.replace(frame, generation=shard.generation, pairs_expected=shard.spec.pairs)
                for frame in frames
            )
        if shard.spec.publish == "frames":
            yield from frames
            return
        whole = True
        for frame in frames:
            try:
                yield self._extract(frame, _lineage(record, frame))
            except Exception as error:  # noqa: BLE001  # as above: one bad recording
                whole = False
                yield failed(error, frame.receiver.rx_id)
        if shard.spec.pairs and whole:
            try:
                yield self._measure_pairs(frames, msgspec.structs.replace(_lineage(record, frames[-1]), crc32=None))
            except Exception as error:  # noqa: BLE001  # as above
                yield failed(error)


@dataclass(frozen=True, slots=True)
class _Failed:
    """A sample, or one recording of it, that could not be made."""

    error: Exception
    failure: FailureRecord


def _lineage(record: ConsumerRecord, frame: IQFrame) -> Lineage:
    """The shard, by which the recording can be made again."""
    return Lineage(topic=record.topic, partition=record.partition, offset=record.offset, crc32=frame_crc32(frame))


def _outgoing(message: IQFrame | FeatureRecord | PairRecord | FailureRecord) -> OutgoingRecord:
    """A message as a record: all of a sample on the partition of its key."""
    return OutgoingRecord(
        topic=FRAMES if isinstance(message, IQFrame) else FEATURES,
        key=sample_key(message.dataset_id, message.sample_idx),
        value=encode(message),
        headers=headers(message),
    )
