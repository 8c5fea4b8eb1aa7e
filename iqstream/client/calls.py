"""What the calls of the front door stand on: where the servers are, and whom to tell what was chosen."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from iqstream.catalogue.postgres import Pool
from iqstream.reach import kept_pool, postgres_needed, postgres_pool
from iqstream.runtime.settings import Settings

log = logging.getLogger(__name__)


class Calls:
    """Calls that belong together are a class each; `AsyncClient` has them all."""

    def __init__(self, settings: Settings, *, tell: Callable[[str], None] = log.info) -> None:
        self.settings = settings
        self._tell = tell
        self._open: AsyncExitStack | None = None
        """Closes what is kept from call to call, while the client is entered."""
        self._kept: Pool | None = None
        self._opening = asyncio.Lock()

    @asynccontextmanager
    async def _postgres(self) -> AsyncIterator[Pool]:
        """Connections for one call.

        Raises:
            Unreachable: PostgreSQL does not answer, or has none of our tables.
        """
        if self._open is None:
            async with postgres_pool(self.settings) as pool:
                yield pool
            return
        async with self._opening:
            if self._kept is None:
                self._kept = await self._open.enter_async_context(kept_pool(self.settings))
        with postgres_needed(self.settings):
            yield self._kept

    def __repr__(self) -> str:
        return f"{type(self).__name__}(kafka={self.settings.kafka_bootstrap!r})"


def ignore(_: object) -> None:
    """Takes what a call would tell where nobody asked to be told."""
