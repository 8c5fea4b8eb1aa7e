"""Bytes that are no message, on every topic that a stage reads: kept with their origin, and in nobody's way."""

import asyncio
from collections import Counter
from dataclasses import replace
from uuid import uuid4

import pytest
from aiokafka import TopicPartition

from iqstream.catalogue.datasets import get_dataset
from iqstream.dataset import FeatureStream
from iqstream.dataset.feature_records import feature_records
from iqstream.dead_letters.read import read_letters
from iqstream.lag.probe import Span, read_on
from iqstream.positions.plan import plan_move
from iqstream.positions.target import ToEarliest
from iqstream.reach import postgres_pool
from iqstream.runtime.invalid_share import ENOUGH
from iqstream.runtime.kafka import admin_client, started_reader, transactional_producer
from iqstream.runtime.offsets import partition_ends, partition_leaders
from iqstream.runtime.stages import STAGES
from iqstream.runtime.topics import DEAD_LETTERS, FEATURES, FRAMES, JOBS
from iqstream.stage_position import read_position
from iqstream.watch.withheld import WithheldRecords
from producer.synthesize import synthesize_sample
from schemas import SchemaError, decode, encode
from tests.embedded_servers import embedded_servers
from tests.hostile_wire import bit_flips, hostile_messages
from tests.integration.pipeline import Pipeline, is_complete, small_spec, submit_dataset, wait_for_dataset
from tests.integration.raw_batches import damage, damaged_length, produce
from tests.record_batches import CODECS, compressed, raw_record, with_records

