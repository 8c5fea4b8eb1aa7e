"""Samples as arrays: all that a batch is made of, before anybody has judged it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from iqstream.dataset.join import Joined
from iqstream.dataset.recording import UNREADABLE, Place, pairs_of, transmitter_of, values_of
from schemas import PAIR_QUANTITIES
from schemas.feature_record import FEATURE_VALUES

COORDINATES = 4
UNKNOWN_POSITION = (np.nan, np.nan, np.nan)


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """n samples with up to r receivers, those of a sample first, in the order of their ids; NaN where there is none."""

    samples: tuple[Joined, ...]
    features: npt.NDArray[np.float64]
    """(n, r, FEATURE_VALUES)"""
    receivers: npt.NDArray[np.float64]
    """(n, r, 4): latitude, longitude, altitude_m, antenna_height_m."""
    present: npt.NDArray[np.bool_]
    """(n, r): there is a recording of this receiver."""
    readable: npt.NDArray[np.bool_]
    """(n,): all values are there; a sample of which it is not true is none."""
    position: npt.NDArray[np.float64]
    """(n, 3): latitude, longitude, altitude_m of the ground at the transmitter; NaN where it is unknown."""
    inside: npt.NDArray[np.int8]
    """(n,): the transmitter stands within the network (1), outside (0), unknown (-1)."""
    pairs: "PairColumns | None" = None
    """None where they are not asked for."""

    def __len__(self) -> int:
        return len(self.samples)


@dataclass(frozen=True, slots=True, kw_only=True)
class PairColumns:
    """Time differences of n samples, up to p pairs of receivers each."""

    values: npt.NDArray[np.float64]
    """(n, p, 7): PAIR_QUANTITIES; NaN where there is no pair."""
    receivers: npt.NDArray[np.int64]
    """(n, p, 2): rows of receiver a and b in the sample's other arrays; -1 where there is no pair."""

    def only(self, kept: npt.NDArray[np.bool_]) -> "PairColumns":
        """The pairs of which both receivers are kept, bool (n, r)."""
        row = np.arange(len(kept))[:, None]
        # the last column answers for -1
        both = np.all([np.pad(kept, [(0, 0), (0, 1)])[row, self.receivers[:, :, at]] for at in (0, 1)], axis=0)
        return PairColumns(
            values=np.where(both[:, :, None], self.values, np.nan),
            receivers=np.where(both[:, :, None], self.receivers, -1),
        )


class ColumnBuilder:
    """Turns samples into columns. Networks of receivers are kept, since most samples have the same."""

    def __init__(self, *, pairs: bool = False) -> None:
        self._pairs = pairs
        self._networks: dict[tuple[Place, ...], int] = {}
        self._table: list[npt.NDArray[np.float64]] = []

    def build(self, samples: Sequence[Joined]) -> Columns:
        """The columns of samples, in their order. Raises msgspec.DecodeError where a truth is none."""
        counts = np.array([len(sample.places) for sample in samples], np.intp)
        widest = int(counts.max(initial=0))
        present = np.arange(widest) < counts[:, None]
        features = np.full((len(samples), widest, FEATURE_VALUES), np.nan)
        values, whole = values_of([recording for sample in samples for recording in sample.recordings])
        features[present] = values
        readable = np.ones(present.shape, bool)
        readable[present] = whole
        receivers = np.full((len(samples), widest, COORDINATES), np.nan)
        receivers[present] = np.concatenate(
            [np.empty((0, COORDINATES)), *[self._coordinates(sample.places) for sample in samples]]
        )
        pairs, compared = _pair_columns(samples) if self._pairs else (None, np.ones(len(samples), bool))
        transmitters = [transmitter_of(sample.recordings[0]) for sample in samples]
        return Columns(
            samples=tuple(samples),
            features=features,
            receivers=receivers,
            present=present,
            readable=np.all(readable, axis=1) & compared,
            position=np.array(
                [
                    UNKNOWN_POSITION
                    if t is None
                    else (t.latitude, t.longitude, np.nan if t.altitude_m is None else t.altitude_m)
                    for t in transmitters
                ]
            ).reshape(-1, 3),
            inside=np.array(
                [-1 if t is None or t.inside_network is None else t.inside_network for t in transmitters], np.int8
            ),
            pairs=pairs,
        )

    def _coordinates(self, places: tuple[Place, ...]) -> npt.NDArray[np.float64]:
        index = self._networks.get(places)
        if index is None:
            if len(self._table) >= 10_000:
                self._networks.clear()
                self._table.clear()
            index = self._networks[places] = len(self._table)
            self._table.append(np.array([place.coordinates for place in places]).reshape(-1, COORDINATES))
        return self._table[index]


def _pair_columns(samples: Sequence[Joined]) -> tuple[PairColumns, npt.NDArray[np.bool_]]:
    """The time differences, and of which samples they can be read, bool (n,).

    Pairs with a receiver of which there is no recording are left out.
    """
    rows: list[list[tuple[float, ...]]] = []
    ends: list[list[tuple[int, int]]] = []
    readable = np.ones(len(samples), bool)
    for number, sample in enumerate(samples):
        at = {place.rx_id: row for row, place in enumerate(sample.places)}
        try:
            pairs = () if sample.pairs is None else pairs_of(sample.pairs)
        except UNREADABLE:
            readable[number], pairs = False, ()
        known = [pair for pair in pairs if pair.receiver_a in at and pair.receiver_b in at]
        rows.append([tuple(float(getattr(pair, name)) for name in PAIR_QUANTITIES) for pair in known])
        ends.append([(at[pair.receiver_a], at[pair.receiver_b]) for pair in known])
    counts = np.array([len(row) for row in rows], np.intp)
    there = np.arange(int(counts.max(initial=0))) < counts[:, None]
    values = np.full((*there.shape, len(PAIR_QUANTITIES)), np.nan)
    values[there] = np.array([pair for row in rows for pair in row]).reshape(-1, len(PAIR_QUANTITIES))
    receivers = np.full((*there.shape, 2), -1, np.int64)
    receivers[there] = np.array([end for row in ends for end in row], np.int64).reshape(-1, 2)
    return PairColumns(values=values, receivers=receivers), readable
