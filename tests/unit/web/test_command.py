"""The command line that a form shows submits what the form submits."""

import shlex

import msgspec
import pytest

from iqstream.cli.generate import generate
from iqstream.cli.spec import given_spec
from iqstream.submit.spec import PRESETS, complete_spec, make_spec, preset
from iqstream.web.command import command_line
from iqstream.web.forms import fields_of
from iqstream.web.new_dataset import NewDataset
from iqstream.web.pages.new import FIELDS, values_of
from schemas import DatasetSpec
from schemas.terrain import TerrainTile

FORMS = [
    {"name": "A name with 'quotes' and $HOME", "samples": "30", "description": "--help"},
    {"name": "n", "samples": "30", "frequency_hz": "430 MHz", "limits.min_snr_db": "-2", "scenario.modulation": "ssb"},
    {"name": "n", "samples": "30", "seed": "7", "publish": "features", "reuse_name": "true", "iq_samples": ""},
    *(values_of(make_spec(preset(name))) for name in PRESETS),
]


def spec_of_command(line):
    """The spec that the command line makes, read by the command's own parser."""
    program, name, *arguments = shlex.split(line)
    assert (program, name) == ("iqstream", "generate")
    said = generate.make_context("generate", arguments).params
    options = {path: (f"--{path}", said[path]) for path in ("name", "samples")}
    return said, complete_spec(given_spec(None, None, options, said["assignments"]))


def bare(spec):
    return msgspec.structs.replace(spec, dataset_id="00000000-0000-4000-8000-000000000001", seed=0)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form["name"])
def test_the_command_makes_the_spec_that_the_form_makes(form):
    said, spec = spec_of_command(command_line(list(fields_of(NewDataset)), form, {}))
    changes = {name: value for name, value in form.items() if value and name not in {"description", "reuse_name"}}
    assert bare(spec) == bare(make_spec(changes=changes))
    assert said["description"] == form.get("description", "")
    assert said["reuse_name"] == (form.get("reuse_name") == "true")


def test_a_form_of_defaults_makes_a_short_command():
    defaults = values_of(make_spec(name="n", samples=30))
    assert command_line(list(fields_of(NewDataset)), defaults, {}) == "iqstream generate --name n --samples 30"
    assert set(defaults) < {field.name for field in fields_of(DatasetSpec)} | {"name", "samples"}


def test_a_network_and_tiles_are_in_the_command_too():
    network = [{"rx_id": f"rx-{n}", "latitude": 45.5 + n / 7, "longitude": 7.1, "altitude_m": 250.5} for n in range(3)]
    tiles = [{"name": "N45E007", "sha256": "a" * 64}]
    form = {"name": "n", "samples": "3", "terrain.source": "tiles"}
    _, spec = spec_of_command(command_line(FIELDS, form, {"receivers": network, "terrain.tiles": tiles}))
    assert [one.rx_id for one in spec.receivers] == ["rx-0", "rx-1", "rx-2"]
    assert spec.terrain.tiles == (TerrainTile(**tiles[0]),)
