"""A database of our own on a server, made where there is none."""

import contextlib

import asyncpg

from iqstream.catalogue.postgres import Connection


async def ensure_database(connection: Connection, name: str) -> None:
    """Makes a database if it is not there. No transaction may be open; `name` is ours, and is not checked."""
    if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", name):
        with contextlib.suppress(asyncpg.DuplicateDatabaseError):
            await connection.execute(f'CREATE DATABASE "{name}"')
