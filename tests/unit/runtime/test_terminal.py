"""Text from elsewhere on its way out is shown whole and never obeyed; an output that takes nothing is told in words."""

import json
import logging
import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iqstream.runtime.logs import JsonLines, TextLines
from iqstream.runtime.terminal import shown, shown_lines

pytestmark = pytest.mark.thorough

BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
HOSTILE = "NBFM [v2] [/tmp/a] :smile: caf\u00e9\n\r\t\x00\x1b[31m\x7f\x9b2J\u202e\u2028\udcff"
"""Markup, accents, and all kinds of what a terminal obeys."""


def is_obeyed(character):
    return unicodedata.category(character) in {"Cc", "Zl", "Zp", "Cs"} or character in BIDI


@given(st.text(st.characters()))
def test_no_character_that_a_terminal_obeys_is_left_and_every_other_one_stays(text):
    line = shown(text)
    assert not any(map(is_obeyed, line))
    assert shown(line) == line
    assert shown_lines(text).count("\n") == text.count("\n")
    assert not any(map(is_obeyed, shown_lines(text).replace("\n", "")))


@given(st.text(st.characters(categories=["L", "M", "N", "P", "S", "Zs"])))
def test_text_that_prints_is_shown_as_it_is(text):
    assert shown(text) == shown_lines(text) == text


def test_controls_are_spelt_as_in_python():
    assert shown("a\nb\x1b[0m\x9b\u202e") == r"a\nb\x1b[0m\x9b\u202e"


def record(message, **extra):
    made = logging.makeLogRecord({"name": "stage", "levelno": 30, "levelname": "WARNING", "msg": "%s"})
    made.args = (message,)
    made.__dict__.update(extra)
    return made


def test_an_event_is_one_line_whatever_its_message_and_its_fields_hold():
    line = TextLines().format(record(HOSTILE, dataset=HOSTILE))
    assert line.count("NBFM [v2] [/tmp/a] :smile: caf\u00e9") == 2
    assert not any(map(is_obeyed, line))
    assert json.loads(JsonLines().format(record(HOSTILE)))["message"] == HOSTILE


def refuse(message):
    raise ValueError(message)


def test_a_tracebacks_lines_cannot_be_taken_for_events():
    try:
        refuse("2026-01-01 WARNING stage: a\n2026-01-01 WARNING stage: forged\x1b[2J")
    except ValueError:
        lines = TextLines().format(record("failed", exc_info=sys.exc_info())).split("\n")
    assert len(lines) > 3
    assert all(line.startswith("  ") for line in lines[1:])
    assert not any(is_obeyed(character) for line in lines for character in line)


def iqstream(*arguments, **streams):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("IQSTREAM_")}
    environment |= streams.pop("environment", {})
    return subprocess.run(
        [sys.executable, "-m", "iqstream", *arguments],
        **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams,
        env=environment, timeout=60, check=False,
    )  # fmt: skip


def closed(*numbers):
    """To be called in the new process: it starts without these descriptors."""
    return lambda: [os.close(number) for number in numbers]


def test_a_full_device_is_told_in_a_line():
    with Path("/dev/full").open("w") as full:
        ended = iqstream("--help", stdout=full)
    assert (ended.returncode, ended.stderr) == (
        1,
        b"Error: standard output cannot be written: No space left on device\n",
    )


def test_a_closed_output_is_told_in_a_line():
    ended = iqstream("--version", stdout=None, preexec_fn=closed(1))
    assert (ended.returncode, ended.stderr) == (1, b"Error: standard output cannot be written: Bad file descriptor\n")


def test_an_output_that_nobody_reads_ends_the_command_quietly():
    reading, writing = os.pipe()
    os.close(reading)
    ended = iqstream("--help", stdout=writing)
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (1, b"")


@pytest.mark.parametrize(
    "streams", [{"stderr": None, "preexec_fn": closed(0, 2)}, {"stdin": None, "preexec_fn": closed(0)}]
)
def test_the_work_goes_on_without_the_other_streams(streams):
    ended = iqstream("status", "--json", "--state-dir", "/absent", **streams)
    assert (ended.returncode, ended.stdout) == (0, b"[]\n")


def test_an_error_is_told_with_the_code_of_the_work_where_standard_error_takes_nothing():
    with Path("/dev/full").open("w") as full:
        assert iqstream("datasets", "list", stderr=full, environment={"IQSTREAM_STATE_DIR": "/absent"}).returncode == 2


def test_what_an_ascii_terminal_lacks_is_spelt_out_and_what_was_typed_is_one_line():
    typed = HOSTILE.replace("\x00", "")
    ended = iqstream("datasets", "show", "a", typed, environment={"PYTHONIOENCODING": "ascii"})
    lines = ended.stderr.decode("ascii").rstrip("\n").split("\n")
    assert (ended.returncode, lines[-1]) == (
        2,
        f"Error: Got unexpected extra argument ({shown(typed)})".replace("\u00e9", r"\xe9"),
    )
    assert [line.startswith("Error: ") for line in lines].count(True) == 1


def test_a_workers_reason_reaches_its_supervisor_whatever_the_encoding_of_its_output():
    tie, ours = os.pipe()  # a worker ends with its standard input
    ended = subprocess.run(
        [sys.executable, "-m", "sink"],
        env=os.environ | {"PYTHONIOENCODING": "ascii", "IQSTREAM_LOG_FORMAT": "caf\u00e9"},
        stdin=tie, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    os.close(tie)
    os.close(ours)
    assert (ended.returncode, "IQSTREAM_LOG_FORMAT: 'caf\u00e9' is not one of" in ended.stdout.decode()) == (2, True)
