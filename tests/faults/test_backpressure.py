"""Stopped extractors: the producer waits before retention drops a frame that nobody has read, and goes on by itself."""

import asyncio
from dataclasses import replace

import psutil
import pytest
from aiokafka import TopicPartition

from iqstream.bench.servers import bench_servers
from iqstream.initialise import initialise
from iqstream.runtime.kafka import started_reader
from iqstream.runtime.topics import FRAMES
from schemas import Capture
from tests.integration.pipeline import Pipeline, is_complete, small_spec, submit_dataset, wait_for_dataset

pytestmark = [pytest.mark.stack, pytest.mark.acceptance, pytest.mark.timeout(900)]
RETENTION_BYTES = 32 * 1024 * 1024
"""Of a partition: 80 frames of half a second; the dataset has more than twelve partitions hold."""
SAMPLES = 150
MAX_WORKER_MIB = 400


async def test_a_producer_without_readers_waits_and_no_unread_frame_is_ever_dropped(tmp_path):
    async with bench_servers(tmp_path / "bench") as servers:
        settings = replace(servers.settings(), frames_retention_bytes=RETENTION_BYTES, frames_segment_bytes=1024 * 1024)
        await initialise(settings)
        spec = small_spec(SAMPLES, capture=Capture(capture_ms=500, chunk_ms=100))
        pipeline = Pipeline(settings, tmp_path / "stages.log", workers=1)
        with pipeline.running("producer", "sink"):
            await submit_dataset(settings, spec)
            async with asyncio.timeout(90):
                while "waiting for readers" not in pipeline.log.read_text():
                    await asyncio.sleep(0.2)
            held = await settled(settings)
            assert held < SAMPLES * len(spec.receivers), "it has made everything: nothing was held back"
            pipeline.start("extractor")
            row = await wait_for_dataset(settings, spec, is_complete)
            workers = [w for s in pipeline.services.values() for w in psutil.Process(s.pid).children()]
            largest_mib = max(worker.memory_info().rss for worker in workers) / 2**20
        assert row["failed"] == 0
        assert row["accepted"] + row["rejected"] == SAMPLES
        assert "have caught up" in pipeline.log.read_text()
        assert largest_mib < MAX_WORKER_MIB


async def settled(settings) -> int:
    """Offsets on `iq.frames` once they stand still for longer than the broker's retention check takes to come round."""
    async with started_reader(settings) as reader:
        places = [TopicPartition(FRAMES, partition) for partition in range(settings.partitions)]
        before, since = None, asyncio.get_running_loop().time()
        async with asyncio.timeout(120):
            while before is None or asyncio.get_running_loop().time() - since < 12:
                ends = await reader.end_offsets(places)
                if ends != before:
                    before, since = ends, asyncio.get_running_loop().time()
                starts = await reader.beginning_offsets(places)
                assert not any(starts.values()), "the broker has dropped frames that nobody read"
                await asyncio.sleep(0.3)
        return sum(before.values())
