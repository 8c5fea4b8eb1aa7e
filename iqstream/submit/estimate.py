"""What a dataset will cost and give, estimated before it starts: accepted samples, disk, time."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from iqstream.runtime.readable import Readable
from iqstream.runtime.settings import Settings
from iqstream.submit.room import disk_of
from producer.ground import ground_of
from producer.tiles import NO_TILES, Tiles
from schemas import DatasetSpec
from sink.quality import Accepted

BUDGETS = 300
TIME_S = 0.8
FEWEST = 40
"""Budgets however long they take, as far as there are samples."""
WRONG_SHARE = 0.03
"""Verdicts in which a budget and a whole recording may differ (docs/adr/0078-estimates.md)."""
_SIGMAS = 1.96
"""95 % of a normal distribution."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Acceptance(Readable):
    """How many samples will be accepted."""

    budgets: int
    """Link budgets that it rests on: those of the first samples."""
    share: float
    low_share: float
    """With `high_share`: the 95 % interval for what comes of the whole dataset."""
    high_share: float

    def samples(self, of: int) -> tuple[int, int, int]:
        """Returns how many of so many: expected, and the interval."""
        return round(self.share * of), math.floor(self.low_share * of), math.ceil(self.high_share * of)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Estimate(Readable):
    """What a dataset will cost and give."""

    samples: int
    acceptance: Acceptance | None
    """None where it cannot be told: the terrain's tiles are not here."""
    frames_bytes: int
    """Of Kafka's disk at most, given how much it keeps."""
    iq_bytes: int
    """Of the object store, for the kept IQ at most."""
    rows_bytes: int
    """Of PostgreSQL and of Kafka's features, about."""
    seconds: float | None
    """Until it is complete; None where this stack has made no such recordings yet."""


def estimate_acceptance(
    spec: DatasetSpec, *, budgets: int = BUDGETS, time_s: float = TIME_S, tiles: Tiles = NO_TILES
) -> Acceptance:
    """Returns how many samples will be accepted, from the link budgets of the first ones.

    The interval covers chance among the samples not looked at, and verdicts in which a budget errs.

    Args:
        spec: of the dataset.
        budgets: at most so many.
        time_s: no further ones after so long, but `FEWEST`.
        tiles: content of the terrain.

    Raises:
        ValueError: a sample cannot be made, as `synthesize_sample`.
        MissingTile: likewise.
    """
    from iqstream.submit.acceptance import hear, verdict  # brings the producer's kernels

    ground, end_s = ground_of(spec, tiles), time.monotonic() + time_s
    accepted = looked_at = 0
    for index in range(min(budgets, spec.samples)):
        if looked_at >= FEWEST and time.monotonic() > end_s:
            break
        accepted += isinstance(verdict(spec, hear(spec, index, ground=ground)), Accepted)
        looked_at += 1
    return interval(accepted, looked_at, spec.samples)


def interval(accepted: int, looked_at: int, samples: int) -> Acceptance:
    """Returns the share accepted among those looked at, and where it will be among all `samples` in 95 % of cases.

    Of N samples n were looked at, of which a share p is accepted. The others bring N - n of chance; with p estimated,
    the number accepted of N has a variance of (N - n) p (1 - p) N / n. Every verdict may be wrong: N w (1 - w) more.
    p (1 - p) is taken at (k + 2) / (n + 4) (Agresti and Coull, The American Statistician 52 (1998), 119-126).
    """
    share, careful = accepted / looked_at, (accepted + 2) / (looked_at + 4)
    chance = (samples - looked_at) * careful * (1 - careful) * samples / looked_at
    half = _SIGMAS * math.sqrt(chance + samples * WRONG_SHARE * (1 - WRONG_SHARE)) / samples
    half += WRONG_SHARE / 2  # what budgets err to one side
    return Acceptance(
        budgets=looked_at, share=share, low_share=max(0.0, share - half), high_share=min(1.0, share + half)
    )


def estimate(
    spec: DatasetSpec, settings: Settings, *, samples_per_s: float | None, tiles: Tiles = NO_TILES
) -> Estimate:
    """Returns what a dataset will cost and give.

    Args:
        spec: of the dataset.
        settings: of the stack.
        samples_per_s: how fast this stack makes such samples; None: not known.
        tiles: content of the terrain.
    """
    try:
        acceptance = estimate_acceptance(spec, tiles=tiles)
    except ValueError:
        acceptance = None
    disk = disk_of(spec, settings)
    return Estimate(
        samples=spec.samples,
        acceptance=acceptance,
        frames_bytes=disk.frames,
        iq_bytes=disk.objects,
        rows_bytes=disk.rows + disk.features,
        seconds=None if samples_per_s is None else spec.samples / samples_per_s,
    )
