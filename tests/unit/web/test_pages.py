"""The pages: what a person sees, whatever names hold, and in every state."""

import re
from html.parser import HTMLParser
from types import SimpleNamespace

import msgspec
import pytest

from iqstream.submit import spec_fields
from iqstream.submit.spec import make_spec, preset
from iqstream.web.markup import el
from iqstream.web.markup import text as markup_text
from iqstream.web.pages.new import FIELDS
from iqstream.web.pages.sample import _pairs
from producer.synthesize import synthesize_sample
from schemas import Capture, encode
from tests.unit.dead_letters.test_letter import FRAME, ID, letter
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
    made = submit(writer, seed=8).json()["id"]  # of sample 3 the lower antenna is nearest to a ray
    door.decide(made, 30)
    return made


def pages_of(dataset):
    return ["/", "/new", f"/datasets/{dataset}", f"/datasets/{dataset}/samples/3", f"/datasets/{dataset}/delete",
            f"/datasets/{dataset}/replay", f"/datasets/{dataset}/distributions",
            f"/datasets/{dataset}/accuracy", f"/datasets/{dataset}/export", "/lag",
            "/stages/extractor/move?to=earliest", "/dead-letters", "/tasks",
            "/sign-in"]  # fmt: skip


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
        assert found.tags.count("script") == 1 + ("/samples/" in address)  # our own
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


NOT_ASKED = {
    "dataset_id": "drawn for a new dataset",
    "dataset_version": "replays make further ones",
    "generator_version": "this program's",
}


def test_every_field_of_the_spec_is_in_the_form_with_what_it_means(reader):
    form = reader.get("/new").text
    controls = dict(re.findall(r'<label[^>]*>(?:(?!</label>).)*?name="([\w.]+)"(.*?)</label>', form, re.DOTALL))
    assert set(spec_fields.paths()) - controls.keys() == NOT_ASKED.keys()
    assert [field.name for field in FIELDS if not field.meaning] == []
    assert "Least power towards a receiver (EIRP); drawn evenly in dB." in controls["scenario.eirp_min_w"]


@pytest.mark.parametrize(
    ("fields", "at"),
    [
        ({"scenario.eirp_min_w": "60", "scenario.eirp_max_w": "50"}, "scenario.eirp_min_w"),
        ({"limits.min_receivers": "8"}, "limits.min_receivers"),
        ({"terrain.source": "tiles", "terrain.tiles": "N45E007"}, "terrain.tiles"),
        ({"terrain.source": "tiles", "terrain.tiles": "N45E007 " + "a" * 63}, "terrain.tiles"),
        ({"terrain.tiles": "N45E007 " + "a" * 64}, "terrain.tiles"),
        ({"terrain.source": "tiles"}, "terrain.tiles"),
    ],
)
def test_what_is_wrong_between_fields_stands_at_the_first_of_them(writer, door, fields, at):
    for address in ("/new", "/new/estimate"):
        answer = writer.post(address, data={"name": "N", "samples": "3"} | fields)
        assert answer.status_code == 422
        assert f'id="{at}-problem"' in answer.text
    assert not door.made


def test_tiles_that_are_not_named_are_those_of_the_server(writer, door):
    door.terrain_dir = "tiles"
    form = {"name": "N", "samples": "300", "terrain.source": "tiles"}
    told = writer.post("/new/estimate", data=form).text
    assert "terrain.tiles=[{" in told.replace("&quot;", '"')
    assert writer.post("/new", data=form).status_code == 303
    (made,) = door.made.values()
    assert "N45E007" in [one.name for one in made.spec.terrain.tiles]
    posted = inputs_of(writer.get(f"/new?like={made.id}").text)
    assert "N45E007 " + "a" * 64 in posted["terrain.tiles"]


def test_tiles_of_the_server_are_not_written_into_the_form_so_that_receivers_may_still_change(writer, door):
    door.terrain_dir = "tiles"
    form = {"name": "N", "samples": "-1", "terrain.source": "tiles"}
    for address, samples in (("/new", "-1"), ("/new/estimate", "-1"), ("/new/estimate", "300")):
        answer = writer.post(address, data=form | {"samples": samples})
        assert inputs_of(answer.text).get("terrain.tiles", "") == ""


