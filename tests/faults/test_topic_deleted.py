"""A topic is deleted under the running stages: they stop and name it, `init` makes it anew, nothing stored is lost."""

import asyncio
import subprocess

import pytest

from iqstream.bench.servers import bench_servers
from iqstream.initialise import initialise
from iqstream.reach import postgres_pool
from iqstream.runtime.kafka import admin_client
from iqstream.submit.submission import submit
from tests.integration.pipeline import STAGES, Pipeline, digest, is_complete, small_spec, wait_for_dataset

pytestmark = [pytest.mark.stack, pytest.mark.acceptance, pytest.mark.timeout(900)]
READERS_AND_WRITERS = {"iq.frames": ("producer", "extractor"), "iq.features": STAGES}


def ended(service: subprocess.Popen) -> int:
    return service.wait(timeout=90)


async def test_stages_stop_and_name_a_deleted_topic_and_go_on_with_a_new_one(tmp_path):
    async with bench_servers(tmp_path / "bench") as servers:
        settings = servers.settings()
        await initialise(settings)
        kept = small_spec(20)
        for topic, concerned in READERS_AND_WRITERS.items():
            pipeline = Pipeline(settings, tmp_path / f"{topic}.log", workers=1)
            with pipeline.running():
                await complete(settings, kept)
                before = await digest(settings, kept)
                under_way = small_spec(2_000)
                async with postgres_pool(settings) as pool:
                    await submit(settings, pool, under_way)
                await wait_for_dataset(settings, under_way, lambda row: row["accepted"] > 5)
                async with admin_client(settings) as admin:
                    await admin.delete_topics([topic])
                for stage in concerned:
                    assert await asyncio.to_thread(ended, pipeline.services.pop(stage)) == 1
            said = pipeline.log.read_text()
            assert f"topic {topic} does not exist" in said
            assert "iqstream init" in said
            assert await digest(settings, kept) == before
            made = await initialise(settings)
            assert made.topics_created == (topic,)
            with Pipeline(settings, tmp_path / f"{topic}-anew.log", workers=1).running():
                await cancel(settings, under_way)
                kept = small_spec(20)
                await complete(settings, kept)
                assert await digest(settings, kept) == before


async def complete(settings, spec):
    from iqstream.catalogue.datasets import get_dataset
    from iqstream.submit.submission import resume

    async with postgres_pool(settings) as pool:
        if await get_dataset(pool, spec.dataset_id) is None:
            await submit(settings, pool, spec)
        else:
            await resume(settings, pool, spec)
    await wait_for_dataset(settings, spec, is_complete)


async def cancel(settings, spec):
    from iqstream.catalogue.dataset_status import set_status

    async with postgres_pool(settings) as pool:
        await set_status(pool, spec.dataset_id, spec.dataset_version, "cancelled")
