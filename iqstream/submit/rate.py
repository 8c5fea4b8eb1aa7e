"""How fast this stack makes samples, told from when the latest ones were decided."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import msgspec

from iqstream.catalogue.counts import latest_decisions
from iqstream.catalogue.postgres import Pool
from schemas import DatasetSpec

IDLE_S = 5.0
"""Of a longer time without a decision no more is counted: the stack had nothing to do, or was not running."""
FEWEST = 20
"""Samples that a rate is told from."""
LEAST_S = 1.0
OVERHEAD_SAMPLES = 30_000
"""What a recording costs beside its length, as samples of IQ (docs/adr/0078-estimates.md)."""


async def samples_per_s(pool: Pool, spec: DatasetSpec) -> float | None:
    """Returns how many samples of a spec this stack makes per second; None where it has made too few of any kind."""
    latest = await latest_decisions(pool)
    known = {text: msgspec.json.decode(text, type=DatasetSpec) for text in {text for _, text in latest}}
    return rate([(at_s, effort(known[text])) for at_s, text in latest], effort(spec))


def rate(decisions: Sequence[tuple[float, float]], wanted: float) -> float | None:
    """Returns samples per second.

    Args:
        decisions: when samples were decided, in order, and the effort of each.
        wanted: the effort of a sample of the kind that is asked for.
    """
    if len(decisions) < FEWEST:
        return None
    gaps = [later - before for (before, _), (later, _) in pairwise(decisions)]
    busy_s = sum(min(gap, IDLE_S) for gap in gaps)
    if busy_s < LEAST_S:
        return None
    return sum(one for _, one in decisions[1:]) / busy_s / wanted


def effort(spec: DatasetSpec) -> float:
    """Returns what a sample costs, in samples of IQ: all its recordings, each with what it costs by itself."""
    return float(len(spec.receivers) * (spec.capture.samples + OVERHEAD_SAMPLES))
