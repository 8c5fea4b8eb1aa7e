"""The tests' front door is called as the real one is."""

import inspect

import pytest

from iqstream.client.asynchronous import AsyncClient
from tests.unit.web.fake_door import FakeDoor

CALLS = [name for name, _ in inspect.getmembers(FakeDoor, callable) if not name.startswith("_") and name != "decide"]


@pytest.mark.parametrize("name", CALLS)
def test_every_call_has_the_real_ones_arguments(name):
    fake, real = (inspect.signature(getattr(of, name)).parameters for of in (FakeDoor, AsyncClient))
    assert [(one.name, one.kind) for one in fake.values()] == [(one.name, one.kind) for one in real.values()]
    assert inspect.isasyncgenfunction(getattr(FakeDoor, name)) == (name in {"watch", "follow_lag"})
