"""What commands print: text from elsewhere stands there whole, on a terminal and in a pipe, and is obeyed nowhere."""

import io
import json
import os
import re
import sys
from datetime import UTC, datetime
from unittest.mock import patch

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Group
from rich.table import Table
from rich.text import Text

from iqstream.catalogue.datasets import Dataset
from iqstream.catalogue.dead_letters import Origin
from iqstream.catalogue.failures import FailureCount
from iqstream.catalogue.outcomes import OutcomeCount
from iqstream.catalogue.sample_ranges import SampleRanges
from iqstream.cli.console import Console, say, say_json
from iqstream.cli.dead_letters_report import letter_lines, print_listing
from iqstream.cli.lag_table import lag_line, lag_summary, lag_tables
from iqstream.cli.main import iqstream
from iqstream.cli.positions_report import print_plan
from iqstream.cli.stream import _write_arrow, _write_ndjson
from iqstream.cli.tables import counts_table, datasets_table, failures_table, print_whole, result_table
from iqstream.cli.watch_display import LineDisplay, LiveDisplay, outcome_line
from iqstream.dead_letters.listing import Line, Listing
from iqstream.lag.figures import ClusterLag, GroupLag, TopicLag
from iqstream.positions.plan import MovePlan, TouchedDataset
from iqstream.runtime.readable import Rows
from iqstream.runtime.stages import STAGES
from iqstream.runtime.terminal import OutputLost, _Output, _text
from iqstream.stage_position import StagePosition
from iqstream.watch.event import Progress
from iqstream.watch.speed import SpeedMeter
from tests.sink_samples import make_spec
from tests.unit.dead_letters.test_letter import FRAME, letter
from tests.unit.runtime.test_terminal import HOSTILE, is_obeyed

NOW = datetime(2026, 1, 1, tzinfo=UTC)
INTACT = "NBFM [v2] [/tmp/a] :smile: caf\u00e9"
"""The part of HOSTILE that prints."""
RICHS_OWN = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\r")


def dataset(status="running"):
    return Dataset(
        id="d", version=1, name=HOSTILE, spec=make_spec(samples=10), recorded=False,
        grows=False, samples=SampleRanges.first(10), status=status, requested=10,
        accepted=3, rejected=1, failed=1, iq_samples=2, iq_samples_saved=1, created_at=NOW, status_changed_at=NOW,
        completed_at=None,
    )  # fmt: skip


def progress(status="running"):
    return Progress(dataset=dataset(status), submitted=10, generated=8, extracted=6, obstacles=(HOSTILE,))


def live(console):
    display = LiveDisplay(console)
    with display:
        display.show(progress(), moving())


def moving():
    rate = SpeedMeter()
    rate.add(0.0, 0)
    return rate.speed()


def listing():
    line = Line(
        origin=Origin("iq.frames", 0, 1), stage=HOSTILE, error=HOSTILE, message=HOSTILE, size=1, kept_at=NOW,
        samples=(), retries=(),
    )  # fmt: skip
    return Listing(lines=Rows([line]))


def plan():
    touched = TouchedDataset(dataset_id="d", version=1, name=HOSTILE, status="running", samples=1)
    position = StagePosition(stage=STAGES["sink"], members=(), current={}, ends={})
    return MovePlan(position=position, moves=(), datasets=(touched,), samples_per_second=None)


def lag():
    topic = TopicLag(topic=HOSTILE, exists=False, partitions=(), values=())
    return ClusterLag(read_at_s=0.0, groups=(GroupLag(group=HOSTILE, exists=True, topics=(topic,)),))


PRINTED = {
    "a line": lambda console: console.print(HOSTILE),
    "a table": lambda console: print_whole(console, datasets_table([dataset()])),
    "text in a group": lambda console: console.print(Group(Text(HOSTILE), HOSTILE), soft_wrap=True),
    "counts": lambda console: print_whole(
        console, counts_table(dataset(), [OutcomeCount(outcome="failed", reason=HOSTILE, samples=1)])
    ),
    "failures": lambda console: print_whole(
        console,
        failures_table([FailureCount(stage=HOSTILE, error=HOSTILE, samples=1, recordings=1, message=HOSTILE)]),
    ),
    "a query's result": lambda console: print_whole(console, result_table([{HOSTILE: HOSTILE}])),
    "a watcher's lines": lambda console: LineDisplay(console).show(progress(), moving()),
    "a watcher's bars": live,
    "an outcome": lambda console: console.print(outcome_line(progress("cancelled")), soft_wrap=True),
    "dead letters": lambda console: print_listing(console, listing(), 1),
    "a plan": lambda console: print_plan(console, plan()),
    "lag": lambda console: console.print(Group(lag_tables(lag(), 200), lag_summary(lag()))),
}


