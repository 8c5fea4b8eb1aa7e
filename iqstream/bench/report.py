"""A campaign's result as a table: for the terminal, for a page, for a program."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import msgspec

from iqstream.bench.campaign import CampaignResult
from iqstream.bench.ground import Recovery
from iqstream.catalogue.postgres import IDLE_IN_TRANSACTION_MS
from iqstream.runtime.kafka import SESSION_TIMEOUT_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A kind of fault. Times are of those that came alone; None where all came with another."""

    kind: str
    count: int
    down_s: float | None
    """Median."""
    median_s: float | None
    worst_s: float | None
    others_paused_s: float | None
    """Worst."""


BOUND_S = max(SESSION_TIMEOUT_MS, IDLE_IN_TRANSACTION_MS) / 1000 + 5.0
"""A fault is over after this time: what holds partitions or locks and does not answer is given up by Kafka and by
PostgreSQL, and the rest takes seconds. Faults at the same time may wait for each other, so theirs add up."""


def late(steps: Sequence[Sequence[Recovery]]) -> list[str]:
    """The recoveries that took longer than the bound, a sentence each."""
    return [
        f"{recovery.kind}: on again after {recovery.recovery_s:.1f} s, bound {BOUND_S * len(step):.0f} s"
        for step in steps
        for recovery in step
        if recovery.recovery_s > BOUND_S * len(step)
    ]


def rows(steps: Sequence[Sequence[Recovery]]) -> list[Row]:
    """One per kind, by name."""
    counts: defaultdict[str, int] = defaultdict(int)
    alone: defaultdict[str, list[Recovery]] = defaultdict(list)
    for step in steps:
        for recovery in step:
            counts[recovery.kind] += 1
            if len(step) == 1:
                alone[recovery.kind].append(recovery)
    return [_row(kind, counts[kind], alone[kind]) for kind in sorted(counts)]


def _row(kind: str, count: int, alone: Sequence[Recovery]) -> Row:
    times = [one.recovery_s for one in alone]
    paused = [one.others_paused_s for one in alone if one.others_paused_s is not None]
    return Row(
        kind=kind,
        count=count,
        down_s=median(one.down_s for one in alone) if alone else None,
        median_s=median(times) if times else None,
        worst_s=max(times, default=None),
        others_paused_s=max(paused, default=None),
    )


def markdown(result: CampaignResult) -> str:
    """The table with its summary, as Markdown."""
    lines = [
        "| fault | times | broken for, s | on again after, s: median | worst | other workers paused, s: worst |",
        "|---|---:|---:|---:|---:|---:|",
        *(
            f"| {row.kind} | {row.count} | {_seconds(row.down_s)} | {_seconds(row.median_s)} | {_seconds(row.worst_s)} "
            f"| {_seconds(row.others_paused_s)} |"
            for row in rows(result.steps)
        ),
    ]
    return "\n".join([*lines, "", summary(result), ""])


def summary(result: CampaignResult) -> str:
    """What was done, what came of it, and whether it was over in time."""
    faults = sum(len(step) for step in result.steps)
    together = sum(len(step) for step in result.steps if len(step) > 1)
    verdict = result.verdict
    same = verdict.datasets - verdict.digests_differ
    in_time = faults - len(late(result.steps))
    again = f", {len(result.done_again)} aborted batches done again" if result.done_again else ""
    return (
        f"{faults} faults ({together} of them two at a time), seed {result.seed}, {result.seconds:.0f} s, "
        f"{verdict.samples} samples in {verdict.datasets} datasets: {verdict.lost} lost, {verdict.doubled} doubled, "
        f"{same} of {verdict.datasets} datasets equal to the undisturbed one, "
        f"{len(result.moved_back)} positions moved back{again}; "
        f"{in_time} of {faults} on again within {BOUND_S:.0f} s a fault."
    )


def as_json(result: CampaignResult) -> dict[str, Any]:
    """Everything that `markdown` shows, and each fault."""
    return {
        "seed": result.seed,
        "seconds": result.seconds,
        "verdict": msgspec.to_builtins(result.verdict),
        "moved_back": list(result.moved_back),
        "done_again": list(result.done_again),
        "problems": result.problems(),
        "bound_s": BOUND_S,
        "late": late(result.steps),
        "kinds": msgspec.to_builtins(rows(result.steps)),
        "steps": msgspec.to_builtins(result.steps),
    }


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"
