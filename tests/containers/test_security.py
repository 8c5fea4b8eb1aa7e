"""TLS and SASL/SCRAM to Kafka, TLS to PostgreSQL and S3: what is configured is spoken, what is wrong is told."""

import asyncio
import os
import secrets
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import asyncpg
import pytest
from testcontainers.core.container import DockerContainer

from iqstream.embedded.ports import choose_ports
from iqstream.initialise import initialise
from iqstream.runtime.settings import Settings
from tests.containers.certificates import Authority
from tests.containers.servers import MINIO, kafka_container, on_loopback, until_ready
from tests.integration.pipeline import Pipeline, is_complete, small_spec, submit_dataset, wait_for_dataset

pytestmark = [pytest.mark.containers, pytest.mark.timeout(600)]
PASSWORD = f"geheim-{secrets.token_hex(8)}"
IN_CONTAINER = "/certificates"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def another_authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("another"), "another")


@pytest.fixture(scope="module")
def secured(engine, authority, tmp_path_factory) -> Settings:
    """Settings of servers that speak TLS only; Kafka wants a SCRAM password as well. Initialised."""
    folder = tmp_path_factory.mktemp("in-container")
    certificate, key = authority.server("server")
    (folder / "kafka.pem").write_text(key.read_text() + certificate.read_text())
    (folder / "server.crt").write_text(certificate.read_text())
    (folder / "server.key").write_text(key.read_text())
    (folder / "s3").mkdir()
    (folder / "s3" / "public.crt").write_text(certificate.read_text())
    (folder / "s3" / "private.key").write_text(key.read_text())
    for path in (folder, *folder.rglob("*")):  # a server in a container is another user
        path.chmod(0o755 if path.is_dir() else 0o644)
    ports = choose_ports(("kafka", "postgres", "minio"))
    with (
        kafka_with_tls(ports["kafka"], folder) as kafka,
        postgres_with_tls(engine, ports["postgres"], folder),
        minio_with_tls(ports["minio"], folder),
    ):
        settings = Settings(
            kafka_bootstrap=f"127.0.0.1:{ports['kafka']}",
            kafka_security_protocol="SASL_SSL",
            kafka_sasl_mechanism="SCRAM-SHA-512",
            kafka_sasl_username="iqstream",
            kafka_sasl_password=PASSWORD,
            kafka_ssl_cafile=str(authority.ca_file),
            postgres_dsn=f"postgresql://iqstream:{PASSWORD}@127.0.0.1:{ports['postgres']}/postgres"
            f"?sslmode=verify-full&sslrootcert={authority.ca_file}",
            s3_endpoint=f"127.0.0.1:{ports['minio']}",
            s3_access_key="iqstream",
            s3_secret_key=PASSWORD,
            s3_secure=True,
            s3_cafile=str(authority.ca_file),
            partitions=4,
        )
        add_scram_user(kafka)
        asyncio.run(until_ready(settings))
        asyncio.run(initialise(settings))
        yield settings


def kafka_with_tls(port: int, folder: Path) -> DockerContainer:
    """Clients come in by TLS and SCRAM; the broker's own listeners are inside the container."""
    changes = {
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,INTERNAL:PLAINTEXT,CLIENT:SASL_SSL",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.client.scram-sha-512.sasl.jaas.config": (
            "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        ),
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": f"{IN_CONTAINER}/kafka.pem",
    }
    return kafka_container(port, **changes).with_volume_mapping(folder, IN_CONTAINER)


def postgres_with_tls(engine, port: int, folder: Path) -> DockerContainer:
    """Connections without TLS are refused."""
    image, _ = engine.images.build(path=str(Path(__file__).parent / "postgres_tls"), rm=True)
    container = DockerContainer(image.id).with_envs(PASSWORD=PASSWORD)
    return on_loopback(container, 5432, port).with_volume_mapping(folder, IN_CONTAINER)


def minio_with_tls(port: int, folder: Path) -> DockerContainer:
    container = DockerContainer(MINIO).with_command(f"server /data --certs-dir {IN_CONTAINER}/s3")
    container.with_envs(MINIO_ROOT_USER="iqstream", MINIO_ROOT_PASSWORD=PASSWORD)
    return on_loopback(container, 9000, port).with_volume_mapping(folder, IN_CONTAINER)


def add_scram_user(kafka: DockerContainer) -> None:
    """As an operator does it, by Kafka's own tool; it is retried until the broker is up."""
    command = [
        "/opt/kafka/bin/kafka-configs.sh", "--bootstrap-server", "localhost:9094", "--alter", "--entity-type", "users",
        "--entity-name", "iqstream", "--add-config", f"SCRAM-SHA-512=[password={PASSWORD}]",
    ]  # fmt: skip
    for _ in range(20):
        ended = kafka.get_wrapped_container().exec_run(command)
        if ended.exit_code == 0:
            return
    pytest.fail(ended.output.decode())


async def test_the_whole_job_runs_over_tls_and_scram(secured, tmp_path):
    spec = small_spec(10)
    with Pipeline(secured, tmp_path / "stages.log", workers=1).running():
        await submit_dataset(secured, spec)
        row = await wait_for_dataset(secured, spec, is_complete)
    assert row["failed"] == 0
    assert row["iq_samples_saved"] == spec.iq_samples
    assert PASSWORD not in (tmp_path / "stages.log").read_text()


async def test_the_connections_are_encrypted(secured):
    connection = await asyncpg.connect(secured.postgres_dsn)
    try:
        assert await connection.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    finally:
        await connection.close()


@pytest.fixture
def run(secured, tmp_path):
    """Runs `iqstream ...` with changed settings."""

    def run_command(*arguments, **changes):
        changed = {name: value for name, value in asdict(replace(secured, **changes)).items() if value != ""}
        environment = {
            f"IQSTREAM_{name.upper()}": str(value).lower() if value is True else str(value)
            for name, value in changed.items()
        }
        ended = subprocess.run(
            [sys.executable, "-m", "iqstream", *arguments],
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)} | environment,
            capture_output=True, text=True, timeout=90, check=False,
        )  # fmt: skip
        told = ended.stdout + ended.stderr
        assert "Traceback" not in told
        assert PASSWORD not in told
        return ended.returncode, told

    return run_command


