"""`iqstream ingest`: what is typed becomes what is asked, and the exit code tells whether all of it was read."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from iqstream.cli import ingest as command
from iqstream.ingest.given import Asked, Ingested
from iqstream.recordings import BadRecording
from iqstream.runtime.errors import Failed, IqstreamError, UserError
from iqstream.runtime.readable import Rows
from schemas import Receiver, TransmitterPosition


def done(**changes):
    fields = {
        "dataset_id": "d", "name": "Mine", "recordings": 3, "samples": 2, "windows": 6, "known_windows": 0,
        "unaligned": 0, "pairs": False, "comparable": 0, "unplaced": (), "recorded_s": 6.0, "failures": Rows(()),
    }  # fmt: skip
    return Ingested(**(fields | changes))


class Door:
    """Takes what is asked, and answers."""

    def __init__(self, result):
        self.asked: Asked | None = None
        self._result = result

    async def ingest(self, asked, **_callbacks):
        self.asked = asked
        return self._result


def run(monkeypatch, *arguments, result=None):
    door = Door(result or done())

    def with_client(work):
        coroutine = work(door)
        with pytest.raises(StopIteration) as stopped:
            coroutine.send(None)
        return stopped.value.value

    monkeypatch.setattr(command, "with_client", with_client)
    outcome = CliRunner().invoke(command.ingest, ["--name", "Mine", *arguments])
    if isinstance(outcome.exception, IqstreamError):
        raise outcome.exception
    assert outcome.exit_code == 0, outcome.output
    return door.asked, outcome.output


def test_options_are_read_with_units_and_per_receiver(monkeypatch, tmp_path):
    asked, output = run(
        monkeypatch, str(tmp_path), "--at", "rxa=53.67,7.28", "--at", "rxb=45.78,0.61,120", "--frequency", "433.92MHz",
        "--sample-rate", "250k", "--to-rate", "48kHz", "--calibration", "-20", "--calibration", "rxa=-30.5",
        "--transmitter", "50.0152,9.0112", "--started-at", "2026-01-31T12:00:00.5Z", "--window-ms", "500",
    )  # fmt: skip
    assert asked.paths == (tmp_path,)
    assert asked.receivers == (
        Receiver(rx_id="rxa", latitude=53.67, longitude=7.28, altitude_m=0.0),
        Receiver(rx_id="rxb", latitude=45.78, longitude=0.61, altitude_m=120.0),
    )
    assert (asked.given.center_frequency_hz, asked.given.sample_rate_hz) == (433.92e6, 250e3)
    assert (asked.given.dbm_at_full_scale, asked.calibration_dbm) == (-20.0, {"rxa": -30.5})
    assert (asked.sample_rate_hz, asked.window_ms, asked.chunk_ms) == (48e3, 500, None)
    assert asked.given.started_at_ns == 1_769_860_800_500_000_000
    assert asked.track.at(None) == TransmitterPosition(latitude=50.0152, longitude=9.0112)
    assert "2 samples of 6 windows" in output


@pytest.mark.parametrize(
    ("arguments", "asked_pairs", "result", "words"),
    [
        ([], None, {}, ""),
        ([], None, {"comparable": 2}, "; --pairs, in a new dataset, measures the time differences of 2 of them"),
        (["--no-pairs"], False, {}, ""),
        (["--pairs"], True, {"pairs": True, "comparable": 2}, "; time differences of 2\n"),
        (["--pairs"], True, {"pairs": True, "comparable": 1}, "of 1, not of 1: fewer than two receivers have the time"),
        (["--pairs"], True, {"pairs": True, "samples": 0}, ""),
    ],
)
def test_time_differences_are_asked_for_and_of_how_many_samples_there_are_any_is_said(
    monkeypatch, tmp_path, arguments, asked_pairs, result, words
):
    asked, output = run(monkeypatch, str(tmp_path), *arguments, result=done(**result))
    assert asked.pairs is asked_pairs
    assert words in output
    assert ("time differences" in output) == bool(words)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--at", "53.67,7.28"], "names no receiver"),
        (["--at", "rxa=53.67"], "is no place"),
        (["--at", "rxa=153.67,7.28"], "latitude"),
        (["--at", "rxa=nan,7.28"], "is no place"),
        (["--at", "rxa=1,2", "--at", "rxa=1,2"], "two places"),
        (["--calibration", "rxa"], "write DBM"),
        (["--calibration", "nan"], "write DBM"),
        (["--frequency", "433,92"], "--frequency"),
        (["--sample-rate", "0"], "sample_rate_hz"),
        (["--datatype", "cx9"], "cx9"),
        (["--started-at", "2026-01-31T12:00:00"], "has no zone"),
        (["--transmitter", "1,2", "--track", "x"], "give one of them"),
        (["--track", "/nowhere/track.csv"], "cannot be read"),
        (["/nowhere/at all"], "there is no /nowhere/at all"),
    ],
)
def test_what_is_typed_wrongly_is_refused_before_any_server_is_asked(monkeypatch, tmp_path, arguments, why):
    with pytest.raises(UserError, match=why):
        run(monkeypatch, str(tmp_path), *arguments)


@pytest.mark.parametrize(
    ("result", "why"),
    [
        (
            done(failures=Rows([BadRecording(Path("a.wav"), "byte 3", "give sample_rate_hz")])),
            "1 thing could not be read",
        ),
        (
            done(dataset_id="", failures=Rows([BadRecording(Path("a.wav"), "", "is no WAV file")])),
            "none of it could be read",
        ),
        (done(dataset_id="", recordings=0), "no recording"),
    ],
)
def test_what_could_not_be_read_is_a_failure(monkeypatch, tmp_path, result, why):
    with pytest.raises(Failed, match=why):
        run(monkeypatch, str(tmp_path), result=result)
