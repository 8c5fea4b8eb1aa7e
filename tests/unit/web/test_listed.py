"""The list knows how fast a dataset under way is decided, and says so on its page and in the API."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from iqstream.web import listed
from tests.unit.web.test_api import submit


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(listed, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def shown(reader):
    (one,) = reader.get("/api/v1/datasets").json()["datasets"]
    return one["samples_per_second"], one["seconds_left"], one["health"]


def test_a_dataset_under_way_has_a_rate_and_a_time_to_go_until_it_stands_still(writer, door, clock):
    made = submit(writer, samples=100).json()["id"]
    assert shown(writer) == (None, None, "good")
    clock[0] += 10
    door.decide(made, 20)
    assert shown(writer) == (2.0, 40.0, "good")
    page = writer.get("/").text
    assert "<td>2.0</td><td>40 s</td>" in page
    for _ in range(20):
        clock[0] += 1
        writer.get("/api/v1/datasets")
    assert shown(writer) == (0.0, None, "stands still")
    assert "stands still" in writer.get("/").text


def test_a_dataset_that_is_decided_has_no_rate(writer, door, clock):
    made = submit(writer).json()["id"]
    writer.get("/")
    clock[0] += 10
    door.decide(made, 30)
    assert shown(writer) == (None, None, "good")


def test_a_dataset_does_not_stand_still_because_one_has_just_begun_to_look(writer, clock):
    submit(writer, samples=100)
    told = []
    for _ in range(10):
        told.append(shown(writer)[2])
        clock[0] += 1
    assert told == ["good"] * 8 + ["stands still"] * 2


def test_a_dataset_that_grows_has_a_rate_and_no_time_to_go(writer, door, clock):
    made = submit(writer, samples=100).json()["id"]
    door.made[made] = replace(door.made[made], grows=True)
    shown(writer)
    clock[0] += 10
    door.decide(made, 20)
    assert shown(writer) == (2.0, None, "good")
    assert "<td>2.0</td><td>–</td>" in writer.get("/").text
