"""The dashboard over a large catalogue: `python -m benchmarks.dashboard`, about six minutes.

A million outcomes and 50,000 rows of features are inserted by SQL, with 200 small datasets beside. Then it is measured
how long each view takes, what 20 clients of one request a second wait, and what a page that stays open costs.
"""

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import asyncpg
import httpx2
import msgspec
import numpy as np
import psutil

import iqstream
from iqstream.bench.machine import limits, where_and_when
from iqstream.bench.servers import bench_servers
from iqstream.catalogue.new_datasets import create_dataset
from iqstream.initialise import initialise
from iqstream.reach import postgres_pool
from iqstream.runtime.settings import PREFIX, Settings
from iqstream.runtime.stages import STAGES
from schemas import FEATURE_NAMES, STATISTICS, Receiver

SMALL = 200
DISTINCT = 50
"""Rows of features that differ; the others repeat them."""
OUTCOMES = """
INSERT INTO heimdall.sample_outcomes
    (dataset_id, dataset_version, sample_idx, outcome, reason, figures, generation, first_outcome, lineage)
SELECT $1, 1, i, CASE WHEN i % 20 = 0 THEN 'accepted' ELSE 'rejected' END,
    CASE WHEN i % 20 = 0 THEN NULL WHEN i % 3 = 0 THEN 'low_snr' ELSE 'poor_geometry' END,
    jsonb_build_object('tx_latitude', 44.4 + (i % 997) / 900.0, 'tx_longitude', 7.2 + (i % 991) / 500.0,
        'inside_network', i % 3 > 0, 'mean_snr_db', 3 + i % 30, 'gdop', 4.5, 'num_receivers_detected', 4),
    0, CASE WHEN i % 20 = 0 THEN 'accepted' ELSE 'rejected' END, $4::jsonb
FROM generate_series($2::int, $3::int) AS i"""
ROWS = """
INSERT INTO heimdall.measurement_features
    (recording_session_id, dataset_id, dataset_version, sample_idx, receiver_features, tx_latitude, tx_longitude,
     tx_altitude_m, tx_known, extraction_metadata, overall_confidence, mean_snr_db, num_receivers_detected, gdop)
SELECT gen_random_uuid(), $1, 1, i, $4::jsonb[], 44.4 + (i % 997) / 900.0, 7.2 + (i % 991) / 500.0, 250, true,
    '{"extractor_version": "bench"}', 0.9, 3 + i % 30, 4, 4.5
FROM generate_series($2::int, $3::int, $5::int) AS i"""


def features(receivers: Sequence[Receiver], rng: np.random.Generator) -> list[str]:
    """A row's features: 72 values for each receiver."""
    return [
        json.dumps({"rx_id": one.rx_id} | {
            name: dict(zip(STATISTICS, rng.normal(size=4).tolist(), strict=True)) for name in FEATURE_NAMES
        })
        for one in receivers
    ]  # fmt: skip


async def fill(settings: Settings, outcomes: int, rows: int) -> str:
    """Inserts the catalogue; returns the large dataset's id."""
    spec = iqstream.make_spec(name="A large one", samples=outcomes, seed=1, iq_samples=0)
    rng, every = np.random.default_rng(1), outcomes // rows
    lineage = {
        one.rx_id: {"topic": "iq.frames", "partition": 3, "offset": 123456, "crc32": 3735928559}
        for one in spec.receivers
    }
    async with postgres_pool(settings) as pool:
        for number in range(SMALL):
            await create_dataset(pool, msgspec.structs.replace(spec, dataset_id=iqstream.make_spec(
                name="x", samples=1).dataset_id, name=f"Small {number}", samples=1000))  # fmt: skip
        await create_dataset(pool, spec)
        step = 50_000
        for first in range(0, outcomes, step):
            await pool.execute(OUTCOMES, spec.dataset_id, first, first + step - 1, json.dumps(lineage))
        part = outcomes // DISTINCT
        for first in range(0, outcomes, part):
            await pool.execute(ROWS, spec.dataset_id, first, first + part - 1, features(spec.receivers, rng), every)
        await pool.execute(
            "UPDATE heimdall.datasets SET accepted = $2, rejected = $3, status = 'complete', completed_at = now() "
            "WHERE id = $1", spec.dataset_id, rows, outcomes - rows,
        )  # fmt: skip
    connection = await asyncpg.connect(settings.postgres_dsn)
    await connection.execute("ANALYZE")
    await connection.close()
    return spec.dataset_id


def environment(settings: Settings) -> dict[str, str]:
    """Of a process on the bench's servers."""
    return os.environ | {
        f"{PREFIX}{name.upper()}": str(value) for name, value in asdict(settings).items() if value not in {"", None}
    }


@contextlib.contextmanager
def running_stages(settings: Settings, folder: Path) -> Iterator[None]:
    """A worker of each while the context lasts."""
    with contextlib.ExitStack() as stack:
        log = stack.enter_context((folder / "stages.log").open("ab"))
        for stage in STAGES:
            command = [sys.executable, "-m", "iqstream", stage, "--workers", "1"]
            process = stack.enter_context(subprocess.Popen(command, env=environment(settings), stdout=log, stderr=log))
            stack.callback(process.terminate)
        yield


