"""Moving a stage on real servers: every flag, the way back, refusal while it runs, and fencing when forced."""

import asyncio
import json
from datetime import UTC, datetime

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.protocol.api import RequestStruct, Response
from aiokafka.protocol.types import Array, Int16, Int32, Schema, String
from click.testing import CliRunner

from iqstream.cli.main import iqstream
from iqstream.initialise import initialise
from iqstream.positions.first import FirstPositions
from iqstream.reach import postgres_pool
from iqstream.runtime.aiokafka_internals import requests_of, send_struct
from iqstream.runtime.errors import UserError
from iqstream.runtime.kafka import admin_client, started_reader, transactional_producer
from iqstream.runtime.stages import STAGES
from iqstream.runtime.topics import EXTRACTOR_GROUP, FEATURES, FRAMES, JOBS, PRODUCER_GROUP, SINK_GROUP
from iqstream.runtime.transactions import transactional_id
from iqstream.watch.obstacles import obstacles
from iqstream.watch.withheld import WithheldRecords
from tests.integration.pipeline import Pipeline, is_complete, small_spec, submit_dataset, wait_for_dataset
from tests.integration.replays import drained, ends_of, fetch, offsets, records_by_generation, stored, wait_until

pytestmark = pytest.mark.stack
SAMPLES = 16


@pytest.fixture(scope="module")
def pipeline(settings, tmp_path_factory):
    pipeline = Pipeline(settings, tmp_path_factory.mktemp("stages") / "stages.log", workers=1)
    with pipeline.running() as running:
        yield running


@pytest.fixture(scope="module")
def spec(settings, pipeline):
    """A complete dataset, and stages that have stopped."""

    async def complete():
        await submit_dataset(settings, made)
        await wait_for_dataset(settings, made, is_complete)
        await wait_until(lambda: drained(settings))

    asyncio.run(wait_until(lambda: drained(settings)))  # of what other tests left
    made = small_spec(SAMPLES)
    started_at = datetime.now(UTC)
    asyncio.run(complete())
    pipeline.stop()
    return made, started_at


def run(pipeline, *arguments, fails=False):
    """`iqstream replay ... --json`; the document, or the message of a user's error."""
    given = CliRunner().invoke(
        iqstream, ["replay", *arguments, "--json"], env=pipeline.environment(), standalone_mode=False
    )
    if fails:
        assert isinstance(given.exception, UserError), given
        return str(given.exception)
    assert given.exception is None, given
    return json.loads(given.stdout)


def targets(document):
    return {TopicPartition(p["topic"], p["partition"]): p["target"] for p in document["partitions"]}


async def readable_frames(settings, ends):
    """Offset and key of every frame that a reader of committed records gets, by partition."""
    async with started_reader(settings) as reader:
        reader.assign(list(ends))
        found = {partition: [] for partition in ends}
        for partition, end in ends.items():
            reader.seek(partition, end.log_start)
        while any([await reader.position(partition) < end.end for partition, end in ends.items()]):
            for partition, records in (await reader.getmany(timeout_ms=300)).items():
                found[partition] += [(record.offset, record.key) for record in records]
        return found


def start_of_sample(frames, offset):
    """The first frame of the sample that is read first from `offset` on; where none is, `offset` itself."""
    at = next((index for index, frame in enumerate(frames) if frame[0] >= offset), None)
    if at is None:
        return offset
    while at > 0 and frames[at - 1][1] == frames[at][1]:
        at -= 1
    return frames[at][0]


def test_a_dry_run_moves_nothing_and_names_the_dataset_that_it_touches(settings, pipeline, spec):
    before = asyncio.run(offsets(settings, EXTRACTOR_GROUP, FRAMES))
    document = run(pipeline, "--stage", "extractor", "--to-earliest")
    assert asyncio.run(offsets(settings, EXTRACTOR_GROUP, FRAMES)) == before
    assert targets(document) == {p: e.log_start for p, e in asyncio.run(ends_of(settings, FRAMES)).items()}
    (touched,) = [d for d in document["datasets"] if d["dataset_id"] == spec[0].dataset_id]
    assert (touched["samples"], touched["status"]) == (SAMPLES, "complete")
    assert document["projected_s"] > 0


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_goes_to_the_start_and_its_export_brings_it_back(settings, pipeline, spec, stage, tmp_path):
    way_back = tmp_path / "back.csv"
    before = targets(run(pipeline, "--stage", stage, "--to-current"))
    moved = run(pipeline, "--stage", stage, "--to-earliest", "--export", str(way_back), "--execute")
    after = targets(run(pipeline, "--stage", stage, "--to-current"))
    assert (
        after
        == targets(moved)
        == dict.fromkeys(before, 0)
        | {TopicPartition(p["topic"], p["partition"]): p["log_start"] for p in moved["partitions"]}
    )
    assert after != before
    run(pipeline, "--stage", stage, "--from-file", str(way_back), "--execute")
    assert targets(run(pipeline, "--stage", stage, "--to-current")) == before


