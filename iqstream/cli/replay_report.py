"""What a replay will do and what it did, as lines for people and as a document for programs."""

from collections.abc import Mapping
from typing import Any

from iqstream.catalogue.datasets import Dataset
from iqstream.catalogue.replays import Replay
from iqstream.catalogue.sample_ranges import SampleRanges
from iqstream.replay.lane import LaneResult
from iqstream.replay.sources import Plan

MISSING_SHOWN = 20


def plan_lines(source: Dataset, samples: SampleRanges, as_version: int | None, plan: Plan) -> list[str]:
    """What a replay will do, a line each."""
    where = "in place" if as_version is None else f"as version {as_version}, beside it"
    lines = [
        f"{source.name} ({source.id}, version {source.version}), {where}: {len(samples)} samples ({samples})",
        f"  frames that Kafka has                    {plan.frames_kept}",
        f"  frames to synthesise again and prove     {plan.frames_expired}",
        f"  samples to generate again by the stages  {plan.generated_again}",
        f"  samples that are missing                 {len(plan.missing)}",
    ]
    return lines + _missing_lines(plan.missing)


def plan_document(source: Dataset, samples: SampleRanges, as_version: int | None, plan: Plan) -> dict[str, Any]:
    """The same as JSON values."""
    return {
        "dataset_id": source.id,
        "source_version": source.version,
        "as_version": as_version,
        "samples": plan.samples,
        "ranges": str(samples),
        "frames_kept": plan.frames_kept,
        "frames_to_synthesize": plan.frames_expired,
        "samples_to_generate_again": plan.generated_again,
        "missing": _missing_document(plan.missing),
    }


def result_lines(source: Dataset, replay: Replay, result: LaneResult, outcomes: Mapping[str, int]) -> list[str]:
    """What was done, a line each."""
    counts = result.counts
    frames = f"{counts['frames_read']} frames read, {counts['frames_synthesized']} synthesised again and proved"
    where = f"{source.name!r}, version {replay.dataset_version}, generation {replay.generation}"
    lines = [
        f"Replay complete: {len(replay.samples)} samples of {where}: {frames}.",
        "They stand now: " + ", ".join(f"{samples} {outcome}" for outcome, samples in outcomes.items()) + ".",
    ]
    if counts["samples_generated_again"]:
        lines.append(f"{counts['samples_generated_again']} samples were generated again by the stages.")
    if counts["frames_failed"]:
        lines.append(
            f"{counts['frames_failed']} frames could not be extracted; the old results of their samples stand."
        )
    if result.missing:
        lines.append(f"{len(result.missing)} samples are missing:")
    return lines + _missing_lines(result.missing)


def result_document(replay: Replay, result: LaneResult, outcomes: Mapping[str, int]) -> dict[str, Any]:
    """The same as JSON values. Counts of frames are of this run; an interrupted one before it had its own."""
    return {
        "dataset_id": replay.dataset_id,
        "dataset_version": replay.dataset_version,
        "source_version": replay.source_version,
        "generation": replay.generation,
        "samples": len(replay.samples),
        "frames_read": result.counts["frames_read"],
        "frames_synthesized": result.counts["frames_synthesized"],
        "samples_generated_again": result.counts["samples_generated_again"],
        "frames_failed": result.counts["frames_failed"],
        "missing": _missing_document(result.missing),
        "outcomes": dict(outcomes),
    }


def _missing_document(missing: list[tuple[int, str]]) -> list[dict[str, Any]]:
    return [{"sample_idx": index, "reason": reason} for index, reason in sorted(missing)]


def _missing_lines(missing: list[tuple[int, str]]) -> list[str]:
    lines = [f"  sample {index}: {reason}" for index, reason in sorted(missing)[:MISSING_SHOWN]]
    if len(missing) > MISSING_SHOWN:
        lines.append(f"  and {len(missing) - MISSING_SHOWN} more; --json names all")
    return lines
