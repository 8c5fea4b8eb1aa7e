"""Running mean size of a topic's records, from those that were read on the way. Pure."""

from collections.abc import Mapping

from aiokafka import TopicPartition

from iqstream.lag.figures import Unread

MEMORY_RECORDS = 1_000
"""Beyond so many, old records count half: a topic whose records change is followed."""


class MeanSizes:
    """By topic."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[float, float]] = {}

    def add(self, unread: Mapping[TopicPartition, Unread]) -> None:
        """Records that were read on."""
        for partition, read in unread.items():
            records, size_bytes = self._seen.get(partition.topic, (0.0, 0.0))
            if records > MEMORY_RECORDS:
                records, size_bytes = records / 2, size_bytes / 2
            self._seen[partition.topic] = (records + read.records, size_bytes + read.size_bytes)

    def means(self) -> dict[str, float]:
        """Bytes a record, for the topics of which any was read."""
        return {topic: size_bytes / records for topic, (records, size_bytes) in self._seen.items() if records}
