"""A spec as people say it: in files, by options and in Python; any unit and case, and what is wrong where."""

import contextlib
import json
import re
from pathlib import Path

import msgspec
import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iqstream import make_spec, preset
from iqstream.cli.spec import chosen_spec, given_spec
from iqstream.runtime.errors import UserError
from iqstream.submit.quantity import parse_quantity
from iqstream.submit.spec import PRESETS
from iqstream.submit.spec_fields import SPEC, documentation, fields_of, paths, plain
from iqstream.submit.spec_text import spec_text
from producer.emission import require_bandwidth
from producer.synthesize import synthesize_sample
from producer.version import GENERATOR_VERSION
from schemas import DatasetSpec, Scenario
from tests.strategies import dataset_specs


def said(*assignments, **options):
    """The spec of a command line."""
    named = {name: (f"--{name}", text) for name, text in ({"name": "x", "samples": "9"} | options).items()}
    return chosen_spec(given_spec(None, None, named, assignments))


def without_id(spec):
    return msgspec.structs.replace(spec, dataset_id="00000000-0000-4000-8000-000000000000", dataset_version=1)


@pytest.mark.thorough
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(dataset_specs())
def test_any_spec_that_is_printed_is_read_back_equal(tmp_path_factory, spec):
    spec = msgspec.structs.replace(spec, generator_version=GENERATOR_VERSION)
    path = tmp_path_factory.mktemp("spec") / "spec.yaml"
    path.write_text(spec_text(spec))
    assert without_id(make_spec(path)) == without_id(spec)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(spec), indent=2))
    assert make_spec(path) == spec


def test_the_printed_spec_has_every_field_each_with_a_comment():
    text = spec_text(make_spec(name="x", samples=1))
    for path in paths():
        line = re.search(rf"^ *(# )?{path.rsplit('.', 1)[-1]}:.*", text, re.MULTILINE)
        assert line is not None, path
        assert "#" in line[0] or path in {"receivers", "terrain.tiles"}, path


def test_every_field_says_what_it_means():
    def check(kind):
        docs = documentation(kind.cls)
        for name, field in fields_of(kind).items():
            inner = plain(field.type)
            inner = getattr(inner, "item_type", inner)
            if hasattr(inner, "cls"):
                check(inner)
            else:
                assert docs.get(name), f"{kind.cls.__name__}.{name}"

    check(SPEC)


def test_every_field_can_be_set_by_its_path():
    """To its own value, which is another way to reach it; lists as YAML."""
    whole = msgspec.to_builtins(make_spec(name="x", samples=9, seed=3))
    for path in paths():
        value = whole
        for name in path.split("."):
            value = value[name]
        text = value if isinstance(value, str) else json.dumps(value)
        others = [other for other in ("name=x", "samples=9", "seed=3") if not other.startswith(f"{path}=")]
        spec = chosen_spec(given_spec(None, None, {}, [*others, f"{path}={text}"]))
        assert without_id(spec) == without_id(msgspec.convert(whole, DatasetSpec)), path


