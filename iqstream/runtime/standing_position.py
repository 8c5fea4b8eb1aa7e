"""Whether what a position says to be done can be read: where the batch behind it was aborted, it is done again.

A batch's records and the position behind them are one transaction. A broker that restarts may forget the end of one on
some partitions, an abort as well as a commit (ADR 50); whoever comes next then commits what stands open, the position
of an aborted batch with it. So a position says with itself where its batch began and where its records are, and
whoever goes on from it looks how their transaction ended. It says, too, where the first records are of what records
behind it will complete.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
from aiokafka import TopicPartition
from aiokafka.errors import OffsetOutOfRangeError, for_code

from iqstream.runtime.aiokafka_internals import AIOKafkaClient, OffsetResetStrategy
from iqstream.runtime.kafka_protocol import (
    NO_LEADER,
    ONE_BATCH,
    READ_UNCOMMITTED,
    CommittedOffset,
    fetch,
    list_offsets,
    partition_leaders,
)
from iqstream.runtime.record_batches import Unreadable, whole_batches

log = logging.getLogger(__name__)

RETRY_S = 0.05
MOST_PLACES = 100
"""So many partitions are named: Kafka stores 4096 bytes with an offset (`offset.metadata.max.bytes`)."""


class Batch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a position says of the batch behind it: as JSON, the metadata of the group's offset."""

    since: int
    """Position before the batch."""
    producer_id: int
    last_offsets: dict[str, dict[str, int]]
    """By topic and partition, where the last record of the batch is."""
    first: tuple[int, ...] = ()
    """Where the first records are of what is completed after the position, counted from `since`."""
    first_since: tuple[int, ...] = ()
    """Likewise of what is completed after `since`."""


def metadata_of(
    since: int,
    producer_id: int,
    last_offsets: Mapping[TopicPartition, int],
    first_offsets: Sequence[int] = (),
    first_offsets_since: Sequence[int] = (),
) -> str:
    """What is stored with a position; nothing where the batch has no records and nothing is to be completed."""
    named: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for place, offset in sorted(last_offsets.items())[:MOST_PLACES]:
        named[place.topic][str(place.partition)] = offset
    if not named and not first_offsets:
        return ""
    batch = Batch(
        since=since,
        producer_id=producer_id,
        last_offsets=dict(named),
        first=tuple(offset - since for offset in first_offsets),
        first_since=tuple(offset - since for offset in first_offsets_since),
    )
    return msgspec.json.encode(batch).decode()


def goes_over_again(before: CommittedOffset, after: CommittedOffset) -> bool:
    """Whether a position lies in the batch of an earlier one: that was aborted, and is done again."""
    try:
        aborted, batch = (msgspec.json.decode(said.metadata, type=Batch) for said in (before, after))
    except msgspec.DecodeError:
        return False
    return aborted.since <= batch.since < after.offset <= before.offset


class Standing(NamedTuple):
    """Where to go on, and what was begun before."""

    position: int
    first_offsets: Sequence[int]
    """Where the first records are of what is completed after the position."""


async def standing_position(client: AIOKafkaClient, committed: CommittedOffset) -> Standing:
    """Where to go on: at the committed position, or at the one before its batch, where that was aborted.

    For whoever has fenced the former owner and has said its commit again. It waits for markers that are being written.

    Raises:
        KafkaError: no broker answers, or one refuses.
    """
    try:
        batch = msgspec.json.decode(committed.metadata, type=Batch)
    except msgspec.DecodeError:  # nothing, or what another tool says
        return Standing(committed.offset, ())
    for topic, partitions in batch.last_offsets.items():
        for partition, offset in partitions.items():
            place = TopicPartition(topic, int(partition))
            if not await _is_committed(client, place, offset, batch.producer_id):
                log.warning(
                    "%s-%d: offset %d was aborted, although the position behind it stands: going back from %d to %d",
                    *place, offset, committed.offset, batch.since,
                )  # fmt: skip
                return Standing(batch.since, [batch.since + offset for offset in batch.first_since])
    return Standing(committed.offset, [batch.since + offset for offset in batch.first])


async def _is_committed(client: AIOKafkaClient, place: TopicPartition, offset: int, producer_id: int) -> bool:
    """Whether the transaction of a record was committed on its partition: the producer's next marker tells.

    A record that retention has removed counts as committed; one that the log does not have (it was cut off, or the
    topic was made anew), as aborted.
    """
    at = offset + 1
    while True:
        leaders = await partition_leaders(client, [place.topic])
        if (leader := leaders.get(place.topic, {}).get(place.partition, NO_LEADER)) == NO_LEADER:
            await asyncio.sleep(RETRY_S)
            continue
        answer = await fetch(client, leader, place, at, READ_UNCOMMITTED, ONE_BATCH)
        if answer["error_code"] == OffsetOutOfRangeError.errno:
            earliest = await list_offsets(client, leaders, READ_UNCOMMITTED, {place: OffsetResetStrategy.EARLIEST})
            return earliest.get(place, 0) > offset
        if code := answer["error_code"]:
            if not for_code(code).retriable:
                raise for_code(code)(f"{place.topic}, partition {place.partition}, offset {at}")
            await asyncio.sleep(RETRY_S)
            continue
        begun_at = at
        for batch in whole_batches(bytes(answer["message_set"] or b""), at):
            at = batch.next_offset
            if not isinstance(batch, Unreadable) and batch.is_control and batch.producer_id == producer_id:
                return not batch.aborts
        if at == begun_at and answer["last_stable_offset"] > offset:
            return False  # nothing stands open there, and nothing ended
