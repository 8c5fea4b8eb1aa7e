"""The rights that docs/kubernetes.md lists are enough for every stage, and the database's roles cannot do more."""

import asyncio
import re
import secrets
from dataclasses import replace

import asyncpg
import pytest
from aiokafka.protocol.admin import CreateAclsRequest

import iqstream
from iqstream.initialise import initialise
from iqstream.runtime.errors import UserError
from iqstream.runtime.kafka import admin_client
from tests.containers.compose import ROOT
from tests.containers.servers import Servers, until_ready
from tests.integration.pipeline import Pipeline, is_complete, small_spec, wait_for_dataset

pytestmark = [pytest.mark.containers, pytest.mark.timeout(600)]
PASSWORD = secrets.token_hex(12)
USERS = (
    "iqstream-owner",
    "iqstream-producer",
    "iqstream-extractor",
    "iqstream-sink",
    "iqstream-lag",
    "iqstream-dashboard",
)
RESOURCES = {"topic": 2, "group": 3, "cluster": 4, "transactional id": 5}
PATTERNS = {"literal": 3, "prefixed": 4}
OPERATIONS = {"Read": 3, "Write": 4, "Create": 5, "Delete": 6, "Describe": 8, "DescribeConfigs": 10}
ALLOW = 3


def documented_rights():
    """user, resource, name, pattern, operation: a line for each right of the page's table."""
    page = (ROOT / "docs/kubernetes.md").read_text(encoding="utf-8")
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if re.fullmatch(r"iqstream-\w+", cells[0]) and len(cells) == 5:
            for operation in cells[4].split(", "):
                yield *cells[:4], operation


