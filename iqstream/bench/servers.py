"""Embedded servers of a bench's own: each can be killed and brought back, each has a proxy in front."""

import asyncio
import contextlib
import subprocess
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import psutil

from iqstream.bench.proxy import Proxy
from iqstream.embedded import stack
from iqstream.embedded.jars import LOCK_FILE, cache_dir, ensure_jars, fetch_with_jgo, read_lock
from iqstream.embedded.kafka import Kafka
from iqstream.embedded.ports import LOOPBACK, choose_ports
from iqstream.embedded.postgres import Postgres
from iqstream.embedded.report import LogReport
from iqstream.embedded.s3 import S3
from iqstream.embedded.server import Server, bring_up
from iqstream.embedded.state import StackState, new_state, open_state_dir, save_state
from iqstream.reach import object_store
from iqstream.runtime.errors import Failed, Unreachable, UserError
from iqstream.runtime.settings import Settings

ServerName: TypeAlias = Literal["kafka", "postgres", "s3"]
START_DEADLINE_S = 90.0


class _ProxiedKafka(Kafka):
    """The broker with a second listener, which tells clients to come through the proxy."""

    port_names = ("client", "controller", "behind")

    def __init__(self, state_dir: Path, state: StackState, jars: list[Path], proxy_port: int) -> None:
        super().__init__(state_dir, state, jars)
        self._proxy_port = proxy_port

    def properties(self, ports: Mapping[str, int]) -> dict[str, str]:
        """Those of the embedded broker, and the second listener."""
        plain = super().properties(ports)
        return plain | {
            "listeners": f"{plain['listeners']},PROXIED://{LOOPBACK}:{ports['behind']}",
            "advertised.listeners": f"{plain['advertised.listeners']},PROXIED://{LOOPBACK}:{self._proxy_port}",
            "listener.security.protocol.map": f"{plain['listener.security.protocol.map']},PROXIED:PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
        }


