"""Connections to PostgreSQL in a pool, and the statements that have names."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from importlib import resources
from itertools import count
from typing import Any, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from iqstream.catalogue.connection import NOT_CONNECTED, Session, connect, why_no_connection
from iqstream.runtime.errors import Failed, IqstreamError, Unreachable

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

IDLE_IN_TRANSACTION_MS = 10_000
"""A frozen worker's transaction is ended after this time: by then Kafka has given its partitions away, too."""
CLOSE_TIMEOUT_S = 5.0


def _named_queries(text: str) -> Mapping[str, str]:
    parts = re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], (sql.strip() for sql in parts[2::2]), strict=True))


QUERIES: Mapping[str, str] = _named_queries(
    resources.files("iqstream.catalogue").joinpath("queries.sql").read_text("utf-8")
)
"""The statements of queries.sql by name."""


class _PooledSession(asyncpg.Connection):
    """A connection that is given back as it is: nothing that we set in a session outlives its transaction.

    The pool's own statement would take back the timeout, too, and cost a question to the server for each use.
    """

    def get_reset_query(self) -> str:
        return ""


async def _set_timeout(session: Connection) -> None:
    await session.execute(f"SET idle_in_transaction_session_timeout = {IDLE_IN_TRANSACTION_MS};")


class NoConnection(ConnectionError):
    """A pool could not make a connection: an outage to whoever waits for the server, `told` to whoever does not."""

    def __init__(self, told: IqstreamError) -> None:
        super().__init__(str(told))
        self.told = told


async def _connect(dsn: str, **arguments: Any) -> Session:  # noqa: ANN401  # those of `connect`
    try:
        return await connect(dsn, **arguments)
    except NOT_CONNECTED as error:
        raise NoConnection(await why_no_connection(error, dsn)) from error


@asynccontextmanager
async def create_pool(dsn: str, *, max_size: int, min_size: int = 1) -> AsyncIterator[Pool]:
    """Connections, for as long as the context lasts; `min_size` 0: none before one is needed.

    A frozen worker's transaction is ended by the server: it would hold its datasets' locks for ever. That is set after
    connecting: a pooler such as PgBouncer refuses it as a parameter of the start. jsonb keeps its default, text: a
    codec would quote array elements byte by byte.

    Raises:
        Unreachable: no server there.
        UserError: the settings are wrong: it rejects the login or an option, or is not trusted.
    """
    try:
        pool: Pool = await asyncpg.create_pool(  # type: ignore[call-overload]  # `connect` does not return our class by type
            dsn,
            connect=_connect,
            init=_set_timeout,
            connection_class=_PooledSession,
            min_size=min_size,
            max_size=max_size,
            command_timeout=30,
        )
    except NoConnection as error:
        raise error.told from None
    try:
        yield pool
    finally:
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await pool.close()
        except TimeoutError:
            pool.terminate()


@asynccontextmanager
async def savepoint(connection: Connection) -> AsyncIterator[None]:
    """Where a transaction goes back to after an error. It is not released: the transaction's end does that.

    So it asks the server once, where a nested `transaction()` asks twice; for a few in a transaction.
    """
    name = f"savepoint_{next(_numbers)}"
    await connection.execute(f"SAVEPOINT {name}")
    try:
        yield
    except Exception:
        if not connection.is_closed():
            await connection.execute(f"ROLLBACK TO SAVEPOINT {name}")
        raise


_numbers = count()


@contextmanager
def session_needed(where: str) -> Iterator[None]:
    """Says which server is away to whoever does not wait for it.

    Raises:
        Unreachable: something within the context lost its connection, or got none; names `where`.
        UserError: the settings are wrong.
    """
    try:
        yield
    except NoConnection as error:
        raise error.told from None
    except _LOST as error:
        if isinstance(error, ValueError):  # an argument that fits no column is no outage
            raise
        raise Unreachable(f"{where} went away in the middle ({type(error).__name__}: {error}).") from None


_LOST: tuple[type[Exception], ...] = (
    ConnectionResetError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
"""A connection that was there."""


@contextmanager
def tables_needed(where: str) -> Iterator[None]:
    """Says what to do about a database without our tables, with those of an earlier version, or with fewer rights.

    Raises:
        Unreachable: something within the context has met such a one; names `where`.
        Failed: the role may not do what was asked of it.
    """
    try:
        yield
    except asyncpg.UndefinedTableError:
        raise Unreachable(f"{where} has no tables of iqstream: run `iqstream init`.") from None
    except asyncpg.UndefinedColumnError:
        raise Unreachable(f"{where} has the tables of an earlier version of iqstream: run `iqstream init`.") from None
    except asyncpg.InsufficientPrivilegeError as error:
        raise Failed(
            f"{where} does not let this role do it: {error}. Do it as a role that may: the owner of the tables."
        ) from None
