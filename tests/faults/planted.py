"""Runs of the fault harness against stages with a planted bug, on servers that all of them share."""

import asyncio
import os
import signal
import sys
from uuid import uuid4

from iqstream.bench import ground, load, server_faults, worker_faults
from iqstream.bench.campaign import bench_spec, disturb
from iqstream.bench.faults import KINDS, Kind
from iqstream.bench.ground import Fault, Recovery, gone_on, now_s
from iqstream.catalogue.dataset_status import set_status
from iqstream.catalogue.datasets import list_datasets
from iqstream.reach import postgres_pool
from iqstream.runtime.errors import Failed
from iqstream.runtime.kafka import SESSION_TIMEOUT_MS

SAMPLES = 40


class Planted:
    """What the harness says of stages with a bug."""

    def __init__(self, servers, folder, monkeypatch):
        self.servers = servers
        self.folder = folder
        self.monkeypatch = monkeypatch

    async def problems(self, *kinds, bug="none", condition="none"):
        """Of a run with these faults, one after the other; a run that cannot end is a problem, too."""
        freeze = self.folder / f"freeze-{uuid4().hex[:8]}"
        self.monkeypatch.setenv("PLANTED_FREEZE", str(freeze))
        for stage in ("extractor", "sink"):
            name = f"{stage} frozen in mid-batch"
            self.monkeypatch.setitem(KINDS, name, Kind(weight=1, hold_s=(0, 0), inject=freezer(stage, freeze)))
        name = "sink killed between interleaved samples"
        self.monkeypatch.setitem(KINDS, name, Kind(weight=1, hold_s=(0, 0), inject=killer("sink", freeze)))
        for module in (ground, server_faults, worker_faults):
            self.monkeypatch.setattr(module, "GO_ON_DEADLINE_S", 120.0 if bug == "none" else 60.0)
        self.monkeypatch.setattr(load, "STUCK_AFTER_S", 90.0 if bug == "none" else 40.0)
        steps = [(Fault(kind=kind, pick=0.5, hold_s=1.0),) for kind in kinds]
        try:
            result = await disturb(
                self.servers,
                self.folder / f"{bug}-{condition}.log",
                steps,
                seed=0,
                tell=print,
                spec=bench_spec(SAMPLES),
                command=(sys.executable, "-m", "tests.faults.planted_service", bug, condition),
            )
        except Failed as error:
            return [str(error)]
        finally:
            await self.cancel_everything()
        return result.problems()

    async def cancel_everything(self):
        """Leaves nothing for the next run to do."""
        async with postgres_pool(self.servers.settings()) as pool:
            for dataset in await list_datasets(pool):
                await set_status(pool, dataset.id, dataset.version, "cancelled")


async def the_one_that_met_it(stage, place):
    """Asks the stage's workers for the moment that they were prepared for; the process id of the first that met it."""
    place.with_suffix(f".{stage}").touch()
    async with asyncio.timeout(120):
        while not (met := list(place.parent.glob(f"{place.name}.frozen-*"))):
            await asyncio.sleep(0.05)
    met[0].unlink()
    return int(met[0].name.rpartition("-")[2])


def killer(stage, place):
    """A fault: a worker of the stage kills itself when the moment has come."""

    async def kill(ground, fault) -> Recovery:
        await the_one_that_met_it(stage, place)
        return await gone_on(ground, fault, ground.watch.partitions(stage))

    return kill


def freezer(stage, place):
    """A fault: a worker of the stage stops itself in the middle of a batch; when others have taken over it goes on."""

    async def freeze(ground, fault) -> Recovery:
        pid = await the_one_that_met_it(stage, place)
        began_s = now_s()
        try:
            recovery = await gone_on(ground, fault, ground.watch.partitions(stage))
            await asyncio.sleep(max(0.0, SESSION_TIMEOUT_MS / 1000 + 3 - (now_s() - began_s)))
        finally:
            os.kill(pid, signal.SIGCONT)
        await ground.watch.went_on(ground.watch.partitions(stage), deadline_s=120)
        return recovery

    return freeze
