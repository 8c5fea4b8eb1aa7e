"""A consumer in memory, for what reads partitions by hand. It keeps `tests/contract/test_reading_consumer.py`."""

import asyncio

from aiokafka import ConsumerRecord
from aiokafka.errors import OffsetOutOfRangeError


def record(place, offset, value=b""):
    return ConsumerRecord(place.topic, place.partition, offset, 1_000, 0, b"key", value, None, 3, len(value), ())


class FakeConsumer:
    """Partitions of a log: `values` by offset, between `starts` and `ends`; offsets without a value are markers."""

    def __init__(self, values, *, starts=None, ends, most=2):
        self.values, self.ends, self.starts = values, ends, dict.fromkeys(ends, 0) | (starts or {})
        self.most = most
        """Records of a partition that one call gives."""
        self.stands_still = False
        self.refusal = None
        """Raised by the next call."""
        self.polls = 0
        self._positions, self._paused = {}, set()

    def assign(self, partitions):
        self._positions, self._paused = dict.fromkeys(partitions), set()

    def seek(self, partition, offset):
        assert partition in self._positions
        self._positions[partition] = offset

    def pause(self, *partitions):
        self._paused |= set(partitions)

    async def position(self, partition):
        return self._positions[partition]

    async def getmany(self, *partitions, timeout_ms):
        self.polls += 1
        refusal, self.refusal = self.refusal, None
        if refusal is not None:
            raise refusal
        asked = set(partitions) - self._paused
        assert asked <= self._positions.keys()
        if gone := {p: self._positions[p] for p in asked if self._positions[p] < self.starts[p]}:
            raise OffsetOutOfRangeError(gone)
        found = {} if self.stands_still else {p: records for p in asked if (records := self._next(p))}
        if not found:
            await asyncio.sleep(timeout_ms / 1000)
        return found

    def _next(self, place):
        records = []
        while (offset := self._positions[place]) < self.ends[place] and len(records) < self.most:
            if offset in self.values[place]:
                records.append(record(place, offset, self.values[place][offset]))
            self._positions[place] += 1
        return records
