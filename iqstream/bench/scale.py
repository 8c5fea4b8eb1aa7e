"""What another worker brings, what exactly once costs, and whether a sample costs more in a larger dataset."""

import asyncio
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from iqstream.bench import at_least_once
from iqstream.bench.load import new_dataset, submit_through_outages
from iqstream.bench.long_run import decided_at_least
from iqstream.bench.machine import where_and_when
from iqstream.bench.pipeline import Run, Tell, full_size_spec, running_stages, workers_of
from iqstream.bench.servers import BenchServers, bench_servers
from iqstream.bench.spent import measured
from iqstream.bench.stages import COMMAND, Stages
from iqstream.initialise import initialise
from iqstream.runtime.kafka import admin_client
from iqstream.runtime.offsets import committed_offsets, partition_ends, partition_leaders
from iqstream.runtime.stages import EXTRACTOR, PRODUCER, SINK, STAGES

ONE_OF_EACH: Mapping[str, int] = dict.fromkeys(STAGES, 1)
STARTED_AT_SHARE = 0.2
"""Of a backlog: by then the workers have started and loaded their kernels."""
POLL_S = 0.5


async def measure_scale(
    state_dir: Path, *, samples: int, sizes: Sequence[int], rounds: int, tell: Tell
) -> dict[str, Any]:
    """Returns ratios first: extractors 1 to 2, exactly once over at least once, the largest dataset over the smallest.

    Args:
        state_dir: a new directory; logs and data stay there.
        samples: of a round, but for the sizes.
        sizes: of the datasets that are compared, in samples; they publish features alone, to be done in minutes.
        rounds: in turns; a ratio is the median of the rounds'.
        tell: told a line for everything that happens.

    Raises:
        Failed: a stage ended, or made no progress.
        Unreachable: a server does not start.
    """
    document: dict[str, Any] = {"ratios": {}, **where_and_when(), "samples": samples}
    async with bench_servers(state_dir) as servers:
        await initialise(servers.settings())
        log_path = state_dir / "logs" / "stages.log"
        runs: dict[str, list[Run]] = {"exactly once": [], "at least once": []}
        for number in range(rounds):
            for name, command in (("exactly once", COMMAND), ("at least once", at_least_once.COMMAND)):
                async with running_stages(servers, log_path, ONE_OF_EACH, command) as pipeline:
                    runs[name].append(await pipeline.run(full_size_spec(samples)))
                tell(f"round {number + 1} of {rounds}, {name}: {_line(runs[name][-1])}")
        extractors = {count: await _backlog(servers, log_path, samples, count) for count in (1, 2)}
        tell(f"a backlog by 1 and 2 extractors: {extractors[1][0]:.1f} and {extractors[2][0]:.1f} samples/s")
        by_size: dict[int, Run] = {}
        async with running_stages(servers, log_path, workers_of("features", None), publish="features") as pipeline:
            for size in sizes:
                by_size[size] = await pipeline.run(full_size_spec(size, "features"))
                tell(f"{size} samples: {_line(by_size[size])}")
    pairs = list(zip(runs["exactly once"], runs["at least once"], strict=True))
    document["ratios"] = {
        "exactly once over at least once, samples/s": _median(a.samples_per_s / b.samples_per_s for a, b in pairs),
        "exactly once over at least once, CPU": _median(a.cpu_ms()["all"] / b.cpu_ms()["all"] for a, b in pairs),
        "2 extractors over 1, samples/s": round(extractors[2][0] / extractors[1][0], 2),
        "2 extractors over 1, CPU of a sample": round(extractors[2][1] / extractors[1][1], 2),
    }
    if len(by_size) > 1:
        small, large = by_size[min(by_size)].cpu_ms()["all"], by_size[max(by_size)].cpu_ms()["all"]
        document["ratios"][f"{max(by_size)} samples over {min(by_size)}, CPU of a sample"] = round(large / small, 2)
    document["emission"] = {name: [_figures(run) for run in some] for name, some in runs.items()}
    document["extractors"] = {
        count: {"samples_per_s": round(rate, 1), "extractor_cpu_ms_per_sample": round(ms, 1)}
        for count, (rate, ms) in extractors.items()
    }
    document["sizes"] = {size: _figures(run) for size, run in by_size.items()}
    return document


async def _backlog(servers: BenchServers, log_path: Path, samples: int, extractors: int) -> tuple[float, float]:
    """Samples per second and extractors' CPU milliseconds a sample, of frames that are all there: nobody produces."""
    spec = new_dataset(full_size_spec(samples), "backlog")
    async with Stages(servers.settings(), log_path, {PRODUCER.name: 1}):
        await submit_through_outages(servers.settings, spec)
        await _produced(servers)
    workers = {EXTRACTOR.name: extractors, SINK.name: 1}
    async with Stages(servers.settings(), log_path, workers) as stages:
        begun = await decided_at_least(servers.settings(), spec, stages, round(STARTED_AT_SHARE * samples))
        service = stages.of(EXTRACTOR.name)
        async with measured(lambda: {EXTRACTOR.name: list(service.worker_processes().values())}) as spent:
            ended = await decided_at_least(servers.settings(), spec, stages, samples)
    done = ended - begun
    return done / spent.seconds, 1000 * spent.cpu_s[EXTRACTOR.name] / done


async def _produced(servers: BenchServers) -> None:
    """Waits until the producers have read every shard."""
    async with admin_client(servers.settings()) as admin:
        leaders = await partition_leaders(admin, [PRODUCER.topic])
        while True:
            ends = await partition_ends(admin, leaders)
            committed = await committed_offsets(admin, PRODUCER.group)
            if all(committed.get(partition, 0) >= here.end for partition, here in ends.items()):
                return
            await asyncio.sleep(POLL_S)


def _figures(run: Run) -> dict[str, Any]:
    cost = {part: round(ms, 1) for part, ms in run.cpu_ms().items()}
    peak = {part: round(mib) for part, mib in run.spent.peak_mib.items()}
    return {"samples_per_s": round(run.samples_per_s, 1), "cpu_ms_per_sample": cost, "peak_mib": peak}


def _line(run: Run) -> str:
    return f"{run.samples_per_s:.1f} samples/s, {run.cpu_ms()['all']:.0f} CPU ms a sample"


def _median(values: Iterable[float]) -> float:
    return round(statistics.median(values), 2)
