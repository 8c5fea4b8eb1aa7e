"""How a command reaches the servers: through the Python front door, and no other way."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from iqstream.cli.console import say
from iqstream.client.asynchronous import AsyncClient, aconnect
from iqstream.runtime.settings import Settings

T = TypeVar("T")
tell = partial(say, err=True)


def with_client(work: Callable[[AsyncClient], Awaitable[T]], settings: Settings | None = None) -> T:
    """Returns what the work returns; what is told of a choice goes to standard error."""

    async def run() -> T:
        async with aconnect(settings, tell=tell) as client:
            return await work(client)

    return asyncio.run(run())
