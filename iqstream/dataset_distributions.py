"""How a version's samples are distributed: their outcomes over distance, a feature's values by receiver.

Both look at the first samples by index. Samples are drawn independently of each other, so the first ones are as good as
any, and what is asked costs the same of a dataset of any size.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from iqstream.catalogue.outcomes import SampleOutcome
from iqstream.dataset_figures import Spread, distances_km, spread
from iqstream.runtime.readable import Readable
from schemas import Spec

SAMPLES = 2000
BINS = 30
_STEPS_KM = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
_MOST_BANDS = 12


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class DistanceBand(Readable):
    """How the samples ended whose transmitter stood so far from its nearest receiver."""

    low_km: float
    high_km: float
    accepted: int
    rejected: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ReceiverValues(Readable):
    """A feature's values at one receiver."""

    rx_id: str
    samples: int
    spread: Spread
    counts: Sequence[int]
    """In bins of equal width, the same ones for every receiver; what lies beyond counts in the first or the last."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Distribution(Readable):
    """A feature's values by receiver."""

    feature: str
    statistic: str
    low: float
    """Of the first bin; with `high`, the range of all receivers' values without their outermost 0.5 %."""
    high: float
    receivers: Sequence[ReceiverValues]


def by_distance(spec: Spec, outcomes: Sequence[SampleOutcome]) -> list[DistanceBand]:
    """Returns how samples ended by the ground distance of their transmitter to the nearest receiver."""
    known = [one for one in outcomes if one.latitude is not None and one.longitude is not None]
    if not known:
        return []
    distances = distances_km(spec, [(one.latitude or 0.0, one.longitude or 0.0) for one in known])
    if not distances.size:  # where receivers stood is not known
        return []
    nearest = distances.min(axis=1)
    most = float(nearest.max())
    step = next((one for one in _STEPS_KM if most < one * _MOST_BANDS), most / _MOST_BANDS + 1)
    counts = Counter((int(km // step), one.verdict) for km, one in zip(nearest, known, strict=True))
    return [
        DistanceBand(
            low_km=band * step,
            high_km=(band + 1) * step,
            accepted=counts[band, "accepted"],
            rejected=counts[band, "rejected"],
            failed=counts[band, "failed"],
        )
        for band in range(int(most // step) + 1)
    ]


def distribution(feature: str, statistic: str, values: Mapping[str, Sequence[float]]) -> Distribution:
    """Returns how values by receiver are distributed."""
    every = np.concatenate([np.zeros(0), *(np.asarray(one) for one in values.values())])
    low, high = map(float, np.percentile(every, (0.5, 99.5))) if len(every) else (0.0, 1.0)
    if high <= low:
        low, high = low - 0.5, low + 0.5
    receivers = []
    for rx_id, found in values.items():
        told = spread(found)
        assert told is not None  # noqa: S101  # a receiver without values is not among them
        counts, _ = np.histogram(np.clip(found, low, high), BINS, (low, high))
        receivers.append(ReceiverValues(rx_id=rx_id, samples=len(found), spread=told, counts=counts.tolist()))
    return Distribution(feature=feature, statistic=statistic, low=low, high=high, receivers=receivers)
