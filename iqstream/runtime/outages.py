"""What a server that is away, or that goes away in the middle, looks like: its client's errors."""

import asyncpg
from aiokafka.errors import KafkaError

DatabaseAway: tuple[type[Exception], ...] = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    # "another operation is in progress", on a connection on which the server said a last word before it went
    asyncpg.InternalClientError,
)
NamelessOutage: tuple[type[Exception], ...] = (KafkaError, ConnectionError, TimeoutError)
"""What a call may still raise whose server goes away after it has answered once."""
ServersAway: tuple[type[Exception], ...] = (KafkaError, *DatabaseAway)
