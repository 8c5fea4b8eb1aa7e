"""The effect of the quality filter on a dataset: acceptance by distance, and weights that compensate for it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from iqstream.catalogue.datasets import Dataset
from iqstream.catalogue.exported import counts_by_distance
from iqstream.catalogue.postgres import Connection
from iqstream.dataset.splits import METRES_PER_DEGREE
from schemas import DatasetKey

BIN_KM = 20.0
MOST_WEIGHT = 10.0
KM_PER_DEGREE = METRES_PER_DEGREE / 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Samples and accepted samples by distance of the transmitter from the network's centre, in bins of BIN_KM."""

    centre: tuple[float, float]
    """Latitude and longitude: the mean of the receivers whose place is known; NaN without any."""
    samples: npt.NDArray[np.int64]
    accepted: npt.NDArray[np.int64]

    def bins(self, latitude: npt.ArrayLike, longitude: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Returns the bin of each position; -1 if a coordinate is NaN."""
        north = np.asarray(latitude, float) - self.centre[0]
        east = (np.asarray(longitude, float) - self.centre[1]) * np.cos(np.radians(self.centre[0]))
        distance_km = KM_PER_DEGREE * np.hypot(north, east)
        found: npt.NDArray[np.int64] = np.where(np.isfinite(distance_km), distance_km // BIN_KM, -1).astype(np.int64)
        return np.minimum(found, len(self.samples) - 1)

    def weights(self, latitude: npt.ArrayLike, longitude: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """For accepted samples: 1 / (acceptance at their distance), at most MOST_WEIGHT times, scaled to a mean of 1.

        Weighted so, accepted samples stand for all that were asked for. 1 where the place is unknown.
        """
        share = self.accepted / np.maximum(self.samples, 1)
        inverse = np.where(share > 0, 1 / np.maximum(share, 1 / MOST_WEIGHT), 0.0)
        accepted = self.accepted.sum()
        mean = (inverse * self.accepted).sum() / accepted if accepted else 1.0
        bins = self.bins(latitude, longitude)
        if not len(inverse):
            return np.ones(bins.shape)
        return np.where(bins < 0, 1.0, inverse[bins] / (mean or 1.0))


async def selection_of(connection: Connection, dataset: Dataset) -> Selection:
    """Returns the counts by distance, from the ledger."""
    receivers = [placed for station in dataset.spec.receivers if (placed := station.placed) is not None]
    if not receivers:
        return Selection(centre=(np.nan, np.nan), samples=np.zeros(0, np.int64), accepted=np.zeros(0, np.int64))
    centre = (
        float(np.mean([receiver.latitude for receiver in receivers])),
        float(np.mean([receiver.longitude for receiver in receivers])),
    )
    found = await counts_by_distance(
        connection,
        DatasetKey(dataset.id, dataset.version),
        centre=centre,
        bin_km=BIN_KM,
        km_per_degree=KM_PER_DEGREE,
    )
    size = max((one.bin for one in found), default=-1) + 1
    samples, accepted = np.zeros(size, np.int64), np.zeros(size, np.int64)
    for one in found:
        samples[one.bin], accepted[one.bin] = one.samples, one.accepted
    return Selection(centre=centre, samples=samples, accepted=accepted)
