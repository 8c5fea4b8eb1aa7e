"""How fast this stack makes samples, told from datasets with such recordings that it has made."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from iqstream.catalogue.counts import latest_decisions
from iqstream.catalogue.postgres import Pool
from schemas import DatasetSpec

FEWEST = 20
"""Samples of a dataset that a rate is told from."""


async def samples_per_s(pool: Pool, spec: DatasetSpec) -> float | None:
    """Returns how many samples of a spec this stack makes per second; None where it has made no such recordings.

    The fastest of the latest datasets counts: what stood still, or was made beside others, took longer.
    """
    made = await latest_decisions(pool, spec)
    rates = [(rate(decided_s), receivers) for receivers, decided_s in made]
    known = [per_s * receivers / len(spec.receivers) for per_s, receivers in rates if per_s is not None]
    return max(known, default=None)


def rate(decided_s: Sequence[float]) -> float | None:
    """Returns the samples per second of one dataset; None where too few are decided.

    Of the times between two decisions, one that is longer than all the others together is a pause: the stack was
    stopped, or the dataset was extended.

    Args:
        decided_s: when its samples were decided, in order.
    """
    gaps_s = sorted(later - before for before, later in pairwise(decided_s))
    while gaps_s and gaps_s[-1] > sum(gaps_s[:-1]):
        gaps_s.pop()
    busy_s = sum(gaps_s)
    return len(gaps_s) / busy_s if len(gaps_s) + 1 >= FEWEST and busy_s > 0 else None
