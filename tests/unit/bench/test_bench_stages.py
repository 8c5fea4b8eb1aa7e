"""Two faults of one service at once."""

import asyncio
import sys

from iqstream.bench.stages import Stages
from iqstream.runtime.settings import Settings

DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"


async def test_a_service_that_is_killed_while_it_is_being_stopped_is_followed_by_one_service(tmp_path):
    log = tmp_path / "log"
    nowhere = Settings(
        kafka_bootstrap="127.0.0.1:1", postgres_dsn="", s3_endpoint="127.0.0.1:1", s3_access_key="", s3_secret_key=""
    )
    async with Stages(nowhere, log, {"sink": 1}, (sys.executable, "-c", DEAF)) as stages:
        async with asyncio.timeout(20):
            while b"ready" not in log.read_bytes():
                await asyncio.sleep(0.01)
            service = stages.of("sink")
            stopping = asyncio.create_task(stages.stop(service))
            await asyncio.sleep(0)
            following = stages.kill_service("sink")
            assert await stopping == -9
        assert service.killed
        assert stages.of("sink") is following
        following.process.kill()
