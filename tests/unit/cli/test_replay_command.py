"""`iqstream replay`: which options go together; what is wrong is named before any server is asked."""

import pytest
from click.testing import CliRunner

from iqstream.cli.replay import replay
from iqstream.replay.run import DatasetReplay, check_version
from iqstream.runtime.errors import UserError


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "either --dataset"),
        (["--dataset", "a", "--stage", "sink"], "either --dataset"),
        (["--stage", "sink"], "exactly one of"),
        (["--stage", "sink", "--to-earliest", "--to-latest"], "there is --to-earliest and --to-latest"),
        (["--stage", "sink", "--to-offset", "0", "--shift-by", "0"], "there is --to-offset and --shift-by"),
        (["--stage", "sink", "--to-latest", "--samples", "1"], "--samples goes with --dataset"),
        (["--dataset", "a", "--to-offset", "0"], "--to-offset goes with --stage"),
        (["--dataset", "a", "--force", "--execute"], "--force goes with --stage"),
        (["--dataset", "a", "--version", "2", "--as-version", "2"], "leave --as-version out"),
        (["--stage", "sink", "--to-latest", "--force"], "--force goes with --execute"),
        (["--stage", "sink", "--to-latest", "--topic", "iq.jobs:0"], "the sink reads iq.features, not iq.jobs"),
        (["--stage", "sink", "--to-latest", "--topic", "iq.features:a"], "is not a list of partitions"),
        (["--stage", "sink", "--to-latest", "--topic", f"iq.features:{'1' * 5000}"], "is not a list of partitions"),
        (["--stage", "sink", "--by-duration", "PT1M\n"], "is not a duration"),
        (["--stage", "sink", "--to-datetime", "2026-11-25T02:00:00"], "has no zone"),
        (["--stage", "sink", "--from-file", "/nowhere/back.csv"], "cannot be read"),
    ],
)
def test_options_that_do_not_go_together_are_named(arguments, says):
    given = CliRunner().invoke(replay, arguments, standalone_mode=False)
    assert isinstance(given.exception, UserError)
    assert says in str(given.exception)


@pytest.mark.parametrize("version", [-1, 0, 1, 1.5, "2", 2**31])
def test_a_new_version_is_one_that_records_and_tables_hold(version):
    with pytest.raises(UserError, match="from 2 to 2147483647"):
        check_version(DatasetReplay(dataset="a", version=None, samples=None, as_version=version))
