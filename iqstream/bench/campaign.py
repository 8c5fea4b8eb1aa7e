"""Runs a plan of faults against the whole pipeline, and proves that the stored data did not change."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from iqstream.bench.digest import dataset_digest
from iqstream.bench.faults import KINDS
from iqstream.bench.ground import Fault, Ground, Recovery
from iqstream.bench.load import Load
from iqstream.bench.plan import Step
from iqstream.bench.servers import BenchServers, bench_servers
from iqstream.bench.stages import COMMAND, Stages
from iqstream.bench.verify import Verdict, verify
from iqstream.bench.watch import Watch
from iqstream.initialise import initialise
from iqstream.runtime.errors import Failed
from iqstream.runtime.settings import Settings
from iqstream.runtime.stages import STAGES
from producer.version import GENERATOR_VERSION
from schemas import Capture, DatasetSpec

log = logging.getLogger(__name__)

WORKERS = dict.fromkeys(STAGES, 2)
SAMPLES = 30
SAMPLES_IN_FLIGHT = 120
SUBMIT_EVERY_S = 2.0

Tell = Callable[[str], None]


def bench_spec(samples: int = SAMPLES) -> DatasetSpec:
    """Recordings of 100 ms, so that the cores of a small machine serve processes rather than signals."""
    return DatasetSpec(
        dataset_id="00000000-0000-4000-8000-000000000000",
        name="bench",
        samples=samples,
        generator_version=GENERATOR_VERSION,
        seed=5,
        iq_samples=max(4, samples // 4),
        capture=Capture(capture_ms=100, chunk_ms=20),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignResult:
    """The result of a plan."""

    seed: int
    steps: Sequence[Sequence[Recovery]]
    """As planned; a step has two where two faults came at once."""
    verdict: Verdict
    moved_back: Sequence[str]
    """Positions that were seen to move back."""
    done_again: Sequence[str] = ()
    """Positions that went back over a batch whose abort the broker had forgotten."""
    seconds: float

    def problems(self) -> list[str]:
        """Returns what is wrong, one sentence each; nothing if the faults changed nothing."""
        back = [f"a position moved back: {one}" for one in self.moved_back]
        return self.verdict.problems() + back


async def run_campaign(
    state_dir: Path,
    steps: Sequence[Step],
    *,
    seed: int,
    tell: Tell,
    spec: DatasetSpec | None = None,
    command: Sequence[str] = COMMAND,
) -> CampaignResult:
    """Starts servers and stages, makes a dataset undisturbed, then the same one again and again under faults.

    Args:
        state_dir: a new directory; logs and data stay there.
        steps: the plan.
        seed: that it was made from.
        tell: told a line for everything that happens.
        spec: of the dataset.
        command: what starts a stage's service, without the stage's name.

    Raises:
        Failed: a stage did not go on, ended by itself, or a dataset never completed.
        Unreachable: a server does not start.
    """
    async with bench_servers(state_dir) as servers:
        await initialise(servers.settings())
        log_path = state_dir / "logs" / "stages.log"
        return await disturb(servers, log_path, steps, seed=seed, tell=tell, spec=spec or bench_spec(), command=command)


async def disturb(
    servers: BenchServers,
    log_path: Path,
    steps: Sequence[Step],
    *,
    seed: int,
    tell: Tell,
    spec: DatasetSpec,
    command: Sequence[str] = COMMAND,
) -> CampaignResult:
    """`run_campaign` on servers that run; the stages log to `log_path`."""
    began_s = time.monotonic()
    async with Stages(servers.stage_settings(), log_path, WORKERS, command) as stages:
        undisturbed = await _undisturbed(servers.settings, spec, tell)
        load = Load(servers.settings, spec, in_flight=SAMPLES_IN_FLIGHT, every_s=SUBMIT_EVERY_S)
        async with Watch(servers.settings).running() as watch:
            async with load.running():
                ground = Ground(servers=servers, stages=stages, watch=watch, spec=spec)
                recoveries = [await _run_step(ground, step, tell) for step in steps]
            tell(f"no more faults: waiting for the rest of {len(load.specs)} datasets")
            await load.all_complete()
            _require_alive(stages)
            moved_back, done_again = tuple(watch.moved_back), tuple(watch.done_again)
    tell(f"reading back {load.samples} samples")
    verdict = await verify(servers.settings(), load.specs, undisturbed)
    return CampaignResult(
        seed=seed,
        steps=recoveries,
        verdict=verdict,
        moved_back=moved_back,
        done_again=done_again,
        seconds=time.monotonic() - began_s,
    )


async def _undisturbed(settings: Callable[[], Settings], spec: DatasetSpec, tell: Tell) -> Mapping[bool, str]:
    """Digests of a dataset of either kind, by whether it has time differences."""
    tell(f"twice {spec.samples} samples undisturbed, to compare with")
    load = Load(settings, spec, in_flight=0, every_s=0.0)
    for _ in range(2):
        await load.submit_another()
    await load.all_complete()
    return {made.pairs: await dataset_digest(settings(), made.dataset_id) for made in load.specs}


async def _run_step(ground: Ground, step: Step, tell: Tell) -> list[Recovery]:
    recoveries = list(await asyncio.gather(*(_run_fault(ground, fault, tell) for fault in step)))
    _require_alive(ground.stages)
    return recoveries


async def _run_fault(ground: Ground, fault: Fault, tell: Tell) -> Recovery:
    try:
        recovery = await KINDS[fault.kind].inject(ground, fault)
    except (Failed, TimeoutError) as error:
        problem = str(error) or "not over in time"
        raise Failed(
            f"after `{fault.kind}`: {problem}. The stages' log, {ground.stages.log_path}, ends:\n"
            f"{ground.stages.last_words()}"
        ) from error
    tell(f"{fault.kind}: on again after {recovery.recovery_s:.1f} s")
    return recovery


def _require_alive(stages: Stages) -> None:
    if stages.unasked:
        raise Failed(f"{'; '.join(stages.unasked)}. The log, {stages.log_path}, ends:\n{stages.last_words()}")