def test_the_sinks_kafka_offsets_follow_its_rows(settings, pipeline, spec, tmp_path):
    way_back = tmp_path / "back.csv"
    run(pipeline, "--stage", "sink", "--to-earliest", "--export", str(way_back), "--execute")
    assert set(asyncio.run(offsets(settings, SINK_GROUP, FEATURES)).values()) == {0}
    run(pipeline, "--stage", "sink", "--from-file", str(way_back), "--execute")


def test_an_offset_in_the_middle_of_a_sample_is_rounded_down_to_its_first_frame(settings, pipeline, spec):
    ends = asyncio.run(ends_of(settings, FRAMES))
    frames = asyncio.run(readable_frames(settings, ends))
    partition = max(frames, key=lambda p: len(frames[p]))
    for offset, _key in frames[partition][-9:-1]:
        document = run(
            pipeline, "--stage", "extractor", "--to-offset", str(offset), "--topic", f"{FRAMES}:{partition.partition}"
        )
        assert targets(document) == {partition: start_of_sample(frames[partition], offset)}


def test_relative_targets_and_times_lead_where_they_say(settings, pipeline, spec):
    ends = asyncio.run(ends_of(settings, FRAMES))
    frames = asyncio.run(readable_frames(settings, ends))
    latest = {p: end.end for p, end in ends.items()}
    assert targets(run(pipeline, "--stage", "extractor", "--to-latest")) == latest
    unmoved = run(pipeline, "--stage", "extractor", "--shift-by", "0")
    assert all(p["target"] == p["current"] for p in unmoved["partitions"])
    assert targets(run(pipeline, "--stage", "extractor", "--by-duration", "PT0S")) == latest
    oldest = targets(run(pipeline, "--stage", "extractor", "--by-duration", "P900D"))
    for partition, target in oldest.items():
        if frames[partition]:  # markers and aborted records may stand before the first one
            assert target == frames[partition][0][0]
        else:
            assert ends[partition].log_start <= target <= ends[partition].end
    since = run(pipeline, "--stage", "extractor", "--to-datetime", spec[1].isoformat())
    assert sum(p["records"] for p in since["partitions"]) == SAMPLES * len(spec[0].receivers)
    shifted = targets(run(pipeline, "--stage", "extractor", "--shift-by", "-5"))
    for partition, target in shifted.items():
        asked = max(latest[partition] - 5, ends[partition].log_start)
        assert target == start_of_sample(frames[partition], asked)


def test_what_is_out_of_range_is_clamped_with_a_warning(settings, pipeline, spec):
    document = run(pipeline, "--stage", "extractor", "--to-offset", "1000000000")
    assert targets(document) == {p: e.high_watermark for p, e in asyncio.run(ends_of(settings, FRAMES)).items()}
    assert all("past the end" in p["warnings"][0] for p in document["partitions"])


def test_an_export_is_not_written_over_another(pipeline, spec, tmp_path):
    way_back = tmp_path / "back.csv"
    way_back.write_text("the only way back")
    says = run(pipeline, "--stage", "sink", "--to-latest", "--export", str(way_back), "--execute", fails=True)
    assert "exists already" in says
    assert way_back.read_text() == "the only way back"


async def test_an_owner_in_the_middle_of_a_transaction_cannot_commit_over_the_move(settings, pipeline, spec):
    partition = TopicPartition(FRAMES, 0)
    before = await offsets(settings, EXTRACTOR_GROUP, FRAMES)
    owner = transactional_producer(settings, transactional_id(EXTRACTOR_GROUP, partition))
    await owner.start()
    try:
        await owner.begin_transaction()
        await owner.send_offsets_to_transaction({partition: 1}, EXTRACTOR_GROUP)
        await asyncio.to_thread(
            run, pipeline, "--stage", "extractor", "--to-current", "--topic", f"{FRAMES}:0", "--execute"
        )
        with pytest.raises(KafkaError):
            await owner.commit_transaction()
    finally:
        await owner.stop()
    assert await offsets(settings, EXTRACTOR_GROUP, FRAMES) == before


@pytest.mark.timeout(600)
def test_a_stage_that_runs_is_refused_and_when_forced_its_owner_is_fenced(settings, pipeline, spec):
    """The whole topic again under the eyes of the running owners: doubles for readers, none in the rows."""
    made = spec[0]
    pipeline.start()
    asyncio.run(wait_until(lambda: active(settings)))
    before = asyncio.run(stored(settings, made))
    says = run(pipeline, "--stage", "extractor", "--to-earliest", "--execute", fails=True)
    assert "the extractor runs" in says
    epochs = asyncio.run(owner_epochs(settings))
    for stage in ("extractor", "sink"):
        run(pipeline, "--stage", stage, "--to-earliest", "--execute", "--force")
    assert all(epoch > epochs[partition] for partition, epoch in asyncio.run(owner_epochs(settings)).items())

    async def again():
        seen = await records_by_generation(settings, made)
        return set(seen[0].values()) == {2} and await drained(settings)

    asyncio.run(wait_until(again))
    assert asyncio.run(stored(settings, made)) == before
    following = small_spec(4)
    asyncio.run(submit_dataset(settings, following))
    asyncio.run(wait_for_dataset(settings, following, is_complete))


