"""Commits whose markers a broker never writes: whoever comes next under the same id sees to it that they stand.

A broker forgets markers when it is killed at the right millisecond. Here the client leaves out the request that names a
partition to the coordinator, with the same outcome: the transaction is complete, and stands open on that partition.
"""

import asyncio
from contextlib import asynccontextmanager

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from iqstream.catalogue.dataset_status import set_status
from iqstream.reach import postgres_pool
from iqstream.runtime.kafka import (
    admin_client,
    stored_position,
    transaction,
    transactional_producer,
)
from iqstream.runtime.kafka_protocol import CommittedOffset
from iqstream.runtime.offsets import committed_offsets, partition_ends, partition_leaders
from iqstream.runtime.standing_position import metadata_of
from iqstream.runtime.topics import JOBS
from iqstream.submit import submission
from tests.integration.lag_scene import Scene
from tests.integration.pipeline import small_spec, submitted_shards
from tests.integration.transactions import committed_records, settled

pytestmark = pytest.mark.stack
TOLD, FORGOTTEN = 0, 1
"""Partitions: the coordinator knows of the first alone."""


@pytest.fixture(scope="module", autouse=True)
def unverified(settings):
    """The broker takes a transaction's records without asking its coordinator whether it knows of the partition."""

    async def set_verification(configs):
        async with admin_client(settings) as admin:
            for broker in (await admin.describe_cluster())["brokers"]:
                await admin.alter_configs(
                    [ConfigResource(ConfigResourceType.BROKER, str(broker["node_id"]), configs=configs)]
                )

    asyncio.run(set_verification({"transaction.partition.verification.enable": "false"}))
    yield
    asyncio.run(set_verification({}))


@pytest.fixture
async def scene(settings):
    return await Scene(settings, partitions=2).create()


@asynccontextmanager
async def a_producer(scene, *, again=True):
    """Of the scene's transactional id; one that does not commit `again` is the client as it comes."""
    outputs, group = ((scene.topic,), scene.group) if again else ((), None)
    producer = transactional_producer(scene.settings, f"id-{scene.group}", outputs=outputs, group=group)
    try:
        await producer.start()
        yield producer
    finally:
        await producer.let_go()


async def commit_half_forgotten(scene, producer):
    """A record to each partition and a position, of which only the first record gets its marker."""
    await producer.begin_transaction()
    await producer.send_and_wait(scene.topic, b"told", partition=TOLD)
    producer._txn_manager._txn_partitions.add(TopicPartition(scene.topic, FORGOTTEN))
    await producer.send_and_wait(scene.topic, b"forgotten", partition=FORGOTTEN)
    producer._txn_manager._txn_consumer_group = scene.group
    metadata = metadata_of(3, producer.identity()[1], producer._last_offsets)
    await producer.send_offsets_to_transaction({TopicPartition(scene.topic, TOLD): (7, metadata)}, scene.group)
    await producer.commit_transaction()
    await markers_written(scene, TOLD)


async def leave_open(scene, producer, *, told):
    """A record to each partition and a position, of which the coordinator is told so much; it knows of no end."""
    await producer.begin_transaction()
    for partition in (TOLD, FORGOTTEN):
        if partition not in told:
            producer._txn_manager._txn_partitions.add(TopicPartition(scene.topic, partition))
        await producer.send_and_wait(scene.topic, b"open", partition=partition)
    if "position" not in told:
        producer._txn_manager._txn_consumer_group = scene.group
    await producer.send_position(TopicPartition(scene.topic, TOLD), 7, since=3)


async def markers_written(scene, partition):
    async with asyncio.timeout(60):
        while await unreadable(scene, partition):
            await asyncio.sleep(0.02)


async def unreadable(scene, partition):
    """How many offsets stand behind the last stable one."""
    async with admin_client(scene.settings) as admin:
        ends = await partition_ends(admin, await partition_leaders(admin, [scene.topic]))
    end = ends[TopicPartition(scene.topic, partition)]
    return end.high_watermark - end.end


async def position(scene):
    """Once no transaction is about to change it."""
    return await stored_position(scene.settings, scene.group, TopicPartition(scene.topic, TOLD))


async def positions(scene):
    """As they stand."""
    async with admin_client(scene.settings) as admin:
        return await committed_offsets(admin, scene.group)


async def test_a_forgotten_commit_stands_open_for_the_client_as_it_comes(scene):
    async with a_producer(scene, again=False) as producer:
        await commit_half_forgotten(scene, producer)
    async with a_producer(scene, again=False) as successor, transaction(successor):
        await successor.send_and_wait(scene.topic, b"next", partition=TOLD)
    await markers_written(scene, TOLD)
    assert await unreadable(scene, FORGOTTEN) == 1
    assert not await positions(scene)