@pytest.mark.parametrize(
    ("path", "text", "value"),
    [
        ("frequency_hz", "144mhz", 144e6),
        ("frequency_hz", "145.3MHz", 145.3e6),
        ("frequency_hz", " 0.43 GHZ ", 430e6),
        ("scenario.eirp_max_w", "10W", 10.0),
        ("scenario.eirp_min_w", "500 mW", 0.5),
        ("scenario.eirp_min_w", "30 dBm", 1.0),
        ("scenario.eirp_min_w", "-3dbw", 10**-0.3),
        ("scenario.eirp_max_w", "1KW", 1000.0),
        ("capture.capture_ms", "2s", 2000),
        ("capture.capture_ms", "500", 500),
        ("capture.sample_rate_hz", "250khz", 250e3),
        ("channel.delay_max_us", "7µs", 7.0),
        ("channel.delay_max_us", "700ns", 0.7),
        ("channel.speed_max_m_s", "90km/h", 25.0),
        ("scenario.inside_share", "70%", 0.7),
        ("scenario.margin_deg", "1°", 1.0),
        ("propagation.noise_figure_db", "5 db", 5.0),
        ("scenario.tx_height_max_m", "0.1 km", 100.0),
        ("samples", "1e3", 1000),
        ("seed", str(2**63 - 1), 2**63 - 1),
        ("scenario.modulation", "NBFM", "nbfm"),
        ("scenario.modulation", "4FSK", "4fsk"),
        ("scenario.modulation", " Mixed", "mixed"),
        ("propagation.clutter", "Dense-Urban", "dense_urban"),
        ("propagation.environment", "CITY", "city"),
        ("propagation.clutter", "NONE", "none"),
        ("terrain.source", "None", "none"),
        ("datatype", "CF32_LE", "cf32_le"),
        ("scenario.transmitters_at_sea", "YES", True),
        ("scenario.transmitters_at_sea", "off", False),
        ("impairments.dc_offset_db", "none", None),
        ("impairments.clip_level_db", "-3 dB", -3.0),
        ("receivers.torino.antenna_height_m", "35", 35.0),
        ("receivers[2].antenna_height_m", "35m", 35.0),
        ("receivers.2.rx_id", "turin", "turin"),
        ("name", "2026", "2026"),
        ("name", "null", "null"),
        ("name", "a: b # c", "a: b # c"),
    ],
)
def test_values_are_understood_as_people_write_them(path, text, value):
    spec = said(f"{path}={text}", **{path: None} if path in {"name", "samples"} else {})
    at = msgspec.to_builtins(spec)
    for name in path.replace("[", ".").replace("]", "").replace("torino", "2").split("."):
        at = at[int(name)] if isinstance(at, tuple | list) else at[name]
    assert (at, type(at)) == (value, type(value))


@pytest.mark.parametrize(
    ("assignment", "told"),
    [
        ("frequency_hz=144", "--set frequency_hz: 144 Hz is below 50 MHz; 144MHz?"),
        ("frequency_hz=144000", "144 kHz is below 50 MHz; 144000kHz?"),
        ("frequency_hz=144GHz", "144 GHz is above 500 MHz; 144MHz?"),
        ("frequency_hz=600MHz", "600 MHz is above 500 MHz"),
        ("frequency_hz=nan", "'nan' is not a frequency: write 144MHz"),
        ("frequency_hz=144,5MHz", "'144,5MHz' has a comma: write 144.5MHz"),
        ("samples=1,000", "'1,000' has a comma: write 1000"),
        ("frequency_hz=144km", "'144km': 'km' is none of Hz, kHz, MHz, GHz"),
        ("scenario.eirp_max_w=0", "0 W is not above 0 W"),
        ("scenario.eirp_max_w=40dBV", "'dBV' is none of W, mW, kW, MW, dBm, dBW"),
        ("scenario.eirp_max_w=301dBm", "a level is from -300 to 300 dB"),
        (
            "scenario.eirp_max_w=1",
            "scenario.eirp_min_w, scenario.eirp_max_w: 2.0 is above 1.0 (scenario.eirp_min_w by default)",
        ),
        ("eirp_max_w=10", "--set eirp_max_w: eirp_max_w is no field of a spec (scenario.eirp_max_w?)"),
        ("scenario.eirp_max=10", "scenario.eirp_max is no field of a spec (scenario.eirp_max_w?)"),
        ("frequency=144MHz", "(frequency_hz?)"),
        ("scenario.modulation=fm", "'fm' is not one of 4fsk, am, carrier, mixed, nbfm, ssb; nbfm?"),
        ("scenario.modulation=", "nothing is said; one of"),
        ("scenario.transmitters_at_sea=maybe", "neither true nor false"),
        ("capture.capture_ms=0.5", "0.5 is not a whole number of ms"),
        ("capture.capture_ms=0", "0 ms is below 1 ms"),
        ("scenario=5", "fields are wanted"),
        ("frequency_hz=[1]", "one value is wanted, not a list"),
        ("receivers=[]", "0 of them; 2 to 64"),
        ("receivers.nowhere.latitude=5", "names no item of the list: 0 to 6, or one of giaveno"),
        ("receivers.7.latitude=5", "names no item"),
        ("receivers.0.rx_id=a b", "letters, digits"),
        ("receivers.0.latitude=91", "91 deg is above 90 deg"),
        ("receivers.0.rx_id=torino", "rx_id torino is duplicated"),
        ("limits.min_receivers=8", "8 of 7 receivers"),
        ("generator_version=1", "generator_version"),
        ("seed=-1", "-1 is below 0"),
        ("=5", "write PATH=VALUE"),
        ("scenario.eirp_max_w", "write PATH=VALUE"),
        ("..=5", "write PATH=VALUE"),
        ("scenario={eirp_max_w: 10", "neither YAML nor JSON"),
    ],
)
def test_a_wrong_value_is_told_with_what_would_be_right(assignment, told):
    with pytest.raises(UserError) as raised:
        said(assignment, **{"samples": None} if assignment.startswith("samples") else {})
    assert told in str(raised.value)


