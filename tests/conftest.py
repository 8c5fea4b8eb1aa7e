"""One embedded stack for the whole test session: real Kafka, PostgreSQL and S3 servers on free ports."""

import os
import subprocess
import sys

import pytest

from iqstream.embedded.server_log import tail
from iqstream.runtime.settings import Settings
from tests.embedded_servers import embedded_servers
from tests.integration.pipeline import Pipeline


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """Beside a failed test, what the stages said that it ran."""
    report = yield
    if report.failed:
        for pipeline in item.funcargs.values():
            if isinstance(pipeline, Pipeline):
                report.sections.append((f"end of {pipeline.log}", tail(pipeline.log, lines=60)))
    return report


@pytest.fixture(scope="session")
def settings(tmp_path_factory) -> Settings:
    """Settings of servers that were started for these tests, with topics, tables and bucket made."""
    with embedded_servers(tmp_path_factory.mktemp("stack")) as servers:
        yield servers


@pytest.fixture(scope="session")
def torch_path():
    """A directory that torch can be imported from: Debian's, whose Python must be of our version."""
    site_packages = "/usr/lib/python3/dist-packages"
    probe = f"import sys; sys.path.append({site_packages!r}); import torch"
    ended = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    if ended.returncode:
        reason = f"no torch for this Python: apt install python3-torch ({ended.stderr.strip().splitlines()[-1]})"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return site_packages
