"""Frozen sink workers hold the locks of datasets: those that are alive see to it that this ends."""

import asyncio
import logging

from iqstream.catalogue.frozen import end_frozen_transactions
from iqstream.catalogue.postgres import create_pool

log = logging.getLogger(__name__)

LOOK_EVERY_S = 2.5


async def end_transactions_of_frozen_workers(dsn: str) -> None:
    """Looks again and again, until cancelled; by a connection of its own: all others may be waiting for the locks.

    An outage is raised as one, at the start as later.
    """
    async with create_pool(dsn, max_size=1, min_size=0) as pool:
        while True:
            if ended := await end_frozen_transactions(pool):
                log.warning("ended %d transactions of a process that stands still in the middle of a statement", ended)
            await asyncio.sleep(LOOK_EVERY_S)
