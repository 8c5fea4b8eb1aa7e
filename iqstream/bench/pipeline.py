"""The whole pipeline on servers of its own, in turns with its kernels alone: what of a machine is signal processing."""

import asyncio
import statistics
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import psutil

from iqstream.bench.broker import measure_broker
from iqstream.bench.campaign import bench_spec
from iqstream.bench.functions import sampled, sampler
from iqstream.bench.kernels import ROOT, KernelsOnAllCores, cores
from iqstream.bench.load import new_dataset, submit_through_outages
from iqstream.bench.long_run import decided_at_least
from iqstream.bench.machine import limits, where_and_when
from iqstream.bench.servers import BenchServers, ServerName, bench_servers
from iqstream.bench.spent import Spent, measured
from iqstream.bench.stages import COMMAND, Stages
from iqstream.bench.tables import CPU, PER_MB, RATE
from iqstream.initialise import initialise
from iqstream.runtime.stages import EXTRACTOR, PRODUCER, SINK
from producer.synthesize import synthesize_sample
from schemas import Capture, DatasetSpec, encode
from schemas.dataset import Publish

WARM_UP_SAMPLES = 60
KERNELS_S = 6.0
FUNCTIONS_SHOWN = 12
WEIGHED_SAMPLES = 20
SERVERS: tuple[ServerName, ...] = ("kafka", "postgres", "s3")
Tell = Callable[[str], None]


def full_size_spec(samples: int, publish: Publish = "frames") -> DatasetSpec:
    """The default recordings: seven receivers, 1000 ms at 200 kHz. No IQ is stored."""
    return msgspec.structs.replace(bench_spec(samples), iq_samples=0, capture=Capture(), publish=publish)


def mb_per_sample(spec: DatasetSpec) -> float:
    """Returns the size of a sample's frames on the wire, in MB: a mean, as some are of 8 bits."""
    frames = [frame for index in range(WEIGHED_SAMPLES) for frame in synthesize_sample(spec, index).frames]
    return sum(len(encode(frame)) for frame in frames) / 1e6 / WEIGHED_SAMPLES


