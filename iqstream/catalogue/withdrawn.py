"""Which datasets are cancelled or deleted: followed in PostgreSQL, the last known while it is away."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from iqstream.catalogue.connection import NOT_CONNECTED, Session, connect, no_connection
from iqstream.runtime.errors import UserError
from iqstream.runtime.outages import DatabaseAway

log = logging.getLogger(__name__)

CHANNEL = "iqstream_datasets"
POLL_EVERY_S = 5.0
CONNECT_TIMEOUT_S = 5.0
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
        """Follows PostgreSQL while the context lasts; the first answer is there when it is entered.

        Raises:
            UserError: PostgreSQL rejects the settings.
        """
        answered = asyncio.Event()
        following = asyncio.create_task(self._follow(answered))
        waiting = asyncio.create_task(answered.wait())
        try:
            await asyncio.wait({waiting, following}, timeout=POLL_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
            if following.done():
                following.result()
            yield self
        finally:
            for task in (waiting, following):
                task.cancel()
            await asyncio.gather(waiting, following, return_exceptions=True)

    async def _follow(self, answered: asyncio.Event) -> None:
        """Until it is cancelled; wrong settings end it only before the server was away or has answered."""
        waited = False
        while True:
            try:
                session = await connect(self._dsn, timeout_s=CONNECT_TIMEOUT_S)
            except NOT_CONNECTED as error:
                told = no_connection(error, self._dsn)
                if isinstance(told, UserError) and not (waited or answered.is_set()):
                    raise told from None
                problem = str(told)
            else:
                problem = await self._follow_session(session, answered)
            log.warning("cancellations are not seen, retrying every %.0f s: %s", POLL_EVERY_S, problem)
            waited = True
            await asyncio.sleep(POLL_EVERY_S)

    async def _follow_session(self, session: Session, answered: asyncio.Event) -> str:
        """Reads whenever something changes, and now and then; returns why that has ended."""
        changed = asyncio.Event()
        try:
            await session.add_listener(CHANNEL, lambda *_: changed.set())
            while True:
                changed.clear()
                rows = await session.fetch(_WITHDRAWN, timeout=5)
                self._known = frozenset((row["id"], row["version"]) for row in rows)
                answered.set()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL_EVERY_S):
                        await changed.wait()
        except DatabaseAway as error:
            return f"{type(error).__name__} {error}"
        finally:
            with contextlib.suppress(Exception):
                await session.close(timeout=2)