def test_a_receiver_beside_the_tiles_that_are_named_is_refused_at_them(writer, door):
    tile = {"name": "N10E010", "sha256": "a" * 64}
    form = {"name": "N", "samples": "3", "terrain.source": "tiles", "terrain.tiles": f"{tile['name']} {tile['sha256']}"}
    for address in ("/new", "/new/estimate"):
        answer = writer.post(address, data=form)
        assert answer.status_code == 422
        assert 'id="terrain.tiles-problem"' in answer.text
    body = {"name": "N", "samples": 3, "terrain": {"source": "tiles", "tiles": [tile]}}
    assert writer.post("/api/v1/datasets", json=body).status_code == 422
    assert not door.made


@pytest.mark.parametrize("margin", ["1e6", "1e300", "1e400", "-1", "nan", "far"])
def test_a_margin_out_of_bounds_is_told_at_its_field_before_tiles_are_looked_for(writer, door, margin):
    door.terrain_dir = "tiles"
    form = {"name": "N", "samples": "3", "terrain.source": "tiles", "scenario.margin_deg": margin}
    for address in ("/new", "/new/estimate"):
        answer = writer.post(address, data=form)
        assert answer.status_code == 422
        assert 'id="scenario.margin_deg-problem"' in answer.text
    assert not door.made


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


def test_the_estimate_and_the_command_are_shown_and_nothing_is_submitted(writer, door):
    answer = writer.post("/new/estimate", data={"name": "E", "samples": "1000", "capture.capture_ms": "500"})
    assert answer.status_code == 200
    assert "300 of 1,000" in answer.text
    assert "iqstream generate --name E --samples 1000 --set capture.capture_ms=500" in answer.text
    assert not door.made
    wrong = writer.post("/new/estimate", data={"name": "E", "samples": "none"})
    assert 'id="samples-problem"' in wrong.text


@pytest.mark.parametrize("name", ["430mhz", "city-noise", "default-network", "mixed-modulations"])
def test_a_preset_fills_the_form_and_is_what_it_submits(writer, door, name):
    posted = inputs_of(writer.get(f"/new?preset={name}").text) | {"name": "By preset"}
    assert writer.post("/new", data=posted).status_code == 303
    made = next(iter(door.made.values())).spec
    assert without_draws(made) == without_draws(make_spec(preset(name), name="By preset"))
    assert writer.get("/new?preset=none").status_code == 422


def test_another_dataset_fills_the_form_with_its_network_too(writer, door):
    network = [{"rx_id": f"rx-{n}", "latitude": 45 + n / 7, "longitude": 7.1, "altitude_m": 250.5} for n in range(3)]
    made = submit(writer, receivers=network, limits={"min_snr_db": 4.25}).json()["id"]
    posted = inputs_of(writer.get(f"/new?like={made}").text) | {"name": "Like it"}
    assert writer.post("/new", data=posted).status_code == 303
    first, second = (without_draws(one.spec) for one in door.made.values())
    assert second == msgspec.structs.replace(first, name="Like it")


def test_a_network_that_is_wrong_is_told_at_its_field(writer, door):
    answer = writer.post("/new", data={"name": "N", "samples": "3", "receivers": "rx_id,latitude\na,1"})
    assert answer.status_code == 422
    assert 'id="receivers-problem"' in answer.text
    assert "longitude is missing" in answer.text
    assert not door.made


def inputs_of(page):
    """What a browser would post: inputs, chosen options and text areas, as they are filled in."""
    inputs = Inputs()
    inputs.feed(page)
    return inputs.values


class Inputs(HTMLParser):
    def __init__(self):
        super().__init__()
        self.values, self._select, self._area = {}, None, None

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "input":
            self.values[given["name"]] = given.get("value", "")
        elif tag == "select":
            self._select = given["name"]
        elif tag == "option" and ("selected" in given or self._select not in self.values):
            self.values[self._select] = given["value"]
        elif tag == "textarea":
            self._area = given["name"]

    def handle_data(self, data):
        if self._area:
            self.values[self._area] = data

    def handle_endtag(self, tag):
        if tag == "textarea":
            self._area = None


def without_draws(spec):
    return msgspec.structs.replace(spec, dataset_id=ID, seed=0)


