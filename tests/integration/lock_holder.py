"""A process whose connections all want the same dataset: one holds it, the others wait. To be frozen by a test.

With `rows` the holder stops itself between two pieces of a statement: its transaction is not idle.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator

import iqstream.catalogue.locked
import iqstream.catalogue.postgres
from iqstream.catalogue.locked import lock_datasets
from iqstream.catalogue.postgres import Connection, create_pool
from schemas import DatasetKey

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'iqstream' AND wait_event_type = 'Lock'"


def rows_until_stopped() -> Iterator[tuple[str]]:
    for _ in range(10):
        yield ("x" * 100_000,)
    print("one holds the dataset, and has sent a part of its rows", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)


async def write(connection: Connection) -> None:
    await connection.execute("CREATE TEMPORARY TABLE written (text TEXT)")
    await connection.executemany("INSERT INTO written VALUES ($1)", rows_until_stopped())


async def main() -> None:
    dsn, dataset_id, connections, idle_ms, lock_ms, then = sys.argv[1:]
    iqstream.catalogue.postgres.IDLE_IN_TRANSACTION_MS = int(idle_ms)
    iqstream.catalogue.locked.LOCK_TIMEOUT_MS = int(lock_ms)

    async def hold() -> None:
        async with pool.acquire() as connection, connection.transaction():
            await lock_datasets(connection, [DatasetKey(dataset_id, 1)])
            if then == "rows":
                await write(connection)
            await asyncio.Event().wait()

    async with create_pool(dsn, max_size=int(connections) + 1) as pool, asyncio.TaskGroup() as group:
        for _ in range(int(connections)):
            group.create_task(hold())
        while await pool.fetchval(WAITING) < int(connections) - 1:
            await asyncio.sleep(0.01)
        if then == "wait":
            print("one holds the dataset, the others wait", flush=True)


asyncio.run(main())
