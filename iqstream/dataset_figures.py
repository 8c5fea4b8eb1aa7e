"""A version of a dataset in figures: how strong its signals are, how far its transmitters were, what it takes up."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from iqstream.catalogue.datasets import Dataset
from iqstream.catalogue.measured import measured, recorded_samples_saved, stored_bytes
from iqstream.catalogue.postgres import Pool
from iqstream.runtime.readable import Readable
from schemas import DatasetKey, DatasetSpec, Spec

NPY_HEADER_BYTES = 128
NPY_BYTES_PER_SAMPLE = 8


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Spread(Readable):
    """How some figures are spread."""

    mean: float
    percentile_10: float
    median: float
    percentile_90: float


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class DatasetFigures(Readable):
    """A version in figures; None where there is nothing to measure."""

    mean_snr_db: Spread | None
    """Of the accepted samples."""
    distance_km: Spread | None
    """From the transmitter of every accepted sample to every receiver, on the ground."""
    nearest_receiver_km: Spread | None
    """From the transmitter of every accepted sample to the nearest receiver."""
    rows_bytes: int
    """In PostgreSQL, features, outcomes and lineage; without indexes."""
    iq_bytes: int
    """In the object store, all versions together."""


async def dataset_figures(pool: Pool, dataset: Dataset) -> DatasetFigures:
    """Returns a version in figures, read from its rows."""
    key = DatasetKey(dataset.id, dataset.version)
    found = await measured(pool, key)
    distances = await asyncio.to_thread(distances_km, dataset.spec, found.places)
    iq_bytes = await _iq_bytes(pool, dataset)
    return DatasetFigures(
        mean_snr_db=spread(found.mean_snr_db),
        distance_km=spread(distances.ravel()),
        nearest_receiver_km=spread(distances.min(axis=1) if distances.size else ()),
        rows_bytes=await stored_bytes(pool, key),
        iq_bytes=iq_bytes,
    )


async def _iq_bytes(pool: Pool, dataset: Dataset) -> int:
    if isinstance(dataset.spec, DatasetSpec):
        return dataset.iq_samples_saved * recordings_bytes(dataset.spec)
    recordings, samples = await recorded_samples_saved(pool, DatasetKey(dataset.id, dataset.version))
    return recordings * NPY_HEADER_BYTES + samples * NPY_BYTES_PER_SAMPLE


def recordings_bytes(spec: DatasetSpec) -> int:
    """Returns the bytes of one sample's IQ as objects: complex64 in `.npy`, one of each receiver."""
    return len(spec.receivers) * (NPY_HEADER_BYTES + spec.capture.samples * NPY_BYTES_PER_SAMPLE)


def distances_km(
    spec: Spec, places: Sequence[tuple[float, float]]
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Returns the distance of each place (degrees) to each receiver of known place, km; shape (places, receivers)."""
    from producer.geometry import ground_distance_m

    receivers = [placed for station in spec.receivers if (placed := station.placed) is not None]
    found = [
        [ground_distance_m(*place, receiver.latitude, receiver.longitude) / 1000 for receiver in receivers]
        for place in places
    ]
    return np.array(found, np.float64).reshape(len(places), len(receivers))


def spread(values: Sequence[float] | np.ndarray[tuple[int], np.dtype[np.float64]]) -> Spread | None:
    """Returns the mean and three percentiles; None where there are no values."""
    if not len(values):
        return None
    low, middle, high = np.percentile(values, (10, 50, 90))
    return Spread(
        mean=float(np.mean(values)), percentile_10=float(low), median=float(middle), percentile_90=float(high)
    )
