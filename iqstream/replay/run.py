"""What `iqstream replay --dataset` does: plan, begin or go on, publish, wait, report."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from extractor.service import feature_record
from iqstream.catalogue.datasets import Dataset, default_version, find_dataset
from iqstream.catalogue.postgres import Pool
from iqstream.catalogue.replays import Replay, begin_replay, replay_outcomes, replayable
from iqstream.catalogue.sample_ranges import SampleRanges
from iqstream.cli.console import Console, say, say_json
from iqstream.cli.replay_display import ReplayDisplay
from iqstream.cli.replay_report import plan_document, plan_lines, result_document, result_lines
from iqstream.replay.job import feature_partitions, frames_ends, run_replay
from iqstream.replay.lane import LaneResult
from iqstream.replay.sources import make_plan
from iqstream.runtime.errors import UserError
from iqstream.runtime.settings import Settings
from iqstream.shards import submitted_samples
from producer.synthesize import synthesize_sample
from producer.tile_directory import tiles_in


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
    workers: int


async def show_plan(settings: Settings, pool: Pool, asked: DatasetReplay, *, as_json: bool) -> None:
    """Prints what a replay will do, and does nothing.

    Raises:
        UserError: there is no such dataset, or it has no such samples.
        Unreachable: Kafka does not answer.
    """
    source, samples = await chosen(settings, pool, asked)
    plan = await make_plan(pool, source, samples, await frames_ends(settings))
    if as_json:
        say_json(plan_document(source, samples, asked.as_version, plan))
    else:
        say(*plan_lines(source, samples, asked.as_version, plan))


async def replay_dataset(settings: Settings, pool: Pool, asked: DatasetReplay, *, as_json: bool) -> None:
    """Replays and prints what was done; goes on with an interrupted replay of the same samples.

    Raises:
        UserError: no such dataset, samples or free version.
        Unreachable: Kafka does not answer.
        Failed: the replay could not be finished.
    """
    source, samples = await chosen(settings, pool, asked)
    replay, resumed = await begin_replay(
        pool, source, samples, as_version=asked.as_version, lanes=await feature_partitions(settings)
    )
    say(_beginning(source, replay, resumed=resumed), err=True)
    result = await replay_and_show(settings, pool, replay, source, workers=asked.workers)
    outcomes = await replay_outcomes(pool, replay)
    if as_json:
        say_json(result_document(replay, result, outcomes))
    else:
        say(*result_lines(source, replay, result, outcomes))


async def replay_and_show(
    settings: Settings, pool: Pool, replay: Replay, source: Dataset, *, workers: int
) -> LaneResult:
    """Runs a replay with this release's extractor and generator, its progress on standard error."""
    with ReplayDisplay(Console(stderr=True)) as display:
        return await run_replay(
            settings,
            pool,
            replay,
            source,
            extract=feature_record,
            synthesize=partial(synthesize_sample, tiles=tiles_in(settings.terrain_dir)),
            workers=workers,
            show=display.show,
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
        raise UserError(f"--samples: {error}") from None
    if missing := wanted - source.samples:
        raise UserError(
            f"--samples: version {source.version} of dataset {source.name!r} does not hold {missing}: it holds "
            f"{source.samples or 'none'}" + (" so far" if source.is_growing else "")
        )
    return wanted


async def chosen(settings: Settings, pool: Pool, asked: DatasetReplay) -> tuple[Dataset, SampleRanges]:
    """The version to start from and its samples to process again: of one that is being submitted, those so far.

    Raises:
        UserError: there is none, or it does not hold these samples.
        Unreachable: Kafka does not answer.
    """
    tell = partial(say, err=True)

    def others(versions: Sequence[Dataset]) -> Dataset:  # one that is being made is not made of itself
        return default_version([one for one in versions if one.version != asked.as_version] or versions)

    found = await find_dataset(pool, asked.dataset, version=asked.version, prefer=others, tell=tell)
    source = replace(found, samples=await submitted_samples(settings, pool, found))
    return source, await replayable(pool, source, wanted_samples(source, asked.samples))


def check_version(asked: DatasetReplay) -> None:
    """Raises UserError where the new version is the old one."""
    if asked.as_version is not None and asked.as_version == asked.version:
        raise UserError("--as-version is --version: leave --as-version out to process that version again in place")


def _beginning(source: Dataset, replay: Replay, *, resumed: bool) -> str:
    what = f"generation {replay.generation} of {source.name!r}, version {replay.dataset_version}"
    if resumed:
        return f"Going on with {what}, begun {replay.started_at:%Y-%m-%d %H:%M:%S %Z}."
    return f"Replaying {len(replay.samples)} samples as {what}."
