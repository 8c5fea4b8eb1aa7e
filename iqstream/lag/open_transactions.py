"""How long transactions have been open: they keep everything after them from whoever reads committed records."""

import time
from collections.abc import Mapping

from aiokafka import TopicPartition

from iqstream.lag.figures import credible_ms
from iqstream.lag.probe import Span, read_on
from iqstream.runtime.offsets import Ends
from iqstream.runtime.settings import Settings


async def transaction_ages(settings: Settings, ends: Mapping[TopicPartition, Ends]) -> dict[TopicPartition, float]:
    """Seconds, by the time of the record that the oldest open transaction begins with on each partition.

    Partitions without an open transaction are left out, and those where that record cannot be read or bears a time
    that is yet to come.

    Raises:
        KafkaError: no broker answers.
    """
    spans = {
        partition: Span(start=one.end, end=one.high_watermark)
        for partition, one in ends.items()
        if one.end < one.high_watermark
    }
    found = await read_on(settings, spans, isolation_level="read_uncommitted")
    now_ms = time.time() * 1000
    began_ms = {
        partition: credible_ms(read.first_timestamp_ms, now_ms)
        for partition, read in found.items()
        if read.first_timestamp_ms is not None
    }
    return {partition: max(0.0, (now_ms - at) / 1000) for partition, at in began_ms.items() if at is not None}