def test_a_dead_letter_is_shown_decoded_and_can_be_tried_again(writer, door):
    frame = synthesize_sample(make_spec(name="<b>", samples=1, capture=Capture(capture_ms=5, chunk_ms=5)), 0).frames[0]
    door.letters = [letter("extractor", f"{ID}:7".encode(), FRAME, encode(frame)), letter("sink", b"", (), b"noise")]
    decoded, stranger = (str(one.origin) for one in door.letters)
    assert decoded == stranger
    shown = writer.get("/dead-letters").text
    assert shown.count("iq.frames:3:128") >= 2
    page = writer.get(f"/dead-letters/{decoded}").text
    assert "IQFrame" in page
    assert "&quot;rx_id&quot;: &quot;giaveno&quot;" in page
    assert "Process its samples again" in page
    answer = writer.post("/dead-letters/retry", data={"origin": decoded})
    assert answer.headers["location"] == "/tasks"
    told = writer.get("/api/v1/tasks").json()["tasks"][0]
    assert (told["about"], told["result"]) == (
        "Retry of 0 dead letters", "Nothing was to be processed again; 1 letters cannot be retried",
    )  # fmt: skip


def test_a_sample_shows_its_path_and_the_budget_adds_up(writer, dataset):
    truth = writer.get(f"/api/v1/datasets/{dataset}/samples/3/truth").json()
    for path in truth["paths"]:
        link = path["link"]
        losses = (
            sum(link[f"{part}_loss_db"] for part in ("free_space", "diffraction", "clutter")) + link["shadowing_db"]
        )
        signal_dbm = path["eirp_dbm"] + path["rx_antenna_gain_dbi"] - losses
        assert signal_dbm == pytest.approx(link["mean_signal_dbm"], abs=1e-6)
        assert path["distances_km"][-1] == pytest.approx(link["distance_km"], rel=1e-3)
        ends = [path["ground_m"][0], path["ground_m"][-1]]
        assert all(ray_m > ground_m for ray_m, ground_m in zip(path["ray_m"], ends, strict=True))
        clearance_m = min(ray - ground for ray, ground in rays(path))
        assert clearance_m == pytest.approx(link["clearance_m"], abs=0.1)
    page = writer.get(f"/datasets/{dataset}/samples/3?rx=genova").text
    assert "Path to genova" in page
    assert 'class="profile"' in page


def test_a_sample_lists_the_time_differences_that_were_found_the_surest_first():
    def pair(other, deviation_us, *, found=True):
        return {
            "receiver_a": "genova", "receiver_b": other, "time_difference_us": -12.5, "coherence": 0.5,
            "standard_deviation_us": deviation_us, "found": found,
        }  # fmt: skip

    pairs = [pair("savona", 0.9), pair("torino", 0.2), pair("novara", 80.0, found=False)]
    text = str(_pairs(SimpleNamespace(row=SimpleNamespace(pairs=pairs, columns={"extraction_metadata": {}}))))
    assert "2 of 3 found" in text
    assert "novara" not in text
    assert text.index("torino") < text.index("savona")
    assert "-12.50" in text
    assert _pairs(SimpleNamespace(row=SimpleNamespace(pairs=None))) is None


@pytest.mark.parametrize(
    ("pairs", "sources", "words"),
    [
        ([], {"roof": "gnss"}, "No time differences: one receiver alone recorded it."),
        ([], {"roof": "gnss", "hill": "ntp"}, "No time differences: the time of hill (ntp) is not exact enough"),
        ([1], {"a": "gnss", "b": "gnss", "hill": "name"}, "Not all receivers are compared: the time of hill (name)"),
        ([1], {"a": "gnss", "b": "gnss"}, "1 of 1 found"),
    ],
)
def test_a_sample_of_recordings_says_why_receivers_are_not_compared(pairs, sources, words):
    pair = {"receiver_a": "a", "receiver_b": "b", "time_difference_us": 1.0, "coherence": 0.5, "found": True}
    row = SimpleNamespace(
        pairs=[pair | {"standard_deviation_us": 1.0}] if pairs else [],
        columns={"extraction_metadata": {"recordings": {rx: {"time_source": one} for rx, one in sources.items()}}},
    )
    assert words in markup_text(_pairs(SimpleNamespace(row=row)))


def rays(path):
    """Heights of the straight ray and of the ground, with both ends: the lower antenna may be nearest to it."""
    start, end = path["ray_m"]
    whole = path["distances_km"][-1]
    for km, ground_m in zip(path["distances_km"], path["ground_m"], strict=True):
        yield start + (end - start) * km / whole, ground_m


