"""The broker by itself: Kafka's own performance tools, from the same jars, with records of a frame's size."""

import re

from aiokafka.admin import NewTopic

from iqstream.bench.servers import BenchServers
from iqstream.bench.spent import measured
from iqstream.bench.tables import BROKER_MS, CONSUMED, PRODUCED
from iqstream.runtime.kafka import admin_client

RECORDS = 1500
RECORD_BYTES = 800_000
_TOPIC = "bench-perf"
_ROUNDS = 3


async def measure_broker(servers: BenchServers) -> dict[str, float]:
    """Returns what producer and consumer of the tools reach, and what a MB costs the broker then.

    The best of a few rounds: in the first the broker's code is still compiled.
    """
    bootstrap = servers.settings().kafka_bootstrap
    async with admin_client(servers.settings()) as admin:
        await admin.create_topics([NewTopic(_TOPIC, 4, 1)])
        try:
            rounds = [await _round(servers, bootstrap) for _ in range(_ROUNDS)]
        finally:
            await admin.delete_topics([_TOPIC])
    return {
        PRODUCED: round(max(one[0] for one in rounds), 1),
        CONSUMED: round(max(one[1] for one in rounds), 1),
        BROKER_MS: round(min(one[2] for one in rounds), 2),
    }


async def _round(servers: BenchServers, bootstrap: str) -> tuple[float, float, float]:
    async with measured(lambda: {"kafka": servers.processes("kafka")}) as spent:
        produced = await servers.kafka_tool(
            "org.apache.kafka.tools.ProducerPerformance",
            "--topic", _TOPIC, "--num-records", str(RECORDS), "--record-size", str(RECORD_BYTES), "--throughput", "-1",
            "--producer-props", f"bootstrap.servers={bootstrap}", "acks=all", "batch.size=1048576",
        )  # fmt: skip
        consumed = await servers.kafka_tool(
            "org.apache.kafka.tools.ConsumerPerformance",
            "--topic", _TOPIC, "--messages", str(RECORDS), "--bootstrap-server", bootstrap, "--fetch-size", "4194304",
        )  # fmt: skip
    megabytes = RECORDS * RECORD_BYTES / 1e6
    sent = re.findall(r"\(([\d.]+) MB/sec\)", produced)
    fetched = [line.split(",") for line in consumed.splitlines() if line[:1].isdigit()]
    return float(sent[-1]) * 1.048576, float(fetched[-1][3]) * 1.048576, 1000 * spent.cpu_s["kafka"] / megabytes
