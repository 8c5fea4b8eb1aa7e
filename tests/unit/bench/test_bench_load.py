"""A bench's load: what ends it ends the bench, which would otherwise wait for work that never comes."""

import asyncio

import pytest

from iqstream.bench import load as bench_load
from iqstream.bench.campaign import bench_spec
from iqstream.bench.load import Load
from iqstream.runtime.errors import Failed


async def submitted(_settings, _spec):
    """As if at once."""


def no_settings():
    raise Failed("the servers are not coming back")


async def test_a_load_that_cannot_go_on_ends_what_is_done_under_it(monkeypatch):
    monkeypatch.setattr(bench_load, "submit_through_outages", submitted)
    load = Load(no_settings, bench_spec(), in_flight=1, every_s=0.0)
    with pytest.raises(Failed, match="not coming back"):
        async with asyncio.timeout(5), load.running():
            await asyncio.Event().wait()


async def test_what_fails_under_a_load_is_raised_as_it_is(monkeypatch):
    monkeypatch.setattr(bench_load, "submit_through_outages", submitted)
    load = Load(no_settings, bench_spec(), in_flight=1, every_s=0.0)
    with pytest.raises(Failed, match="a fault"):
        async with load.running():
            raise Failed("a fault")