def test_distributions_count_every_sample_once(writer, dataset):
    bands = writer.get(f"/api/v1/datasets/{dataset}/outcomes-by-distance").json()
    assert sum(one["accepted"] for one in bands) == 10
    assert sum(one["rejected"] for one in bands) == 20
    assert [one["low_km"] for one in bands[1:]] == [one["high_km"] for one in bands[:-1]]
    (found,) = writer.get(f"/api/v1/datasets/{dataset}/distribution").json()["receivers"]
    assert (sum(found["counts"]), found["samples"], found["median"]) == (10, 10, 13.5)
    assert "torino: median 13.5" in writer.get(f"/datasets/{dataset}/distributions").text


def test_the_map_of_a_dataset_shows_its_ground_and_how_strong_its_accepted_samples_were_received(writer, door, dataset):
    shown = writer.get(f"/datasets/{dataset}").text
    assert f'<image href="/api/v1/datasets/{dataset}/hillshade.png"' in shown
    accepted = sum(one.verdict == "accepted" for one in door.outcomes[dataset])
    receivers = len(door.made[dataset].spec.receivers)
    assert len(re.findall('<line [^>]*class="link ', shown)) == accepted * receivers
    assert "<title>torino: " in shown
    assert 'class="link ' not in writer.get(f"/datasets/{dataset}?outcome=rejected").text


def test_the_ground_of_a_dataset_is_drawn_once_and_not_sent_twice(writer, door, dataset):
    picture = writer.get(f"/api/v1/datasets/{dataset}/hillshade.png")
    assert picture.content.startswith(b"\x89PNG")
    again = writer.get(f"/api/v1/datasets/{dataset}/hillshade.png", headers={"if-none-match": picture.headers["etag"]})
    assert (again.status_code, again.content, door.reliefs) == (304, b"", 1)


def test_a_power_may_be_a_level_and_the_estimate_tells_both(writer, door):
    form = {"name": "E", "samples": "1000", "scenario.eirp_min_w": "30 dBm", "scenario.eirp_max_w": "2 kW"}
    assert "1 to 2000 W, which is 30.0 to 63.0 dBm" in writer.post("/new/estimate", data=form).text
    shown = writer.get("/new").text
    assert "EIRP min, W" in shown
    assert "from 50 MHz to 500 MHz; also in kHz, MHz, GHz" in shown
    assert "from 1 to 10,000,000" in shown


def test_removing_dead_letters_is_asked_first_and_removes_those_of_the_kind_alone(writer, door):
    door.letters = [letter("extractor", b"", (), b"one"), letter("sink", b"", (), b"two")]
    asked = writer.get("/dead-letters/purge?stage=sink").text
    assert re.search(r"<dt>Letters</dt><dd>1</dd>", asked)
    assert len(door.letters) == 2
    none = writer.get("/dead-letters/purge?retried=true").text
    assert "There is none of this kind." in none
    assert writer.post("/dead-letters/purge", data={"stage": "sink", "retried": "false"}).status_code == 303
    assert [one.stage for one in door.letters] == ["extractor"]
    assert writer.post("/api/v1/dead-letters/purge-plan", json={}).json()["never_retried"] == 1
    assert writer.post("/api/v1/dead-letters/purge", json={"stage": "extractor"}).json()["letters"] == 1
    assert door.letters == []
    assert writer.post("/dead-letters/purge", data={"retried": "perhaps"}).status_code == 422


def test_the_lag_is_served_as_prometheus_reads_it(reader, door):
    answer = reader.get("/api/v1/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "iqstream_lag_up 1.0" in answer.text or "iqstream_lag_up 0.0" in answer.text


def test_errors_against_truth_are_shown_by_band_beside_their_goals(writer, dataset):
    told = writer.get(f"/api/v1/datasets/{dataset}/accuracy").json()
    assert [(one["feature"], one["snr_db"]) for one in told[:2]] == [("rssi_dbm", "< -5"), ("rssi_dbm", "10..20")]
    shown = writer.get(f"/datasets/{dataset}/accuracy").text
    rows = [re.findall(r"<td>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", shown)[1:]]
    assert rows[1][:5] == ["RSSI", "10..20", "1", "+0.5", "0.5"]
    assert rows[0][5:] == ["–", "dB", "–"]
