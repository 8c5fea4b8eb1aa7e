import pytest
from starlette.testclient import TestClient

from iqstream.web.app import dashboard_app
from iqstream.web.security import Access
from tests.unit.web.fake_door import FakeDoor

TOKEN = "a token of the tests"
BASE = "http://127.0.0.1:8700"


@pytest.fixture
def door():
    return FakeDoor()


@pytest.fixture
def reader(door):
    """A client that may look."""
    with TestClient(
        dashboard_app(door, Access(token=TOKEN)), base_url=BASE, raise_server_exceptions=False, follow_redirects=False
    ) as client:
        yield client


@pytest.fixture
def writer(reader):
    """The same client, as a program with the token."""
    reader.headers["authorization"] = f"Bearer {TOKEN}"
    return reader
