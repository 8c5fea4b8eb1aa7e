"""A dataset that grows: its generator killed, replaced, ended from elsewhere, without a broker for a while."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from uuid import uuid4

import asyncpg
import pytest

from iqstream.bench.servers import bench_servers
from iqstream.bench.stages import environment_of
from iqstream.initialise import initialise
from iqstream.shards import published_samples, samples_per_shard
from iqstream.watch.progress import progress_reader
from tests.integration.pipeline import Pipeline, is_complete, small_spec, submitted_shards, wait_for_dataset

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]
SHORT = ("--capture-ms", "50", "--iq-samples", "0")


class Grower:
    """A name, and the commands on it as processes."""

    def __init__(self, settings):
        self.settings = settings
        self.name = f"growing {uuid4().hex[:8]}"
        self.environment = environment_of(settings)
        self.spec = None

    @contextmanager
    def command(self, *words):
        """A command that runs; killed at the end if it has not ended."""
        process = subprocess.Popen(
            [sys.executable, "-m", "iqstream", *words],
            env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    @contextmanager
    def generating(self, rate):
        with self.command("generate", "--name", self.name, "--continuous", "--rate", rate, "--json", *SHORT) as process:
            told = json.loads(process.stdout.readline() or process.stderr.read())
            self.spec = small_spec(10_000_000, dataset_id=told["dataset_id"])
            yield process

    def run(self, *words):
        with self.command(*words) as process:
            out, err = process.communicate(timeout=60)
            assert "Traceback" not in err
            return process.returncode, out + err

    async def reaches(self, samples):
        async with asyncio.timeout(60):
            while (there := await published_samples(self.settings, self.spec)) < samples:
                await asyncio.sleep(0.2)
        return there

    async def row(self):
        connection = await asyncpg.connect(self.settings.postgres_dsn)
        try:
            return await connection.fetchrow(
                "SELECT * FROM heimdall.datasets WHERE id = $1::uuid", self.spec.dataset_id
            )
        finally:
            await connection.close()

    async def assert_every_shard_once(self, samples):
        counts = await submitted_shards(self.settings, self.spec)
        assert counts == Counter(range(0, samples, samples_per_shard(self.spec)))


@pytest.fixture
def grower(settings):
    return Grower(settings)


def assert_ended(process, code, *words):
    out, err = process.communicate(timeout=60)
    told = out + err
    assert process.returncode == code, told
    assert "Traceback" not in told
    for word in words:
        assert word in told


async def test_after_kill_9_of_its_generator_it_is_gone_on_with_or_ended_and_has_every_sample_once(grower, tmp_path):
    with Pipeline(grower.settings, tmp_path / "stages.log", workers=1).running():
        with grower.generating("6/s") as generator:
            first = await grower.reaches(8)
            os.kill(generator.pid, signal.SIGKILL)
        async with progress_reader(grower.settings) as reader:
            progress = await reader.read(grower.spec.dataset_id)
        assert first <= progress.submitted < 100
        code, told = grower.run("datasets", "resume", grower.name)
        assert (code, "--rate" in told, "datasets end" in told) == (2, True, True)
        with grower.command("datasets", "resume", grower.name, "--rate", "6/s") as second:
            await grower.reaches(first + 8)
            os.kill(second.pid, signal.SIGKILL)
        code, told = grower.run("datasets", "end", grower.name)
        row = await wait_for_dataset(grower.settings, grower.spec, is_complete)
    assert (code, f"has ended at {row['requested']:,} samples" in told) == (0, True)
    assert row["requested"] == row["accepted"] + row["rejected"] + row["failed"] >= first + 8
    assert json.loads(row["spec"])["samples"] == row["requested"]
    await grower.assert_every_shard_once(row["requested"])
    code, told = grower.run("datasets", "end", grower.name)
    assert (code, "is complete" in told) == (2, True)


async def test_one_that_is_ended_elsewhere_submits_nothing_more(grower):
    with grower.generating("2/s") as generator:
        await grower.reaches(2)
        assert grower.run("datasets", "end", grower.name)[0] == 0
        out, err = generator.communicate(timeout=60)
        assert generator.returncode == 0 or "has taken it over" in err, out + err
        assert "Traceback" not in err
    row = await grower.row()
    assert row["status"] == "running"
    await grower.assert_every_shard_once(row["requested"])


async def test_one_that_is_cancelled_ends_its_generator(grower):
    with grower.generating("2/s") as generator:
        await grower.reaches(2)
        assert grower.run("datasets", "cancel", grower.name)[0] == 0
        assert_ended(generator, 0)
    assert (await grower.row())["status"] == "cancelled"


async def test_a_second_generator_takes_over_from_the_first(grower):
    with (
        grower.generating("2/s") as first,
        grower.command("datasets", "resume", grower.name, "--rate", "2/s") as second,
    ):
        assert_ended(first, 1, "has taken it over")
        await grower.reaches(await published_samples(grower.settings, grower.spec) + 4)
        second.send_signal(signal.SIGTERM)
        assert_ended(second, 0, "has ended at")
    await grower.assert_every_shard_once((await grower.row())["requested"])


async def test_a_broker_that_is_away_is_waited_for(tmp_path):
    async with bench_servers(tmp_path / "bench") as servers:
        await initialise(servers.settings())
        grower = Grower(servers.settings())
        with grower.generating("4/s") as generator:
            before = await grower.reaches(4)
            servers.kill("kafka")
            async with asyncio.timeout(60):
                assert "nothing is lost" in await asyncio.to_thread(generator.stderr.readline)
            await servers.start("kafka")
            await grower.reaches(before + 8)
            generator.send_signal(signal.SIGINT)
            assert_ended(generator, 0)
        row = await grower.row()
        assert row["status"] == "running"
        await grower.assert_every_shard_once(row["requested"])


async def test_before_anything_is_submitted_ending_it_cancels_it(grower):
    with grower.generating("0.01/s") as generator:
        generator.send_signal(signal.SIGINT)
        assert_ended(generator, 0)
    assert (await grower.row())["status"] == "cancelled"
