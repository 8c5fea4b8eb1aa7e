"""PostgreSQL and the object store as the settings name them, or a clear word that they do not answer."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from iqstream.catalogue.postgres import Pool, create_pool, session_needed, tables_needed
from iqstream.runtime.postgres_address import parse_dsn
from iqstream.runtime.settings import Settings
from sink.objects import ObjectStore


@asynccontextmanager
async def postgres_pool(settings: Settings) -> AsyncIterator[Pool]:
    """A small pool of connections.

    Raises:
        Unreachable: no server there, or it has none of our tables.
        UserError: the settings are wrong.
    """
    async with create_pool(settings.postgres_dsn, max_size=4) as pool:
        with postgres_needed(settings):
            yield pool


@asynccontextmanager
async def kept_pool(settings: Settings) -> AsyncIterator[Pool]:
    """Connections for many calls: made when they are needed, and again when the server is back from an outage."""
    async with create_pool(settings.postgres_dsn, max_size=8, min_size=0) as pool:
        yield pool


@contextmanager
def postgres_needed(settings: Settings) -> Iterator[None]:
    """Names PostgreSQL to whoever asks it within the context, and it is away or has none of our tables.

    Raises:
        Unreachable: it is so.
        UserError: the settings are wrong.
    """
    where = f"PostgreSQL at {parse_dsn(settings.postgres_dsn)}"
    with session_needed(where), tables_needed(where):
        yield


def object_store(settings: Settings) -> ObjectStore:
    """The object store's client; it connects when it is used."""
    return ObjectStore(
        endpoint=settings.s3_endpoint,
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key,
        secure=settings.s3_secure,
        region=settings.s3_region,
        bucket=settings.s3_bucket,
        ca_file=settings.s3_cafile,
    )


async def ensure_bucket(settings: Settings) -> bool:
    """Makes the bucket if it is not there; whether it did.

    Raises:
        Unreachable: no object store there.
        Failed: it rejected the request.
    """
    store = object_store(settings)
    try:
        return await store.ensure_bucket()
    finally:
        store.close()
