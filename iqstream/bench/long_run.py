"""One large dataset: what a sample costs and how much memory the workers take, from the first thousand to the last."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psutil

from iqstream.bench.campaign import WORKERS, bench_spec
from iqstream.bench.load import new_dataset, submit_through_outages
from iqstream.bench.servers import bench_servers
from iqstream.bench.stages import Stages
from iqstream.bench.watch import Away
from iqstream.catalogue.connection import connect
from iqstream.catalogue.counts import decided
from iqstream.initialise import initialise
from iqstream.runtime.disk import require_free
from iqstream.runtime.errors import Failed
from iqstream.runtime.settings import Settings
from iqstream.runtime.stages import STAGES
from iqstream.submit.room import needed_bytes
from schemas import Capture, DatasetKey, DatasetSpec
from schemas.dataset import Publish

IQ_SAMPLES = 100
POLL_S = 0.5
STUCK_AFTER_S = 120.0
MARKS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How things stood when so many samples were decided."""

    samples: int
    seconds: float
    cpu_s: Mapping[str, float]
    """Spent by a stage's workers since they started."""
    memory_mib: Mapping[str, float]
    """Resident, of the stage's largest worker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LongRun:
    """Marks at equal distances, the first one before any sample."""

    marks: Sequence[Mark]

    def cpu_ms_per_sample(self, number: int, stage: str) -> float:
        """Between the mark before `number` and that one."""
        before, mark = self.marks[number - 1], self.marks[number]
        return 1000 * (mark.cpu_s[stage] - before.cpu_s[stage]) / (mark.samples - before.samples)

    def growth(self) -> float:
        """Cost of a sample in the last part over that in the second: the first includes loading kernels."""
        last, early = len(self.marks) - 1, min(2, len(self.marks) - 1)
        return sum(self.cpu_ms_per_sample(last, s) for s in STAGES) / sum(
            self.cpu_ms_per_sample(early, s) for s in STAGES
        )

    def memory_growth_mib(self) -> float:
        """By how much the worker that grew most is larger at the end than after the second part, when all is loaded."""
        end, early = self.marks[-1].memory_mib, self.marks[min(2, len(self.marks) - 1)].memory_mib
        return max(end[stage] - early[stage] for stage in end)

    def markdown(self) -> str:
        """A line a mark."""
        head = "| samples | samples/s | " + " | ".join(f"{stage}, CPU ms a sample" for stage in STAGES)
        head += " | " + " | ".join(f"{stage}, MiB" for stage in STAGES) + " |"
        lines = [head, "|---:" * (2 + 2 * len(STAGES)) + "|"]
        for number in range(1, len(self.marks)):
            before, mark = self.marks[number - 1], self.marks[number]
            rate = (mark.samples - before.samples) / (mark.seconds - before.seconds)
            costs = " | ".join(f"{self.cpu_ms_per_sample(number, stage):.2f}" for stage in STAGES)
            memory = " | ".join(f"{mark.memory_mib[stage]:.0f}" for stage in STAGES)
            lines.append(f"| {mark.samples:,} | {rate:.1f} | {costs} | {memory} |")
        end = self.marks[-1]
        summary = (
            f"{end.samples:,} samples in {end.seconds:.0f} s; a sample costs {self.growth():.2f} times as much CPU at "
            f"the end as near the beginning; the largest worker takes {max(end.memory_mib.values()):.0f} MiB, and none "
            f"has grown by more than {max(0.0, self.memory_growth_mib()):.0f} MiB since the second line."
        )
        return "\n".join([*lines, "", summary, ""])


def long_spec(samples: int, publish: Publish) -> DatasetSpec:
    """Recordings of 200 ms, so that many of them fit a disk; of 50 ms where no frames are published."""
    capture_ms = 50 if publish == "features" else 200
    return msgspec.structs.replace(
        bench_spec(samples),
        iq_samples=min(samples, IQ_SAMPLES),
        capture=Capture(capture_ms=capture_ms, chunk_ms=capture_ms),
        publish=publish,
    )


async def long_run(state_dir: Path, samples: int, publish: Publish, tell: Callable[[str], None]) -> LongRun:
    """Makes one dataset on servers of its own and takes a mark at every tenth of it.

    Raises:
        UserError: not enough room on the disk.
        Failed: a stage ended, or nothing was decided for two minutes.
        Unreachable: a server does not start.
    """
    spec = new_dataset(long_spec(samples, publish), "long run")
    require_free(state_dir, needed_bytes(spec))
    async with bench_servers(state_dir) as servers:
        await initialise(servers.settings())
        async with Stages(servers.settings(), state_dir / "logs" / "stages.log", WORKERS) as stages:
            await submit_through_outages(servers.settings, spec)
            began_s = time.monotonic()
            marks = [_mark(stages, 0, 0.0)]
            for number in range(1, MARKS + 1):
                reached = await decided_at_least(servers.settings(), spec, stages, number * samples // MARKS)
                marks.append(_mark(stages, reached, time.monotonic() - began_s))
                tell(f"{reached} of {samples} samples decided")
    return LongRun(marks=marks)


async def decided_at_least(settings: Settings, spec: DatasetSpec, stages: Stages, wanted: int) -> int:
    """Waits until so many samples of a dataset are decided; returns how many are.

    Raises:
        Failed: a stage ended, or nothing was decided for two minutes.
    """
    clock = time.monotonic
    moved_s, before = clock(), -1
    connection = await connect(settings.postgres_dsn)
    try:
        while True:
            with contextlib.suppress(*Away):
                found = await decided(connection, DatasetKey(spec.dataset_id, spec.dataset_version))
                samples = 0 if found is None else found.samples
                if samples >= wanted:
                    return samples
                if samples != before:
                    moved_s, before = clock(), samples
            if stages.unasked or clock() - moved_s > STUCK_AFTER_S:
                problem = "; ".join(stages.unasked) or f"nothing decided in {STUCK_AFTER_S:.0f} s"
                raise Failed(f"{problem}. The log, {stages.log_path}, ends:\n{stages.last_words()}")
            await asyncio.sleep(POLL_S)
    finally:
        await connection.close()


def _mark(stages: Stages, samples: int, seconds: float) -> Mark:
    cpu_s: dict[str, float] = {}
    memory: dict[str, float] = {}
    for stage in STAGES:
        cpu_s[stage], memory[stage] = 0.0, 0.0
        for worker in stages.of(stage).worker_processes().values():
            with contextlib.suppress(psutil.NoSuchProcess):
                times = worker.cpu_times()
                cpu_s[stage] += times.user + times.system
                memory[stage] = max(memory[stage], worker.memory_info().rss / 2**20)
    return Mark(samples=samples, seconds=seconds, cpu_s=cpu_s, memory_mib=memory)