def test_a_kafka_certificate_of_another_authority_is_refused_by_name(run, another_authority):
    code, told = run("lag", kafka_ssl_cafile=str(another_authority.ca_file))
    assert code == 2, told
    assert "certificate is not trusted" in told
    assert "IQSTREAM_KAFKA_SSL_CAFILE" in told


@pytest.mark.parametrize(
    ("changes", "code", "fragment"),
    [
        ({"kafka_sasl_password": "falsch-123"}, 2, "rejected the login of user 'iqstream'"),
        ({"kafka_sasl_username": "nobody"}, 2, "rejected the login of user 'nobody'"),
        ({"kafka_sasl_mechanism": "PLAIN"}, 2, "IQSTREAM_KAFKA_SASL_MECHANISM"),
        ({"kafka_ssl_cafile": "/absent/ca.crt"}, 2, "IQSTREAM_KAFKA_SSL_CAFILE"),
        ({"kafka_ssl_certfile": "/absent/client.crt"}, 2, "IQSTREAM_KAFKA_SSL_CERTFILE"),
        ({"kafka_security_protocol": "SASL_PLAINTEXT"}, 2, "a server that speaks TLS answers"),
    ],
)
def test_wrong_kafka_credentials_are_named_and_not_shown(run, changes, code, fragment):
    ended, told = run("lag", **changes)
    assert ended == code, told
    assert fragment in told
    assert "falsch" not in told


def test_a_database_certificate_of_another_authority_is_refused(run, secured, authority, another_authority):
    dsn = secured.postgres_dsn.replace(str(authority.ca_file), str(another_authority.ca_file))
    code, told = run("datasets", "list", postgres_dsn=dsn)
    assert code == 2, told
    assert "certificate verify failed" in told


def test_a_database_whose_authority_is_not_there_to_ask_is_told(run, secured, authority):
    code, told = run(
        "datasets", "list", postgres_dsn=secured.postgres_dsn.replace(str(authority.ca_file), "/absent.crt")
    )
    assert code == 2, told
    assert "sslrootcert /absent.crt cannot be read" in told


def test_a_database_connection_without_tls_is_refused(run, secured):
    code, told = run("datasets", "list", postgres_dsn=secured.postgres_dsn.split("?")[0] + "?sslmode=disable")
    assert code == 2, told
    assert "no encryption" in told
    assert "sslmode" in told


def test_a_wrong_database_password_is_told_and_not_shown(run, secured):
    code, told = run("datasets", "list", postgres_dsn=secured.postgres_dsn.replace(PASSWORD, "falsch-123"))
    assert code == 2, told
    assert "password authentication failed" in told
    assert "falsch" not in told


@pytest.mark.parametrize("absent", [True, False])
def test_an_object_store_whose_certificate_is_not_trusted_is_told_so(run, another_authority, absent):
    code, told = run("init", s3_cafile="/absent/ca.crt" if absent else str(another_authority.ca_file))
    assert code == 2, told
    assert ("holds no certificates" if absent else "no TLS connection") in told
    assert "IQSTREAM_S3_CAFILE" in told


def test_an_object_store_that_is_spoken_to_without_tls_is_told_so(run):
    code, told = run("init", s3_secure=False, s3_cafile="")
    assert code == 2, told
    assert "does not speak S3" in told
    assert "IQSTREAM_S3_SECURE" in told


def test_a_wrong_key_of_the_object_store_is_told_and_not_shown(run):
    code, told = run("init", s3_secret_key="falsch-123")
    assert code == 1, told
    assert "SignatureDoesNotMatch" in told
    assert "falsch" not in told
