"""The records of one partition from an expected offset on: nothing stale, nothing skipped.

While a partition changes hands the client may hand out records that it fetched for the position before. And
offsets have gaps that are no loss: transaction markers and aborted records take offsets too.
"""

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

FETCH_TIMEOUT_MS = 300


class Inbox:
    """Fetches for the owner of one partition; `expected` is the offset that nothing before is open at."""

    def __init__(self, consumer: AIOKafkaConsumer, partition: TopicPartition, expected: int) -> None:
        self.expected = expected
        self._consumer = consumer
        self._partition = partition
        self._trusted = False
        """Whether a fetch since the seek was accepted whole: then the client's position is ours."""
        self._doubted_gap: tuple[int, int] | None = None

    async def fetch(self, max_records: int) -> list[ConsumerRecord]:
        """The next records, in offset order; empty where there are none yet, or a gap must be seen again."""
        fetched = await self._consumer.getmany(self._partition, timeout_ms=FETCH_TIMEOUT_MS, max_records=max_records)
        records = [r for r in fetched.get(self._partition, []) if r.offset >= self.expected]
        if records and not self._believes(records[0].offset):
            return []
        return records

    async def passed(self) -> int:
        """How far the partition is read although nothing was there to return: past markers at its end."""
        position: int = await self._consumer.position(self._partition)
        return position if position > self.expected and self._believes(position) else self.expected

    def drained(self) -> bool:
        """Whether nothing committed is left to read, as far as the last fetch told."""
        assigned = self._partition in self._consumer.assignment()
        end = self._consumer.last_stable_offset(self._partition) if assigned else None
        return end is None or end <= self.expected

    def accept(self, next_offset: int) -> None:
        """What was fetched is done, up to `next_offset`."""
        self._trusted = self._trusted or next_offset > self.expected
        self.expected = next_offset

    def _believes(self, offset: int) -> bool:
        """A gap is believed where the fetch before it was whole, or when it is seen twice."""
        gap = (self.expected, offset)
        if offset == self.expected or self._trusted or gap == self._doubted_gap:
            return True
        self._doubted_gap = gap
        self._consumer.seek(self._partition, self.expected)
        return False