@pytest.fixture(scope="module")
def servers(engine):
    """Kafka that asks who everybody is, PostgreSQL with the stages' roles; initialised by the owner."""
    secured = {
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,INTERNAL:PLAINTEXT,CLIENT:SASL_PLAINTEXT",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.client.scram-sha-512.sasl.jaas.config": (
            "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        ),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS;User:admin",  # the broker itself is ANONYMOUS, on listeners inside the container
    }
    with Servers(secured) as running:
        for user in ("admin", *USERS):
            add_user(running.container("kafka"), user)
        asyncio.run(prepare(running))
        yield running


def add_user(kafka, user):
    command = [
        "/opt/kafka/bin/kafka-configs.sh", "--bootstrap-server", "localhost:9094", "--alter", "--entity-type", "users",
        "--entity-name", user, "--add-config", f"SCRAM-SHA-512=[password={PASSWORD}]",
    ]  # fmt: skip
    for _ in range(20):  # until the broker is up
        ended = kafka.exec_run(command)
        if ended.exit_code == 0:
            return
    pytest.fail(ended.output.decode())


async def prepare(running):
    admin = as_user(running.settings, "admin")
    await until_ready(admin)
    async with admin_client(admin) as client:
        for user, resource, name, pattern, operation in documented_rights():
            request = CreateAclsRequest(
                RESOURCES[resource], name, PATTERNS[pattern], f"User:{user}", "*", OPERATIONS[operation], ALLOW
            )
            response = await client._send_request(request)
            assert [result[0] for result in response.creation_responses] == [0], response
    owner = await asyncpg.connect(running.settings.postgres_dsn)
    try:
        for role in ("iqstream_sink", "iqstream_stage", "iqstream_dashboard"):
            await owner.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
    finally:
        await owner.close()
    await initialise(
        as_user(running.settings, "iqstream-owner"),
        sink_roles=["iqstream_sink"],
        stage_roles=["iqstream_stage"],
        dashboard_roles=["iqstream_dashboard"],
    )


def as_user(settings, user, role=None):
    dsn = settings.postgres_dsn
    if role is not None:
        dsn = re.sub(r"//[^@]+@", f"//{role}:{PASSWORD}@", dsn)
    return replace(
        settings,
        kafka_security_protocol="SASL_PLAINTEXT",
        kafka_sasl_mechanism="SCRAM-SHA-512",
        kafka_sasl_username=user,
        kafka_sasl_password=PASSWORD,
        postgres_dsn=dsn,
    )


async def test_every_stage_and_the_dashboard_do_their_work_with_their_own_rights_alone(servers, tmp_path):
    """The dashboard submits, replays a sample and deletes; the lag is read."""
    spec, dashboard = small_spec(20), as_user(servers.settings, "iqstream-dashboard", "iqstream_dashboard")
    stages = {
        stage: Pipeline(
            as_user(servers.settings, f"iqstream-{stage}", "iqstream_sink" if stage == "sink" else "iqstream_stage"),
            tmp_path / f"{stage}.log",
            workers=1,
        )
        for stage in ("producer", "extractor", "sink")
    }
    with (
        stages["producer"].running("producer"),
        stages["extractor"].running("extractor"),
        stages["sink"].running("sink"),
    ):
        async with iqstream.aconnect(dashboard) as client:
            await client.submit(spec)
            row = await wait_for_dataset(dashboard, spec, is_complete)
            replayed = await client.replay(spec.dataset_id, samples="0", workers=1)
            lag = await client.lag()
            purged = await client.purge_dead_letters()
            deleted = await client.delete(spec.dataset_id)
    assert sum(replayed.outcomes.values()) == 1
    assert all(group.trouble is None for group in lag.groups)
    assert list(purged.lines) == []
    assert deleted.rows == row["accepted"]
    assert row["failed"] == 0
    assert row["iq_samples_saved"] == spec.iq_samples
    for stage, pipeline in stages.items():
        log = pipeline.log.read_text()
        assert "Authorization" not in log, f"{stage}: {log}"
        assert "permission denied" not in log, f"{stage}: {log}"


async def test_a_stage_cannot_write_where_it_has_no_business(servers):
    from aiokafka.errors import KafkaError

    from iqstream.runtime.kafka import transactional_producer

    extractor = as_user(servers.settings, "iqstream-extractor")
    producer = transactional_producer(extractor, "iqstream-extractor-test")
    await producer.start()
    try:
        with pytest.raises(KafkaError, match="Authorization"):
            async with producer.transaction():
                await (await producer.send("iq.jobs", b"a forged job"))
    finally:
        await producer.stop()


FORBIDDEN = {
    "iqstream_sink": (
        "UPDATE heimdall.datasets SET requested = 1",
        "UPDATE heimdall.datasets SET spec = '{}'",
        "DELETE FROM heimdall.datasets",
        "INSERT INTO heimdall.datasets SELECT * FROM heimdall.datasets",
        "DELETE FROM heimdall.sample_outcomes",
        "DELETE FROM heimdall.stream_offsets",
        "INSERT INTO heimdall.stream_offsets SELECT * FROM heimdall.stream_offsets",
        "UPDATE heimdall.dead_letters SET value = ''",
        "DELETE FROM heimdall.dead_letters",
        "TRUNCATE heimdall.measurement_features",
        "DROP TABLE heimdall.measurement_features",
        "CREATE TABLE heimdall.mine (x integer)",
        "CREATE ROLE somebody",
    ),
    "iqstream_stage": (
        "SELECT name FROM heimdall.datasets",
        "UPDATE heimdall.datasets SET status = 'deleted'",
        "SELECT * FROM heimdall.measurement_features",
        "SELECT * FROM heimdall.stream_offsets",
    ),
}


@pytest.mark.parametrize(("role", "statement"), [(role, text) for role, texts in FORBIDDEN.items() for text in texts])
async def test_a_role_cannot_do_what_it_need_not(servers, role, statement):
    connection = await asyncpg.connect(as_user(servers.settings, "x", role).postgres_dsn)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    finally:
        await connection.close()


async def test_a_right_that_was_given_by_hand_is_taken_back_by_the_next_init(servers):
    owner = await asyncpg.connect(servers.settings.postgres_dsn)
    try:
        await owner.execute("GRANT DELETE ON heimdall.datasets TO iqstream_sink")
        await initialise(as_user(servers.settings, "iqstream-owner"), sink_roles=["iqstream_sink"])
        assert not await owner.fetchval("SELECT has_table_privilege('iqstream_sink', 'heimdall.datasets', 'DELETE')")
    finally:
        await owner.close()


async def test_an_unknown_role_is_named_with_what_to_do(servers):
    with pytest.raises(UserError, match=r'no role "?no-such\b.*CREATE ROLE "no-such"'):
        await initialise(as_user(servers.settings, "iqstream-owner"), sink_roles=["no-such"])
