"""Consumer lag of real groups on a real broker: what counts as backlog, what does not, and how it is said."""

import asyncio
import json
import os
import pty
import signal
import subprocess
import sys
import time
import uuid
from dataclasses import asdict

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete
from click.testing import CliRunner

from iqstream.cli.lag import lag
from iqstream.lag.read import read_lag
from iqstream.runtime.errors import Unreachable, UserError
from iqstream.runtime.kafka import admin_client, transactional_producer
from iqstream.runtime.settings import PREFIX
from schemas import GenerationShard, encode, headers
from tests.faults.copy_cluster import CopyCluster
from tests.integration.lag_scene import Scene
from tests.integration.pipeline import small_spec

pytestmark = pytest.mark.stack


@pytest.fixture
async def scene(settings):
    made = await Scene(settings).create()
    yield made
    await made.delete()


@pytest.fixture
def environment(settings) -> dict[str, str]:
    return {
        f"{PREFIX}{name.upper()}": str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in asdict(settings).items()
        if value != ""
    }


async def test_a_foreign_group_that_committed_its_last_record_shows_0_although_a_marker_follows(scene):
    await scene.send(5)
    await scene.commit(5)
    found = await scene.partition_lag()
    assert found.ends.end == 6
    assert (found.backlog, found.time_lag_s, found.state) == (0, 0.0, "drained")


async def test_aborted_records_are_no_backlog(scene):
    await scene.send(5)
    await scene.commit(5)
    for _ in range(3):
        await scene.send(40, commit=False)
    found = await scene.partition_lag()
    assert found.ends.end == 5 + 1 + 3 * 41
    assert (found.backlog, found.time_lag_s) == (0, 0.0)


async def test_a_record_behind_markers_and_aborted_ones_is_backlog_as_old_as_it_is(scene):
    await scene.send(5)
    await scene.commit(5)
    await scene.send(40, commit=False)
    sent_at = time.time()
    await scene.send(1)
    found = await scene.partition_lag()
    assert found.state == "behind"
    assert 0 <= found.time_lag_s <= time.time() - sent_at + 0.001  # record timestamps are whole milliseconds


async def test_backlog_is_what_a_reader_gets_where_no_marker_is_between(scene):
    await scene.send_plain(30)
    for position in (0, 1, 17, 29, 30):
        await scene.commit(position)
        found = await scene.partition_lag()
        assert found.backlog == await scene.read_from(position) == 30 - position


async def test_time_lag_is_the_age_of_the_record_at_the_position(scene):
    now_ms = int(time.time() * 1000)
    await scene.send_plain(2, timestamp_ms=now_ms - 3_600_000)
    await scene.send_plain(1, timestamp_ms=now_ms - 60_000)
    await scene.commit(2)
    found = await scene.partition_lag()
    elapsed_s = time.time() - now_ms / 1000
    assert 60 <= found.time_lag_s <= 60 + elapsed_s


@pytest.mark.parametrize(("age_s", "status"), [(0, "OK"), (20, "WARN"), (120, "STALL")])
async def test_an_open_transaction_is_shown_beside_the_backlog_and_an_old_one_is_no_ok(scene, age_s, status):
    await scene.send(5)
    await scene.commit(6)
    producer = transactional_producer(scene.settings, f"lag-{uuid.uuid4()}")
    await producer.start()
    await producer.begin_transaction()
    at_ms = int((time.time() - age_s) * 1000)
    await asyncio.gather(
        *[await producer.send(scene.topic, b"open", partition=0, timestamp_ms=at_ms) for _ in range(7)]
    )
    found = await scene.partition_lag()
    await producer.abort_transaction()
    await producer.stop()
    assert (found.backlog, found.held_back, found.state, found.status) == (0, 7, "held back", status)
    assert age_s <= found.transaction_age_s < age_s + 5


async def test_records_that_retention_dropped_are_no_backlog_but_are_told(scene):
    await scene.send_plain(10)
    await scene.commit(2)
    async with admin_client(scene.settings) as admin:
        await admin.delete_records({TopicPartition(scene.topic, 0): RecordsToDelete(before_offset=6)})
    found = await scene.partition_lag()
    assert (found.ends.log_start, found.backlog, found.expired) == (6, 4, 4)


async def test_an_empty_partition_and_one_without_offset_are_called_so(settings):
    scene = await Scene(settings, partitions=3).create()
    await scene.send_plain(4, partition=0)
    await scene.send_plain(4, partition=1)
    await scene.commit(4, partition=0)
    await scene.commit(0, partition=2)
    group = await scene.lag()
    await scene.delete()
    assert [p.state for p in group.topics[0].partitions] == ["drained", "no offset", "empty"]
    assert [p.backlog for p in group.topics[0].partitions] == [0, None, 0]
    assert (group.total.backlog, group.total.backlog_at_least, group.total.unknown_partitions) == (None, 0, 1)


async def test_a_group_that_does_not_exist_is_told_from_one_without_an_offset_here(scene):
    assert not (await scene.lag()).exists
    await scene.commit(0)
    assert (await scene.lag()).exists


async def test_a_position_past_the_end_is_called_so_and_is_not_negative(scene):
    await scene.send_plain(3)
    await scene.commit(1_000)
    found = await scene.partition_lag()
    assert (found.state, found.backlog, found.status) == ("ahead", None, "UNKNOWN")


