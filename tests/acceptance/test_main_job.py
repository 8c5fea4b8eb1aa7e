"""The main job at full size, step by step as a person verifies it by hand (`make acceptance`, some minutes)."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import asyncpg
import numpy as np
import pytest

from iqstream.catalogue.examples import EXAMPLES
from iqstream.reach import object_store
from iqstream.runtime.disk import used_bytes
from iqstream.runtime.settings import load_settings

pytestmark = pytest.mark.acceptance
SAMPLES = 1000


class Bench:
    """A folder with a stack of its own, and the command line in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("IQSTREAM_")}

    def run(self, *arguments: str, timeout: float = 120) -> str:
        ended = subprocess.run(
            [sys.executable, "-m", "iqstream", *arguments],
            cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    def start(self, stage: str, workers: int) -> subprocess.Popen[bytes]:
        with (self.folder / f"{stage}.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "iqstream", stage, "--workers", str(workers)],
                cwd=self.folder, env=self.environment, stderr=log, stdout=log,
            )  # fmt: skip

    def kafka_bytes(self) -> int:
        return used_bytes(self.folder / ".iqstream" / "kafka")


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    made = Bench(tmp_path_factory.mktemp("acceptance"))
    # 1. Start the stack, and the stages.
    made.run("up")
    services = [made.start("producer", 1), made.start("extractor", 2), made.start("sink", 1)]
    yield made
    for service in services:
        service.terminate()
    codes = [service.wait(timeout=60) for service in services]
    made.run("down")
    assert codes == [0, 0, 0]


@pytest.fixture(scope="module")
def finished(bench):
    """The dataset, submitted as the form does and watched to its completion line."""
    most_bytes = [0]
    ended = threading.Event()

    def watch_disk() -> None:
        while not ended.wait(1.0):
            most_bytes[0] = max(most_bytes[0], bench.kafka_bytes())

    watcher = threading.Thread(target=watch_disk)
    watcher.start()
    try:
        # 2. Submit.  3. Watch to the end.
        told = bench.run(
            "generate", "--name", "Test IQ Generation", "--samples", str(SAMPLES), "--frequency", "144MHz",
            "--min-snr", "3", "--min-receivers", "3", "--max-gdop", "50", "--seed", "0", "--watch", timeout=1500,
        )  # fmt: skip
    finally:
        ended.set()
        watcher.join()
    dataset = json.loads(bench.run("datasets", "show", "Test IQ Generation", "--json"))
    return dataset, told, most_bytes[0]


def test_every_sample_is_decided_and_the_completion_line_has_the_true_numbers(finished):
    dataset, told, _ = finished
    assert dataset["status"] == "complete"
    assert dataset["accepted"] + dataset["rejected"] + dataset["failed"] == SAMPLES
    assert dataset["failed"] == 0
    assert f"Generation complete: {dataset['accepted']} samples, 100 IQ samples saved to MinIO" in told


async def test_the_three_queries_answer_as_they_stand(bench, finished):
    dataset, _, _ = finished
    connection = await asyncpg.connect(settings_of(bench).postgres_dsn)
    try:
        count, shown, one = [await connection.fetch(query) for query in EXAMPLES]
    finally:
        await connection.close()
    assert count[0]["count"] == dataset["accepted"]
    assert len(shown) == 5
    assert all(row["num_receivers"] == 7 and row["gdop"] <= 50 and row["mean_snr_db"] >= 3 for row in shown)
    assert one[0]["rx_id"]
    assert float(one[0]["rssi_mean"]) < 0


async def test_the_bucket_holds_the_iq_of_the_100_accepted_samples_of_lowest_index(bench, finished):
    dataset, _, _ = finished
    store = object_store(settings_of(bench))
    names = await store.list_samples(dataset["id"])
    connection = await asyncpg.connect(settings_of(bench).postgres_dsn)
    try:
        lowest = await connection.fetch(
            "SELECT sample_idx FROM heimdall.measurement_features WHERE dataset_id = $1::uuid "
            "ORDER BY sample_idx LIMIT 100",
            dataset["id"],
        )
    finally:
        await connection.close()
    folders = {int(name.split("/")[2]) for name in names}
    assert folders == {row["sample_idx"] for row in lowest}
    assert len(folders) == 100
    assert len(names) == 700
    _, dataset_id, index, rx_id = names[0].removesuffix(".npy").split("/")
    iq = await store.get_iq(dataset_id, int(index), rx_id)
    assert iq.dtype == np.complex64
    assert iq.shape == (200_000,)
    assert np.isfinite(iq).all()


def test_the_brokers_disk_stays_within_its_retention(bench, finished):
    _, _, most_bytes = finished
    settings = settings_of(bench)
    # A partition keeps its retention, the segment that is written and one that waits for its deletion.
    kept = settings.partitions * (settings.frames_retention_bytes + 2 * settings.frames_segment_bytes)
    assert most_bytes < kept + 512 * 1024**2


def settings_of(bench):
    return load_settings({"IQSTREAM_STATE_DIR": str(bench.folder / ".iqstream")})
