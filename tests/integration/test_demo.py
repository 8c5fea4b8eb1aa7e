"""`iqstream demo` on servers of its own: what it shows is checked, and stopping it leaves nothing running."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import psutil
import pytest

pytestmark = pytest.mark.stack

WAIT_S = 120


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where the demos of this file run: each starts the servers on the data of those before."""
    return tmp_path_factory.mktemp("demo")


def environment(folder):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("IQSTREAM_")}
    cache = {name: value for name, value in os.environ.items() if name == "IQSTREAM_CACHE_DIR"}
    return clean | cache | {"IQSTREAM_STATE_DIR": str(folder / "state")}


def iqstream(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "iqstream", *arguments],
        env=environment(folder), cwd=folder, capture_output=True, text=True, timeout=WAIT_S, check=False,
    )  # fmt: skip


def shown_in_the_readme():
    """The words that each line of the README's demo begins with, up to its first figure or column."""
    block = re.search(r"```text\n(.*?)```", Path("README.md").read_text(encoding="utf-8"), flags=re.DOTALL)[1]
    words = re.compile(r"^ {0,2}[A-Za-z][^\d+<>]*?(?= {2}| *[\d+<>-]|$)")
    return [found[0] for line in block.splitlines() if (found := words.match(line))]


def running_in(folder):
    """Servers and workers: whatever has the folder in its command, directory or environment."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            places = [*process.cmdline(), process.cwd(), process.environ().get("IQSTREAM_STATE_DIR", "")]
            alive = process.status() != psutil.STATUS_ZOMBIE and process.pid != os.getpid()
            if alive and any(str(folder) in place for place in places):
                found.append(process.cmdline())
    return found


def test_the_demo_kills_an_extractor_loses_nothing_and_shows_what_it_stored(folder):
    ended = iqstream(folder, "demo", "--samples", "60", "--capture-ms", "400")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert re.search(r"^Killed extractor 1 at sample \d+: 0 lost, 0 doubled, ", ended.stdout, re.MULTILINE)
    assert "extractor worker 1 ended (signal 9)" in (folder / "state" / "logs" / "stages.log").read_text()
    accepted = int(re.search(r"^accepted +\d+ +\d+ +(\d+)$", ended.stdout, re.MULTILINE)[1])
    folders = min(accepted, 100)
    assert f"{7 * folders} objects in {folders} folders of heimdall-synthetic-iq" in ended.stdout
    assert re.search(rf"^count\s+{accepted}\s*$", ended.stdout, re.MULTILINE)
    assert "backlog 0" in ended.stdout
    assert Path(re.search(r"^Picture: (.+)$", ended.stdout, re.MULTILINE)[1]).read_bytes().startswith(b"\x89PNG")
    assert ended.stderr == ""
    for line in shown_in_the_readme():
        assert any(told.startswith(line) for told in ended.stdout.splitlines()), line
    assert running_in(folder) == []


@pytest.fixture
def servers_up(folder):
    assert iqstream(folder, "up").returncode == 0
    before = running_in(folder)
    yield before
    assert iqstream(folder, "down").returncode == 0
    assert running_in(folder) == []


def start_demo(folder, *options):
    """A demo that runs, and the file with what it says."""
    out = folder / "out"
    with out.open("w") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "iqstream", "demo", *options],
            env=environment(folder), cwd=folder, stdout=file, stderr=file,
        ), out  # fmt: skip


def until_it_says(moment, running, out):
    ends_at = time.monotonic() + WAIT_S
    while not (found := re.search(moment, out.read_text())):
        assert time.monotonic() < ends_at, out.read_text()
        assert running.poll() is None, out.read_text()
        time.sleep(0.02)
    return found


def interrupt(folder, moment, number):
    """Starts a demo and sends it a signal as soon as it shows `moment`; it must end by that, with a word."""
    running, out = start_demo(folder, "--samples", "40", "--capture-ms", "400")
    until_it_says(moment, running, out)
    running.send_signal(number)
    code = running.wait(timeout=WAIT_S)
    told = out.read_text()
    assert "Traceback" not in told
    assert "Error" not in told
    assert (code, told.rstrip().endswith("Interrupted.")) == (128 + number, True), told


def serve_the_dashboard_until_ctrl_c(folder):
    """It answers while the job runs and when it has ended, and is gone with the demo."""
    running, out = start_demo(folder, "--samples", "4", "--capture-ms", "50", "--dashboard")
    address = until_it_says(r"The dashboard is at (http://\S+/)\.", running, out)[1]
    until_it_says("Generating", running, out)
    assert "Demo" in httpx2.get(address, timeout=60).text
    until_it_says("The dashboard goes on until Ctrl-C", running, out)
    assert "complete" in httpx2.get(address, timeout=60).text
    running.send_signal(signal.SIGINT)
    assert running.wait(timeout=WAIT_S) == 0, out.read_text()
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(address)


@pytest.mark.parametrize("moment", ["Starting Kafka", "answers on", "decided [1-9]"])
def test_ctrl_c_at_any_moment_ends_the_demo_and_the_servers_that_it_started(folder, moment):
    interrupt(folder, moment, signal.SIGINT)
    assert running_in(folder) == []


def test_ctrl_c_or_sigterm_at_any_moment_ends_the_stages_and_leaves_the_servers_that_ran(folder, servers_up):
    for moment in ("Generating", "decided 0 of", "decided [1-9]", "Generation complete"):
        interrupt(folder, moment, signal.SIGTERM if moment == "decided [1-9]" else signal.SIGINT)
        assert sorted(running_in(folder)) == sorted(servers_up)
    serve_the_dashboard_until_ctrl_c(folder)
    assert sorted(running_in(folder)) == sorted(servers_up)


def test_datasets_of_interrupted_demos_are_not_left_running(folder):
    assert iqstream(folder, "up").returncode == 0
    try:
        datasets = json.loads(iqstream(folder, "datasets", "list", "--json").stdout)
    finally:
        iqstream(folder, "down")
    assert {dataset["status"] for dataset in datasets} <= {"complete", "cancelled"}
    assert running_in(folder) == []