async def test_a_topic_that_does_not_exist_is_called_so_and_has_no_partitions(settings):
    topic = (await Scene(settings).lag()).topics[0]
    assert (topic.exists, topic.partitions, topic.values, topic.total.status) == (False, (), (), "UNKNOWN")


async def test_a_deleted_topic_is_called_so(scene):
    await scene.send_plain(3)
    await scene.commit(1)
    await scene.delete()
    async with asyncio.timeout(60):
        while (found := (await scene.lag()).topics[0]).exists:
            await asyncio.sleep(0.1)
    assert (found.values, found.total.status) == ((), "UNKNOWN")


async def test_a_drained_stage_shows_0_on_an_input_with_markers_and_aborted_records(settings):
    cluster = CopyCluster(settings, partitions=2, seed=3)
    await cluster.create()
    await cluster.feed([b"%d" % n for n in range(60)])
    try:
        cluster.start_worker(0)
        await cluster.collect(lambda: cluster.outputs.total() >= 60, deadline_s=60)
        async with asyncio.timeout(60):
            while await cluster.committed() != await cluster.ends():
                await asyncio.sleep(0.1)
        group = (await read_lag(settings, groups=[cluster.group])).groups[0]
    finally:
        cluster.stop_all()
    assert (group.total.backlog, group.total.time_lag_s, group.total.unknown_partitions) == (0, 0.0, 0)


async def test_samples_still_to_generate_are_counted_from_the_shards(scene, monkeypatch):
    """On a topic of its own, so that no producer of the session meets these shards."""
    monkeypatch.setattr("iqstream.lag.probe.JOBS", scene.topic)
    monkeypatch.setattr("iqstream.lag.contents.GROUP_OF_TOPIC", {scene.topic: scene.group})
    monkeypatch.setattr("iqstream.lag.value.UNITS_OF_TOPIC", {scene.topic: ("samples", "recordings", "IQ-seconds")})
    spec = small_spec(5)
    shards = [GenerationShard(spec=spec, first_idx=first, count=min(2, 5 - first)) for first in (0, 2, 4)]
    await scene.send(1)
    await scene.commit(1)
    await scene.send_records([(encode(shard), headers(shard)) for shard in shards])
    values = (await scene.lag()).topics[0].values
    assert [(value.amount, value.unit, value.precision) for value in values] == [
        (5, "samples", "exact"),
        (35, "recordings", "exact"),
        (1.75, "IQ-seconds", "exact"),
    ]


async def test_without_names_it_reads_the_three_stages(settings):
    groups = (await read_lag(settings)).groups
    assert [(g.group, [t.topic for t in g.topics]) for g in groups] == [
        ("iqstream-producer", ["iq.jobs"]),
        ("iqstream-extractor", ["iq.frames"]),
        ("iqstream-sink", ["iq.features"]),
    ]
    assert all(topic.exists for group in groups for topic in group.topics)


async def test_a_topic_that_no_stage_reads_needs_the_name_of_a_group(settings):
    with pytest.raises(UserError, match="--group"):
        await read_lag(settings, topics=["other"])


async def test_json_is_one_document_without_nan(scene, environment):
    await scene.send_plain(3)
    await scene.commit(1)
    arguments = ["--group", scene.group, "--json"]
    result = await asyncio.to_thread(CliRunner(env=environment).invoke, lag, arguments)

    def refuse(word: str) -> None:
        raise AssertionError(word)

    document = json.loads(result.stdout, parse_constant=refuse)
    assert document["groups"][0]["topics"][0]["partitions"][0]["backlog_offsets"] == 2


async def test_no_broker_ends_with_exit_code_3_and_how_to_start_one(environment):
    runner = CliRunner(env=environment | {f"{PREFIX}KAFKA_BOOTSTRAP": "127.0.0.1:1"})
    result = await asyncio.to_thread(runner.invoke, lag, [])
    assert isinstance(result.exception, Unreachable)
    assert result.exception.exit_code == 3
    assert "iqstream up" in str(result.exception)


def test_watching_into_a_file_is_a_line_per_reading_until_ctrl_c_which_is_success(environment):
    with _watching(environment, stdout=subprocess.PIPE) as process:
        lines = [process.stdout.readline() for _ in range(2)]
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
        assert process.stderr.read() == b""
    assert all(b"iqstream-sink iq.features" in line for line in lines)


def test_watching_on_a_terminal_ends_with_ctrl_c_without_a_traceback(environment):
    ours, theirs = pty.openpty()
    with _watching(environment | {"TERM": "xterm", "COLUMNS": "80", "LINES": "20"}, stdout=theirs) as process:
        os.close(theirs)
        seen = b""
        while seen.count(b"iq.features") < 2:
            seen += os.read(ours, 65536)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
        assert process.stderr.read() == b""
    os.close(ours)


def _watching(environment: dict[str, str], *, stdout: int) -> subprocess.Popen[bytes]:
    command = "from iqstream.cli.lag import lag; lag()"
    return subprocess.Popen(
        [sys.executable, "-c", command, "--watch", "--interval", "0.2"],
        env=os.environ | environment,
        stdout=stdout,
        stderr=subprocess.PIPE,
    )
