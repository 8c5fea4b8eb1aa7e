"""Processes are found again by who they are, and strangers are left alone."""

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from iqstream.embedded import processes
from iqstream.embedded.processes import ProcessRecord

SLEEP = (sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)")
DEAF = (
    sys.executable,
    "-c",
    "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)",
)


def owns_sleep(command: Sequence[str]) -> bool:
    return list(command) == list(SLEEP)


def owns_any(command: Sequence[str]) -> bool:
    return bool(command)


@pytest.fixture
def started(tmp_path: Path) -> Iterator[ProcessRecord]:
    record = start(tmp_path, SLEEP)
    yield record
    if processes.is_alive(record):
        os.kill(record.pid, signal.SIGKILL)
        psutil.Process(record.pid).wait(10)


def start(folder: Path, command: Sequence[str]) -> ProcessRecord:
    log = folder / "log"
    record = processes.spawn(command, cwd=folder, environment={}, log_path=log)
    while "up" not in log.read_text():
        assert processes.is_alive(record)
    return record


def test_a_started_process_is_found_by_its_record(started: ProcessRecord) -> None:
    found = processes.find(started, owns_sleep)
    assert found is not None
    assert found.pid == started.pid


def test_it_has_a_session_of_its_own_so_that_the_terminals_signals_pass_it_by(started: ProcessRecord) -> None:
    assert os.getsid(started.pid) == started.pid != os.getsid(0)


def test_another_process_under_a_recorded_id_is_not_taken_for_it(started: ProcessRecord) -> None:
    earlier = ProcessRecord(pid=started.pid, started_at_s=started.started_at_s - 60)
    assert processes.find(earlier, owns_sleep) is None
    assert processes.find(started, lambda command: "other" in command) is None


def test_a_process_that_ended_is_not_found_and_leaves_no_zombie(started: ProcessRecord) -> None:
    os.kill(started.pid, signal.SIGKILL)
    os.waitid(os.P_PID, started.pid, os.WEXITED | os.WNOWAIT)
    assert psutil.Process(started.pid).status() == psutil.STATUS_ZOMBIE
    assert processes.find(started, owns_any) is None
    assert not psutil.pid_exists(started.pid)


def test_leftovers_are_those_that_the_predicate_claims(started: ProcessRecord) -> None:
    claimed = list(processes.leftovers(lambda process: owns_sleep(process.cmdline())))
    assert started.pid in {process.pid for process in claimed}
    assert os.getpid() not in {process.pid for process in claimed}


@pytest.mark.parametrize("suspended", [False, True])
def test_stop_ends_it_at_the_first_signal(started: ProcessRecord, *, suspended: bool) -> None:
    if suspended:
        os.kill(started.pid, signal.SIGSTOP)
    processes.stop(psutil.Process(started.pid), [(signal.SIGTERM, 20.0)])
    assert not processes.is_alive(started)


def test_stop_kills_what_does_not_listen(tmp_path: Path) -> None:
    record = start(tmp_path, DEAF)
    processes.stop(psutil.Process(record.pid), [(signal.SIGTERM, 0.05)])
    assert not processes.is_alive(record)


def test_stop_takes_the_children_along(tmp_path: Path) -> None:
    program = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session=True)\n"
        "print(child.pid, 'up', flush=True); time.sleep(60)"
    )
    record = start(tmp_path, (sys.executable, "-c", program))
    child = psutil.Process(int((tmp_path / "log").read_text().split()[0]))
    processes.stop(psutil.Process(record.pid), [(signal.SIGTERM, 20.0)])
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_run_once_gives_the_exit_code_and_appends_to_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    command = (sys.executable, "-c", "import os, sys; print(os.environ.get('HOME')); sys.exit(3)")
    assert processes.run_once(command, cwd=tmp_path, environment={"HOME": "/h"}, log_path=log) == 3
    assert log.read_text() == "before\n/h\n"


def test_run_once_ends_a_command_that_takes_too_long(tmp_path: Path) -> None:
    code = processes.run_once(SLEEP, cwd=tmp_path, environment={}, log_path=tmp_path / "log", timeout_s=0.05)
    assert code == -signal.SIGKILL


def test_what_it_writes_is_private(tmp_path: Path) -> None:
    command = (sys.executable, "-c", "open('made', 'w').close()")
    processes.run_once(command, cwd=tmp_path, environment={}, log_path=tmp_path / "log")
    assert (tmp_path / "made").stat().st_mode & 0o077 == 0


def test_no_descriptor_of_ours_but_the_log_reaches_it(tmp_path: Path) -> None:
    with (tmp_path / "secret").open("w") as secret:
        os.set_inheritable(secret.fileno(), True)
        command = (sys.executable, "-c", "import os; print(os.listdir('/proc/self/fd'))")
        processes.run_once(command, cwd=tmp_path, environment={}, log_path=tmp_path / "log")
    # 0, 1, 2 and the one that lists the directory
    assert len((tmp_path / "log").read_text().split(",")) == 4
