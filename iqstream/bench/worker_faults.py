"""Faults of a stage's processes: killed, frozen, restarted, more or fewer of them."""

import asyncio
import contextlib
from collections.abc import Collection

import psutil
from aiokafka import TopicPartition

from iqstream.bench.ground import GO_ON_DEADLINE_S, POLL_S, Fault, Ground, Recovery, gone_on, longest_pause, now_s
from iqstream.bench.watch import Away
from iqstream.runtime.errors import Failed
from iqstream.runtime.kafka import SESSION_TIMEOUT_MS
from iqstream.runtime.stages import STAGES
from iqstream.runtime.worker import instance_id


async def kill_worker(stage: str, ground: Ground, fault: Fault) -> Recovery:
    """Kill -9 of one worker process that has something to do."""
    slot, process = await _worker(ground, stage, fault.pick)
    own, others = await _split(ground, stage, slot)
    await ground.watch.has_work(own, deadline_s=GO_ON_DEADLINE_S)
    async with longest_pause(ground.watch, others) as paused:
        with contextlib.suppress(psutil.NoSuchProcess):  # another fault of this moment ended it
            process.kill()
        return await gone_on(ground, fault, own, paused=paused)


async def freeze_worker(stage: str, ground: Ground, fault: Fault) -> Recovery:
    """SIGSTOP past the session timeout, so that others take over; then SIGCONT: a zombie that believes it is alive."""
    slot, process = await _worker(ground, stage, fault.pick)
    own, others = await _split(ground, stage, slot)
    began_s = now_s()
    with contextlib.suppress(psutil.NoSuchProcess):
        process.suspend()
    try:
        async with longest_pause(ground.watch, others) as paused:
            recovery = await gone_on(ground, fault, own, paused=paused)
            await asyncio.sleep(max(0.0, SESSION_TIMEOUT_MS / 1000 + fault.hold_s - (now_s() - began_s)))
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.resume()
    await ground.watch.went_on(ground.watch.partitions(stage), deadline_s=GO_ON_DEADLINE_S)
    return recovery


async def kill_stage(stage: str, ground: Ground, fault: Fault) -> Recovery:
    """Kill -9 of a stage's service and all its workers at once; a new service is started at once."""
    await ground.watch.has_work(ground.watch.partitions(stage), deadline_s=GO_ON_DEADLINE_S)
    ground.stages.kill_service(stage)
    return await gone_on(ground, fault, ground.watch.partitions(stage))


async def scale_stage(stage: str, ground: Ground, fault: Fault) -> Recovery:
    """A second service of one worker joins and leaves again: two rebalances."""
    began_s = now_s()
    async with longest_pause(ground.watch, ground.watch.partitions(stage)) as paused:
        service = ground.stages.start(stage, workers=1)
        while not service.worker_processes():
            await asyncio.sleep(POLL_S)
        await asyncio.sleep(fault.hold_s)
        code = await ground.stages.stop(service)
        if code != 0:
            raise Failed(f"an added {stage} ended with exit code {code} on SIGTERM")
        await ground.watch.went_on(ground.watch.partitions(stage), deadline_s=GO_ON_DEADLINE_S)
    return Recovery(kind=fault.kind, down_s=now_s() - began_s, recovery_s=paused.longest_s)


async def restart_stage(stage: str, ground: Ground, fault: Fault) -> Recovery:
    """SIGTERM to a stage's service, which must end with exit code 0, and a new one; unless another fault kills it."""
    began_s = now_s()
    service = ground.stages.of(stage)
    code = await ground.stages.stop(service)
    if not service.killed:
        if code != 0:
            raise Failed(f"the {stage} ended with exit code {code} on SIGTERM")
        ground.stages.start(stage)
    return await gone_on(ground, fault, ground.watch.partitions(stage), down_s=now_s() - began_s)


async def _worker(ground: Ground, stage: str, pick: float) -> tuple[int, psutil.Process]:
    async with asyncio.timeout(GO_ON_DEADLINE_S):
        while not (workers := ground.stages.of(stage).worker_processes()):
            await asyncio.sleep(POLL_S)
    slots = sorted(workers)
    slot = slots[int(pick * len(slots)) % len(slots)]
    return slot, workers[slot]


async def _split(
    ground: Ground, stage: str, slot: int
) -> tuple[Collection[TopicPartition], Collection[TopicPartition]]:
    """Returns the partitions of a worker, and those of the others; all are its own if the broker is silent."""
    everything = ground.watch.partitions(stage)
    try:
        async with asyncio.timeout(2):
            owners = await ground.watch.members(stage)
    except Away:
        return everything, ()
    own = owners.get(instance_id(ground.servers.settings(), STAGES[stage].group, slot), ())
    return (own, [p for p in everything if p not in own]) if own else (everything, ())
