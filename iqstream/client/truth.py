"""What the generator put into a sample."""

from __future__ import annotations

import asyncio

import numpy as np

from iqstream.catalogue.datasets import Dataset, find_dataset
from iqstream.client.calls import Calls
from iqstream.client.results import PathTruth, SampleTruth
from iqstream.dataset.drawn import drawing
from iqstream.runtime.errors import NotFound
from iqstream.runtime.readable import Rows
from schemas import DatasetSpec


class TruthCalls(Calls):
    """`truth`."""

    async def truth(self, name_or_id: str, sample_idx: int, *, version: int | None = None) -> SampleTruth:
        """Returns what the generator put into a sample: the transmitter, and each path with its losses and its ground.

        Args:
            name_or_id: which dataset.
            sample_idx: which sample, decided or not.
            version: of the dataset; if not given, the newest that is whole.

        Raises:
            UserError: there is no such dataset or sample, it holds real recordings, another release made it, or a
                terrain tile is missing.
            Unreachable: PostgreSQL does not answer.
        """
        async with self._postgres() as pool:
            found = await find_dataset(pool, name_or_id, version=version, tell=self._tell)
        return await asyncio.to_thread(truth_of_sample, found, sample_idx, self.settings.terrain_dir)


def truth_of_sample(dataset: Dataset, sample_idx: int, terrain_dir: str) -> SampleTruth:
    """Returns what the generator put into a sample.

    Raises:
        UserError: as `TruthCalls.truth`.
    """
    from producer.path import path_profile
    from producer.truth import drawn_link, drawn_transmitter

    if sample_idx not in dataset.samples:
        raise NotFound(f"dataset {dataset.name!r} has no sample {sample_idx}: it has {dataset.samples}")
    drawn = drawing(dataset, terrain_dir)(sample_idx)
    spec, scene = drawn.spec, drawn.scene
    paths = []
    for path in drawn.paths:
        receiver = path.receiver
        distances_km: list[float] = []
        ground_m: list[float] = []
        if path.terrain is not None:
            ground = path_profile(spec, scene, receiver, drawn.ground)
            distances_km, ground_m = ground.distances_km.tolist(), _bulged(spec, ground.distances_km, ground.heights_m)
        paths.append(
            PathTruth(
                rx_id=receiver.rx_id,
                eirp_dbm=scene.eirp_dbm + path.gains.tx_pattern_db,
                rx_antenna_gain_dbi=path.gains.rx_dbi,
                link=drawn_link(path),
                distances_km=distances_km,
                ground_m=ground_m,
                ray_m=(scene.altitude_m + scene.antenna_height_m, receiver.altitude_m + receiver.antenna_height_m),
            )
        )
    return SampleTruth(
        dataset=dataset, sample_idx=sample_idx, transmitter=drawn_transmitter(scene, drawn.paths[0]), paths=Rows(paths)
    )


def _bulged(
    spec: DatasetSpec,
    distances_km: np.ndarray[tuple[int], np.dtype[np.float64]],
    heights_m: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> list[float]:
    """Heights with the earth's bulge, d1 d2 / 2 k R, so that the ray is a straight line."""
    from producer.propagation import EARTH_RADIUS_KM

    radius_km = EARTH_RADIUS_KM * spec.propagation.effective_earth_factor
    bulge_m = 1000 * distances_km * (distances_km[-1] - distances_km) / (2 * radius_km)
    bulged: list[float] = (heights_m + bulge_m).tolist()
    return bulged
