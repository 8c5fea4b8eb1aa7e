"""The schema `heimdall` in PostgreSQL: forward only, each step SQL, applied by Alembic from this package."""

from functools import partial
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from iqstream.catalogue.connection import connect

_LOCK = 0x6865696D64616C6C  # "heimdall"


async def migrate(dsn: str, *, to: str = "head") -> None:
    """Brings the database to this version's schema; does nothing where it is there already.

    Callers at the same time wait for one another, and all steps are one transaction.

    Args:
        dsn: as `parse_dsn` reads it.
        to: the step to stop at, as an earlier version of iqstream would.
    """
    engine = create_async_engine("postgresql+asyncpg://", async_creator=partial(connect, dsn), poolclass=NullPool)
    try:
        async with engine.begin() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            await connection.execute(text("CREATE SCHEMA IF NOT EXISTS heimdall"))
            await connection.run_sync(_upgrade, to)
    finally:
        await engine.dispose()


def _upgrade(connection: Connection, to: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, to)
