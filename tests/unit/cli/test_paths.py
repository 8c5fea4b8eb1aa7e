"""A path that is empty, as a shell gives an unset variable, is never the current directory."""

import click
import pytest

from iqstream.cli.lazy import GivenPath
from iqstream.cli.main import iqstream
from tests.commands import commands

PATHS = [
    (f"{name} {parameter.name}", parameter)
    for name, command in [("iqstream", iqstream), *commands(iqstream)]
    for parameter in command.params
    if isinstance(parameter.type, GivenPath | click.Path)
]


def test_there_are_parameters_that_are_paths():
    assert {"ingest paths", "down state_dir", "datasets export output", "iqstream state_dir"} <= {at for at, _ in PATHS}


@pytest.mark.parametrize("parameter", [one for _, one in PATHS], ids=[where for where, _ in PATHS])
def test_an_empty_path_is_refused(parameter):
    with pytest.raises(click.BadParameter, match="it is empty"):
        parameter.type.convert("", parameter, None)
