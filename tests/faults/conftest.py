"""Servers of the fault tests' own: theirs are killed, the session's are not."""

import logging

import pytest

from iqstream.bench.servers import bench_servers
from iqstream.initialise import initialise
from tests.faults.planted import Planted


@pytest.fixture(autouse=True)
def quiet_client():
    """What it says of brokers that we killed would bury what we say."""
    client = logging.getLogger("aiokafka")
    level = client.level
    client.setLevel(logging.CRITICAL)
    yield
    client.setLevel(level)


@pytest.fixture
async def planted(tmp_path, monkeypatch):
    async with bench_servers(tmp_path / "bench") as servers:
        await initialise(servers.settings())
        yield Planted(servers, tmp_path, monkeypatch)
