"""One embedded stack for the whole test session: real Kafka, PostgreSQL and S3 servers on free ports."""

import pytest

from iqstream.runtime.settings import Settings
from tests.embedded_servers import embedded_servers


@pytest.fixture(scope="session")
def settings(tmp_path_factory) -> Settings:
    """Settings of servers that were started for these tests, with topics, tables and bucket made."""
    with embedded_servers(tmp_path_factory.mktemp("stack")) as servers:
        yield servers
