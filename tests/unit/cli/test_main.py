"""How the command line ends."""

import signal
import sys
from types import SimpleNamespace

import pytest

from iqstream.cli import main as module


def interrupted():
    raise KeyboardInterrupt


@pytest.fixture
def handlers():
    """Those of the tests, put back afterwards."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers")
def test_a_signal_behind_the_end_of_a_command_is_no_traceback(monkeypatch):
    monkeypatch.setattr(module, "iqstream", lambda **_: None)
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(flush=interrupted, closed=False, write=len))
    with pytest.raises(SystemExit) as ended:
        module._run()
    assert ended.value.code == 130


@pytest.mark.usefixtures("handlers")
def test_a_process_that_is_done_is_ended_by_a_signal_without_a_word(monkeypatch):
    monkeypatch.setattr(module, "_run", lambda: None)
    monkeypatch.setattr(module, "open_standard_streams", lambda: None)
    monkeypatch.setattr(module, "_configure_logs", lambda: None)
    module.main()
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == [signal.SIG_DFL] * 2
