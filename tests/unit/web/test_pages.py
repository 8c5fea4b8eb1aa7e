"""The pages: what a person sees, whatever names hold, and in every state."""

import re
from html.parser import HTMLParser

import pytest

from iqstream.web.markup import el
from tests.unit.web.test_api import HOSTILE, submit

HOSTILE_NAMES = [HOSTILE, "a' onmouseover='b", '"><img src=x onerror=alert(1)>', "\u202ereversed", "ünïcödé 🛰"]


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.ids, self.hrefs = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        given = dict(attrs)
        assert not [name for name in given if name.startswith("on") or name == "style"], "inline script or style"
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "a":
            self.hrefs.append(given["href"])


def tags_of(answer):
    tags = Tags()
    tags.feed(answer.text)
    return tags


@pytest.fixture
def dataset(writer, door):
    made = submit(writer).json()["id"]
    door.decide(made, 30)
    return made


def pages_of(dataset):
    return ["/", "/new", f"/datasets/{dataset}", f"/datasets/{dataset}/samples/3", f"/datasets/{dataset}/delete",
            f"/datasets/{dataset}/replay", "/lag", "/dead-letters", "/sign-in"]  # fmt: skip


def test_every_page_has_one_heading_no_id_twice_and_only_links_that_lead_somewhere(writer, dataset):
    for address in pages_of(dataset):
        answer = writer.get(address)
        assert answer.status_code == 200, (address, answer.text)
        found = tags_of(answer)
        assert found.tags.count("h1") == found.tags.count("main") == 1, address
        assert len(found.ids) == len(set(found.ids)), address
        for link in {one for one in found.hrefs if one.startswith("/")}:
            assert writer.get(link).status_code == 200, (address, link)


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_name_stays_text_on_every_page(writer, door, name):
    made = submit(writer, name=name, description=name).json()["id"]
    door.decide(made, 30)
    for address in pages_of(made):
        found = tags_of(writer.get(address))
        assert found.tags.count("script") == 1  # our own
        assert found.tags.count("img") == ("/samples/" in address)


def test_text_and_attributes_are_escaped():
    assert el("a", "<b>", title="'\"<") == '<a title="&#x27;&quot;&lt;">&lt;b&gt;</a>'
    assert el("p", "a\x1b[31m\nb") == "<p>a\\x1b[31m\\nb</p>"


def test_the_first_page_says_what_to_do_where_there_is_nothing(reader):
    assert "There are no datasets yet" in reader.get("/").text


def test_a_page_says_in_words_that_a_server_is_away_and_comes_back_by_itself(reader, door):
    door.away = True
    answer = reader.get("/")
    assert answer.status_code == 503
    assert "iqstream up" in answer.text
    assert "data-reload" in answer.text


def test_a_dataset_that_is_not_there_is_a_page_too(reader):
    answer = reader.get("/datasets/nothing")
    assert answer.status_code == 404
    assert "there is no dataset" in answer.text


def test_the_form_has_every_plain_field_of_the_spec_and_its_default_submits(writer, door):
    form = writer.get("/new").text
    for name in ("samples", "limits.min_snr_db", "scenario.modulation", "propagation.clutter", "channel.taps_max"):
        assert f'name="{name}"' in form
    fields = dict(re.findall(r'<input[^>]*?value="([^"]*)"[^>]*?name="([^"]*)"', form))
    posted = {name: value for value, name in fields.items()} | {"name": "Form", "samples": "3"}
    assert writer.post("/new", data=posted).status_code == 303
    made = next(iter(door.made.values()))
    assert (made.name, made.requested, made.spec.frequency_hz) == ("Form", 3, 144e6)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("samples", "-1"), ("samples", "many"), ("frequency_hz", "1 parsec"), ("limits.min_snr_db", "loud"),
        ("capture.sample_rate_hz", "1"), ("scenario.modulation", "morse"), ("name", ""),
    ],
)  # fmt: skip
def test_what_is_wrong_stands_at_its_field_and_the_rest_stays_filled_in(writer, door, field, value):
    answer = writer.post("/new", data={"name": "Kept", "samples": "3", "iq_samples": "77"} | {field: value})
    assert answer.status_code == 422
    assert f'id="{field}-problem"' in answer.text
    assert 'value="77"' in answer.text
    assert not door.made


def test_the_form_sent_twice_submits_once(writer, door):
    for _ in range(2):
        assert writer.post("/new", data={"name": "Once", "samples": "3", "key": "k"}).status_code == 303
    assert door.submissions == 1


def test_buttons_do_what_they_say(writer, door, dataset):
    assert writer.post(f"/datasets/{dataset}/extend", data={"samples": "60"}).status_code == 303
    assert door.made[dataset].requested == 60
    assert writer.post(f"/datasets/{dataset}/change", data={"name": "New", "description": "d"}).status_code == 303
    assert (door.made[dataset].name, door.made[dataset].description) == ("New", "d")
    for samples in ("", "-1", "x", "9" * 30, "²"):
        assert writer.post(f"/datasets/{dataset}/extend", data={"samples": samples}).status_code == 422
    assert writer.post(f"/datasets/{dataset}/paint", data={}).status_code == 404
    assert writer.post(f"/datasets/{dataset}/delete").headers["location"] == "/"
    assert not door.made
