"""FeatureStream while its broker is killed: it waits and goes on, and every sample comes once."""

import asyncio
from contextlib import aclosing

from iqstream.bench.servers import bench_servers
from iqstream.dataset import FeatureStream
from tests.integration.feature_topics import LIMITS, filled_topic, publish
from tests.sink_samples import whole_sample


async def test_a_follower_outlives_a_killed_broker_and_loses_nothing(tmp_path):
    async with bench_servers(tmp_path / "bench") as servers:
        settings = servers.stage_settings()  # an address that stays the same
        topic, spec = await filled_topic(settings, 20)
        seen = []
        follower = FeatureStream(topic=topic, end=None, limits=LIMITS, settings=settings)
        async with aclosing(aiter(follower)) as samples, asyncio.timeout(90):
            while len(seen) < 20:
                seen.append((await anext(samples)).meta["sample_idx"])
            waiting = asyncio.ensure_future(anext(samples))
            servers.kill("kafka")
            await servers.start("kafka")
            await publish(settings, topic, [record for index in range(20, 30) for record in whole_sample(spec, index)])
            seen.append((await waiting).meta["sample_idx"])
            while len(seen) < 30:
                seen.append((await anext(samples)).meta["sample_idx"])
    assert sorted(seen) == list(range(30))
