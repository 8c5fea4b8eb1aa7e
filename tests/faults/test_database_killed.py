"""Queries while PostgreSQL is killed under them: whatever the client raises then counts as an outage."""

import asyncio

import asyncpg

from iqstream.bench.servers import bench_servers
from iqstream.runtime.outages import DatabaseAway

KILLS = 6
CLIENTS = 8


async def query(dsn):
    connection = await asyncpg.connect(dsn, timeout=5)
    try:
        await connection.fetchrow("SELECT 1", timeout=5)
    finally:
        await connection.close(timeout=5)


async def test_whatever_a_client_raises_while_the_database_is_killed_counts_as_an_outage(tmp_path):
    answered, failed = 0, 0

    async def query_on(servers):
        nonlocal answered, failed
        while True:
            try:
                await query(servers.settings().postgres_dsn)
                answered += 1
            except DatabaseAway:
                failed += 1
            await asyncio.sleep(0.001)

    async with bench_servers(tmp_path / "bench") as servers:
        clients = [asyncio.create_task(query_on(servers)) for _ in range(CLIENTS)]
        for _ in range(KILLS):
            before = answered
            async with asyncio.timeout(60):
                while answered < before + 5 * CLIENTS:
                    await asyncio.sleep(0.05)
            servers.kill("postgres")
            await servers.start("postgres")
        died = [client.exception() for client in clients if client.done()]
        for client in clients:
            client.cancel()
    assert died == []
    assert failed >= KILLS
