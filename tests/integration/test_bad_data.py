"""Bytes that are no message, on every topic that a stage reads: kept with their origin, and in nobody's way."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest
from aiokafka import TopicPartition

from iqstream.runtime.invalid_share import ENOUGH
from iqstream.runtime.kafka import started_reader, transactional_producer
from iqstream.runtime.topics import DEAD_LETTERS, FEATURES, FRAMES, JOBS
from producer.synthesize import synthesize_sample
from schemas import SchemaError, decode, encode
from tests.embedded_servers import embedded_servers
from tests.hostile_wire import bit_flips, hostile_messages
from tests.integration.pipeline import Pipeline, is_complete, small_spec, submit_dataset, wait_for_dataset

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """Servers of its own: bytes that are no message would meet whatever else is tested on the same topics."""
    with embedded_servers(tmp_path_factory.mktemp("bad-data")) as servers:
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
                        origin = dict(record.headers)["origin"]
                        if origin in origins:
                            found[origin] += 1
                            values[origin] = record.value
        return found, values


async def test_every_kind_of_bad_record_is_kept_once_with_its_origin_and_disturbs_no_dataset(
    settings, sender, tmp_path
):
    bad = corpus()
    spec = small_spec(10)
    sent = {}
    for topic in (JOBS, FRAMES, FEATURES):
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
