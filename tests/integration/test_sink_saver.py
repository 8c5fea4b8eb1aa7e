"""The IQ of the first accepted samples: from Kafka, or synthesised again, into object storage, once."""

import asyncio
import logging
import random
from dataclasses import replace
from types import SimpleNamespace
from uuid import UUID, uuid4

import msgspec
import numpy as np
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import NewTopic, RecordsToDelete

from iqstream.catalogue.dataset_status import delete_dataset, set_status
from iqstream.catalogue.datasets import get_dataset
from iqstream.catalogue.iq_saves import why_iq_is_lost
from iqstream.catalogue.locked import lock_datasets
from iqstream.catalogue.new_datasets import create_dataset
from iqstream.catalogue.offsets import create_offsets
from iqstream.catalogue.postgres import create_pool
from iqstream.reach import object_store
from iqstream.runtime.errors import Failed
from iqstream.runtime.invalid_share import InvalidShare
from iqstream.runtime.kafka import admin_client, reader_consumer
from iqstream.runtime.metrics import Metrics
from iqstream.runtime.topics import JOBS
from schemas import Lineage, encode, frame_crc32
from sink import saver as saver_module
from sink.frames import FrameReader
from sink.objects import ObjectStore, object_name
from sink.partition import SinkPartition
from sink.saver import Saver
from tests.integration.transactions import settling_producer
from tests.sink_samples import TOPIC, feature_record, kafka_record, make_frame, make_spec, withdraw_tests

pytestmark = pytest.mark.stack

TOPIC_ID = UUID(int=7)
RECEIVERS = 3


@pytest.fixture
async def pool(settings):
    async with create_pool(settings.postgres_dsn, max_size=8) as pool:
        yield pool
        await withdraw_tests(pool)


@pytest.fixture
async def store(settings):
    store = ObjectStore(
        endpoint=settings.s3_endpoint,
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key,
        secure=settings.s3_secure,
    )
    yield store
    store.close()


@pytest.fixture
async def frames_topic(settings):
    name = f"test-frames-{uuid4()}"
    async with admin_client(settings) as admin:
        await admin.create_topics([NewTopic(name, 1, 1)])
        yield name
        await admin.delete_topics([name])


@pytest.fixture
async def reader(settings):
    async with FrameReader(lambda: reader_consumer(settings)) as reader:
        yield reader


def synthesize(spec, idx):
    return SimpleNamespace(frames=[make_frame(spec, idx, n) for n in range(RECEIVERS)])


def refuse(_spec, _idx):
    raise AssertionError("nothing needs to be synthesised")


async def send_frames(settings, topic, spec, samples):
    """The frames of some samples in transactions, markers between them; their offsets by sample and receiver."""
    offsets = {}
    async with settling_producer(settings) as producer:
        for idx in samples:
            async with producer.transaction():
                for n in range(RECEIVERS):
                    sent = await producer.send(topic, encode(make_frame(spec, idx, n)), partition=0)
                    offsets[idx, n] = (await sent).offset
    return offsets


def record_of(spec, topic, offsets, idx, n, *, snr_db=20.0, crc32=None):
    crc32 = frame_crc32(make_frame(spec, idx, n)) if crc32 is None else crc32
    lineage = Lineage(topic=topic, partition=0, offset=offsets[idx, n], crc32=crc32)
    return msgspec.structs.replace(feature_record(spec, idx, n, snr_db=snr_db), lineage=lineage)


async def decide(pool, spec, records_by_sample, order):
    """Decides the samples in that order, as the sink does."""

    async def nothing(*_):
        pass

    group = f"test-{uuid4()}"
    await create_offsets(pool, group=group, topic=TOPIC, partitions=[0], cluster_id="c", topic_id=TOPIC_ID)
    owner = SinkPartition(
        partition=TopicPartition(TOPIC, 0),
        group=group,
        cluster_id="c",
        topic_id=TOPIC_ID,
        pool=pool,
        confirm_membership=nothing,
        publish_offset=lambda _offset: None,
        chosen=asyncio.Event(),
        invalid_share=InvalidShare(1.0),
        metrics=Metrics("sink"),
    )
    offset = await owner.take_over()
    for idx in order:
        batch = [kafka_record(offset + n, record) for n, record in enumerate(records_by_sample[idx])]
        await owner.handle(batch)
        offset += len(batch)


async def running(pool, **fields):
    spec = make_spec(receivers=RECEIVERS, **fields)
    await create_dataset(pool, spec)
    await set_status(pool, spec.dataset_id, 1, "running")
    return spec


