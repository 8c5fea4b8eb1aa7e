"""Moving a stage: what it means is told first, what was shown is done, and the way back is named."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.unit.web.test_api import submit

API = "/api/v1/stages/extractor"
PAGE = "/stages/extractor/move"


@pytest.mark.parametrize(
    ("query", "targets"),
    [
        ("to=earliest", {0: 4, 1: 4, 2: 4}),
        ("to=latest&partitions=0,2", {0: 40, 2: 40}),
        ("to=current&partitions=1", {1: 30}),
        ("to=offset&offset=7", {0: 7, 1: 7, 2: 7}),
        ("to=shift&shift=-5&partitions=0,1", {0: 15, 1: 25}),
        ("to=time&time=2026-11-25T14:30:00Z", {0: 10, 1: 10, 2: 10}),
        ("to=ago&ago=30", {0: 10, 1: 10, 2: 10}),
        ("to=offsets&offsets=0:5,2:6", {0: 5, 2: 6}),
    ],
)
def test_a_plan_leads_to_what_is_asked_for_and_moves_nothing(reader, door, query, targets):
    told = reader.get(f"{API}/move-plan?{query}").json()
    assert {one["partition"]: one["target"] for one in told["partitions"]} == targets
    assert (told["moved"], door.moved) == (False, [])


@pytest.mark.parametrize(
    "query",
    [
        "to=time", "to=ago", "to=offset", "to=shift", "to=offsets", "to=home", "to=time&time=2026-11-25T14:30:00",
        "to=offsets&offsets=0:5,0:6", "to=offsets&offsets=0", "to=earliest&partitions=9", "to=shift&shift=1",
        "partitions=0;1", "ago=nan", "offset=-1", "force=true",
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_told_with_the_form(reader, query):
    assert reader.get(f"{API}/move-plan?{query}").status_code == 422
    shown = reader.get(f"{PAGE}?{query}")
    assert shown.status_code == 422
    assert 'role="alert"' in shown.text
    assert "Show what it means" in shown.text


def test_what_the_page_showed_is_done_and_it_leads_back(writer, door):
    submit(writer, name="Touched <b>")
    shown = writer.get(f"{PAGE}?to=shift&shift=-5&partitions=0,1").text
    assert "Touched &lt;b&gt;" in shown
    assert re.search(r"<dt>Records read again</dt><dd>10</dd>", shown)
    form = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', shown))
    answer = writer.post(PAGE, data=form)
    assert (answer.status_code, door.moved) == (303, [{0: 15, 1: 25}])
    back = parse_qs(urlsplit(answer.headers["location"]).query)
    assert (back["to"], back["offsets"]) == (["offsets"], ["0:20,1:30"])
    assert "It is moved." in writer.get(answer.headers["location"]).text


def test_a_stage_that_runs_is_moved_by_force_alone(writer, door):
    door.members = ("extractor-0",)
    assert "extractor-0" in writer.get(f"{PAGE}?to=earliest").text
    refused = writer.post(PAGE, data={"to": "earliest"})
    assert refused.status_code == 409
    assert "stop it first" in refused.text
    assert writer.post(f"{API}/move", json={"to": "earliest"}).status_code == 409
    assert door.moved == []
    assert writer.post(PAGE, data={"to": "earliest", "force": "true"}).status_code == 303
    assert writer.post(f"{API}/move", json={"to": "earliest", "force": True}).json()["way_back"] == "0:20,1:30"
    assert door.moved == [{0: 4, 1: 4, 2: 4}] * 2
    assert writer.get("/stages/painter/move").status_code == 404


def test_a_move_that_fails_half_way_says_where_the_stage_stood_and_its_form_leads_back(writer, door):
    door.move_fails = True
    order = {"to": "shift", "shift": "-5", "partitions": "0,1"}
    shown = writer.post(PAGE, data=order)
    assert shown.status_code == 409
    assert "it stood at 0:20,1:30" in shown.text
    assert 'name="offsets" value="0:20,1:30"' in re.sub(
        r'value="([^"]*)" name="offsets"', r'name="offsets" value="\1"', shown.text
    )
    answer = writer.post(f"{API}/move", json=order | {"shift": -5})
    assert answer.status_code == 409
    assert "could not be moved; before the move it stood at 0:20,1:30" in answer.json()["detail"]


def test_a_stage_that_had_no_position_is_told_to_be_moved_with_no_way_back(writer, door):
    answer = writer.post(PAGE, data={"to": "earliest", "partitions": "2"})
    assert answer.status_code == 303
    shown = writer.get(answer.headers["location"])
    assert shown.status_code == 200
    assert "It is moved. It had no position before" in shown.text
    assert 'role="alert"' not in shown.text


def test_what_was_counted_in_part_is_told_as_the_least(writer, door):
    submit(writer, name="Touched")
    door.counts_whole = False
    shown = writer.get(f"{PAGE}?to=shift&shift=-5&partitions=0,1").text
    for told in ("Records read again</dt><dd>at least 10", "Samples read again</dt><dd>at least ", "samples at least"):
        assert told in shown
