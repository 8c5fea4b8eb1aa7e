"""One embedded stack for the whole test session: real Kafka, PostgreSQL and S3 servers on free ports."""

import asyncio

import pytest

from iqstream.ops.embedded import stack
from iqstream.ops.initialise import initialise
from iqstream.runtime.settings import Settings, load_settings, only_embedded


@pytest.fixture(scope="session")
def settings(tmp_path_factory) -> Settings:
    """Settings of servers that were started for these tests, with topics, tables and bucket made."""
    state_dir = tmp_path_factory.mktemp("stack") / ".iqstream"
    stack.up(state_dir)
    try:
        servers = load_settings(only_embedded(state_dir, {}))
        asyncio.run(initialise(servers))
        yield servers
    finally:
        stack.down(state_dir)
