"""Real Kafka, PostgreSQL and S3 servers for tests, with topics, tables and bucket made."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

from iqstream.embedded import stack
from iqstream.initialise import initialise
from iqstream.runtime.settings import Settings, load_settings, only_embedded


@contextlib.contextmanager
def embedded_servers(folder: Path) -> Iterator[Settings]:
    """Their settings; they run as long as the context lasts."""
    state_dir = folder / ".iqstream"
    stack.up(state_dir)
    try:
        servers = load_settings(only_embedded(state_dir, {}))
        asyncio.run(initialise(servers))
        yield servers
    finally:
        stack.down(state_dir)
