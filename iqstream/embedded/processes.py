"""Start servers that outlive the command, find exactly these again, and stop them."""

import contextlib
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
import psutil

# Boot time, from which the kernel's start times are counted, moves a little when the clock is adjusted.
_START_TOLERANCE_S = 3.0

# What servers write is for nobody else; SeaweedFS, for one, copies its options with the password in them.
_PRIVATE_UMASK = 0o077

Owns = Callable[[Sequence[str]], bool]


class ProcessRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A process that was started: its id says who it is only together with its start time and its command."""

    pid: int
    started_at_s: float


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """The account that a server runs under, if not ours; `prefix` is a command that runs the rest of the line so."""

    uid: int
    gid: int
    prefix: tuple[str, ...] = ()


def spawn(
    command: Sequence[str],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    log_path: Path,
    account: Account | None = None,
) -> ProcessRecord:
    """Start a server in a session of its own, both outputs appended to the log.

    Nothing reaches it from our terminal: neither Ctrl-C nor a hang-up. It inherits no descriptor but its log.
    """
    child = _popen(command, cwd, environment, log_path, account, detached=True)
    record = ProcessRecord(pid=child.pid, started_at_s=psutil.Process(child.pid).create_time())
    # It is meant to stay when the handle goes: without a return code the handle warns of a forgotten child.
    child.returncode = 0
    return record


def run_once(
    command: Sequence[str],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    log_path: Path,
    account: Account | None = None,
    timeout_s: float = 60.0,
) -> int:
    """Run a command to its end, its output appended to the log; returns its exit code, -9 after the timeout."""
    with _popen(command, cwd, environment, log_path, account, detached=False) as child:
        try:
            return child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            child.kill()
            return child.wait()


def find(record: ProcessRecord, owns: Owns) -> psutil.Process | None:
    """Returns the recorded process if it is running and is still the one that was started."""
    try:
        process = psutil.Process(record.pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            _reap(process)
            return None
        same_start = abs(process.create_time() - record.started_at_s) <= _START_TOLERANCE_S
        return process if same_start and owns(process.cmdline()) else None
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None


def is_alive(record: ProcessRecord) -> bool:
    """Whether a process started a moment ago still runs (its command may not have replaced ours yet)."""
    try:
        process = psutil.Process(record.pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            _reap(process)
            return False
        return abs(process.create_time() - record.started_at_s) <= _START_TOLERANCE_S
    except psutil.NoSuchProcess:
        return False


def leftovers(belongs: Callable[[psutil.Process], bool]) -> Iterator[psutil.Process]:
    """Processes of one of our servers, recorded or not: those that a killed start or a killed server left."""
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and belongs(process):
                yield process
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue


def stop(process: psutil.Process, steps: Sequence[tuple[signal.Signals, float]]) -> None:
    """End a process and all its descendants; returns when none is left.

    Args:
        process: what `find` or `leftovers` returned.
        steps: signals to send in turn, each with the seconds to wait for the end; SIGKILL follows by itself.
    """
    family = [process]
    with contextlib.suppress(psutil.NoSuchProcess):
        family += process.children(recursive=True)
    for number, patience_s in steps:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)
            process.send_signal(signal.SIGCONT)  # a stopped process would not see the signal
        with contextlib.suppress(psutil.TimeoutExpired):
            process.wait(patience_s)
            break
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            if member.is_running() and member.status() != psutil.STATUS_ZOMBIE:
                member.kill()
    _, alive = psutil.wait_procs(family, timeout=10)
    for member in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            if member.status() == psutil.STATUS_ZOMBIE:
                continue  # dead; its parent, which is not us, has not asked for the exit code
            raise OSError(f"process {member.pid} does not end, even by SIGKILL")


def resident_mib(process: psutil.Process) -> float:
    """Resident memory of a process and its descendants in MiB; shared pages count for each of them."""
    total = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        for member in [process, *process.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                total += member.memory_info().rss
    return total / 2**20


def _popen(
    command: Sequence[str],
    cwd: Path,
    environment: Mapping[str, str],
    log_path: Path,
    account: Account | None,
    *,
    detached: bool,
) -> subprocess.Popen[bytes]:
    direct = account if account is not None and not account.prefix else None
    with log_path.open("ab") as log:
        return subprocess.Popen(
            [*(account.prefix if account else ()), *command],
            cwd=cwd,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=detached,
            umask=_PRIVATE_UMASK,
            user=direct.uid if direct else None,
            group=direct.gid if direct else None,
            extra_groups=[] if direct else None,
        )


def _reap(process: psutil.Process) -> None:
    """Collect the exit code if the zombie is our own child; anyone else's is its parent's business."""
    with contextlib.suppress(psutil.TimeoutExpired, psutil.NoSuchProcess):
        process.wait(0)
