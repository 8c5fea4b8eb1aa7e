"""The demo's last screen: it says what happened, on any width, and its commands can be typed."""

import io
import shlex
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iqstream.catalogue.datasets import Dataset
from iqstream.catalogue.outcomes import SampleOutcome
from iqstream.catalogue.sample_ranges import SampleRanges
from iqstream.cli.console import Console
from iqstream.cli.demo_screen import next_commands, short_figure, show_demo
from iqstream.demo.kill_worker import Kill
from iqstream.demo.results import DemoResults, pace_of
from iqstream.plot.truth import RecordingErrors
from iqstream.verify.completeness import Completeness
from tests.sink_samples import make_spec

START = datetime(2026, 1, 1, tzinfo=UTC)
ERRORS = [
    RecordingErrors(true_snr_db=snr_db, errors=(0.001, 0.2, -0.01, 3.0), doppler_max_hz=0.0, has_goals=True)
    for snr_db in (-8.0, 5.0, 50.0)
]


def dataset(samples=10):
    return Dataset(
        id="d", version=1, name="Demo 1", spec=make_spec(samples=samples, name="Demo 1"), recorded=False,
        status="complete", samples=SampleRanges.first(samples),
        grows=False, requested=samples, accepted=samples - 3, rejected=2, failed=1, iq_samples=2,
        iq_samples_saved=2, created_at=START, status_changed_at=START, completed_at=START + timedelta(seconds=30),
    )  # fmt: skip


def outcomes(after_s):
    return [
        SampleOutcome(
            sample_idx=index, verdict="accepted", reason=None, place="inside", latitude=45.0, longitude=8.0,
            decided_at=START + timedelta(seconds=seconds),
        )
        for index, seconds in enumerate(after_s)
    ]  # fmt: skip


def results(**changes) -> DemoResults:
    found = {
        "dataset": dataset(),
        "counts": Counter(
            {
                ("accepted", None, "inside"): 5,
                ("accepted", None, "outside"): 2,
                ("rejected", "low_snr", "outside"): 2,
                ("failed", "extractor_failed", "unknown"): 1,
            }
        ),
        "pace": pace_of(dataset(), outcomes([10, 12, 20])),
        "backlog": 0,
        "kill": Kill(slot=1, at_sample=4, back_s=2.25),
        "completeness": Completeness(
            requested=10, outcomes=10, accepted=7, rows=7, recordings_lost=0, recordings_doubled=0
        ),
        "errors": ERRORS,
        "answers": [("SELECT 1;", [{"one": 1}])],
        "objects": ["synthetic/d/0/a.npy", "synthetic/d/0/b.npy"],
        "disk_bytes": 2**30,
        "picture": Path(".iqstream/pictures/d.png"),
    }
    return DemoResults(**found | changes)


def screen(width=100, *, colour=False, state_dir=".iqstream", **changes):
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=colour, color_system="standard" if colour else None)
    show_demo(results(**changes), console, state_dir=Path(state_dir), servers_stay=False)
    return out.getvalue()


def row(text, start):
    return next(line.split() for line in text.splitlines() if line.startswith(start))


def test_outcomes_are_counted_by_place_and_reason():
    text = screen()
    assert row(text, "samples") == ["samples", "inside", "outside", "unknown", "all"]
    assert row(text, "accepted") == ["accepted", "5", "2", "0", "7"]
    assert row(text, "  low_snr") == ["low_snr", "0", "2", "0", "2"]
    assert row(text, "failed") == ["failed", "0", "0", "1", "1"]


def test_the_pace_is_counted_from_the_first_decision():
    assert "10 samples in 30 s: the first after 10 s, then 0.2 samples/s = 1 IQ-seconds/s, backlog 0" in screen()


def test_samples_that_were_decided_at_one_moment_have_no_rate():
    assert pace_of(dataset(), outcomes([10, 10])).samples_per_s is None


@pytest.mark.parametrize(
    ("kill", "words"),
    [
        (Kill(slot=1, at_sample=4, back_s=2.25), "Killed extractor 1 at sample 4: 0 lost, 0 doubled, back in 2.2 s"),
        (Kill(slot=1, at_sample=4, back_s=None), "0 lost, 0 doubled, not needed any more"),
        (None, "Killed no extractor"),
    ],
)
def test_the_kill_is_told_as_it_was(kill, words):
    assert words in screen(kill=kill)


def test_what_is_lost_is_not_hidden():
    lost = Completeness(requested=10, outcomes=9, accepted=7, rows=8, recordings_lost=3, recordings_doubled=1)
    assert "4 lost, 2 doubled" in screen(completeness=lost)


def test_errors_are_shown_for_the_bands_that_have_recordings():
    text = screen()
    assert row(text, "SNR, dB") == ["SNR,", "dB", "<", "-5", "0..10", ">=", "40"]
    assert row(text, "SNR bias") == ["SNR", "bias,", "dB", "+0.200", "+0.200", "+0.200"]
    assert [line.split() for line in text.splitlines() if "met" in line or "not yet" in line][1] == [
        "-", "not", "yet", "not", "yet",
    ]  # fmt: skip


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_every_figure_stands_whole_at_any_width(width):
    text = screen(width)
    for whole in ("accepted", "+0.200", "not yet", "synthetic/d/0/a.npy", ".iqstream/pictures/d.png", "SELECT 1;"):
        assert whole in text
    assert "…" not in text


def test_without_colour_there_are_no_escapes_and_with_it_the_same_words():
    plain = screen()
    assert "\x1b" not in plain
    assert "\x1b[32m" in screen(colour=True)


def test_the_next_commands_can_be_typed_as_they_stand():
    for state_dir in (".iqstream", "/tmp/a b"):
        for line in next_commands("it's a demo", Path(state_dir), servers_stay=True):
            words = shlex.split(line)
            command = [word for word in words if not word.startswith("IQSTREAM_STATE_DIR=")]
            assert command[0].endswith("iqstream")
            assert command[1] in {"status", "datasets", "lag", "dashboard"}
            assert (len(words) > len(command)) == (state_dir != ".iqstream")


@given(st.floats(-99_999, 99_999), st.booleans())
def test_a_figure_fits_its_column_and_is_right_to_its_last_digit(value, signed):
    text = short_figure(value, signed=signed)
    assert len(text) <= 6
    decimals = len(text.partition(".")[2])
    assert abs(float(text) - value) <= 0.5 * 10.0**-decimals * (1 + 1e-9)
