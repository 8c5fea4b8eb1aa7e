"""Transactions of processes that are frozen in the middle of a statement: no limit of PostgreSQL counts for them."""

from __future__ import annotations

from iqstream.catalogue import postgres
from iqstream.catalogue.postgres import QUERIES, Pool


async def end_frozen_transactions(pool: Pool) -> int:
    """Ends connections of our own role and name whose transaction waits for its client; returns how many.

    PostgreSQL ends a transaction that is idle. One whose process was stopped between two pieces of a statement, or
    before it took the answer, is at work by PostgreSQL's account, and would keep its locks for as long as the process
    is frozen. It gets the same time, `IDLE_IN_TRANSACTION_MS`. One that has neither written nor locked anything, as
    an export to a slow reader, is left alone.
    """
    ended = await pool.fetchval(QUERIES["end_frozen_transactions"], postgres.IDLE_IN_TRANSACTION_MS)
    assert isinstance(ended, int)  # noqa: S101  # count() always gives one
    return ended
