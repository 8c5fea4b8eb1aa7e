"""Events: the state first, one reader for all, and outages told and survived."""

import asyncio
import json
from contextlib import aclosing

import pytest

from iqstream.runtime.errors import Unreachable
from iqstream.web import events
from iqstream.web.events import Hub


def parsed(event):
    name, data = event.decode().strip().split("\n")
    return name.removeprefix("event: "), json.loads(data.removeprefix("data: "))


class Counter:
    """A subject that counts how often it is read, and says what it is told to."""

    def __init__(self):
        self.begun = 0
        self.ended = 0
        self.said = asyncio.Queue()

    async def read(self):
        self.begun += 1
        try:
            while (value := await self.said.get()) is not None:
                if isinstance(value, Exception):
                    raise value
                yield {"value": value}
        finally:
            self.ended += 1


async def test_whoever_comes_later_gets_the_present_state_first():
    hub, subject = Hub(), Counter()
    async with aclosing(hub.listen("s", subject.read)) as one:
        subject.said.put_nowait(1)
        assert parsed(await anext(one)) == ("state", {"value": 1})
        subject.said.put_nowait(2)
        assert parsed(await anext(one)) == ("state", {"value": 2})
        async with aclosing(hub.listen("s", subject.read)) as other:
            assert parsed(await anext(other)) == ("state", {"value": 2})
    assert subject.begun == 1


async def test_the_reader_stops_with_its_last_listener():
    hub, subject = Hub(), Counter()
    async with aclosing(hub.listen("s", subject.read)) as one:
        subject.said.put_nowait(1)
        await anext(one)
    async with asyncio.timeout(5):
        while not subject.ended:
            await asyncio.sleep(0)
    assert hub.listeners() == 0


async def test_a_state_that_is_as_before_is_not_sent_again():
    hub, subject = Hub(), Counter()
    async with aclosing(hub.listen("s", subject.read)) as one:
        for value in (1, 1, 2):
            subject.said.put_nowait(value)
        found = [parsed(await anext(one))[1]["value"]]
        while found[-1] != 2:
            found.append(parsed(await anext(one))[1]["value"])
        assert found in ([1, 2], [2])


async def test_an_outage_is_told_and_tried_again(monkeypatch):
    monkeypatch.setattr(events, "RETRY_S", 0.0)
    hub, subject = Hub(), Counter()
    async with aclosing(hub.listen("s", subject.read)) as one:
        subject.said.put_nowait(Unreachable("Kafka does not answer"))
        kind, problem = parsed(await anext(one))
        assert (kind, problem["status"], problem["detail"]) == ("problem", 503, "Kafka does not answer")
        subject.said.put_nowait(3)
        assert parsed(await anext(one)) == ("state", {"value": 3})


async def test_the_end_is_told():
    hub, subject = Hub(), Counter()
    async with aclosing(hub.listen("s", subject.read)) as one:
        subject.said.put_nowait(None)
        assert [parsed(event)[0] async for event in one] == ["end"]


async def test_a_quiet_subject_breathes(monkeypatch):
    monkeypatch.setattr(events, "BREATH_S", 0.01)
    async with aclosing(Hub().listen("s", Counter().read)) as one:
        assert (await anext(one)).startswith(b":")


def test_a_dataset_that_is_not_there_is_an_answer_and_no_event(reader):
    assert reader.get("/api/v1/datasets/nothing/events").status_code == 404


@pytest.mark.parametrize("listeners", [events.MAX_LISTENERS])
def test_more_pages_than_can_be_served_are_refused(reader, monkeypatch, listeners):
    monkeypatch.setattr(Hub, "listeners", lambda hub: listeners)
    assert reader.get("/api/v1/datasets/events").status_code == 409


async def test_a_source_that_waits_for_a_server_without_a_word_is_told_as_an_outage(monkeypatch):
    monkeypatch.setattr(events, "SILENCE_S", 0.01)
    hub, subject = Hub(), Counter()
    async with aclosing(hub.listen("s", subject.read)) as one:
        kind, problem = parsed(await anext(one))
        assert (kind, problem["status"]) == ("problem", 503)
        subject.said.put_nowait(1)
        assert parsed(await anext(one)) == ("state", {"value": 1})
    assert subject.begun == 1
