"""What is counted over all samples: made once however many ask, kept where it is dear, and never long out of date."""

import asyncio

import pytest

from iqstream.runtime.errors import Unreachable
from iqstream.submit.spec import make_spec
from iqstream.web import reports
from iqstream.web.reports import Reports
from tests.unit.web.fake_door import FakeDoor
from tests.unit.web.test_api import submit


@pytest.fixture
async def dataset(door):
    spec = make_spec(name="Counted", samples=30)
    await door.submit(spec)
    return door.made[spec.dataset_id]


@pytest.fixture
def door():
    return FakeDoor()


async def test_what_many_ask_for_at_once_is_counted_once(door, dataset):
    kept = Reports(door)
    door.may_count.clear()
    asking = [asyncio.create_task(kept.of(dataset)) for _ in range(20)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    door.may_count.set()
    assert len({id(await one) for one in asking}) == 1
    assert door.counted == 1


async def test_what_is_cheap_is_counted_whenever_it_is_asked_for(door, dataset):
    kept = Reports(door)
    await kept.of(dataset)
    door.decide(dataset.id, 12)
    assert (await kept.of(door.made[dataset.id])).dataset.decided == 12


async def test_what_is_dear_is_shown_as_it_was_until_it_is_counted_anew(door, dataset, monkeypatch):
    monkeypatch.setattr(reports, "CHEAP_S", 0.0)
    monkeypatch.setattr(reports, "SPARING", 0)
    monkeypatch.setattr(reports, "OLD_AFTER_S", 0.0)
    kept = Reports(door)
    await kept.of(dataset)
    door.decide(dataset.id, 12)
    assert (await kept.of(dataset)).dataset.decided == 0
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (await kept.of(dataset)).dataset.decided == 12


async def test_what_is_dear_and_has_not_changed_is_not_counted_again(door, dataset, monkeypatch):
    monkeypatch.setattr(reports, "CHEAP_S", 0.0)
    kept = Reports(door)
    for _ in range(3):
        await kept.of(dataset)
    assert door.counted == 1


async def test_whoever_does_not_wait_leaves_the_counting_to_the_next(door, dataset):
    kept = Reports(door)
    door.may_count.clear()
    assert await kept.within(dataset, 0.01) is None
    door.may_count.set()
    assert (await kept.within(dataset, 5)).dataset == dataset
    assert door.counted == 1


async def test_an_outage_while_counting_is_told_and_tried_again(door, dataset):
    kept = Reports(door)
    door.away = True
    with pytest.raises(Unreachable):
        await kept.of(dataset)
    door.away = False
    assert (await kept.of(dataset)).dataset == dataset


def test_a_page_does_not_wait_for_what_takes_long_and_asks_for_it_again(writer, door):
    made = submit(writer).json()["id"]
    door.decide(made, 30)
    door.may_count.clear()
    shown = writer.get(f"/datasets/{made}").text
    assert "30 of 30" in shown
    assert "The outcomes of 30 samples are being counted." in shown
    assert "data-refresh" in shown
    door.may_count.set()
    shown = writer.get(f"/datasets/{made}").text
    assert "low_snr" in shown
    assert "data-refresh" not in shown
