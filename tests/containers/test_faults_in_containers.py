"""Each server stopped, killed and frozen while the stages work on it: the rows are those of an undisturbed run."""

import asyncio

import pytest

from iqstream.initialise import initialise
from schemas import Capture
from tests.containers.servers import Servers, until_ready
from tests.integration.pipeline import Pipeline, digest, is_complete, small_spec, submit_dataset, wait_for_dataset

pytestmark = [pytest.mark.containers, pytest.mark.timeout(600)]
SAMPLES = 120
FROZEN_S = 12.0
"""Longer than a consumer group's session (10 s)."""


@pytest.fixture(scope="module")
def servers(engine):
    with Servers() as running:
        asyncio.run(until_ready(running.settings))
        asyncio.run(initialise(running.settings))
        yield running


@pytest.fixture(scope="module")
def pipeline(servers, tmp_path_factory):
    with Pipeline(
        servers.settings, tmp_path_factory.mktemp("stages") / "stages.log", standby=True
    ).running() as running:
        yield running


def a_spec():
    return small_spec(SAMPLES, iq_samples=60, capture=Capture(capture_ms=100, chunk_ms=20))


@pytest.fixture(scope="module")
def undisturbed(servers, pipeline):
    async def run():
        spec = a_spec()
        await submit_dataset(servers.settings, spec)
        await wait_for_dataset(servers.settings, spec, is_complete)
        return await digest(servers.settings, spec)

    return asyncio.run(run())


async def stop(container):
    await asyncio.to_thread(container.stop, timeout=30)
    container.start()


async def kill(container):
    container.kill()
    container.start()


async def freeze(container):
    container.pause()
    await asyncio.sleep(FROZEN_S)
    container.unpause()


@pytest.mark.parametrize("disturb", [stop, kill, freeze])
async def test_every_server_in_turn_is_disturbed_under_load(servers, pipeline, undisturbed, disturb):
    spec = a_spec()
    await submit_dataset(servers.settings, spec)
    for number, name in enumerate(("kafka", "postgres", "minio")):
        await until_decided(servers.settings, spec, (number + 1) * SAMPLES // 5)
        await disturb(servers.container(name))
        await until_ready(servers.settings)
    row = await wait_for_dataset(servers.settings, spec, is_complete, deadline_s=240)
    assert row["failed"] == 0
    assert await digest(servers.settings, spec) == undisturbed


async def until_decided(settings, spec, samples):
    row = await wait_for_dataset(
        settings, spec, lambda row: row["accepted"] + row["rejected"] + row["failed"] >= samples, deadline_s=240
    )
    assert row["status"] != "complete", "the dataset was done before it could be disturbed"
