"""What the README says stands: its commands exist, its Python runs, its queries are the ones that are tested."""

import re
import shlex
from pathlib import Path

import click
import pytest

from iqstream.ops.cli import iqstream

README = Path("README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, flags=re.DOTALL)


def blocks(language):
    return [text for name, text in BLOCKS if name == language]


COMMANDS = [
    line.split("#")[0].strip(" &")
    for text in blocks("")
    for line in text.splitlines()
    if line.startswith(("iqstream ", "make "))
]


@pytest.mark.parametrize("line", [line for line in COMMANDS if line.startswith("iqstream ")])
def test_every_command_line_is_understood(line):
    words = shlex.split(line)[1:]
    command, context = iqstream, click.Context(iqstream, info_name="iqstream")
    while isinstance(command, click.Group):
        name = words.pop(0)
        command = command.get_command(context, name)
        assert command is not None, f"there is no command {name}"
    command.make_context(command.name, words, parent=context)  # parses and checks the options


@pytest.mark.parametrize("line", [line for line in COMMANDS if line.startswith("make ")])
def test_every_make_target_exists(line):
    assert re.search(rf"^{line.split()[1]}:", Path("Makefile").read_text(), flags=re.MULTILINE)


@pytest.mark.parametrize("text", blocks("python"))
def test_the_python_runs(text):
    exec(compile(text, "README.md", "exec"), {})


def test_the_queries_are_those_that_the_demo_and_the_acceptance_run():
    from iqstream.ops.demo.results import QUERIES

    told = [re.sub(r"\s+", " ", query).strip() for text in blocks("sql") for query in text.split(";") if query.strip()]
    assert told == [re.sub(r"\s+", " ", query).strip(" ;") for query in QUERIES]


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#:]+)\)", README))
def test_every_link_leads_somewhere(target):
    assert Path(target).exists()
