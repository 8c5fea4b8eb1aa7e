"""Processing a dataset again: plan, begin or go on, publish, wait, report."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from numbers import Integral
from typing import TypeAlias

from extractor.pairs.record import pair_record
from extractor.record import feature_record
from iqstream.catalogue.datasets import Dataset, default_version, find_dataset
from iqstream.catalogue.postgres import Pool
from iqstream.catalogue.replays import begin_replay, replay_outcomes, replayable, require_kept
from iqstream.catalogue.sample_ranges import SampleRanges
from iqstream.replay.job import Show, feature_partitions, frames_ends, run_replay
from iqstream.replay.results import ReplayBegun, Replayed, ReplayPlan
from iqstream.replay.sources import make_plan
from iqstream.runtime.errors import NotFound, UserError
from iqstream.runtime.settings import Settings
from iqstream.shards import submitted_samples
from producer.synthesize import synthesize_sample
from producer.tile_directory import tiles_in

Tell: TypeAlias = Callable[[str], None]
MAX_VERSION = 2**31 - 1
"""What records and tables can hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetReplay:
    """What was asked for."""

    dataset: str
    """Name or id."""
    version: int | None
    """None: its default one."""
    samples: str | None
    """Ranges as they were written; None: all."""
    as_version: int | None


async def plan_replay(settings: Settings, pool: Pool, asked: DatasetReplay, *, tell: Tell) -> ReplayPlan:
    """Counts what a replay will do, and does nothing.

    Raises:
        UserError: there is no such dataset, or it has no such samples.
        Unreachable: Kafka does not answer.
    """
    source, samples = await chosen(settings, pool, asked, tell=tell)
    require_kept(source, as_version=asked.as_version)
    plan = await make_plan(pool, source, samples, await frames_ends(settings))
    return ReplayPlan(
        source=source,
        samples=samples,
        as_version=asked.as_version,
        frames_kept=plan.frames_kept,
        frames_to_synthesize=plan.frames_expired,
        samples_to_generate_again=plan.generated_again,
        missing=tuple(sorted(plan.missing)),
    )


async def replay_dataset(
    settings: Settings,
    pool: Pool,
    asked: DatasetReplay,
    *,
    workers: int,
    tell: Tell,
    on_begin: Callable[[ReplayBegun], None],
    on_progress: Show,
) -> Replayed:
    """Replays; goes on with an interrupted replay of the same samples.

    Raises:
        UserError: no such dataset, samples or free version.
        Unreachable: Kafka does not answer.
        Failed: the replay could not be finished.
    """
    source, samples = await chosen(settings, pool, asked, tell=tell)
    replay, resumed = await begin_replay(
        pool, source, samples, as_version=asked.as_version, lanes=await feature_partitions(settings)
    )
    begun = ReplayBegun(source=source, replay=replay, resumed=resumed)
    on_begin(begun)
    return await run_begun(settings, pool, begun, workers=workers, on_progress=on_progress)


async def run_begun(settings: Settings, pool: Pool, begun: ReplayBegun, *, workers: int, on_progress: Show) -> Replayed:
    """Runs a replay with this release's extractor and generator."""
    result = await run_replay(
        settings,
        pool,
        begun.replay,
        begun.source,
        extract=feature_record,
        measure_pairs=pair_record,
        synthesize=partial(synthesize_sample, tiles=tiles_in(settings.terrain_dir)),
        workers=workers,
        show=on_progress,
    )
    return Replayed(
        source=begun.source,
        replay=begun.replay,
        frames_read=result.counts["frames_read"],
        frames_synthesized=result.counts["frames_synthesized"],
        samples_generated_again=result.counts["samples_generated_again"],
        frames_failed=result.counts["frames_failed"],
        missing=tuple(sorted(result.missing)),
        outcomes=await replay_outcomes(pool, begun.replay),
    )


def wanted_samples(source: Dataset, text: str | None) -> SampleRanges:
    """The ranges that were asked for, by default all that the version holds.

    Raises:
        UserError: no ranges, or none that it holds.
    """
    if text is None:
        return source.samples
    try:
        wanted = SampleRanges.parse(text)
    except ValueError as error:
        raise UserError(f"samples {text!r}: {error}") from None
    if missing := wanted - source.samples:
        raise NotFound(
            f"samples {text!r}: version {source.version} of dataset {source.name!r} does not hold {missing}: it holds "
            f"{source.samples or 'none'}" + (" so far" if source.is_growing else "")
        )
    return wanted


async def chosen(
    settings: Settings, pool: Pool, asked: DatasetReplay, *, tell: Tell | None = None
) -> tuple[Dataset, SampleRanges]:
    """The version to start from and its samples to process again: of one that is being submitted, those so far.

    Raises:
        UserError: there is none, or it does not hold these samples.
        Unreachable: Kafka does not answer.
    """

    def others(versions: Sequence[Dataset]) -> Dataset:  # one that is being made is not made of itself
        return default_version([one for one in versions if one.version != asked.as_version] or versions)

    found = await find_dataset(pool, asked.dataset, version=asked.version, prefer=others, tell=tell)
    source = replace(found, samples=await submitted_samples(settings, pool, found))
    return source, await replayable(pool, source, wanted_samples(source, asked.samples))


def check_version(asked: DatasetReplay) -> None:
    """Raises UserError where the new version is none that can be, or the one to process again."""
    version: object = asked.as_version
    if version is not None and not (isinstance(version, Integral) and 2 <= int(version) <= MAX_VERSION):
        raise UserError(f"version {asked.as_version}: a new version is a number from 2 to {MAX_VERSION}")
    if asked.as_version is not None and asked.as_version == asked.version:
        raise UserError(
            f"version {asked.version} cannot be stored as version {asked.version}, beside itself: name no new version, "
            "and it is processed again in place"
        )
