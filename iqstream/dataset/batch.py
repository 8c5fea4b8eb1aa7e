"""What is handed out: (x, y, meta), as one sample or as a batch of NumPy arrays.

x holds what a network of receivers would know of a transmission that it heard, and nothing else; the transmitter's
place is y; whatever tells more, the geometry's figure of merit and the generator's truth included, is in meta.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from iqstream.dataset.columns import Columns
from iqstream.dataset.join import Joined
from iqstream.dataset.recording import level_reference, truth_of
from iqstream.dataset.verdicts import ACCEPTED, Verdicts
from schemas import Truth
from sink.quality import REASONS

X_KEYS = ("features", "receivers", "present", "detected")
X: TypeAlias = dict[str, npt.NDArray[Any]]


class Batch(NamedTuple):
    """n samples; or one, whose arrays lack the first axis and whose meta holds plain values.

    x: `features` float64 (n, r, 4 f), feature by feature the four statistics of each together (`schemas.features`), NaN
    where a record was made before there was the feature; `receivers` float64 (n, r, 4): latitude, longitude (degrees),
    altitude of the ground, height of the antenna (m); `present` bool (n, r): there is a recording; `detected` bool
    (n, r): it holds the transmission. Receivers are ordered by id; rows that are not present are NaN.
    Of a stream with `pairs`, also `pairs` float64 (n, p, 7): of each pair of receivers a and b PAIR_QUANTITIES, NaN
    where a sample has fewer; and `pair_receivers` int64 (n, p, 2): the rows of a and b, -1 where it has fewer.
    y: float64 (n, 3): the transmitter's latitude, longitude, and altitude of the ground; NaN for real recordings.
    meta: see `meta_of`.
    """

    x: X
    y: npt.NDArray[np.float64]
    meta: dict[str, Any]


class Truths:
    """What the generator put into each sample, decoded when asked for."""

    def __init__(self, samples: Sequence[Joined]) -> None:
        self._samples = tuple(samples)

    def __len__(self) -> int:
        return len(self._samples)

    def first(self, count: int) -> "Truths":
        """Those of the first samples."""
        return Truths(self._samples[:count])

    @property
    def samples(self) -> tuple[Joined, ...]:
        """What they are the truth of."""
        return self._samples

    def __getitem__(self, row: int) -> tuple[Truth | None, ...]:
        """By receiver, in the order of x; None for real recordings."""
        return tuple(truth_of(recording) for recording in self._samples[row].recordings)


class Judged(NamedTuple):
    """Samples with their verdicts and splits."""

    columns: Columns
    verdicts: Verdicts
    split: npt.NDArray[np.str_]
    """(n,): `train`, `validation`, `test`, or empty where it was not asked for and is not known."""


def batch_of(parts: Sequence[tuple[Judged, npt.NDArray[np.intp]]]) -> Batch:
    """The rows of several judged runs, one after the other."""
    widest = max((part.columns.present.shape[1] for part, _ in parts), default=0)
    arrays = [
        (
            _padded(part.columns.features[rows], widest, np.nan),
            _padded(part.columns.receivers[rows], widest, np.nan),
            _padded(part.columns.present[rows], widest, fill=False),
            _padded(part.verdicts.detected[rows], widest, fill=False),
        )
        for part, rows in parts
    ]
    x = {name: np.concatenate([array[at] for array in arrays]) for at, name in enumerate(X_KEYS)}
    x |= _pairs(parts)
    y = np.concatenate([part.columns.position[rows] for part, rows in parts])
    return Batch(x, y, meta_of(parts, widest))


def meta_of(parts: Sequence[tuple[Judged, npt.NDArray[np.intp]]], receivers: int) -> dict[str, Any]:
    """Of n samples: ids, quality and truth.

    dataset_id (n,) str, dataset_version, sample_idx, generation (n,) int64; rx_ids (n, r) str, empty where not present;
    captured_at_ns (n,) int64; outcome and reason (n,) str; mean_snr_db, overall_confidence, gdop (n,) float64, NaN
    where there is none; num_receivers_detected (n,) int64; inside_network (n,) int8, -1 where unknown; split (n,) str;
    level_reference (n,) str, `dbm` or, of receivers without a calibration, `dbfs`; truth: `Truths`.
    """
    samples = [part.columns.samples[row] for part, rows in parts for row in rows.tolist()]
    reason = _figures(parts, "reason")
    blank = ("",) * receivers
    return {
        "dataset_id": np.array([sample.key.dataset_id for sample in samples], np.str_),
        "dataset_version": np.array([sample.key.dataset_version for sample in samples], np.int64),
        "sample_idx": np.array([sample.key.sample_idx for sample in samples], np.int64),
        "generation": np.array([sample.recordings[0].generation for sample in samples], np.int64),
        "rx_ids": np.array(
            [(*[place.rx_id for place in sample.places], *blank[len(sample.places) :]) for sample in samples], np.str_
        ),
        "captured_at_ns": np.array([sample.recordings[0].captured_at_ns for sample in samples], np.int64),
        "outcome": np.where(reason == ACCEPTED, "accepted", "rejected"),
        "reason": np.array(["", *REASONS])[reason + 1],
        "mean_snr_db": _figures(parts, "mean_snr_db"),
        "overall_confidence": _figures(parts, "overall_confidence"),
        "gdop": _figures(parts, "gdop"),
        "num_receivers_detected": np.concatenate([part.verdicts.detected[rows].sum(axis=1) for part, rows in parts]),
        "inside_network": np.concatenate([part.columns.inside[rows] for part, rows in parts]),
        "split": np.concatenate([part.split[rows] for part, rows in parts]),
        "level_reference": np.array([level_reference(sample.recordings) for sample in samples], np.str_),
        "truth": Truths(samples),
    }


def items_of(batch: Batch) -> list[Batch]:
    """The samples of a batch one by one; meta in plain Python values, the truth decoded."""
    x, y, meta = batch
    plain = {name: values.tolist() for name, values in meta.items() if name != "truth"}
    return [
        Batch(
            {name: array[row] for name, array in x.items()},
            y[row],
            {name: values[row] for name, values in plain.items()} | {"truth": meta["truth"][row]},
        )
        for row in range(len(y))
    ]


def first_of(batch: Batch, count: int) -> Batch:
    """The first samples of a batch."""
    x, y, meta = batch
    cut = {name: values.first(count) if name == "truth" else values[:count] for name, values in meta.items()}
    return Batch({name: array[:count] for name, array in x.items()}, y[:count], cut)


def batch_of_one(item: Batch) -> Batch:
    """A sample as a batch, its truth left out."""
    x, y, meta = item
    return Batch(
        {name: array[None] for name, array in x.items()},
        y[None],
        {name: np.array([value]) for name, value in meta.items() if name != "truth"},
    )


def _pairs(parts: Sequence[tuple[Judged, npt.NDArray[np.intp]]]) -> X:
    """The time differences, where they were asked for."""
    known = [(part.columns.pairs, rows) for part, rows in parts if part.columns.pairs is not None]
    most = max((pairs.values.shape[1] for pairs, _ in known), default=0)
    if not known:
        return {}
    return {
        "pairs": np.concatenate([_padded(pairs.values[rows], most, np.nan) for pairs, rows in known]),
        "pair_receivers": np.concatenate([_padded(pairs.receivers[rows], most, -1) for pairs, rows in known]),
    }


def _figures(parts: Sequence[tuple[Judged, npt.NDArray[np.intp]]], name: str) -> npt.NDArray[Any]:
    return np.concatenate([getattr(part.verdicts, name)[rows] for part, rows in parts])


def _padded(array: npt.NDArray[Any], width: int, fill: float) -> npt.NDArray[Any]:
    missing = width - array.shape[1]
    if not missing:
        return array
    return np.pad(array, [(0, 0), (0, missing)] + [(0, 0)] * (array.ndim - 2), constant_values=fill)
