"""Commands that are misspelt, and the one `--state-dir` of all of them."""

import os

import click
import pytest
from click.testing import CliRunner

from iqstream.cli.main import iqstream
from iqstream.runtime.errors import UserError


def commands(group=iqstream, path=()):
    """Every command by its path."""
    ctx = click.Context(group)
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


def test_every_command_takes_one_state_dir():
    for path, command in [((), iqstream), *commands()]:
        assert sum("--state-dir" in parameter.opts for parameter in command.params) == 1, path


@pytest.mark.parametrize(
    ("called", "meant"),
    [
        (["genrate"], "'generate'"),
        (["Generate"], "'generate'"),
        (["dataset"], "'datasets'"),
        (["datasets", "lst"], "'list'"),
        (["datasets", "exend"], "'extend'"),
        (["dead-letters", "purg"], "'purge'"),
        (["extend"], "'datasets extend'"),
        (["dead_letters"], "'dead-letters'"),
    ],
)
def test_a_command_that_does_not_exist_is_told_with_the_one_that_was_meant(called, meant):
    ended = CliRunner().invoke(iqstream, called)
    assert ended.exit_code == 2
    assert f"did you mean {meant}" in ended.output


def test_nothing_is_meant_by_what_is_like_no_command():
    assert "did you mean" not in CliRunner().invoke(iqstream, ["xyzzy"]).output


@pytest.mark.parametrize("before", [True, False])
def test_a_state_dir_leads_to_its_servers_wherever_the_environment_does(before, tmp_path):
    """Seen by the error: those of the directory are asked, which are not there."""
    (tmp_path / "env").write_text(
        "IQSTREAM_KAFKA_BOOTSTRAP=127.0.0.1:1\nIQSTREAM_POSTGRES_DSN=postgresql://u:p@127.0.0.1:1/here\n"
        "IQSTREAM_S3_ENDPOINT=127.0.0.1:1\nIQSTREAM_S3_ACCESS_KEY=a\nIQSTREAM_S3_SECRET_KEY=b\n"
    )
    option = ["--state-dir", str(tmp_path)]
    called = [*option, "datasets", "list"] if before else ["datasets", "list", *option]
    before_it = dict(os.environ)
    os.environ["IQSTREAM_POSTGRES_DSN"] = "postgresql://elsewhere:1/x"
    try:
        ended = CliRunner().invoke(iqstream, called)
    finally:
        os.environ.clear()
        os.environ.update(before_it)
    assert "127.0.0.1:1/here" in str(ended.exception)


def test_a_state_dir_without_servers_is_an_error_whatever_the_environment_says(tmp_path):
    for called in (["--state-dir", str(tmp_path), "datasets", "list"], ["lag", "--state-dir", str(tmp_path)]):
        ended = CliRunner().invoke(iqstream, called)
        assert isinstance(ended.exception, UserError)
        assert "iqstream up --state-dir" in str(ended.exception)