@pytest.mark.parametrize("terminal", [False, True], ids=["pipe", "terminal"])
@pytest.mark.parametrize("what", PRINTED)
def test_a_name_stands_whole_wherever_it_is_printed_and_is_obeyed_nowhere(what, terminal):
    out = io.StringIO()
    PRINTED[what](Console(file=out, width=200, force_terminal=terminal))
    told = RICHS_OWN.sub("", out.getvalue()) if terminal else out.getvalue()
    assert INTACT in told
    assert not any(is_obeyed(character) for character in told.replace("\n", ""))
    if what != "text in a group":
        assert f"{INTACT}\\n\\r\\t\\x00\\x1b[31m\\x7f\\x9b2J\\u202e\\u2028\\udcff" in told


@given(st.text(st.characters()))
def test_any_text_is_printed_in_a_table_and_in_a_line(text):
    out = io.StringIO()
    console = Console(file=out, width=80)
    table = Table(box=None)
    table.add_column(text)
    table.add_row(text)
    print_whole(console, table)
    console.print(text, soft_wrap=True)
    assert not any(is_obeyed(character) for character in out.getvalue().replace("\n", ""))


def test_a_line_is_one_line_and_json_is_ascii(capsys):
    say("first", HOSTILE)
    assert capsys.readouterr().out.count("\n") == 2
    say_json({"name": HOSTILE})
    told = capsys.readouterr().out
    assert json.loads(told) == {"name": HOSTILE}
    assert not any(is_obeyed(character) for character in told.rstrip("\n"))
    assert told.isascii()


def test_a_letter_is_shown_a_line_each_field(capsys):
    one = letter("extractor", HOSTILE.encode(errors="replace"), (*FRAME, (HOSTILE, HOSTILE.encode(errors="replace"))))
    lines = letter_lines(one, [])
    say(*lines)
    told = capsys.readouterr().out
    assert told.count("\n") == len(lines)
    assert told.count(INTACT) == 3
    assert not any(is_obeyed(character) for character in told.replace("\n", ""))


def test_a_groups_lag_is_one_line(capsys):
    say(lag_line(lag()))
    told = capsys.readouterr().out
    assert told.count("\n") == 1
    assert INTACT in told


def text_parameters(command, path=()):
    """Every argument and option of every command that takes plain text."""
    context = click.Context(command)
    for name in command.list_commands(context):
        one = command.get_command(context, name)
        if isinstance(one, click.Group):
            yield from text_parameters(one, (*path, name))
        else:
            yield from ((path, name, parameter) for parameter in one.params if parameter.type.name == "text")


@pytest.mark.parametrize("text", ["caf\udce9", "a\x00b"])
def test_no_command_takes_text_that_no_server_can_be_sent(text):
    found = list(text_parameters(iqstream))
    assert len(found) > 15
    for path, name, parameter in found:
        given = [text] if isinstance(parameter, click.Argument) else [f"{parameter.opts[0]}={text}"]
        ended = CliRunner().invoke(iqstream, [*path, name, *given])
        assert (ended.exit_code, repr(text) in ended.output) == (2, True), (path, name, parameter.name, ended.output)


def write_ndjson():
    with patch("iqstream.cli.stream.as_json", lambda _item: {}):
        _write_ndjson(iter([None]))


WAYS_TO_PRINT = {
    "a line": lambda: say("text"),
    "JSON": lambda: say_json([]),
    "a table": lambda: print_whole(Console(), datasets_table([dataset()])),
    "a watcher's lines": lambda: LineDisplay(Console()).show(progress(), moving()),
    "a watcher's bars": lambda: live(Console(force_terminal=True)),
    "samples as JSON": write_ndjson,
    "samples as Arrow": lambda: _write_arrow(iter([]), pairs=False),
}


@pytest.mark.parametrize("what", WAYS_TO_PRINT)
def test_whatever_prints_tells_that_the_device_is_full(monkeypatch, what):
    full = os.open("/dev/full", os.O_WRONLY)
    stream = _text(_Output(full, "wb"), sys.stdout)
    monkeypatch.setattr("sys.stdout", stream)
    with pytest.raises(OutputLost, match="No space left"):
        WAYS_TO_PRINT[what]()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, full)  # for what is left in its buffer
    os.close(nowhere)
    stream.close()


def plans(command, path=()):
    """Every command that shows a plan first, by its path."""
    context = click.Context(command)
    for name in command.list_commands(context):
        one = command.get_command(context, name)
        if isinstance(one, click.Group):
            yield from plans(one, (*path, name))
        else:
            yield (*path, name), {option for parameter in one.params for option in parameter.opts}


def test_what_shows_a_plan_first_is_done_with_execute_and_no_other_option():
    options = dict(plans(iqstream))
    planned = {path for path, names in options.items() if "--execute" in names}
    assert sorted(" ".join(path) for path in planned) == [
        "datasets cleanup",
        "datasets delete",
        "dead-letters purge",
        "dead-letters retry",
        "replay",
    ]
    assert not any(names & {"--yes", "--dry-run", "--plan"} for names in options.values())
