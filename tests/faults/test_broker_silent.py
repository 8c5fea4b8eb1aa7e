"""Clients whose broker stands still: its connections are there, and carry nothing."""

import asyncio
import time

from iqstream.bench.servers import bench_servers
from iqstream.initialise import initialise
from iqstream.runtime.kafka import transactional_producer
from iqstream.runtime.topics import DEAD_LETTERS
from iqstream.runtime.transactional_producer import LET_GO_AGAIN_S

PRODUCERS = 8


async def test_producers_of_a_silent_broker_are_let_go_within_seconds_and_leave_nothing(tmp_path):
    async with bench_servers(tmp_path / "bench") as servers:
        await initialise(servers.settings())
        resting, sending, asking = (
            [transactional_producer(servers.stage_settings(), f"{what}-{n}") for n in range(PRODUCERS)]
            for what in ("resting", "sending", "asking")
        )
        for producer in resting + sending:
            await producer.start()
            await producer.partitions_for(DEAD_LETTERS)
        servers.proxies["kafka"].silence()
        for producer in sending:
            await producer.begin_transaction()
            await producer.send(DEAD_LETTERS, bytes(1024 * 1024))
        starts = [asyncio.create_task(producer.start()) for producer in asking]
        await asyncio.sleep(0)
        for start in starts:
            start.cancel()
        await asyncio.wait(starts)
        began = time.monotonic()
        await asyncio.gather(*(producer.let_go() for producer in resting + sending + asking))
        took_s = time.monotonic() - began
        left = {task for task in asyncio.all_tasks() if "aiokafka" in task.get_coro().cr_code.co_filename}
        servers.proxies["kafka"].flow()
    assert left == set()
    assert took_s < 10 * LET_GO_AGAIN_S