class BenchServers:
    """Kafka, PostgreSQL and an object store. We reach them directly, stages through the proxies."""

    def __init__(self, path: Path, state: StackState) -> None:
        taken = choose_ports(("kafka", "postgres", "s3"))
        self.proxies: dict[ServerName, Proxy] = {
            "kafka": Proxy(taken["kafka"]),
            "postgres": Proxy(taken["postgres"]),
            "s3": Proxy(taken["s3"]),
        }
        jars = ensure_jars(cache_dir(), read_lock(LOCK_FILE.read_text()), LogReport(), fetch_with_jgo)
        self._path = path
        self._state = state
        self._kafka = _ProxiedKafka(path, state, list(jars), taken["kafka"])
        self._postgres = Postgres(path, state)
        self._s3 = S3(path, state)
        self._servers: dict[ServerName, Server] = {"kafka": self._kafka, "postgres": self._postgres, "s3": self._s3}
        self.restarts_s: dict[ServerName, float] = {}
        """How long each server last took from its start to its first answer."""

    async def start(self, name: ServerName) -> None:
        """Brings a server up on its data; returns when it serves: an object store answers seconds before it stores."""
        began_s = time.monotonic()
        server = self._servers[name]
        await bring_up(server, save=lambda: save_state(self._path, self._state), deadline_s=START_DEADLINE_S)
        target = {"kafka": "behind", "postgres": "client", "s3": "s3"}[name]
        self.proxies[name].target_port = self._state.ports[name][target]
        if name == "s3":
            await _stores(self.settings())
        self.restarts_s[name] = time.monotonic() - began_s

    def processes(self, name: ServerName) -> list[psutil.Process]:
        """A server's process and its children; none while it does not run."""
        process = self._servers[name].running()
        with contextlib.suppress(psutil.NoSuchProcess):
            return [] if process is None else [process, *process.children(recursive=True)]
        return []

    async def kafka_tool(self, name: str, *arguments: str) -> str:
        """Runs one of Kafka's own tools on the broker; returns what it prints.

        Raises:
            Failed: it ends with an error.
        """
        launch = self._kafka.tool(name, *arguments)
        done = await asyncio.to_thread(
            subprocess.run,
            launch.command,
            cwd=launch.cwd,
            env=launch.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Failed(f"{name} ends with {done.returncode}: {done.stderr[-2000:] or done.stdout[-2000:]}")
        return done.stdout

    def kill(self, name: ServerName) -> None:
        """Kill -9 of a server and of its children."""
        family = self.processes(name)
        if not family:
            raise RuntimeError(f"{name} is not running")
        for member in family:
            try:
                member.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(family, timeout=10)

    async def stop(self, name: ServerName) -> None:
        """Ends a server in good order, if it still runs."""
        await asyncio.to_thread(self._servers[name].stop)

    def limit_files(self, name: ServerName, limit_bytes: int | None) -> None:
        """No file of the server may grow beyond the limit, as on a full disk; None lifts that."""
        process = self._servers[name].running()
        if process is None:
            return  # it died of it
        for member in [process, *process.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                _limit_files(member, limit_bytes)

    def settings(self) -> Settings:
        """The direct way to the servers, as they are now."""
        ports = self._state.ports
        return Settings(
            kafka_bootstrap=self._kafka.endpoint(ports["kafka"]),
            postgres_dsn=self._postgres.dsn(ports["postgres"]),
            s3_endpoint=self._s3.endpoint(ports["s3"]),
            s3_access_key=self._state.s3_access_key,
            s3_secret_key=self._state.s3_secret_key,
        )

    def stage_settings(self) -> Settings:
        """The way through the proxies, which stays the same for the bench's life."""
        return replace(
            self.settings(),
            kafka_bootstrap=f"{LOOPBACK}:{self.proxies['kafka'].port}",
            postgres_dsn=self._postgres.dsn({"client": self.proxies["postgres"].port}),
            s3_endpoint=f"{LOOPBACK}:{self.proxies['s3'].port}",
        )


async def _stores(settings: Settings) -> None:
    """Waits until an object can be stored and removed again.

    Raises:
        Unreachable: not within the time that a start may take.
    """
    store = object_store(settings)
    try:
        async with asyncio.timeout(START_DEADLINE_S):
            while True:
                try:
                    await store.ensure_bucket()
                    await store.put_iq("bench", 0, "probe", np.zeros(16, np.complex64))
                    await store.remove_dataset("bench")
                except (Unreachable, Failed):
                    await asyncio.sleep(0.1)
                else:
                    return
    except TimeoutError:
        raise Unreachable(f"the object store stored nothing in {START_DEADLINE_S:.0f} s") from None
    finally:
        store.close()


def _limit_files(process: psutil.Process, limit_bytes: int | None) -> None:
    """The tool, as the process's own account: in a container root may lack the right to limit other accounts.

    Raises:
        UserError: the tool is missing.
    """
    soft = "unlimited" if limit_bytes is None else str(limit_bytes)
    try:
        subprocess.run(
            ["prlimit", f"--pid={process.pid}", f"--fsize={soft}:"],  # noqa: S607  # from the system's packages
            user=process.uids().real,
            group=process.gids().real,
            capture_output=True,
            check=False,  # it may have ended meanwhile
        )
    except FileNotFoundError:
        raise UserError("a full disk is simulated with `prlimit`: install it (package util-linux).") from None


@asynccontextmanager
async def bench_servers(state_dir: Path) -> AsyncIterator[BenchServers]:
    """Servers under a new directory, for as long as the context lasts. Data and logs stay.

    Raises:
        UserError: the directory cannot be used.
        Unreachable: a server does not start; its log is quoted.
    """
    path = open_state_dir(state_dir)
    state = new_state()
    save_state(path, state)
    servers = BenchServers(path, state)
    try:
        for proxy in servers.proxies.values():
            await proxy.open()  # first, so that no server takes its port
        await asyncio.gather(*(servers.start(name) for name in servers.proxies))
        yield servers
    finally:
        for proxy in servers.proxies.values():
            proxy.flow()
            await proxy.refuse()
        await asyncio.to_thread(stack.down, path)
