"""What a replay will do and what it did, as lines for people and as a document for programs."""

from collections.abc import Sequence
from typing import Any

from iqstream.replay.results import ReplayBegun, Replayed, ReplayPlan

MISSING_SHOWN = 20


def plan_lines(plan: ReplayPlan) -> list[str]:
    """What a replay will do, a line each."""
    source, samples = plan.source, plan.samples
    where = "in place" if plan.as_version is None else f"as version {plan.as_version}, beside it"
    lines = [
        f"{source.name} ({source.id}, version {source.version}), {where}: {len(samples)} samples ({samples})",
        f"  frames that Kafka has                    {plan.frames_kept}",
        f"  frames to synthesise again and prove     {plan.frames_to_synthesize}",
        f"  samples to generate again by the stages  {plan.samples_to_generate_again}",
        f"  samples that are missing                 {len(plan.missing)}",
    ]
    return lines + _missing_lines(plan.missing)


def plan_document(plan: ReplayPlan) -> dict[str, Any]:
    """The same as JSON values."""
    return {
        "dataset_id": plan.source.id,
        "source_version": plan.source.version,
        "as_version": plan.as_version,
        "samples": len(plan.samples),
        "ranges": str(plan.samples),
        "frames_kept": plan.frames_kept,
        "frames_to_synthesize": plan.frames_to_synthesize,
        "samples_to_generate_again": plan.samples_to_generate_again,
        "missing": _missing_document(plan.missing),
    }


def beginning_line(begun: ReplayBegun) -> str:
    """What begins, or goes on."""
    replay = begun.replay
    what = f"generation {replay.generation} of {begun.source.name!r}, version {replay.dataset_version}"
    if begun.resumed:
        return f"Going on with {what}, begun {replay.started_at:%Y-%m-%d %H:%M:%S %Z}."
    return f"Replaying {len(replay.samples)} samples as {what}."


def result_lines(done: Replayed) -> list[str]:
    """What was done, a line each."""
    replay = done.replay
    frames = f"{done.frames_read} frames read, {done.frames_synthesized} synthesised again and proved"
    where = f"{done.source.name!r}, version {replay.dataset_version}, generation {replay.generation}"
    lines = [
        f"Replay complete: {len(replay.samples)} samples of {where}: {frames}.",
        "They stand now: " + ", ".join(f"{samples} {outcome}" for outcome, samples in done.outcomes.items()) + ".",
    ]
    if done.samples_generated_again:
        lines.append(f"{done.samples_generated_again} samples were generated again by the stages.")
    if done.frames_failed:
        lines.append(f"{done.frames_failed} frames could not be extracted; their samples keep their old results.")
    if done.missing:
        lines.append(f"{len(done.missing)} samples are missing:")
    return lines + _missing_lines(done.missing)


def result_document(done: Replayed) -> dict[str, Any]:
    """The same as JSON values."""
    return {
        "dataset_id": done.replay.dataset_id,
        "dataset_version": done.replay.dataset_version,
        "source_version": done.replay.source_version,
        "generation": done.replay.generation,
        "samples": len(done.replay.samples),
        "frames_read": done.frames_read,
        "frames_synthesized": done.frames_synthesized,
        "samples_generated_again": done.samples_generated_again,
        "frames_failed": done.frames_failed,
        "missing": _missing_document(done.missing),
        "outcomes": dict(done.outcomes),
    }


def _missing_document(missing: Sequence[tuple[int, str]]) -> list[dict[str, Any]]:
    return [{"sample_idx": index, "reason": reason} for index, reason in missing]


def _missing_lines(missing: Sequence[tuple[int, str]]) -> list[str]:
    lines = [f"  sample {index}: {reason}" for index, reason in missing[:MISSING_SHOWN]]
    if len(missing) > MISSING_SHOWN:
        lines.append(f"  and {len(missing) - MISSING_SHOWN} more; --json names all")
    return lines
