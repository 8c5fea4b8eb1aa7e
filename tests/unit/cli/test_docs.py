"""What README and docs say is true: commands and options exist, Python runs, queries are those that are tested."""

import re
import shlex
from pathlib import Path

import click
import pytest

from iqstream.cli.main import iqstream

PAGES = [Path("README.md"), Path("CONTRIBUTING.md"), *sorted(Path("docs").glob("*.md"))]
_BLOCK = re.compile(r"```(\w*)\n(.*?)```", flags=re.DOTALL)
_PROMPT = re.compile(r"^(?:\$ )?(?:\.venv/bin/)?(iqstream |make )")


def blocks(page, *languages):
    text = page.read_text(encoding="utf-8")
    return [block for language, block in _BLOCK.findall(text) if language in languages]


def commands(program):
    """Command lines of the pages' blocks, with or without a prompt, without comments, pipes and redirections."""
    found = []
    for page in PAGES:
        for block in blocks(page, "", "sh", "bash", "console", "shell"):
            for line in block.replace("\\\n", " ").splitlines():
                if (match := _PROMPT.match(line)) and match[1].strip() == program:
                    command = re.split(r"\s+#|\s*[|&;<>]", line[match.start(1) :])[0]
                    found.append(pytest.param(command.strip(" &"), id=f"{page.name}: {command[:60]}"))
    return found


@pytest.mark.parametrize("line", commands("iqstream"))
def test_every_command_line_is_understood(line):
    words = shlex.split(line)[1:]
    command, context = iqstream, click.Context(iqstream, info_name="iqstream")
    while isinstance(command, click.Group) and not words[0].startswith("-"):
        name = words.pop(0)
        command = command.get_command(context, name)
        assert command is not None, f"there is no command {name}"
    if "--help" not in words and not isinstance(command, click.Group):
        command.make_context(command.name, words, parent=context)  # parses and checks the options


@pytest.mark.parametrize("line", commands("make"))
def test_every_make_target_exists(line):
    targets = Path("Makefile").read_text(encoding="utf-8")
    for target in line.split()[1:]:
        assert "=" in target or re.search(rf"^{target}:", targets, flags=re.MULTILINE), target


@pytest.mark.parametrize("text", blocks(Path("docs/architecture.md"), "python"))
def test_the_python_runs(text):
    exec(compile(text, "docs/architecture.md", "exec"), {})


def test_the_queries_are_those_that_the_demo_and_the_acceptance_run():
    from iqstream.catalogue.examples import EXAMPLES

    queries = [query for text in blocks(Path("README.md"), "sql") for query in text.split(";") if query.strip()]
    told = [re.sub(r"\s+", " ", query).strip() for query in queries]
    assert told == [re.sub(r"\s+", " ", query).strip(" ;") for query in EXAMPLES]
