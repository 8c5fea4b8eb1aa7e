"""PostgreSQL and the object store as the settings name them, or a clear word that they do not answer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import asyncpg

from iqstream.runtime.errors import Unreachable
from iqstream.runtime.settings import Settings
from sink.objects import ObjectStore

CONNECT_TIMEOUT_S = 5.0


@asynccontextmanager
async def postgres_pool(settings: Settings) -> AsyncIterator["asyncpg.Pool[asyncpg.Record]"]:
    """A small pool of connections.

    Raises:
        Unreachable: no server there, or it refuses us; the password is never shown.
    """
    place = urlsplit(settings.postgres_dsn)
    try:
        pool = await asyncpg.create_pool(
            settings.postgres_dsn, min_size=1, max_size=4, timeout=CONNECT_TIMEOUT_S, command_timeout=60
        )
    except (OSError, TimeoutError, asyncpg.PostgresError, ValueError) as error:
        raise Unreachable(
            f"PostgreSQL at {place.hostname}:{place.port or 5432}{place.path} does not answer "
            f"({type(error).__name__}: {error}). Start it with `iqstream up`, or set IQSTREAM_POSTGRES_DSN."
        ) from None
    try:
        yield pool
    except asyncpg.UndefinedTableError:
        raise Unreachable(
            f"database {place.path.lstrip('/')} at {place.hostname} has no tables of iqstream: run `iqstream init`."
        ) from None
    finally:
        pool.terminate()


def object_store(settings: Settings) -> ObjectStore:
    """The object store's client; it connects when it is used."""
    return ObjectStore(
        endpoint=settings.s3_endpoint,
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key,
        secure=settings.s3_secure,
    )


async def ensure_bucket(settings: Settings) -> bool:
    """Makes the bucket if it is not there; whether it did.

    Raises:
        Unreachable: no object store there.
        Failed: it refuses us.
    """
    store = object_store(settings)
    try:
        return await store.ensure_bucket()
    finally:
        store.close()
