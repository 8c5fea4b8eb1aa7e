"""Samples as arrays: all that a batch is made of, before anybody has judged it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from iqstream.dataset.join import Joined
from iqstream.dataset.recording import Place, transmitter_of, values_of
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

    def __len__(self) -> int:
        return len(self.samples)


class ColumnBuilder:
    """Turns samples into columns. Networks of receivers are kept, since most samples have the same."""

    def __init__(self) -> None:
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
        transmitters = [transmitter_of(sample.recordings[0]) for sample in samples]
        return Columns(
            samples=tuple(samples),
            features=features,
            receivers=receivers,
            present=present,
            readable=np.all(readable, axis=1),
            position=np.array(
                [UNKNOWN_POSITION if t is None else (t.latitude, t.longitude, t.altitude_m) for t in transmitters]
            ).reshape(-1, 3),
            inside=np.array([-1 if t is None else t.inside_network for t in transmitters], np.int8),
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
