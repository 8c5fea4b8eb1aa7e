"""What this machine lacks is told with what to do, and not waited for as for a server."""

import asyncio
import errno
import os
import socket
import subprocess
import sys

import pytest

from iqstream.runtime.errors import Failed, UserError
from iqstream.runtime.health import Pulse
from iqstream.runtime.metrics import Metrics
from iqstream.runtime.own_faults import own_fault
from iqstream.runtime.workers import take_slots

pytestmark = pytest.mark.thorough

NOTHING_THERE = {
    "IQSTREAM_KAFKA_BOOTSTRAP": "127.0.0.1:1",
    "IQSTREAM_POSTGRES_DSN": "postgresql://u:p@127.0.0.1:1/x",
    "IQSTREAM_S3_ENDPOINT": "127.0.0.1:1",
    "IQSTREAM_S3_ACCESS_KEY": "key",
    "IQSTREAM_S3_SECRET_KEY": "secret",
}


def run(*arguments, **options):
    return subprocess.run(
        [sys.executable, *arguments],
        env=os.environ | NOTHING_THERE, capture_output=True, text=True, timeout=120, check=False, **options,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("number", "file", "kind", "says"),
    [
        (errno.ENOSPC, None, Failed, "disk of this machine is full"),
        (errno.EDQUOT, "/data/x", Failed, "/data/x: the disk"),
        (errno.EMFILE, None, Failed, "ulimit"),
        (errno.EACCES, "/data/x", UserError, "/data/x cannot be used: Permission denied"),
        (errno.ENOENT, "/data/x", UserError, "No such file"),
        (errno.EROFS, "/data/x", UserError, "Read-only"),
    ],
)
def test_errors_of_files_and_disks_are_ours(number, file, kind, says):
    fault = own_fault(OSError(number, os.strerror(number), file))
    assert type(fault) is kind
    assert says in str(fault)


@pytest.mark.parametrize("number", [errno.ECONNREFUSED, errno.ECONNRESET, errno.EHOSTUNREACH, errno.ENOENT])
def test_errors_of_connections_are_not(number):
    assert own_fault(OSError(number, os.strerror(number))) is None
    assert own_fault(TimeoutError()) is None


async def test_a_socket_file_that_is_not_there_is_a_server_that_is_away(tmp_path):
    with pytest.raises(OSError) as raised:  # noqa: PT011  # which one it is, is the loop's business
        await asyncio.open_unix_connection(tmp_path / "nobody")
    assert own_fault(raised.value) is None


@pytest.mark.parametrize("host", ["127.0.0.1", "192.0.2.1", "no such host"])
def test_a_port_that_cannot_be_listened_on_is_a_wrong_value(host):
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(UserError, match="--metrics-port"):
        Metrics("test").serve(host, taken.getsockname()[1], Pulse())
    with pytest.raises(UserError, match="--metrics-port"):
        Metrics("test").serve("127.0.0.1", 65_536, Pulse())


def test_locks_that_cannot_be_made_name_their_directory(tmp_path, monkeypatch):
    (tmp_path / f"iqstream-{os.getuid()}").write_text("a file in its place")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(UserError, match=str(tmp_path)):
        take_slots("test", 1)


def test_a_worker_without_a_standard_input_works_and_says_why_it_ends():
    ended = run("-m", "producer", stdin=subprocess.DEVNULL)
    assert ended.returncode == 3
    assert "127.0.0.1" in ended.stdout


@pytest.mark.parametrize("closed", [0, 1, 2])
def test_no_connection_of_a_worker_gets_the_number_of_a_standard_stream_that_was_closed(closed):
    """It would be read as the starter's, written to as a log, and the loop does not close it."""
    ended = run(
        "-c",
        f"import os, stat, sys\nos.close({closed})\nsys.argv = ['sink']\n"
        f"async def serve(worker):\n    os._exit(40 + stat.S_ISCHR(os.fstat({closed}).st_mode))\n"
        "from iqstream.runtime.worker import run_worker\nrun_worker('sink', serve)",
    )
    assert ended.returncode == 41  # a device, and no socket or file of the loop's


def test_a_worker_whose_starter_has_gone_says_so():
    ended = run(
        "-c", "import time; from iqstream.runtime import worker; worker._end_with_parent(); time.sleep(60)", input=""
    )
    assert ended.returncode == 1
    assert "standard input" in ended.stderr


def test_a_worker_that_is_to_stand_by_for_nobody_says_who_starts_those():
    ended = run("-m", "extractor", "--standby", stdin=subprocess.DEVNULL)
    assert (ended.returncode, ended.stderr) == (2, "")
    assert "iqstream extractor" in ended.stdout
