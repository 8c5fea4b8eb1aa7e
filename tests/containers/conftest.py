"""A Docker engine, or a word that there is none."""

import os

import docker
import pytest

os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")  # the fixtures stop what they start


@pytest.fixture(scope="session")
def engine():
    """The engine's client. Without an engine the tests are skipped; in CI they fail."""
    try:
        client = docker.from_env()
        client.ping()
    except docker.errors.DockerException as error:
        reason = f"no Docker engine answers ({error}): install and start one"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    yield client
    client.close()
