"""Failures of samples, from the key and headers of a record that could not be processed."""

from typing import Protocol

import msgspec

from schemas.dataset import MAX_SAMPLES, MAX_SHARD_SAMPLES, GenerationShard
from schemas.feature_record import FailureRecord
from schemas.subject import Named, subject_of

_MESSAGE_CHARACTERS = 2000


class ReceivedRecord(Named, Protocol):
    """A record as received from Kafka, without its value, which could not be decoded."""

    topic: str
    partition: int
    offset: int


def failures_of_shard(record: ReceivedRecord, *, stage: str, error: Exception) -> list[FailureRecord]:
    """Returns a failure for each sample of a shard, by the record's key and headers; none if they name none."""
    samples = subject_of(record).samples or 0
    first = _failure(record, stage=stage, error=error, rx_id=None)
    if first is None or not 1 <= samples <= MAX_SHARD_SAMPLES:
        return []
    past = min(first.sample_idx + samples, MAX_SAMPLES)
    return [msgspec.structs.replace(first, sample_idx=index) for index in range(first.sample_idx, past)]


def failure_of_frame(record: ReceivedRecord, *, stage: str, error: Exception) -> FailureRecord | None:
    """Returns the failure of one receiver's frame; of the whole sample if the record names no receiver."""
    return _failure(record, stage=stage, error=error, rx_id=subject_of(record).rx_id)


def failure_of_sample(
    record: ReceivedRecord,
    shard: GenerationShard,
    sample_idx: int,
    *,
    rx_id: str | None,
    stage: str,
    error: Exception,
) -> FailureRecord:
    """Returns the failure of one sample of a shard, which `record` holds, or of one receiver's recording of it."""
    spec = shard.spec
    subject = {
        "dataset_id": spec.dataset_id,
        "dataset_version": spec.dataset_version,
        "sample_idx": sample_idx,
        "generation": shard.generation,
    }
    return msgspec.convert(subject | _cause(record, stage, error, rx_id), FailureRecord)


def _failure(record: ReceivedRecord, *, stage: str, error: Exception, rx_id: str | None) -> FailureRecord | None:
    named = subject_of(record)
    subject = {
        "dataset_id": named.dataset_id,
        "dataset_version": named.dataset_version or 1,
        "sample_idx": named.sample_idx,
        "generation": named.generation or 0,
    }
    try:
        return msgspec.convert(subject | _cause(record, stage, error, rx_id), FailureRecord)
    except msgspec.ValidationError:
        return None  # a foreign record: nobody waits for it


def _cause(record: ReceivedRecord, stage: str, error: Exception, rx_id: str | None) -> dict[str, object]:
    return {
        "rx_id": rx_id,
        "stage": stage,
        "error": type(error).__name__,
        "message": _plain(str(error))[:_MESSAGE_CHARACTERS],
        "lineage": {"topic": record.topic, "partition": record.partition, "offset": record.offset, "crc32": None},
    }


def _plain(text: str) -> str:
    """Without what UTF-8 or PostgreSQL refuses: an error may quote the bytes that caused it."""
    return text.encode(errors="backslashreplace").decode().replace("\x00", "\\x00")
