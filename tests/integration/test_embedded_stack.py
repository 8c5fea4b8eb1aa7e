"""The embedded servers as a person meets them: started, used, killed, started again."""

import asyncio
import contextlib
import io
import json
import os
import secrets
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from click.testing import CliRunner
from minio import Minio

from iqstream.cli.stack import status as status_command
from iqstream.embedded.kafka import broker_properties
from iqstream.embedded.stack import StackInfo, down, status, up
from iqstream.runtime.errors import Unreachable, UserError

pytestmark = pytest.mark.stack

SERVERS = ("kafka", "postgres", "s3")
BUCKET = "kept-objects"
TOPIC = "kept-records"


@pytest.fixture(scope="module")
def state_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("stack") / ".iqstream"
    try:
        yield path
    finally:
        down(path)


@pytest.fixture
def stack(state_dir: Path) -> StackInfo:
    """Running servers; a test may kill them, the next one has them again."""
    return up(state_dir)


def env_of(state_dir: Path) -> dict[str, str]:
    lines = (state_dir / "env").read_text().splitlines()
    return dict(line.removeprefix("IQSTREAM_").split("=", 1) for line in lines)


def pids(state_dir: Path) -> dict[str, int | None]:
    return {server.name: server.pid for server in status(state_dir)}


def processes_of(state_dir: Path) -> list[psutil.Process]:
    """Whatever runs with the directory in its command or as its working directory."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            places = [*process.cmdline(), process.cwd()]
            running = process.status() != psutil.STATUS_ZOMBIE and process.pid != os.getpid()
            if running and any(str(state_dir) in place for place in places):
                found.append(process)
    return found


async def write_record(env: dict[str, str], value: bytes) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=env["KAFKA_BOOTSTRAP"])
    await admin.start()
    try:
        await admin.create_topics([NewTopic(TOPIC, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=env["KAFKA_BOOTSTRAP"], transactional_id="writer", acks="all")
    await producer.start()
    try:
        async with producer.transaction():
            await producer.send_and_wait(TOPIC, value)
    finally:
        await producer.stop()


async def read_record(env: dict[str, str]) -> bytes:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=env["KAFKA_BOOTSTRAP"], auto_offset_reset="earliest", isolation_level="read_committed"
    )
    await consumer.start()
    try:
        consumer.assign([TopicPartition(TOPIC, 0)])
        async with asyncio.timeout(60):
            return bytes((await consumer.getone()).value)
    finally:
        await consumer.stop()


async def on_postgres(env: dict[str, str], *statements: str) -> object:
    connection = await asyncpg.connect(env["POSTGRES_DSN"])
    try:
        return [await connection.fetchval(statement) for statement in statements][-1]
    finally:
        await connection.close()


def object_store(env: dict[str, str]) -> Minio:
    return Minio(env["S3_ENDPOINT"], env["S3_ACCESS_KEY"], env["S3_SECRET_KEY"], secure=env["S3_SECURE"] == "true")


def read_object(env: dict[str, str]) -> bytes:
    response = object_store(env).get_object(BUCKET, "a/b.npy")
    try:
        return response.read()
    finally:
        response.close()
        response.release_conn()


def put_everywhere(env: dict[str, str], value: str) -> None:
    asyncio.run(write_record(env, value.encode()))
    asyncio.run(on_postgres(env, "CREATE TABLE kept (v text)", f"INSERT INTO kept VALUES ('{value}')"))
    store = object_store(env)
    store.make_bucket(BUCKET)
    store.put_object(BUCKET, "a/b.npy", io.BytesIO(value.encode()), len(value))


def read_everywhere(env: dict[str, str]) -> set[str]:
    row = asyncio.run(on_postgres(env, "SELECT v FROM kept"))
    return {asyncio.run(read_record(env)).decode(), str(row), read_object(env).decode()}


def test_what_was_stored_survives_down_and_up_on_other_ports_and_a_kill_of_everything(tmp_path: Path) -> None:
    state_dir = tmp_path / "with space, comma" / ".iqstream"
    value = secrets.token_hex(8)
    try:
        first = up(state_dir)
        put_everywhere(env_of(state_dir), value)
        assert set(down(state_dir)) == set(SERVERS)

        with contextlib.ExitStack() as held:
            for endpoint in first.endpoints.values():
                taken = held.enter_context(socket.socket())
                taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                taken.bind(("127.0.0.1", int(endpoint.split("/")[0].rsplit(":", 1)[1])))
                taken.listen()
            second = up(state_dir)
        assert not set(first.endpoints.values()) & set(second.endpoints.values())
        assert read_everywhere(env_of(state_dir)) == {value}

        killed = [psutil.Process(pid) for pid in pids(state_dir).values()]
        for process in killed:
            process.kill()
        assert psutil.wait_procs(killed, timeout=30)[1] == []
        third = up(state_dir)
        assert set(third.started) == set(SERVERS)
        assert third.endpoints == second.endpoints
        assert read_everywhere(env_of(state_dir)) == {value}
    finally:
        down(state_dir)
    assert processes_of(state_dir) == []


def test_two_ups_at_once_start_one_stack(tmp_path: Path) -> None:
    state_dir = tmp_path / ".iqstream"
    program = (
        "import sys; from pathlib import Path; from iqstream.embedded.stack import up;"
        "print(len(up(Path(sys.argv[1])).started))"
    )
    command = [sys.executable, "-c", program, str(state_dir)]
    try:
        callers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        started = sorted(int(caller.communicate(timeout=120)[0]) for caller in callers)
        assert started == [0, len(SERVERS)]
        assert {server.condition for server in status(state_dir)} == {"running"}
    finally:
        down(state_dir)


def test_a_second_up_leaves_the_servers_as_they_are(state_dir: Path, stack: StackInfo) -> None:
    before = pids(state_dir)
    again = up(state_dir)
    assert again.was_up
    assert again.endpoints == stack.endpoints
    assert pids(state_dir) == before


def test_every_port_is_on_loopback(state_dir: Path, stack: StackInfo) -> None:
    listening = {
        connection.laddr.ip
        for pid in pids(state_dir).values()
        for connection in psutil.Process(pid).net_connections(kind="tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}


def test_credentials_are_in_private_files_and_in_no_command_line(state_dir: Path, stack: StackInfo) -> None:
    state = json.loads((state_dir / "state.json").read_text())
    hidden = [state[name] for name in ("postgres_password", "s3_secret_key", "s3_signing_key")]
    for file in state_dir.rglob("*"):
        if file.is_file() and not file.is_relative_to(state_dir / "postgres"):
            with contextlib.suppress(FileNotFoundError):
                readable_by_others = file.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH)
                told = any(secret.encode() in file.read_bytes() for secret in hidden)
                assert not (told and readable_by_others), file
    for process in processes_of(state_dir):
        assert not any(secret in part for secret in hidden for part in process.cmdline())


def test_a_wrong_password_is_refused(state_dir: Path, stack: StackInfo) -> None:
    env = env_of(state_dir)
    dsn = env["POSTGRES_DSN"].replace(json.loads((state_dir / "state.json").read_text())["postgres_password"], "x")
    with pytest.raises(asyncpg.InvalidPasswordError):
        asyncio.run(on_postgres({"POSTGRES_DSN": dsn}, "SELECT 1"))
    stranger = object_store(env | {"S3_SECRET_KEY": "x"})
    with pytest.raises(Exception, match="SignatureDoesNotMatch"):
        stranger.list_buckets()


def test_the_broker_runs_with_the_settings_that_were_written(state_dir: Path, stack: StackInfo) -> None:
    async def read() -> dict[str, str]:
        admin = AIOKafkaAdminClient(bootstrap_servers=stack.endpoints["kafka"])
        await admin.start()
        try:
            [answer] = await admin.describe_configs([ConfigResource(ConfigResourceType.BROKER, "1")])
            return {entry[0]: entry[1] for entry in answer.resources[0][4]}
        finally:
            await admin.close()

    settings = asyncio.run(read())
    written = broker_properties({"client": 1, "controller": 2})
    for name in (
        "log.retention.check.interval.ms",
        "log.segment.delete.delay.ms",
        "offsets.retention.minutes",
        "transaction.abort.timed.out.transaction.cleanup.interval.ms",
        "transaction.max.timeout.ms",
        "auto.create.topics.enable",
        "group.initial.rebalance.delay.ms",
    ):
        assert settings[name] == written[name]
    assert settings["message.max.bytes"] == "1048588"


@pytest.mark.parametrize("victim", SERVERS)
def test_status_tells_a_killed_server_and_down_leaves_no_process(
    state_dir: Path, stack: StackInfo, victim: str
) -> None:
    pid = pids(state_dir)[victim]
    assert pid is not None
    process = psutil.Process(pid)
    process.kill()
    process.wait(timeout=30)
    assert {server.name: server.condition for server in status(state_dir)}[victim] == "dead"
    told = CliRunner().invoke(status_command, ["--state-dir", str(state_dir)])
    assert told.exit_code == Unreachable.exit_code
    assert f"{victim} is dead. `iqstream up` starts it again" in told.output
    assert set(down(state_dir)) >= set(SERVERS) - {victim}
    assert processes_of(state_dir) == []
    assert down(state_dir) == ()
    assert {server.condition for server in status(state_dir)} == {"stopped"}
    assert CliRunner().invoke(status_command, ["--state-dir", str(state_dir)]).exit_code == 0


def test_a_server_that_was_started_but_not_recorded_is_ended(state_dir: Path, stack: StackInfo) -> None:
    file = state_dir / "state.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"processes": {}}))
    assert set(down(state_dir)) == set(SERVERS)
    assert processes_of(state_dir) == []


def test_an_interrupted_up_ends_what_it_started(tmp_path: Path) -> None:
    state_dir = tmp_path / ".iqstream"
    program = "import sys; from pathlib import Path; from iqstream.embedded.stack import up; up(Path(sys.argv[1]))"
    caller = subprocess.Popen([sys.executable, "-c", program, str(state_dir)], stderr=subprocess.DEVNULL)
    log = state_dir / "logs" / "postgres.log"
    while not (log.exists() and processes_of(state_dir)):
        assert caller.poll() is None
    caller.send_signal(signal.SIGINT)
    assert caller.wait(60) != 0
    assert processes_of(state_dir) == []


def test_a_server_that_cannot_start_is_reported_with_its_log_and_nothing_is_left(tmp_path: Path) -> None:
    state_dir = tmp_path / ".iqstream"
    try:
        up(state_dir)
        down(state_dir)
        meta = state_dir / "kafka" / "data" / "meta.properties"
        meta.write_text("\n".join(meta.read_text().splitlines()[:1]) + "\nversion=1\ncluster.id=other\nnode.id=7\n")
        with pytest.raises(Unreachable, match="Stored node id 7") as caught:
            up(state_dir)
        assert str(state_dir / "logs" / "kafka.log") in str(caught.value)
        assert processes_of(state_dir) == []
    finally:
        down(state_dir)


def test_too_little_space_is_told_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"GiB free and .* GiB are needed"):
        up(tmp_path / ".iqstream", needed_bytes=2**60)
    assert processes_of(tmp_path) == []