async def test_a_successor_makes_its_predecessors_records_and_position_stand(scene):
    async with a_producer(scene) as producer:
        await commit_half_forgotten(scene, producer)
        assert await unreadable(scene, FORGOTTEN) == 1
        assert not await positions(scene)
        place = TopicPartition(scene.topic, FORGOTTEN)
        assert not await producer.ends_at(place, 0), "what stands open is behind all that can be read"
    async with a_producer(scene) as successor:
        assert (await successor.standing_position(await position(scene))).position == 7
        await successor.commit_again()
        assert await unreadable(scene, FORGOTTEN) == 0
        assert [await successor.ends_at(place, offset) for offset in (0, 1, 2, 3)] == [False, False, True, False]
    await assert_read(scene, {b"told", b"forgotten"})


async def test_a_successor_aborts_what_was_open(scene):
    async with a_producer(scene) as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(scene.topic, b"open", partition=TOLD)
        async with a_producer(scene):
            pass
    await markers_written(scene, TOLD)
    await assert_read(scene, set())


@pytest.mark.parametrize("told", [{TOLD}, {FORGOTTEN}, {TOLD, FORGOTTEN}], ids=str)
async def test_where_an_abort_was_forgotten_its_batch_is_done_again(scene, told):
    """What is said again commits the position; its batch, or a part of it, was aborted."""
    async with a_producer(scene) as producer:
        await leave_open(scene, producer, told=told)
    async with a_producer(scene) as successor:
        assert (await position(scene)).offset == 7
        assert (await successor.standing_position(await position(scene))).position == 3
    for partition in (TOLD, FORGOTTEN):
        await markers_written(scene, partition)


async def test_records_that_retention_removed_are_not_made_again(scene):
    async with a_producer(scene) as producer:
        async with transaction(producer):
            await producer.send_and_wait(scene.topic, b"removed", partition=TOLD)
            await producer.send_position(TopicPartition(scene.topic, TOLD), 7, since=3)
        told = await position(scene)
        await markers_written(scene, TOLD)
        async with admin_client(scene.settings) as admin:
            await admin.delete_records({TopicPartition(scene.topic, TOLD): RecordsToDelete(before_offset=2)})
        assert (await producer.standing_position(told)).position == 7


@pytest.mark.parametrize("offset", [1, 100], ids=["another's record", "behind the end"])
async def test_records_that_are_not_there_are_made_again(scene, offset):
    """The log was cut off, or the topic made anew."""
    await scene.send_plain(4, partition=TOLD)
    async with a_producer(scene) as producer:
        metadata = metadata_of(3, producer.identity()[1], {TopicPartition(scene.topic, TOLD): offset})
        assert (await producer.standing_position(CommittedOffset(7, metadata))).position == 3


@pytest.mark.parametrize("goes_on", ["rests", "begins another transaction"])
async def test_after_an_outage_a_producer_makes_its_own_commit_stand(scene, goes_on):
    async with a_producer(scene) as producer:
        await commit_half_forgotten(scene, producer)
        await producer.settle()
        assert await unreadable(scene, FORGOTTEN) == 1, "it said its commit again although there was no outage"
        for connection in producer.client._conns.values():
            connection.close()
        if goes_on == "rests":
            await producer.settle()
        else:
            await producer.begin_transaction()
        await markers_written(scene, FORGOTTEN)
        assert (await producer.standing_position(await position(scene))).position == 7
    await assert_read(scene, {b"told", b"forgotten"})


async def test_a_submission_ends_when_all_its_shards_can_be_read(settings, monkeypatch):
    spec = small_spec(60)

    async def send_all(producer, records):
        producer._txn_manager._txn_partitions.add(TopicPartition(JOBS, FORGOTTEN))
        await records_sent(producer, records)

    records_sent = submission.send_all
    monkeypatch.setattr(submission, "send_all", send_all)
    async with postgres_pool(settings) as pool:
        await submission.submit(settings, pool, spec)
        await set_status(pool, spec.dataset_id, spec.dataset_version, "cancelled")
    await settled(settings, JOBS)
    assert await submitted_shards(settings, spec) == dict.fromkeys(range(0, 60, 2), 1)


async def assert_read(scene, values):
    """Exactly these are there for a reader of committed records."""
    partitions = [TopicPartition(scene.topic, p) for p in (TOLD, FORGOTTEN)]
    read = [record.value for record in await committed_records(scene.settings, partitions)]
    assert sorted(read) == sorted(values)