def make_saver(pool, store, reader, make):
    return Saver(pool=pool, store=store, frames=reader, synthesize=make, wake=asyncio.Event())


async def saved_samples(store, spec):
    names = await store.list_samples(spec.dataset_id)
    return sorted({int(name.split("/")[2]) for name in names}), len(names)


async def drain(saver, pool, spec):
    """Saves, several samples at once, until the dataset is complete; other tests' may be saved on the way."""
    saving = asyncio.create_task(saver.run())
    try:
        async with asyncio.timeout(60):
            while (await get_dataset(pool, spec.dataset_id)).status != "complete":
                if saving.done():
                    saving.result()
                await asyncio.sleep(0.01)
    finally:
        saving.cancel()
        await asyncio.gather(saving, return_exceptions=True)


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_the_order_of_decisions_the_first_n_accepted_are_saved(
    settings, pool, store, reader, frames_topic, caplog, seed
):
    caplog.set_level(logging.INFO, logger="sink.saver")
    rng = random.Random(seed)
    spec = await running(pool, samples=8, iq_samples=3)
    offsets = await send_frames(settings, frames_topic, spec, range(8))
    snr = {idx: rng.choice([20.0, 0.0, 20.0]) for idx in range(8)}
    snr |= {7: 20.0}
    records = {
        idx: [record_of(spec, frames_topic, offsets, idx, n, snr_db=snr[idx]) for n in range(RECEIVERS)]
        for idx in range(8)
    }
    await decide(pool, spec, records, rng.sample(range(8), 8))
    await drain(make_saver(pool, store, reader, refuse), pool, spec)
    accepted = [idx for idx in range(8) if snr[idx] == 20.0]
    kept = accepted[:3]
    assert await saved_samples(store, spec) == (kept, len(kept) * RECEIVERS)
    for idx in kept:
        stored = await store.get_iq(spec.dataset_id, idx, "rx1")
        assert stored.dtype == np.complex64
        assert np.array_equal(stored, make_frame(spec, idx, 1).samples())
    line = f"Generation complete: {len(accepted)} samples, {len(kept)} IQ samples saved to MinIO"
    assert caplog.messages.count(line) == 1


async def test_savers_side_by_side_save_each_sample_once(settings, pool, store, frames_topic):
    spec = await running(pool, samples=6, iq_samples=6)
    offsets = await send_frames(settings, frames_topic, spec, range(6))
    records = {i: [record_of(spec, frames_topic, offsets, i, n) for n in range(RECEIVERS)] for i in range(6)}
    await decide(pool, spec, records, range(6))
    async with (
        FrameReader(lambda: reader_consumer(settings)) as one,
        FrameReader(lambda: reader_consumer(settings)) as two,
    ):
        await asyncio.gather(*(drain(make_saver(pool, store, reader, refuse), pool, spec) for reader in (one, two)))
    assert await saved_samples(store, spec) == (list(range(6)), 18)
    dataset = await get_dataset(pool, spec.dataset_id)
    assert (dataset.iq_samples_saved, dataset.status) == (6, "complete")


async def test_a_saver_that_dies_leaves_its_sample_to_the_next(settings, pool, store, reader, frames_topic):
    spec = await running(pool, samples=1, iq_samples=1)
    offsets = await send_frames(settings, frames_topic, spec, [0])
    await decide(pool, spec, {0: [record_of(spec, frames_topic, offsets, 0, n) for n in range(RECEIVERS)]}, [0])
    entered = asyncio.Event()

    class Stuck(FrameReader):
        async def read(self, *_):
            entered.set()
            await asyncio.Event().wait()

    dying = asyncio.create_task(make_saver(pool, store, Stuck(lambda: reader_consumer(settings)), refuse).save_next())
    await asyncio.wait_for(entered.wait(), 10)
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    await drain(make_saver(pool, store, reader, refuse), pool, spec)
    assert await saved_samples(store, spec) == ([0], RECEIVERS)


async def test_expired_frames_are_synthesised_again(settings, pool, store, reader, frames_topic):
    spec = await running(pool, samples=2, iq_samples=2)
    offsets = await send_frames(settings, frames_topic, spec, range(2))
    records = {i: [record_of(spec, frames_topic, offsets, i, n) for n in range(RECEIVERS)] for i in range(2)}
    await decide(pool, spec, records, range(2))
    async with admin_client(settings) as admin:
        place = TopicPartition(frames_topic, 0)
        await admin.delete_records({place: RecordsToDelete(before_offset=offsets[0, 1] + 1)})
    made = []

    def counted(spec, idx):
        made.append(idx)
        return synthesize(spec, idx)

    await drain(make_saver(pool, store, reader, counted), pool, spec)
    assert made == [0]
    assert np.array_equal(await store.get_iq(spec.dataset_id, 0, "rx0"), make_frame(spec, 0, 0).samples())
    assert await saved_samples(store, spec) == ([0, 1], 2 * RECEIVERS)