pytestmark = pytest.mark.stack
NULLS = [(name, None) for name in (b"dataset_version", b"samples", b"generation", b"rx_id", b"origin")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("bad-data")


@pytest.fixture(scope="module")
def settings(folder):
    """Servers of its own: bytes that are no message would meet whatever else is tested on the same topics."""
    with embedded_servers(folder) as servers:
        yield servers


def corpus():
    """Every kind of bad message, small enough for the topics; each of them differs from the others."""
    frame = encode(synthesize_sample(small_spec(1), 0).frames[0])
    cut = [frame[:size] for size in (1, 10, 100, len(frame) // 2, len(frame) - 1)]
    flipped = [data for data in list(bit_flips(frame[:200]))[::40] if undecodable(data + frame[200:])]
    messages = [hostile.data for hostile in hostile_messages()] + cut + [data + frame[200:] for data in flipped]
    return sorted({data for data in messages if len(data) < 500_000})


def undecodable(data):
    try:
        decode(data)
    except SchemaError:
        return True
    return False


@pytest.fixture
async def sender(settings):
    producer = transactional_producer(settings, f"bad-{small_spec(1).dataset_id}")
    await producer.start()
    yield producer
    await producer.let_go()


async def send(sender, topic, values):
    """Sends to all partitions in turn; the places of the records, `topic:partition:offset`."""
    async with sender.transaction():
        sent = [await sender.send(topic, value) for value in values]
        stood = [await acknowledged for acknowledged in sent]
    return [f"{record.topic}:{record.partition}:{record.offset}".encode() for record in stood]


async def send_unreadable(settings, folder, topic):
    """Batches of every codec, of a header whose name is no text, and damaged ones: by origin what is to be kept."""
    odd = b"odd " + uuid4().bytes
    batches = {
        partition: with_records(0, 1, packed(codec, raw_record(0, f"{topic} {name}".encode())), codec=codec)
        for partition, (name, codec) in enumerate(CODECS.items())
    }
    batches[5] = with_records(
        0, 3, raw_record(0, b"before", NULLS) + raw_record(1, odd, [(b"\xff", b"")]) + raw_record(2, b"z")
    )
    batches[6] = with_records(0, 1, raw_record(0, b"damaged " + odd))
    large = raw_record(0, bytes(3_000_000))
    batches[7] = with_records(0, 1, compressed(CODECS["zstd"], large), codec=CODECS["zstd"])
    at = await produce(settings, topic, batches)
    kept = {(partition, 0): f"{topic} {name}".encode() for partition, name in enumerate(CODECS)}
    kept |= {
        (5, 0): b"before",
        (5, 1): odd,
        (5, 2): b"z",
        (7, 0): bytes(3_000_000),
        (6, 0): damage(folder / ".iqstream", topic, 6, b"damaged " + odd),
    }
    return {f"{topic}:{partition}:{at[partition] + n}".encode(): value for (partition, n), value in kept.items()}


def packed(codec, records):
    return compressed(codec, records) if codec else records


async def dead_letters(settings, origins, *, deadline_s=60):
    """Value and how often, by origin; waits until all of the origins are there."""
    async with started_reader(settings) as reader:
        place = TopicPartition(DEAD_LETTERS, 0)
        reader.assign([place])
        await reader.seek_to_beginning(place)
        found, values = Counter(), {}
        async with asyncio.timeout(deadline_s):
            while len(found) < len(origins):
                for records in (await reader.getmany(timeout_ms=200)).values():
                    for record in records:
                        origin = dict(reversed(record.headers))["origin"]  # the first one is the stage's
                        if origin in origins:
                            found[origin] += 1
                            values[origin] = record.value
        return found, values


async def test_every_kind_of_bad_record_is_kept_once_with_its_origin_and_disturbs_no_dataset(
    settings, folder, sender, tmp_path
):
    bad = corpus()
    spec = small_spec(10)
    sent = {}
    for topic in (JOBS, FRAMES, FEATURES):
        sent |= await send_unreadable(settings, folder, topic)
        sent |= dict(zip(await send(sender, topic, bad), bad, strict=True))
    tolerant = replace(settings, max_invalid_share=1.0)
    with Pipeline(tolerant, tmp_path / "stages.log").running():
        await submit_dataset(settings, spec)
        row = await wait_for_dataset(settings, spec, is_complete)
        found, values = await dead_letters(settings, sent.keys())
    assert row["failed"] == 0
    assert found == dict.fromkeys(sent, 1)
    assert values == sent
    assert len(bad) > 200
    await every_tool_reads_past_it(settings, spec)


async def every_tool_reads_past_it(settings, spec):
    """Each reads the topics from their beginnings."""
    async with postgres_pool(settings) as pool, admin_client(settings) as admin:
        leaders = await partition_leaders(admin, [JOBS, FRAMES, FEATURES])
        ends = await partition_ends(admin, leaders)
        for stage in STAGES.values():
            assert (await plan_move(settings, admin, pool, stage, ToEarliest(), None)).counted_whole
        assert len([letter async for letter in read_letters(settings, pool)]) > 600
    spans = {place: Span(start=end.log_start, end=end.end) for place, end in ends.items()}
    read = await read_on(settings, spans)
    assert all(unread.records for unread in read.values())
    assert all(unread.to_the_end for place, unread in read.items() if place.topic == JOBS)
    assert len([record async for record in feature_records(settings, spec.dataset_id)]) == 70
    stream = FeatureStream(dataset=spec.name, settings=settings)
    assert len([sample async for sample in stream]) + await rejected(settings, spec) == 10


async def rejected(settings, spec):
    async with postgres_pool(settings) as pool:
        return (await get_dataset(pool, spec.dataset_id)).rejected


async def test_a_stage_stops_itself_when_most_of_its_input_is_invalid(settings, sender, tmp_path):
    origins = set(await send(sender, FRAMES, [b"not ours %d" % number for number in range(3 * ENOUGH)]))
    pipeline = Pipeline(settings, tmp_path / "stages.log", workers=1)
    pipeline.start("extractor")
    code = await asyncio.to_thread(pipeline.services.pop("extractor").wait, 60)
    assert code == 1
    assert "IQSTREAM_MAX_INVALID_SHARE" in pipeline.log.read_text()
    tolerant = Pipeline(replace(settings, max_invalid_share=1.0), tmp_path / "tolerant.log", workers=1)
    with tolerant.running("extractor"):  # goes on behind them, and leaves nothing to the tests after this one
        found, _ = await dead_letters(settings, origins)
    assert found == dict.fromkeys(origins, 1)


async def test_a_batch_that_the_broker_cannot_give_is_named_to_whoever_watches_until_it_can(
    settings, folder, monkeypatch
):
    """The length in its file is damaged: no reader gets it, and no dead letter can be kept."""
    monkeypatch.setattr("iqstream.watch.withheld.STANDING_S", 0.0)
    place, value = TopicPartition(FRAMES, 9), b"length " + uuid4().bytes
    async with admin_client(settings) as admin, postgres_pool(settings) as pool:
        at = (await produce(settings, FRAMES, {9: with_records(0, 1, raw_record(0, value))}))[9]
        standing = replace(await read_position(admin, pool, STAGES["extractor"]), current={place: at})
        withheld = WithheldRecords(admin)
        assert [await withheld.found([standing]) for _ in range(2)] == [[], []]
        with damaged_length(folder / ".iqstream", FRAMES, 9, value):
            [named] = await withheld.found([standing])
        assert named.startswith(f"Kafka gives no record of {FRAMES}-9 from offset {at} on (CorruptRecordException)")
        assert "--stage extractor --topic iq.frames:9 --to-offset N --execute" in named
        assert await withheld.found([standing]) == []
