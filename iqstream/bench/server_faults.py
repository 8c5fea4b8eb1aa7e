"""Faults of the servers and of the way to them, and a record that the broker refuses."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import msgspec

from iqstream.bench.ground import GO_ON_DEADLINE_S, POLL_S, Fault, Ground, Recovery, gone_on, now_s
from iqstream.bench.load import new_dataset, submit_through_outages
from iqstream.bench.servers import ServerName
from iqstream.bench.watch import Away
from iqstream.catalogue.connection import Session, connect
from iqstream.catalogue.counts import iq_samples_saved
from iqstream.catalogue.datasets import Dataset, get_dataset
from iqstream.runtime.errors import Failed
from iqstream.runtime.stages import SINK, STAGES
from schemas import Capture, DatasetSpec

FULL_BYTES = 256 * 1024
TOO_LARGE = Capture(capture_ms=1000)
"""As cf32_le this is 1.6 MB a frame: over the broker's limit."""


async def kill_server(name: ServerName, ground: Ground, fault: Fault) -> Recovery:
    """Kill -9 of a server, and its restart on its data after a while."""
    began_s = now_s()
    await asyncio.to_thread(ground.servers.kill, name)
    await asyncio.sleep(fault.hold_s)
    await ground.servers.start(name)
    return await _server_gone_on(name, ground, fault, down_s=now_s() - began_s)


async def stop_server(name: ServerName, ground: Ground, fault: Fault) -> Recovery:
    """A server ended in good order, as for an upgrade, and its restart on its data after a while."""
    began_s = now_s()
    await ground.servers.stop(name)
    await asyncio.sleep(fault.hold_s)
    await ground.servers.start(name)
    return await _server_gone_on(name, ground, fault, down_s=now_s() - began_s)


async def fill_disk(name: ServerName, ground: Ground, fault: Fault) -> Recovery:
    """No file of the server can grow, as on a full disk; then there is room again, and it is restarted."""
    began_s = now_s()
    await asyncio.to_thread(ground.servers.limit_files, name, FULL_BYTES)
    await asyncio.sleep(fault.hold_s)
    await asyncio.to_thread(ground.servers.limit_files, name, None)
    await ground.servers.stop(name)
    await ground.servers.start(name)
    return await _server_gone_on(name, ground, fault, down_s=now_s() - began_s)


async def refuse_connections(name: ServerName, ground: Ground, fault: Fault) -> Recovery:
    """Connections break, and new ones are refused for a while."""
    await ground.servers.proxies[name].refuse()
    await asyncio.sleep(fault.hold_s)
    await ground.servers.proxies[name].open()
    return await _server_gone_on(name, ground, fault, down_s=fault.hold_s)


async def slow_connections(name: ServerName, ground: Ground, fault: Fault) -> Recovery:
    """Every chunk of data takes 150 ms more."""
    ground.servers.proxies[name].delay_s = 0.15
    await asyncio.sleep(fault.hold_s)
    ground.servers.proxies[name].flow()
    return await _server_gone_on(name, ground, fault, down_s=fault.hold_s)


async def silent_connections(name: ServerName, ground: Ground, fault: Fault) -> Recovery:
    """Connections stand but carry nothing, as when a network is cut."""
    ground.servers.proxies[name].silence()
    await asyncio.sleep(fault.hold_s)
    ground.servers.proxies[name].flow()
    return await _server_gone_on(name, ground, fault, down_s=fault.hold_s)


async def refused_record(ground: Ground, fault: Fault) -> Recovery:
    """A dataset whose frames the broker refuses: its samples must fail, be counted, and hold up nobody."""
    began_s = now_s()
    spec = new_dataset(
        msgspec.structs.replace(ground.spec, samples=2, datatype="cf32_le", capture=TOO_LARGE), "too large"
    )
    await submit_through_outages(ground.servers.settings, spec)
    async with asyncio.timeout(GO_ON_DEADLINE_S):
        while (row := await _dataset(ground, spec)) is None or row.status != "complete":
            await asyncio.sleep(POLL_S)
    if row.failed != spec.samples:
        raise Failed(f"{row.failed} of {spec.samples} samples failed, although the broker rejects all of their frames")
    return Recovery(kind=fault.kind, down_s=0.0, recovery_s=now_s() - began_s)


async def _server_gone_on(name: ServerName, ground: Ground, fault: Fault, *, down_s: float) -> Recovery:
    if name == "s3":
        began_s = now_s()
        await _something_saved(ground)
        return Recovery(kind=fault.kind, down_s=down_s, recovery_s=now_s() - began_s)
    concerned = tuple(STAGES) if name == "kafka" else (SINK.name,)
    partitions = [partition for stage in concerned for partition in ground.watch.partitions(stage)]
    return await gone_on(ground, fault, partitions, down_s=down_s, idle_counts=name == "kafka")


async def _something_saved(ground: Ground) -> None:
    """Waits until the IQ of one sample more is stored."""
    before = None
    async with asyncio.timeout(GO_ON_DEADLINE_S):
        while True:
            with contextlib.suppress(*Away):
                async with _database(ground) as connection:
                    saved = await iq_samples_saved(connection)
                if before is not None and saved > before:
                    return
                before = saved if before is None else before
            await asyncio.sleep(POLL_S)


async def _dataset(ground: Ground, spec: DatasetSpec) -> Dataset | None:
    with contextlib.suppress(*Away):
        async with _database(ground) as connection:
            return await get_dataset(connection, spec.dataset_id, spec.dataset_version)
    return None


@contextlib.asynccontextmanager
async def _database(ground: Ground) -> AsyncIterator[Session]:
    connection = await connect(ground.servers.settings().postgres_dsn, timeout_s=5, command_timeout=5)
    try:
        yield connection
    finally:
        connection.terminate()