@pytest.fixture
def lost(settings):
    """Deletes offsets of a group that rests."""

    async def delete(group, topic, partitions):
        async with admin_client(settings) as admin:
            request = OffsetDeleteRequestV0(group, [(topic, list(partitions))])
            answer = await send_struct(requests_of(admin), await admin.find_coordinator(group), request)
            assert not answer["error_code"], answer
            assert not any(one["error"] for topic in answer["topics"] for one in topic["partitions"]), answer

    return delete


async def filled(settings, topic):
    """Partitions that hold records."""
    ends = await ends_of(settings, topic)
    return sorted(place.partition for place, end in ends.items() if end.log_start < end.high_watermark)


@pytest.mark.parametrize("stage", ["producer", "extractor"])
async def test_where_offsets_are_lost_init_names_the_command_that_sets_those_and_only_those(
    settings, pipeline, spec, lost, stage
):
    await asyncio.to_thread(pipeline.stop)
    one = STAGES[stage]
    before = await offsets(settings, one.group, one.topic)
    some = (await filled(settings, one.topic))[:2]
    await lost(one.group, one.topic, some)
    [said] = (await initialise(settings)).positions.missing
    command = said.split("`")[1]
    assert command.startswith(f"iqstream replay --stage {stage} --topic {one.topic}:{some[0]},{some[1]} --to-earliest")
    await asyncio.to_thread(run, pipeline, *command.split()[2:])
    starts = {place: end.log_start for place, end in (await ends_of(settings, one.topic)).items()}
    moved = {place: starts[place] if place.partition in some else before[place] for place in before}
    assert await offsets(settings, one.group, one.topic) == moved
    assert (await initialise(settings)).positions == FirstPositions(set=(), missing=())
    await lost(one.group, one.topic, [place.partition for place in before])  # as if the group were deleted
    [said] = (await initialise(settings)).positions.missing
    await asyncio.to_thread(run, pipeline, *said.split("`")[1].split()[2:])
    assert await offsets(settings, one.group, one.topic) == starts
    await asyncio.to_thread(run, pipeline, "--stage", stage, "--to-latest", "--execute")


@pytest.mark.timeout(300)
async def test_a_partition_without_a_position_waits_and_the_others_go_on(settings, pipeline, spec, lost):
    await asyncio.to_thread(pipeline.stop)
    hole = (await filled(settings, JOBS))[0]
    await lost(PRODUCER_GROUP, JOBS, [hole])
    pipeline.start()
    made = small_spec(40)
    await submit_dataset(settings, made)
    place = TopicPartition(JOBS, hole)

    async def others_are_done():
        found, ends = await offsets(settings, PRODUCER_GROUP, JOBS), await ends_of(settings, JOBS)
        return place not in found and all(found.get(p) == end.end for p, end in ends.items() if p != place)

    await wait_until(others_are_done)
    assert f"no position on {JOBS}-{hole}: `iqstream init` sets it" in pipeline.log.read_text()
    async with postgres_pool(settings) as pool, admin_client(settings) as admin:
        [named] = await obstacles(pool, admin, made.dataset_id, ["producer"], WithheldRecords(admin))
    assert named.startswith(f"the producer has no position on {JOBS}:{hole}")
    [said] = (await initialise(settings)).positions.missing
    await asyncio.to_thread(run, pipeline, *said.split("`")[1].split()[2:])
    await wait_for_dataset(settings, made, is_complete)


class OffsetDeleteResponseV0(Response):
    API_KEY = 47
    API_VERSION = 0
    SCHEMA = Schema(
        ("error_code", Int16),
        ("throttle_time_ms", Int32),
        ("topics", Array(("name", String("utf-8")), ("partitions", Array(("partition", Int32), ("error", Int16))))),
    )


class OffsetDeleteRequestV0(RequestStruct):
    API_KEY = 47
    API_VERSION = 0
    RESPONSE_TYPE = OffsetDeleteResponseV0
    SCHEMA = Schema(
        ("group", String("utf-8")), ("topics", Array(("name", String("utf-8")), ("partitions", Array(Int32))))
    )


async def active(settings):
    async with admin_client(settings) as admin:
        members = 0
        for group in (EXTRACTOR_GROUP, SINK_GROUP):
            (response,) = await admin.describe_consumer_groups([group])
            members += response.groups[0][2] == "Stable"
        return members == 2


async def owner_epochs(settings):
    rows = await fetch(
        settings, 'SELECT partition, owner_epoch FROM heimdall.stream_offsets WHERE "group" = $1', SINK_GROUP
    )
    return {row["partition"]: row["owner_epoch"] for row in rows}
