"""Which datasets are cancelled or deleted: followed in PostgreSQL, the last known while it is away."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

import asyncpg

from iqstream.runtime.outages import DatabaseAway

log = logging.getLogger(__name__)

CHANNEL = "iqstream_datasets"
POLL_EVERY_S = 5.0
_WITHDRAWN = "SELECT id::text, version FROM heimdall.datasets WHERE status IN ('cancelled', 'deleted')"


class WithdrawnDatasets:
    """A set of (dataset id, version) that a stage need not work for."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._known: frozenset[tuple[str, int]] = frozenset()

    def __contains__(self, dataset: object) -> bool:
        return dataset in self._known

    @contextlib.asynccontextmanager
    async def followed(self) -> AsyncIterator["WithdrawnDatasets"]:
        """Follows PostgreSQL while the context lasts; the first answer is there when it is entered."""
        connected = asyncio.Event()
        following = asyncio.create_task(self._follow(connected))
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_EVERY_S):
                    await connected.wait()
            yield self
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    async def _follow(self, connected: asyncio.Event) -> None:
        while True:
            try:
                await self._follow_connection(connected)
            except DatabaseAway as error:
                log.warning("cancellations are not seen while PostgreSQL is away: %s %s", type(error).__name__, error)
                await asyncio.sleep(POLL_EVERY_S)

    async def _follow_connection(self, connected: asyncio.Event) -> None:
        connection = await asyncpg.connect(self._dsn, timeout=5)
        changed = asyncio.Event()
        try:
            await connection.add_listener(CHANNEL, lambda *_: changed.set())
            while True:
                changed.clear()
                rows = await connection.fetch(_WITHDRAWN, timeout=5)
                self._known = frozenset((row["id"], row["version"]) for row in rows)
                connected.set()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL_EVERY_S):
                        await changed.wait()
        finally:
            with contextlib.suppress(Exception):
                await connection.close(timeout=2)