def workers_of(publish: Publish, count: int | None) -> dict[str, int]:
    """Returns the workers of each stage: `count` of those that compute signals, or as many as suit this machine.

    Servers and stages share its cores. Where features are published, producers extract, and no extractor runs.
    """
    half = max(1, len(cores()) // 2)
    sinks = {SINK.name: max(1, half // 4)}
    if publish == "features":
        return {PRODUCER.name: count or len(cores())} | sinks
    return dict.fromkeys((PRODUCER.name, EXTRACTOR.name), count or half) | sinks


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A dataset from its submission to its last decided sample."""

    samples: int
    spent: Spent

    @property
    def samples_per_s(self) -> float:
        """Over the whole time."""
        return self.samples / self.spent.seconds

    def cpu_ms(self) -> dict[str, float]:
        """CPU milliseconds a sample by part; `all` is the pipeline's, with `bench` and `others` the machine's."""
        parts = {part: 1000 * cpu_s / self.samples for part, cpu_s in self.spent.cpu_s.items()}
        measured = sum(parts.values())
        others = max(0.0, 1000 * self.spent.machine_cpu_s / self.samples - measured)
        return parts | {"all": measured - parts.get("bench", 0.0), "others": others}


class Pipeline:
    """Servers and stages that run."""

    def __init__(self, servers: BenchServers, stages: Stages) -> None:
        self.servers = servers
        self.stages = stages

    def families(self) -> dict[str, Sequence[psutil.Process]]:
        """The processes by part: workers by their stage, their services together."""
        found: dict[str, Sequence[psutil.Process]] = {
            stage: list(self.stages.of(stage).worker_processes().values()) for stage in self.stages.names
        }
        found["services"] = [
            member
            for stage in self.stages.names
            for member in _without(psutil.Process(self.stages.of(stage).process.pid), found[stage])
        ]
        return found | {name: self.servers.processes(name) for name in SERVERS} | {"bench": [psutil.Process()]}

    async def run(self, spec: DatasetSpec) -> Run:
        """Makes a dataset, and measures that.

        Raises:
            Failed: a stage ended, or nothing was decided for two minutes.
        """
        dataset = new_dataset(spec, "bench")
        async with measured(self.families) as spent:
            await submit_through_outages(self.servers.settings, dataset)
            await decided_at_least(self.servers.settings(), dataset, self.stages, dataset.samples)
        return Run(samples=spec.samples, spent=spent)


def _without(service: psutil.Process, workers: Sequence[psutil.Process]) -> list[psutil.Process]:
    return [one for one in (service, *service.children()) if one not in workers]


@asynccontextmanager
async def running_stages(
    servers: BenchServers,
    log_path: Path,
    workers: Mapping[str, int],
    command: Sequence[str] = COMMAND,
    *,
    publish: Publish = "frames",
) -> AsyncIterator[Pipeline]:
    """Stages on the servers, warm: their kernels are loaded and the broker knows them."""
    async with Stages(servers.settings(), log_path, workers, command) as stages:
        pipeline = Pipeline(servers, stages)
        await pipeline.run(full_size_spec(WARM_UP_SAMPLES, publish))
        yield pipeline


async def measure_pipeline(
    state_dir: Path,
    *,
    samples: int,
    rounds: int,
    workers: Mapping[str, int],
    publish: Publish,
    baseline: Path | None,
    functions: bool,
    tell: Tell,
) -> dict[str, Any]:
    """Runs pipeline and kernels in turns; returns ratios first, then what they are made of.

    Args:
        state_dir: a new directory; logs and data stay there.
        samples: of a round.
        rounds: at least 1; figures are medians.
        workers: by stage, as `workers_of` has them.
        publish: of the datasets.
        baseline: a checkout whose kernels are run; None: those of this one.
        functions: whether to sample the functions of the workers, in a round of its own.
        tell: told a line for everything that happens.

    Raises:
        UserError: the checkout or the sampler is missing.
        Failed: a stage ended, or made no progress.
        Unreachable: a server does not start.
    """
    if functions:
        sampler()
    document: dict[str, Any] = {"ratios": {}, **where_and_when(), "publish": publish, "samples": samples}
    document["workers"] = dict(workers)
    document["limits"] = limits(state_dir)
    spec = full_size_spec(samples, publish)
    async with bench_servers(state_dir) as servers:
        await initialise(servers.settings())
        log_path = state_dir / "logs" / "stages.log"
        async with (
            KernelsOnAllCores(baseline or ROOT) as kernels,
            running_stages(servers, log_path, workers, publish=publish) as pipeline,
        ):
            runs: list[Run] = []
            alone: list[tuple[float, float]] = []
            for number in range(rounds):
                alone.append(await kernels.run(KERNELS_S))
                runs.append(await pipeline.run(spec))
                tell(
                    f"round {number + 1} of {rounds}: {runs[-1].samples_per_s:.1f} samples/s, kernels "
                    f"{alone[-1][0]:.1f}; {runs[-1].cpu_ms()['all']:.0f} CPU ms a sample, kernels {alone[-1][1]:.0f}"
                )
            document |= summary(runs, alone, kernels_of="here" if baseline is None else baseline.name)
            if publish == "frames":
                document["mb_per_sample"] = round(mb_per_sample(spec), 2)
                document[PER_MB] = round(document["cpu_ms_per_sample"]["kafka"] / document["mb_per_sample"], 2)
            if functions:
                document["functions_cpu_ms"] = await _functions(pipeline, spec, state_dir)
            tell("the broker by Kafka's own tools")
            document["broker_by_its_tools"] = await measure_broker(servers)
    return document


def summary(runs: Sequence[Run], alone: Sequence[tuple[float, float]], *, kernels_of: str) -> dict[str, Any]:
    """Returns the figures of runs and of the kernels' rounds beside them: ratios by round, then medians."""
    rates = [run.samples_per_s for run in runs]
    costs = [run.cpu_ms() for run in runs]
    pairs = list(zip(runs, costs, alone, strict=True))
    median = statistics.median
    parts = {part: round(median(cost[part] for cost in costs), 1) for part in costs[0]}
    kernels_ms = median(ms for _, ms in alone)
    return {
        "ratios": {
            RATE: round(median(run.samples_per_s / one[0] for run, _, one in pairs), 3),
            CPU: round(median(one[1] / cost["all"] for _, cost, one in pairs), 3),
        },
        "kernels_of": kernels_of,
        "samples_per_s": {"pipeline": round(median(rates), 1), "kernels": round(median(rate for rate, _ in alone), 1)},
        "cpu_ms_per_sample": parts
        | {"kernels": round(kernels_ms, 1), "overhead": round(median(c["all"] - o[1] for _, c, o in pairs), 1)},
        "broker_threads_cpu_ms": _threads(runs, "kafka"),
        "peak_mib": {
            part: round(max(run.spent.peak_mib.get(part, 0.0) for run in runs)) for part in runs[0].spent.peak_mib
        },
    }


def _threads(runs: Sequence[Run], part: str) -> dict[str, float]:
    """Milliseconds a sample by kind of thread, of those that count."""
    kinds = {kind for run in runs for kind in run.spent.threads_cpu_s[part]}
    each = {
        kind: 1000 * statistics.fmean(run.spent.threads_cpu_s[part].get(kind, 0.0) / run.samples for run in runs)
        for kind in kinds
    }
    return {kind: round(ms, 1) for kind, ms in sorted(each.items(), key=lambda item: -item[1]) if ms >= 0.05}


async def _functions(pipeline: Pipeline, spec: DatasetSpec, folder: Path) -> dict[str, dict[str, float]]:
    """Milliseconds a sample of the functions of each stage's workers: their sum is the stage's CPU."""
    stages = {stage: pipeline.families()[stage] for stage in pipeline.stages.names}
    pids = [process.pid for processes in stages.values() for process in processes]
    before = await pipeline.run(spec)
    sampling = asyncio.create_task(sampled(pids, before.spent.seconds, folder))
    run = await pipeline.run(spec)
    counts = await sampling
    found: dict[str, dict[str, float]] = {}
    for stage, processes in stages.items():
        together = sum((counts[process.pid] for process in processes), Counter[str]())
        each = run.cpu_ms()[stage] / max(1, together.total())
        shown = dict(together.most_common(FUNCTIONS_SHOWN))
        rest = together.total() - sum(shown.values())
        found[stage] = {name: round(count * each, 2) for name, count in (*shown.items(), ("the rest", rest))}
    return found