async def test_a_frame_that_cannot_be_proved_is_not_stored_and_says_why(settings, pool, store, reader, frames_topic):
    """Neither what Kafka holds at that place nor the synthesis has the lineage's crc32."""
    spec = await running(pool, samples=1, iq_samples=1)
    offsets = await send_frames(settings, frames_topic, spec, [0])
    records = [record_of(spec, frames_topic, offsets, 0, n, crc32=1 if n == 2 else None) for n in range(RECEIVERS)]
    await decide(pool, spec, {0: records}, [0])
    saver = make_saver(pool, store, reader, synthesize)
    while await saver.save_next():
        pass
    row = await pool.fetchrow(
        "SELECT saved_at, attempts, error, retry_at > now() - interval '1 s' AS later FROM heimdall.iq_saves "
        "WHERE dataset_id = $1",
        UUID(spec.dataset_id),
    )
    assert (row["saved_at"], row["attempts"], row["later"]) == (None, 1, True)
    assert "rx2" in row["error"]
    assert "crc32" in row["error"]
    assert await saved_samples(store, spec) == ([], 0)
    assert (await get_dataset(pool, spec.dataset_id)).status == "running"


async def test_iq_that_can_be_had_in_no_way_is_given_up_and_the_dataset_completes_and_says_so(
    settings, pool, store, reader, frames_topic, monkeypatch, caplog
):
    """Another generator's sample beside one that can be made: nothing is on Kafka, as where no frames are published."""
    monkeypatch.setattr(saver_module, "RETRY_FIRST_S", 0.01)
    spec = await running(pool, samples=2, iq_samples=2)
    places = {(idx, n): 0 for idx in range(2) for n in range(RECEIVERS)}
    records = {i: [record_of(spec, JOBS, places, i, n) for n in range(RECEIVERS)] for i in range(2)}
    await decide(pool, spec, records, range(2))

    def another_generator(spec, idx):
        if idx == 0:
            raise ValueError("generator_version: the dataset was made by generator '9'")
        return synthesize(spec, idx)

    await drain(make_saver(pool, store, reader, another_generator), pool, spec)
    assert await saved_samples(store, spec) == ([1], RECEIVERS)
    dataset = await get_dataset(pool, spec.dataset_id)
    assert (dataset.status, dataset.iq_samples_saved, dataset.iq_samples_lost) == ("complete", 1, 1)
    reason = await why_iq_is_lost(pool, spec.dataset_id, 1)
    assert "never published, and synthesis fails: generator_version" in reason
    attempts = await pool.fetchval(
        "SELECT max(attempts) FROM heimdall.iq_saves WHERE dataset_id = $1", UUID(spec.dataset_id)
    )
    assert attempts == saver_module.GIVE_UP_AFTER_ATTEMPTS
    assert any(message.startswith("the IQ of 1 samples cannot be had") for message in caplog.messages)


