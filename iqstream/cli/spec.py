"""`iqstream spec`, and the options by which `generate` reads one."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import click

from iqstream.cli.console import say
from iqstream.runtime.errors import UserError
from iqstream.submit.given import Given, at_path, in_file, in_python, in_text
from iqstream.submit.spec import PRESETS, changed, complete_spec, preset, read_terrain
from iqstream.submit.spec_text import spec_text
from schemas import DatasetSpec


def spec_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say a spec as a whole: a file, a preset, and fields by path."""
    for option in reversed(
        (
            click.option(
                "--spec",
                "spec_file",
                type=click.Path(dir_okay=False, path_type=Path),
                metavar="FILE",
                help="YAML or JSON with any of the fields that `iqstream spec` prints.",
            ),
            click.option(
                "--preset",
                "preset_name",
                type=click.Choice(PRESETS, case_sensitive=False),
                help="Begin with one of the specs that come with iqstream.",
            ),
            click.option(
                "--set",
                "assignments",
                multiple=True,
                metavar="PATH=VALUE",
                help="Set a field: scenario.eirp_max_w=10W, receivers.torino.altitude_m=260. May be repeated.",
            ),
        )
    ):
        command = option(command)
    return command


def given_spec(
    spec_file: Path | None,
    preset_name: str | None,
    options: Mapping[str, tuple[str, object]],
    assignments: Iterable[str],
) -> Given:
    """Returns what a command line says of a spec.

    Args:
        spec_file: to begin with.
        preset_name: to begin with, instead.
        options: by the field's path the option and what it says; what is None is not said.
        assignments: `PATH=VALUE`; the option for the same field must not be given.

    Raises:
        UserError: the file cannot be read, or a field is said twice.
    """
    if spec_file is not None and preset_name is not None:
        raise UserError("--spec and --preset both say what to begin with: give one of them")
    given = Given(fields={})
    if preset_name is not None:
        given = in_file(preset(preset_name))
    elif spec_file is not None:
        given = in_file(spec_file)
    said: dict[str, str] = {}
    for path, (option, value) in options.items():
        if value is not None:
            said[path] = option
            given = at_path(path, _by_option(value, option), given)
    for assignment in assignments:
        path, text = _assignment(assignment)
        if path in said:
            raise UserError(f"--set {path} and {said[path]} both say it: leave one out")
        said[path] = f"--set {path}"
        given = changed(given, path, in_text(text, f"--set {path}"))
    return given


def _assignment(assignment: str) -> tuple[str, str]:
    path, equals, text = assignment.partition("=")
    path = path.strip()
    if not equals or not path.strip("."):
        raise UserError(f"--set {assignment!r}: write PATH=VALUE, for instance scenario.eirp_max_w=10W")
    return path, text


def _by_option(value: object, option: str) -> Given:
    if isinstance(value, str):
        return Given(value, option, named=True)
    given = in_python(value)
    given.where, given.named = option, True
    return given


def with_terrain(given: Given, directory: Path | None) -> Given:
    """Returns a spec on the ground of a directory's tiles, those around its receivers.

    Raises:
        UserError: the spec is wrong, the tile of a receiver is missing, or a file is no tile.
    """
    if directory is None:
        return given
    spec = complete_spec(given)
    terrain = read_terrain(directory, spec.receivers, spec.scenario.margin_deg)
    tiles = at_path("terrain.source", Given("tiles", "--terrain", named=True), given)
    return at_path("terrain.tiles", _by_option(terrain.tiles, "--terrain"), tiles)


@click.command(
    epilog="""\b
Examples:
  iqstream spec > mine.yaml && iqstream generate --spec mine.yaml
  iqstream spec --preset city-noise --set scenario.eirp_max_w=10W
"""
)
@spec_options
def spec(spec_file: Path | None, preset_name: str | None, assignments: tuple[str, ...]) -> None:
    """Print a complete spec as YAML: every field with its meaning, its unit and what it may be.

    Without options it is the default one; with --spec a file is checked and completed.
    """
    given = given_spec(spec_file, preset_name, {}, assignments)
    named = in_python({"name": "My dataset", "samples": 1000}).merge(given)
    say(*spec_text(complete_spec(named), seed_is_drawn=not given.says("seed")).rstrip("\n").split("\n"))


def chosen_spec(given: Given) -> DatasetSpec:
    """Returns the spec; what every dataset needs and nobody said is asked for by its option.

    Raises:
        UserError: names everything that is wrong.
    """
    for name in ("name", "samples"):
        if not given.says(name):
            raise UserError(f"--{name} is missing: say it, or {name} in the spec's file")
    return complete_spec(given)
