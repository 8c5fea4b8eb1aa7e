"""What PostgreSQL refuses for good: values that it will not take however often they are tried."""

import asyncpg

REFUSING_CLASSES = frozenset({"21", "22", "23", "44", "54", "P0"})
"""Of PostgreSQL's error codes: cardinality, data, integrity constraint, WITH CHECK OPTION, limits, raised by a trigger.

The others say that the server is away, overloaded, set up otherwise or fenced us: there trying again helps, or nothing.
"""


def is_refusal(error: Exception) -> bool:
    """Whether the database, or its client, refuses what it was given: it will do so every time."""
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "")[:2] in REFUSING_CLASSES
    return isinstance(error, ValueError | OverflowError) and not isinstance(error, asyncpg.InterfaceError)
