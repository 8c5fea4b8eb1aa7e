"""What the client hands out of an answer: every record, and in the place of what cannot be read a record that says so.

The client itself raises for such a record, again at every attempt, and does not say where it stands. It has no hook for
another way of reading; `kafka.py` puts `FetchedRecords` in the place of its own class (ADR 0058).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from aiokafka import ConsumerRecord

from iqstream.runtime.aiokafka_internals import DefaultRecordBatch, PartitionAnswer
from iqstream.runtime.record_batches import (
    MALFORMED,
    Batch,
    Transactions,
    Unreadable,
    records_one_by_one,
    whole_batches,
)

_NO_TIMESTAMP = -1


@dataclass
class UnreadableRecord(ConsumerRecord[bytes, bytes]):
    """Stands for a record that cannot be read, or for all of a batch from its offset on.

    Its value is what could be had: the record's own, or the bytes of the whole batch.
    """

    error: Exception
    next_offset: int


def offset_after(record: ConsumerRecord) -> int:
    """Where reading continues after a record."""
    return record.next_offset if isinstance(record, UnreadableRecord) else int(record.offset) + 1


class FetchedRecords(PartitionAnswer):
    """The records of an answer, in order."""

    def records(self) -> Iterator[ConsumerRecord]:
        """The records, and what stands for those that cannot be read."""
        transactions = Transactions(self.aborted_transactions)
        for batch in whole_batches(self.data, self.next_fetch_offset):
            if isinstance(batch, Unreadable):
                yield self._unreadable(batch)
            else:
                yield from self._records_of(batch, transactions)
                self.next_fetch_offset = batch.next_offset

    def _records_of(self, batch: Batch, transactions: Transactions) -> Iterator[ConsumerRecord]:
        try:
            if transactions.leave_out(batch):
                return
            for record in DefaultRecordBatch(batch.plain()):
                if record.offset >= self.next_fetch_offset:
                    self.next_fetch_offset = record.offset + 1
                    yield self.consumer_record(record)
        except MALFORMED:
            for found in records_one_by_one(batch, self.next_fetch_offset):
                if isinstance(found, Unreadable):
                    yield self._unreadable(found)
                else:
                    self.next_fetch_offset = found.offset + 1
                    yield self.consumer_record(found)

    def _unreadable(self, found: Unreadable) -> UnreadableRecord:
        self.next_fetch_offset = found.next_offset
        return UnreadableRecord(
            topic=self.partition.topic,
            partition=self.partition.partition,
            offset=found.offset,
            timestamp=_NO_TIMESTAMP,
            timestamp_type=_NO_TIMESTAMP,
            key=found.key,
            value=found.data,
            checksum=None,
            serialized_key_size=len(found.key or b""),
            serialized_value_size=len(found.data),
            headers=tuple(found.headers),
            error=found.error,
            next_offset=found.next_offset,
        )