MISSING_ALTITUDE = """name: x
samples: 5
receivers:
  - {rx_id: a, latitude: 45, longitude: 7, altitude_m: 1}
  - {rx_id: b, latitude: 45, longitude: 8}
"""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name: x\nsamples: 5\nfrequency_hz: 144\n", "{}, line 3: frequency_hz: 144 Hz is below 50 MHz; 144MHz?"),
        ("name: x\nsamples: 5\nscenario:\n  modulation: fm\n", "{}, line 4: scenario.modulation: 'fm' is not one of"),
        ("name: x\nsamples: 5\nscenaro:\n  modulation: am\n", "{}, line 3: scenaro is no field of a spec"),
        (
            "name: x\nsamples: 5\nscenario:\n  eirp_max_w: 1\n",
            "{}, line 4: scenario.eirp_min_w, scenario.eirp_max_w: 2.0 is above 1.0 (scenario.eirp_min_w by default)",
        ),
        ("name: x\nsamples: 5\nname: y\n", "{}, line 3: name is said twice, also at line 1"),
        ("name: x\n samples: 5\n", "{}, line 2: neither YAML nor JSON"),
        ("- a\n- b\n", "{}, line 1: fields are wanted"),
        ("", "spec file {} says nothing"),
        ("# only\n", "says nothing"),
        ("null\n", "says nothing"),
        ("a: 1\n---\nb: 2\n", "neither YAML nor JSON"),
        ("name: x\nsamples: 5\nreceivers: 7\n", "{}, line 3: receivers: a list is wanted, not '7'"),
        (MISSING_ALTITUDE, "{}, line 5: receivers.1: altitude_m missing"),
        ('{"name": "x",\n\t"samples": 5,\n\t"frequency_hz": 144}', "{}, line 3: frequency_hz: 144 Hz is below 50 MHz"),
        ("name: x\nsamples: 5\nfrequency_hz: &a [*a]\n", "{}, line 3: *a stands for another part"),
        ("name: x\nsamples: 5\nfrequency_hz: .nan\n", "{}, line 3: frequency_hz: '.nan' is not a frequency"),
        ("name: x\nsamples: 1e400\n", "{}, line 2: samples: infinity is not allowed"),
        (f"name: x\nsamples: {'9' * 5000}\n", "{}, line 2: samples: a number of 5000 characters"),
        ("name: x\nsamples: 5\nfrequency_hz: 1e9999\n", "{}, line 3: frequency_hz: '1e9999': an exponent is at most"),
        ("name: x\nsamples: 5\nfrequency_hz: 1e399\n", "{}, line 3: frequency_hz: infinity is not allowed"),
        ("name: x\nsamples: 5\nscenario:\n  modulation: [am]\n", "{}, line 4: scenario.modulation: one value"),
        ("name: x\nsamples: 5\n\tseed: 3\n", "{}, line 3: neither YAML nor JSON"),
        ('{"name": "x",\n"samples": 5,\n"samples": 6}', "{}, line 3: samples is said twice, also at line 2"),
        ('{"name": "x",\n"samples": NaN}', "{}, line 2: samples: 'NaN' is not a number"),
        ('{"name": "x"\n"samples": 5}', "{}, line 2: neither YAML nor JSON"),
        ('{"name": "x",\n"samples": 5', "{}, line 2: neither YAML nor JSON"),
        (f"a: {'[' * 30}{']' * 30}\n", "{}, line 1: nested too deeply"),
        (f"a: {'[' * 1000}\n", "{}"),
        ("name: x\nsamples: 5\n? [a]\n: b\n", "{}, line 3: a field has a name"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_with_its_line(tmp_path, text, told):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as raised:
        make_spec(path)
    said = str(raised.value)
    assert told.format(path) in said
    assert "\n" not in said
    assert "Exceeds" not in said
    assert len(said) < 1000


def test_all_that_is_wrong_in_a_file_is_told_at_once(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("name: x\nsamples: 0\nfrequency_hz: 144\nscenario:\n  modulation: fm\n  eirp: 5\n")
    with pytest.raises(UserError) as raised:
        make_spec(path)
    lines = str(raised.value).split("\n")
    assert lines[0] == "the spec has 4 mistakes:"
    assert [re.search(r"line (\d)", line)[1] for line in lines[1:]] == ["2", "3", "5", "6"]


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "absent.yaml", tmp_path, tmp_path / "binary", Path("/dev/zero")):
        with pytest.raises(UserError, match=str(path)):
            make_spec(path)


def test_options_go_before_the_file_and_a_field_said_twice_on_the_command_line_is_refused(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(
        json.dumps({"name": "file \U0001f600", "samples": 5, "scenario": {"modulation": "AM", "eirp_max_w": 20}})
    )
    spec = chosen_spec(given_spec(path, None, {"samples": ("--samples", "7")}, ["scenario.eirp_max_w=10W"]))
    assert (spec.name, spec.samples, spec.scenario) == ("file \U0001f600", 7, Scenario(modulation="am", eirp_max_w=10))
    with pytest.raises(UserError, match=r"--set frequency_hz and --frequency both"):
        given_spec(None, None, {"frequency_hz": ("--frequency", "144MHz")}, ["frequency_hz=145MHz"])
    with pytest.raises(UserError, match="--spec and --preset"):
        given_spec(path, "city-noise", {}, [])
    with pytest.raises(UserError, match="--samples is missing"):
        chosen_spec(given_spec(None, None, {"name": ("--name", "x")}, []))


def test_an_option_that_is_wrong_is_told_in_its_words():
    with pytest.raises(UserError, match=r"^--samples: 0 is below 1$"):
        said(samples="0")


def test_in_python_what_is_not_said_is_the_default_and_the_generator_is_this_one():
    spec = make_spec(
        name="x",
        samples=np.int64(3),
        frequency_hz="430 mhz",
        scenario={"modulation": "SSB"},
        changes={"scenario.eirp_max_w": "10 W", "receivers.torino.altitude_m": 260},
    )
    assert (spec.generator_version, spec.frequency_hz, spec.samples) == (GENERATOR_VERSION, 430e6, 3)
    assert (spec.scenario, spec.receivers[2].altitude_m) == (Scenario(modulation="ssb", eirp_max_w=10), 260)
    for wrong in (
        {"frequency_hz": 144},
        {"frequency_hz": float("nan")},
        {"seed": True},
        {"samples": 10**5000},
        {"name": 5},
        {"nonsense": 1},
    ):
        with pytest.raises(UserError, match=next(iter(wrong))):
            make_spec(**({"name": "x", "samples": 1} | wrong))


def test_chunks_are_no_longer_than_a_recording_of_which_only_the_length_is_said():
    assert said("capture.capture_ms=50").capture.chunk_ms == 50
    assert said("capture.capture_ms=3s").capture.chunk_ms == 200
    with pytest.raises(UserError, match=r"capture.chunk_ms, capture.capture_ms: 100 is above 50"):
        said("capture.capture_ms=50", "capture.chunk_ms=100")


@given(st.text(max_size=20))
def test_no_text_is_more_than_no_quantity(text):
    with contextlib.suppress(ValueError):
        parse_quantity(text, "Hz")


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_a_spec_that_can_be_generated(name):
    spec = make_spec(preset(name), seed=1, capture={"capture_ms": 20})
    require_bandwidth(spec)
    assert len(synthesize_sample(spec, 0).frames) == len(spec.receivers)
    assert yaml.safe_load(preset(name).read_text())["name"] == spec.name
    assert spec.name.lower().replace(" ", "-") in {name, name.replace("430mhz", "430-mhz")}
