"""A dataset that grows for minutes while a reader follows it: does the lag stay steady, and all memory bounded?

Run: `python -m benchmarks.continuous [--minutes 10] [--rate 8]`. On embedded servers of its own: one worker of each
stage, `iqstream generate --continuous` and, in this process, a FeatureStream that follows, in recordings of 200 ms.
Prints a Markdown table with a line a minute: samples submitted and read in that minute, how many were between
submission and reader (looked at every second), and the resident memory of each process. Ends with an error unless
every sample was read once.
"""

import argparse
import asyncio
import json
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import psutil
import uvloop

from iqstream.bench.servers import bench_servers
from iqstream.bench.stages import COMMAND, STAGES, StageName, Stages, environment_of
from iqstream.catalogue.datasets import find_dataset
from iqstream.dataset import FeatureStream
from iqstream.initialise import initialise
from iqstream.reach import postgres_pool
from iqstream.runtime.settings import Settings
from iqstream.shards import published_samples

ONE_WORKER: Mapping[StageName, int] = dict.fromkeys(STAGES, 1)
CAPTURE_MS = 200
LOOK_EVERY_S = 1.0
LOOKS_A_MINUTE = 60
ALL_READ_WITHIN_LOOKS = 60


@dataclass(slots=True)
class Minute:
    """What was measured in one minute."""

    submitted: int
    read: int
    between: list[int] = field(default_factory=list)
    memory_mib: dict[str, float] = field(default_factory=dict)


class Follower:
    """Reads a growing dataset to its end, and remembers which samples it got."""

    def __init__(self, settings: Settings, dataset_id: str) -> None:
        self.stream = FeatureStream(dataset_id, end=None, include_rejected=True, settings=settings)
        self.samples: set[int] = set()
        self.doubled = 0

    async def follow(self) -> None:
        async with aclosing(aiter(self.stream)) as samples:
            async for _, _, meta in samples:
                self.doubled += meta["sample_idx"] in self.samples
                self.samples.add(meta["sample_idx"])


@asynccontextmanager
async def generator(settings: Settings, rate: float) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "generate", "--name", "continuous", "--continuous", "--rate", str(rate), "--json",
        "--capture-ms", str(CAPTURE_MS), "--seed", "0", env=environment_of(settings), stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def measure(settings: Settings, stages: Stages, minutes: int, rate: float) -> tuple[int, Follower]:
    async with generator(settings, rate) as service:
        assert service.stdout is not None
        dataset_id = json.loads(await service.stdout.readline())["dataset_id"]
        async with postgres_pool(settings) as pool:
            spec = (await find_dataset(pool, dataset_id)).spec
        follower = Follower(settings, dataset_id)
        following = asyncio.create_task(follower.follow())
        for number in range(1, minutes + 1):
            minute = Minute(await published_samples(settings, spec), len(follower.samples))
            for _ in range(LOOKS_A_MINUTE):
                await asyncio.wait({following}, timeout=LOOK_EVERY_S)
                if following.done():
                    following.result()
                minute.between.append(await published_samples(settings, spec) - len(follower.samples))
            minute.submitted = await published_samples(settings, spec) - minute.submitted
            minute.read = len(follower.samples) - minute.read
            minute.memory_mib = memory_mib(stages, service.pid)
            print(line(number, minute), flush=True)
        service.send_signal(signal.SIGINT)
        await service.wait()
        submitted = await published_samples(settings, spec)
        for _ in range(ALL_READ_WITHIN_LOOKS):
            if len(follower.samples) >= submitted:
                break
            await asyncio.wait({following}, timeout=LOOK_EVERY_S)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        return submitted, follower


def memory_mib(stages: Stages, generator_pid: int) -> dict[str, float]:
    processes = {str(stage): max(stages.of(stage).worker_processes().items())[1] for stage in STAGES}
    processes |= {"generate": psutil.Process(generator_pid), "reader": psutil.Process()}
    return {name: process.memory_info().rss / 2**20 for name, process in processes.items()}


HEAD = (
    "| minute | submitted | read | between: median | most "
    "| producer, MiB | extractor, MiB | sink, MiB | generate, MiB | reader, MiB |\n" + "|---:" * 10 + "|"
)


def line(number: int, minute: Minute) -> str:
    memory = " | ".join(f"{value:.0f}" for value in minute.memory_mib.values())
    figures = f"{minute.submitted} | {minute.read} | {median(minute.between):.0f} | {max(minute.between)}"
    return f"| {number} | {figures} | {memory} |"


async def run(path: Path, minutes: int, rate: float) -> None:
    async with bench_servers(path) as servers:
        settings = servers.settings()
        await initialise(settings)
        async with Stages(settings, path / "logs" / "stages.log", ONE_WORKER) as stages:
            print(HEAD, flush=True)
            submitted, follower = await measure(settings, stages, minutes, rate)
    if follower.doubled or follower.samples != set(range(submitted)):
        sys.exit(f"{submitted} submitted, {len(follower.samples)} read, {follower.doubled} of them twice")
    print(f"\n{submitted:,} samples, each read once.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=10)
    parser.add_argument("--rate", type=float, default=8.0, help="samples per second")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="iqstream-continuous-") as folder:
        uvloop.run(run(Path(folder) / "state", given.minutes, given.rate))
