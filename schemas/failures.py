"""Failures of samples, from the key and headers of a record that could not be processed."""

from typing import Protocol

import msgspec

from schemas.dataset import MAX_SAMPLES, MAX_SHARD_SAMPLES
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


def _failure(record: ReceivedRecord, *, stage: str, error: Exception, rx_id: str | None) -> FailureRecord | None:
    subject = subject_of(record)
    try:
        return msgspec.convert(
            {
                "dataset_id": subject.dataset_id,
                "dataset_version": subject.dataset_version or 1,
                "sample_idx": subject.sample_idx,
                "generation": subject.generation or 0,
                "rx_id": rx_id,
                "stage": stage,
                "error": type(error).__name__,
                "message": _plain(str(error))[:_MESSAGE_CHARACTERS],
                "lineage": {
                    "topic": record.topic,
                    "partition": record.partition,
                    "offset": record.offset,
                    "crc32": None,
                },
            },
            FailureRecord,
        )
    except msgspec.ValidationError:
        return None  # a foreign record: nobody waits for it


def _plain(text: str) -> str:
    """Without what UTF-8 or PostgreSQL refuses: an error may quote the bytes that caused it."""
    return text.encode(errors="backslashreplace").decode().replace("\x00", "\\x00")
