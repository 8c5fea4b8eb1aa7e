"""What a reading by hand relies on from a consumer: the one in memory and Kafka's own keep the same contract."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete
from aiokafka.errors import OffsetOutOfRangeError

from iqstream.runtime.kafka import admin_client, started_reader
from tests.fake_consumer import FakeConsumer
from tests.integration.lag_scene import Scene

END = 9
"""Of partition 0: records 0-2 and their marker, two that were aborted and their marker, record 7 and its marker."""


@asynccontextmanager
async def in_memory():
    places = [TopicPartition("topic", 0), TopicPartition("topic", 1)]
    values = {places[0]: {0: b"0", 1: b"1", 2: b"2", 7: b"0"}, places[1]: {}}
    consumer = FakeConsumer(values, ends={places[0]: END, places[1]: 0})

    async def drop_before(offset):
        consumer.starts[places[0]] = offset

    yield consumer, places, drop_before


@asynccontextmanager
async def of_kafka(settings):
    scene = await Scene(settings, partitions=2).create()
    places = [TopicPartition(scene.topic, number) for number in range(2)]
    await scene.send(3)
    await scene.send(2, commit=False)
    await scene.send(1)

    async def drop_before(offset):
        async with admin_client(scene.settings) as admin:
            await admin.delete_records({places[0]: RecordsToDelete(before_offset=offset)})

    async with started_reader(scene.settings) as consumer:
        yield consumer, places, drop_before
    await scene.delete()


async def read(consumer, place, end):
    found = []
    async with asyncio.timeout(30):
        while await consumer.position(place) < end:
            found += (await consumer.getmany(place, timeout_ms=100)).get(place, [])
    return [(record.offset, record.value) for record in found]


@pytest.fixture(params=["in memory", pytest.param("Kafka", marks=pytest.mark.stack)])
def opened(request):
    """A consumer, its two partitions, and what deletes the records before an offset."""
    if request.param == "in memory":
        return in_memory()
    return of_kafka(request.getfixturevalue("settings"))  # here: servers are not started from within an event loop


async def test_a_consumer_that_is_assigned_by_hand(opened):
    """Gives what is committed from where it was sent, passes the rest, gives nothing when paused, and names a loss."""
    async with opened as (consumer, (place, empty), drop_before):
        # It gives the committed records in order, and its position passes the rest up to the end.
        consumer.assign([place, empty])
        consumer.seek(place, 0)
        consumer.seek(empty, 0)
        assert await consumer.position(place) == 0
        assert await read(consumer, place, END) == [(0, b"0"), (1, b"1"), (2, b"2"), (7, b"0")]
        # At the end, and of an empty partition, it gives nothing.
        assert await consumer.getmany(place, empty, timeout_ms=100) == {}
        assert await consumer.position(empty) == 0
        # Assigned once more, it begins where it is sent; what is paused gives nothing.
        consumer.assign([place])
        consumer.seek(place, 2)
        assert await read(consumer, place, END) == [(2, b"2"), (7, b"0")]
        consumer.assign([place])
        consumer.seek(place, 0)
        consumer.pause(place)
        assert await consumer.getmany(place, timeout_ms=300) == {}
        # An offset that was deleted is an error that names partition and offset.
        await drop_before(2)
        consumer.assign([place])
        consumer.seek(place, 1)
        with pytest.raises(OffsetOutOfRangeError) as told:
            await read(consumer, place, END)
        assert told.value.args[0] == {place: 1}