@contextlib.asynccontextmanager
async def generating(settings: Settings, folder: Path) -> AsyncIterator[None]:
    """The three stages at work on a dataset while the context lasts, from its first decided sample on."""
    with running_stages(settings, folder):
        async with iqstream.aconnect(settings) as client:
            spec = iqstream.make_spec(name="Under way", samples=100_000, seed=2, iq_samples=0)
            await client.submit(spec)
            try:
                async for event in client.watch(spec.dataset_id):
                    if event.dataset.decided:
                        break
                yield
            finally:
                await client.cancel(spec.dataset_id)


def start(settings: Settings, folder: Path) -> tuple[subprocess.Popen[str], str]:
    """The dashboard, its address and its token's file."""
    token = folder / "token"
    process = subprocess.Popen(
        [sys.executable, "-m", "iqstream", "dashboard", "--port", "0", "--token-file", str(token)],
        env=environment(settings), stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    address = process.stdout.readline().split("http://")[1].split("/")[0]
    return process, f"http://{address}"


async def timed(client: httpx2.AsyncClient, address: str) -> float:
    """Seconds of one answer."""
    began = time.perf_counter()
    answer = await client.get(address)
    assert answer.status_code in {200, 304}, (address, answer.text)
    return time.perf_counter() - began


def views(dataset: str) -> dict[str, str]:
    """Pages by name."""
    return {
        "Datasets": "/",
        "Dataset": f"/datasets/{dataset}",
        "Dataset, page in the middle": f"/datasets/{dataset}?after=500000&outcome=accepted",
        "Distributions": f"/datasets/{dataset}/distributions",
        "Sample": f"/datasets/{dataset}/samples/500000",
        "New": "/new",
        "Lag": "/lag",
        "Dead letters": "/dead-letters",
    }


async def served(client: httpx2.AsyncClient, dataset: str, seconds: int) -> dict[str, list[float]]:
    """Latencies of 20 clients, one request a second each."""
    addresses = [
        "/api/v1/datasets?limit=50", f"/api/v1/datasets/{dataset}", f"/api/v1/datasets/{dataset}/samples?after=400000",
        "/api/v1/lag", f"/api/v1/datasets/{dataset}/samples/400000",
    ]  # fmt: skip
    told: dict[str, list[float]] = {one: [] for one in addresses}

    async def one(number: int) -> None:
        await asyncio.sleep(number / 20)
        for turn in range(seconds):
            began = time.perf_counter()
            address = addresses[(number + turn) % len(addresses)]
            told[address].append(await timed(client, address))
            await asyncio.sleep(max(0.0, 1 - (time.perf_counter() - began)))

    await asyncio.gather(*(one(number) for number in range(20)))
    return told


def print_latencies(when: str, told: dict[str, list[float]]) -> None:
    """The 95th percentiles, with the load of the machine beside them."""
    for path, every in told.items():
        print(f"{when}: {path}: p95 {np.percentile(every, 95) * 1000:.0f} ms of {len(every)}")
    every = [one for of in told.values() for one in of]
    print(
        f"{when}: all: p95 {np.percentile(every, 95) * 1000:.0f} ms, most {max(every) * 1000:.0f} ms; "
        f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )


async def open_page(client: httpx2.AsyncClient, process: subprocess.Popen[str], seconds: int) -> tuple[float, float]:
    """Share of a core that the server spends for a page of datasets that stays open, and how its memory grows."""
    async with client.stream("GET", "/api/v1/datasets/events", timeout=None) as stream:
        lines = stream.aiter_lines()
        await anext(lines)
        watched = psutil.Process(process.pid)
        before, memory = watched.cpu_times(), watched.memory_info().rss
        began = time.perf_counter()
        await asyncio.sleep(seconds)
        after = watched.cpu_times()
        spent = after.user + after.system - before.user - before.system
        return spent / (time.perf_counter() - began), (watched.memory_info().rss - memory) / 2**20


async def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--outcomes", type=int, default=1_000_000)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--seconds", type=int, default=60, help="of each measurement over time (default 60)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(where_and_when(), limits(Path(folder)))
        async with bench_servers(Path(folder) / "bench") as servers:
            settings = servers.settings()
            await initialise(settings)
            began = time.perf_counter()
            dataset = await fill(settings, given.outcomes, given.rows)
            print(f"inserted in {time.perf_counter() - began:.0f} s")
            process, address = start(settings, Path(folder))
            try:
                async with httpx2.AsyncClient(base_url=address, timeout=60) as client:
                    await asyncio.sleep(6)  # the lag is read
                    for name, path in views(dataset).items():
                        first, *more = [await timed(client, path) for _ in range(6)]
                        print(f"{name}: first {first * 1000:.0f} ms, then {statistics.median(more) * 1000:.0f} ms")
                    print_latencies("idle", await served(client, dataset, given.seconds))
                    share, grown_mib = await open_page(client, process, given.seconds)
                    print(f"a page open for {given.seconds} s: {100 * share:.2f} % of a core, {grown_mib:+.1f} MiB")
                    async with generating(settings, Path(folder)):
                        print_latencies("while a dataset is generated", await served(client, dataset, given.seconds))
            finally:
                process.terminate()
                process.wait()


if __name__ == "__main__":
    asyncio.run(main())
