"""What a run spends: CPU by process, by thread of a server, and the most memory that a process holds."""

import asyncio
import contextlib
import os
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import psutil

from iqstream.bench.machine import busy_s

LOOK_EVERY_S = 2.0

Families: TypeAlias = Callable[[], Mapping[str, Sequence[psutil.Process]]]
"""Returns the processes of each part of the pipeline."""


@dataclass(slots=True)
class Spent:
    """CPU seconds and memory between two moments."""

    seconds: float = 0.0
    cpu_s: dict[str, float] = field(default_factory=dict)
    """By part."""
    machine_cpu_s: float = 0.0
    """Of all processes of the machine, those that are not ours included."""
    threads_cpu_s: dict[str, dict[str, float]] = field(default_factory=dict)
    """By part and kind of thread, where the system names them."""
    peak_mib: dict[str, float] = field(default_factory=dict)
    """Resident, of the part's largest process."""


@dataclass(frozen=True, slots=True)
class _Reading:
    at_s: float
    cpu_s: Mapping[str, float]
    threads: Mapping[str, Mapping[tuple[int, str], float]]
    machine_s: float


@asynccontextmanager
async def measured(families: Families) -> AsyncIterator[Spent]:
    """Fills in what was spent when the context ends."""
    spent = Spent()
    before = _read(families())
    looking = asyncio.create_task(_look_at_memory(families, spent))
    try:
        yield spent
    finally:
        looking.cancel()
    after = _read(families())
    spent.seconds = after.at_s - before.at_s
    spent.machine_cpu_s = after.machine_s - before.machine_s
    spent.cpu_s = {part: cpu_s - before.cpu_s.get(part, 0.0) for part, cpu_s in after.cpu_s.items()}
    for part, threads in after.threads.items():
        kinds: defaultdict[str, float] = defaultdict(float)
        for (number, kind), cpu_s in threads.items():
            kinds[kind] += cpu_s - before.threads.get(part, {}).get((number, kind), 0.0)
        spent.threads_cpu_s[part] = dict(kinds)


def _read(families: Mapping[str, Sequence[psutil.Process]]) -> _Reading:
    cpu_s: dict[str, float] = {}
    threads: dict[str, dict[tuple[int, str], float]] = {}
    for part, processes in families.items():
        cpu_s[part], threads[part] = 0.0, {}
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                # A process that has ended is in its parent's `children_*`: PostgreSQL ends one with each connection.
                cpu_s[part] += times.user + times.system + times.children_user + times.children_system
                threads[part] |= _threads_s(process.pid)
    return _Reading(time.monotonic(), cpu_s, threads, busy_s())


def _threads_s(pid: int) -> dict[tuple[int, str], float]:
    found = {}
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                before, _, after = (task / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")
                user, system = after.split()[11:13]
                name = before.partition("(")[2].rstrip("-0123456789")
                found[int(task.name), name] = (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    return found


async def _look_at_memory(families: Families, spent: Spent) -> None:
    while True:
        for part, processes in families().items():
            for process in processes:
                with contextlib.suppress(psutil.NoSuchProcess):
                    mib = process.memory_info().rss / 2**20
                    spent.peak_mib[part] = max(mib, spent.peak_mib.get(part, 0.0))
        await asyncio.sleep(LOOK_EVERY_S)
