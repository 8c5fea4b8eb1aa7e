"""A Docker engine, or a word that there is none."""

import os

import docker
import pytest

from tests.containers.compose import Compose

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


@pytest.fixture(scope="session")
def stack(engine, tmp_path_factory):
    """The compose file: built, up, extractors scaled to 3, Prometheus beside it; gone with its data at the end."""
    compose = Compose(tmp_path_factory.mktemp("compose"))
    compose.run("build", "--quiet", timeout_s=900)
    try:
        compose.run("--profile", "observability", "up", "--detach", "--wait", "--scale", "extractor=3")
        yield compose
    finally:
        compose.down()
