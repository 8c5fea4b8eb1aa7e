"""Partitions of which the broker gives nothing: asked of after a while, told until they move or are not known."""

import pytest
from aiokafka import TopicPartition

from iqstream.runtime.offsets import Ends
from iqstream.runtime.stages import EXTRACTOR
from iqstream.stage_position import StagePosition
from iqstream.watch.withheld import WithheldRecords

PLACE = TopicPartition(EXTRACTOR.topic, 3)
ENDS = {PLACE: Ends(log_start=0, end=9, high_watermark=9)}


def standing(current, ends):
    return StagePosition(stage=EXTRACTOR, current=current, ends=ends, members=())


@pytest.fixture
def asked(monkeypatch):
    """The offsets that the broker was asked for; it gives none of them."""
    seen = []

    async def no_leaders(_admin, _topics):
        return {}

    async def refused(_admin, _leaders, offsets):
        seen.append(dict(offsets))
        return dict.fromkeys(offsets, "CorruptRecordException")

    monkeypatch.setattr("iqstream.watch.withheld.partition_leaders", no_leaders)
    monkeypatch.setattr("iqstream.watch.withheld.refused_reads", refused)
    return seen


async def test_the_broker_is_asked_of_a_partition_only_once_it_has_stood_still_for_a_while(asked):
    withheld = WithheldRecords(admin=None)
    for offset in (2, 2, 3, 3):
        assert await withheld.found([standing({PLACE: offset}, ENDS)]) == []
    assert asked == []


@pytest.mark.parametrize(
    ("current", "ends"),
    [({PLACE: 9}, ENDS), ({PLACE: 2}, {}), ({}, ENDS), ({}, {})],
    ids=["it was read", "its leader is away", "its position was deleted", "both"],
)
async def test_what_is_told_ends_with_what_it_was_told_of(asked, monkeypatch, current, ends):
    monkeypatch.setattr("iqstream.watch.withheld.STANDING_S", 0.0)
    withheld = WithheldRecords(admin=None)
    [told] = [await withheld.found([standing({PLACE: 2}, ENDS)]) for _ in range(2)][-1]
    assert told.startswith(f"Kafka gives no record of {EXTRACTOR.topic}-3 from offset 2 on (CorruptRecordException)")
    assert await withheld.found([standing(current, ends)]) == []
    assert {PLACE: 2} in asked
