"""A database of our own on a server of our own, made where there is none."""

import contextlib

import asyncpg

from iqstream.catalogue.postgres import Connection


async def server_connection(*, host: str, port: int, user: str, password: str, timeout_s: float) -> Connection:
    """A connection to a server that may not have our database yet.

    Raises:
        OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError: there is none.
    """
    return await asyncpg.connect(
        host=host, port=port, user=user, password=password, database="postgres", timeout=timeout_s, ssl=False
    )


async def ensure_database(connection: Connection, name: str) -> None:
    """Makes a database if it is not there. No transaction may be open; `name` is ours, and is not checked."""
    if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", name):
        with contextlib.suppress(asyncpg.DuplicateDatabaseError):
            await connection.execute(f'CREATE DATABASE "{name}"')
