"""Kafka, PostgreSQL and an object store in containers, each on a loopback port that it keeps through restarts."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import asyncpg
from testcontainers.core.container import DockerContainer

from iqstream.embedded.kafka import broker_properties
from iqstream.embedded.ports import choose_ports
from iqstream.reach import ensure_bucket
from iqstream.runtime.kafka import admin_client
from iqstream.runtime.settings import Settings

KAFKA = "apache/kafka:4.3.1"
POSTGRES = "postgres:18"
MINIO = "minio/minio:RELEASE.2025-09-07T16-13-09Z"
READY_DEADLINE_S = 90.0


def on_loopback(container: DockerContainer, inside: int, port: int) -> DockerContainer:
    """Publishes a port on 127.0.0.1 alone, under a number that it keeps through restarts."""
    container.ports[f"{inside}/tcp"] = ("127.0.0.1", port)
    return container


def kafka_variables(properties: dict[str, str]) -> dict[str, str]:
    """Properties as the variables that the image turns into them."""
    spelling = str.maketrans({".": "_", "_": "__", "-": "___"})
    return {"KAFKA_" + key.upper().translate(spelling): value for key, value in properties.items()}


def kafka_container(port: int, **changes: str) -> DockerContainer:
    """One broker with the embedded broker's settings; clients on this machine reach it at `127.0.0.1:port`."""
    properties = broker_properties({"client": port, "controller": 9093}) | {
        "listeners": "CLIENT://:9092,INTERNAL://localhost:9094,CONTROLLER://localhost:9093",
        "advertised.listeners": f"CLIENT://127.0.0.1:{port},INTERNAL://localhost:9094",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,INTERNAL:PLAINTEXT,CLIENT:PLAINTEXT",
        "inter.broker.listener.name": "INTERNAL",
        "log.dirs": "/var/lib/kafka/data",
    }
    container = on_loopback(DockerContainer(KAFKA), 9092, port)
    container.with_envs(KAFKA_HEAP_OPTS="-Xms256m -Xmx512m", **kafka_variables(properties | changes))
    return container


class Servers:
    """The three servers; `settings` lead to them."""

    def __init__(self, kafka_properties: dict[str, str] | None = None) -> None:
        ports = choose_ports(("kafka", "postgres", "minio"))
        password, access_key, secret_key = (secrets.token_hex(12) for _ in "123")
        self.settings = Settings(
            kafka_bootstrap=f"127.0.0.1:{ports['kafka']}",
            postgres_dsn=f"postgresql://iqstream:{password}@127.0.0.1:{ports['postgres']}/iqstream",
            s3_endpoint=f"127.0.0.1:{ports['minio']}",
            s3_access_key=access_key,
            s3_secret_key=secret_key,
        )
        postgres = on_loopback(DockerContainer(POSTGRES), 5432, ports["postgres"])
        postgres.with_envs(POSTGRES_USER="iqstream", POSTGRES_DB="iqstream", POSTGRES_PASSWORD=password)
        minio = on_loopback(DockerContainer(MINIO), 9000, ports["minio"])
        minio.with_envs(MINIO_ROOT_USER=access_key, MINIO_ROOT_PASSWORD=secret_key).with_command("server /data")
        self._containers = {
            "kafka": kafka_container(ports["kafka"], **(kafka_properties or {})),
            "postgres": postgres,
            "minio": minio,
        }

    def __enter__(self) -> Self:
        self._started = contextlib.ExitStack()
        with contextlib.ExitStack() as started:
            for container in self._containers.values():
                started.enter_context(container)
            self._started = started.pop_all()
        return self

    def __exit__(self, *_error: object) -> None:
        self._started.close()

    def container(self, name: str):
        """Docker's own handle: `.stop()`, `.kill()`, `.pause()`, `.start()`."""
        return self._containers[name].get_wrapped_container()

    def write_env(self, state_dir: Path) -> None:
        """The settings as the file that `iqstream up` would have written."""
        state_dir.mkdir(parents=True)
        names = ("kafka_bootstrap", "postgres_dsn", "s3_endpoint", "s3_access_key", "s3_secret_key")
        lines = [f"IQSTREAM_{name.upper()}={getattr(self.settings, name)}\n" for name in names]
        (state_dir / "env").write_text("".join(lines), encoding="utf-8")


async def until_ready(settings: Settings) -> None:
    """Waits until each of them answers."""
    ends_at = time.monotonic() + READY_DEADLINE_S
    for attempt in (_postgres, _kafka, _object_store):
        await _until(attempt, settings, ends_at)


async def _until(attempt: Callable, settings: Settings, ends_at: float) -> None:
    while True:
        try:
            return await attempt(settings)
        except Exception as error:
            if time.monotonic() > ends_at:
                raise AssertionError(f"not ready after {READY_DEADLINE_S:.0f} s: {error}") from error
            await asyncio.sleep(0.3)


async def _postgres(settings: Settings) -> None:
    connection = await asyncpg.connect(settings.postgres_dsn, timeout=5)
    await connection.close()


async def _kafka(settings: Settings) -> None:
    async with admin_client(settings) as admin:
        assert (await admin.describe_cluster())["brokers"]


async def _object_store(settings: Settings) -> None:
    await ensure_bucket(settings)