async def test_a_saver_that_holds_a_dataset_is_given_up_when_frozen_as_soon_as_any_other_transaction(
    settings, pool, store, reader, frames_topic, monkeypatch
):
    spec = await running(pool, samples=1, iq_samples=1)
    offsets = await send_frames(settings, frames_topic, spec, [0])
    await decide(pool, spec, {0: [record_of(spec, frames_topic, offsets, 0, n) for n in range(RECEIVERS)]}, [0])
    given_up_after = []

    async def lock_and_look(connection, datasets):
        locked = await lock_datasets(connection, datasets)
        given_up_after.append(await connection.fetchval("SHOW idle_in_transaction_session_timeout"))
        return locked

    monkeypatch.setattr("sink.saver.lock_datasets", lock_and_look)
    assert await make_saver(pool, store, reader, refuse).save_next()
    assert given_up_after == [await pool.fetchval("SHOW idle_in_transaction_session_timeout")]
    assert given_up_after != ["0"]


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE heimdall.datasets SET spec = '{}' WHERE id = $1",
        "UPDATE heimdall.datasets SET iq_samples_saved = iq_chosen WHERE id = $1",  # one more breaks its CHECK
    ],
)
async def test_a_dataset_whose_iq_cannot_be_marked_saved_keeps_no_other_waiting(
    settings, pool, store, reader, frames_topic, damage
):
    specs = [await running(pool, samples=1, iq_samples=1) for _ in range(2)]
    for spec in specs:
        offsets = await send_frames(settings, frames_topic, spec, [0])
        await decide(pool, spec, {0: [record_of(spec, frames_topic, offsets, 0, n) for n in range(RECEIVERS)]}, [0])
    broken, whole = sorted(specs, key=lambda spec: spec.dataset_id)  # the order in which samples are claimed
    await pool.execute(damage, UUID(broken.dataset_id))
    await drain(make_saver(pool, store, reader, refuse), pool, whole)
    row = await pool.fetchrow(
        "SELECT saved_at, attempts, error FROM heimdall.iq_saves WHERE dataset_id = $1", UUID(broken.dataset_id)
    )
    assert (row["saved_at"], row["attempts"] > 0, bool(row["error"])) == (None, True, True)
    text = msgspec.json.encode(broken).decode()
    await pool.execute("UPDATE heimdall.datasets SET spec = $2 WHERE id = $1", UUID(broken.dataset_id), text)


async def test_a_dataset_deleted_while_its_iq_is_saved_leaves_no_objects(settings, pool, store, frames_topic):
    spec = await running(pool, samples=1, iq_samples=1)
    offsets = await send_frames(settings, frames_topic, spec, [0])
    await decide(pool, spec, {0: [record_of(spec, frames_topic, offsets, 0, n) for n in range(RECEIVERS)]}, [0])
    deleted = []

    class DeletesFirst(FrameReader):
        async def read(self, *place):
            deleted.append(await delete_dataset(pool, spec.dataset_id))
            return await super().read(*place)

    async with DeletesFirst(lambda: reader_consumer(settings)) as reader:
        assert await make_saver(pool, store, reader, refuse).save_next()
    assert deleted == [1]
    assert await saved_samples(store, spec) == ([], 0)
    left = await pool.fetchval("SELECT count(*) FROM heimdall.iq_saves WHERE dataset_id = $1", UUID(spec.dataset_id))
    assert left == 0


async def test_a_frame_reader_finds_what_is_there_and_leaves_out_the_rest(settings, reader, frames_topic):
    spec = make_spec(receivers=RECEIVERS)
    offsets = await send_frames(settings, frames_topic, spec, range(20))
    wanted = {offsets[idx, n] for idx in (0, 1, 17, 19) for n in range(RECEIVERS)}
    marker = offsets[0, RECEIVERS - 1] + 1
    beyond = 10**9
    found = await reader.read(frames_topic, 0, wanted | {marker, beyond})
    assert found.keys() == wanted
    assert found[offsets[17, 1]] == encode(make_frame(spec, 17, 1))


async def test_an_object_that_is_not_there_is_named(store):
    with pytest.raises(FileNotFoundError, match="nothing"):
        await store.get_iq("nothing", 0, "rx")


async def test_a_bucket_that_is_not_there_is_named_with_what_makes_it(store, monkeypatch):
    monkeypatch.setattr(store, "_bucket", "no-such-bucket")
    with pytest.raises(Failed, match="no bucket no-such-bucket: run `iqstream init`"):
        await store.put_iq(str(uuid4()), 0, "rx", np.zeros(4, np.complex64))


async def test_objects_stand_in_the_bucket_and_region_that_are_set(store, settings):
    dataset_id = str(uuid4())
    elsewhere = object_store(replace(settings, s3_bucket="iq-of-others", s3_region="us-east-1"))
    try:
        assert await elsewhere.ensure_bucket()
        await elsewhere.put_iq(dataset_id, 0, "rx", np.zeros(4, np.complex64))
        assert await elsewhere.list_samples(dataset_id) == [object_name(dataset_id, 0, "rx")]
        assert await store.list_samples(dataset_id) == []
    finally:
        elsewhere.close()


async def test_objects_are_written_again_and_removed_by_dataset(store):
    iq = np.arange(5, dtype=np.complex64)
    dataset_id = str(uuid4())
    for _ in range(2):
        await store.put_iq(dataset_id, 3, "rx", iq)
    assert await store.list_samples(dataset_id) == [object_name(dataset_id, 3, "rx")]
    assert await store.remove_dataset(dataset_id) == 1
    assert await store.list_samples(dataset_id) == []
