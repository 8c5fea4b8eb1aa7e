"""How soon: a first row of idle stages, a first sample after their start, and IQ saved once nothing else is to do."""

import asyncio
import os
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from iqstream.bench.load import new_dataset, submit_through_outages
from iqstream.bench.long_run import decided_at_least
from iqstream.bench.machine import where_and_when
from iqstream.bench.pipeline import Tell, full_size_spec
from iqstream.bench.servers import BenchServers, bench_servers
from iqstream.bench.stages import Stages
from iqstream.bench.tables import FIRST_ROW, FIRST_SAMPLE, LOAD, SAVED
from iqstream.catalogue.connection import connect
from iqstream.catalogue.counts import decided, iq_samples_saved, row_count
from iqstream.initialise import initialise
from iqstream.runtime.errors import Failed
from iqstream.runtime.stages import EXTRACTOR, PRODUCER, SINK
from schemas import DatasetKey

WORKERS = {PRODUCER.name: 1, EXTRACTOR.name: 2, SINK.name: 1}
"""As the demo starts them."""
SAMPLES = 20
IDLE_S = 3.0
POLL_S = 0.01
LOOK_DEADLINE_S = 120.0


async def measure_latency(state_dir: Path, *, rounds: int, iq_samples: int, tell: Tell) -> dict[str, Any]:
    """Returns the three figures, full-size samples, and what they are made of.

    Args:
        state_dir: a new directory; logs and data stay there.
        rounds: of a first row; the figure is their median.
        iq_samples: whose IQ is saved.
        tell: told a line for everything that happens.

    Raises:
        Failed: a stage ended, or made no progress.
        Unreachable: a server does not start.
    """
    load = os.getloadavg()[0]
    async with bench_servers(state_dir) as servers:
        await initialise(servers.settings())
        began_s = time.monotonic()
        async with Stages(servers.settings(), state_dir / "logs" / "stages.log", WORKERS) as stages:
            _, first_sample_s = await _dataset(servers, stages, began_s)
            tell(f"the first sample {first_sample_s:.2f} s after the stages' start")
            rows_s = []
            for number in range(rounds):
                await asyncio.sleep(IDLE_S)
                row_s, _ = await _dataset(servers, stages, None)
                rows_s.append(row_s)
                tell(f"round {number + 1} of {rounds}: the first row {row_s:.2f} s after the submission returned")
            saved_per_s = await _saving(servers, stages, iq_samples)
            tell(f"IQ: {saved_per_s:.1f} samples/s saved")
    return {
        FIRST_ROW: round(statistics.median(rows_s), 2),
        FIRST_SAMPLE: round(first_sample_s, 2),
        SAVED: round(saved_per_s, 1),
        **where_and_when(),
        LOAD: round(load, 1),
        "first rows, s": [round(row_s, 2) for row_s in rows_s],
    }


async def _dataset(servers: BenchServers, stages: Stages, began_s: float | None) -> tuple[float, float]:
    """Makes a dataset; seconds to its first row and first decision, since `began_s` or its submission's return."""
    spec = new_dataset(full_size_spec(SAMPLES), "soon")
    key = DatasetKey(spec.dataset_id, spec.dataset_version)
    await submit_through_outages(servers.settings, spec)
    since_s = time.monotonic() if began_s is None else began_s
    connection = await connect(servers.settings().postgres_dsn)

    async def samples() -> int:
        found = await decided(connection, key)
        return 0 if found is None else found.samples

    try:
        await _at_least(samples, 1, stages)
        decided_s = time.monotonic() - since_s
        await _at_least(lambda: row_count(connection, key), 1, stages)
        row_s = time.monotonic() - since_s
    finally:
        await connection.close()
    await decided_at_least(servers.settings(), spec, stages, SAMPLES)
    return row_s, decided_s


async def _saving(servers: BenchServers, stages: Stages, iq_samples: int) -> float:
    """Samples per second whose IQ is saved while the stages are idle: the store was away until all were decided."""
    spec = new_dataset(full_size_spec(2 * iq_samples), "saved")
    spec = msgspec.structs.replace(spec, iq_samples=iq_samples)
    servers.kill("s3")
    await submit_through_outages(servers.settings, spec)
    await decided_at_least(servers.settings(), spec, stages, spec.samples)
    await servers.start("s3")
    connection = await connect(servers.settings().postgres_dsn)
    try:
        first = await _at_least(lambda: iq_samples_saved(connection), 1, stages)
        began_s = time.monotonic()
        await _at_least(lambda: iq_samples_saved(connection), iq_samples, stages)
        return (iq_samples - first) / (time.monotonic() - began_s)
    finally:
        await connection.close()


async def _at_least(count: Callable[[], Awaitable[int]], wanted: int, stages: Stages) -> int:
    """Waits for a count; returns it.

    Raises:
        Failed: it is not reached in two minutes.
    """
    try:
        async with asyncio.timeout(LOOK_DEADLINE_S):
            while (found := await count()) < wanted:
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        raise Failed(f"nothing after {LOOK_DEADLINE_S:.0f} s. The log ends:\n{stages.last_words()}") from None
    return found
