"""What the generator put into a sample."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import timedelta

import numpy as np

from iqstream.catalogue.datasets import Dataset, find_dataset
from iqstream.client.calls import Calls
from iqstream.client.results import PathTruth, SampleTruth
from iqstream.dataset.drawn import drawing
from iqstream.dataset.feature_records import feature_records
from iqstream.dataset_relief import Relief, relief
from iqstream.plot.truth import QuantityAccuracy, RecordingErrors, accuracy_by_band, recording_errors
from iqstream.runtime.errors import NotFound, UserError
from iqstream.runtime.readable import Rows
from iqstream.submit.spec import make_spec
from schemas import Capture, DatasetSpec, FeatureRecord

RECORDINGS = 2000
CLOCKS_APART = timedelta(minutes=5)
"""At most, PostgreSQL's and that of whoever sends records."""


class TruthCalls(Calls):
    """`truth`, `accuracy`, `relief`, `load_generator`."""

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

    async def accuracy(
        self, name_or_id: str, *, version: int | None = None, within_s: float = 20.0
    ) -> Rows[QuantityAccuracy]:
        """Returns how far measured features are from what was put in, by band of SNR; of 2,000 recordings at most.

        The truth as it was realised stands in the records that Kafka keeps, and they are read from the dataset's
        beginning; a recording that was processed again counts as it was the last time that is read.

        Args:
            name_or_id: which dataset.
            version: of it; if not given, the newest that is whole.
            within_s: after so long the reading ends, with what it has found.

        Raises:
            UserError: there is no such dataset.
            Failed: Kafka refuses the read.
            Unreachable: a server does not answer.
        """
        async with self._postgres() as pool:
            found = await find_dataset(pool, name_or_id, version=version, tell=self._tell)
        kept: dict[tuple[int, str], tuple[int, RecordingErrors]] = {}
        since = found.created_at - CLOCKS_APART
        records = feature_records(self.settings, found.id, found.version, since=since, within_s=within_s)
        async with aclosing(records):
            async for record in records:
                if not isinstance(record, FeatureRecord) or (errors := recording_errors(record)) is None:
                    continue
                place = record.sample_idx, record.receiver.rx_id
                if place not in kept or kept[place][0] <= record.generation:
                    kept[place] = record.generation, errors
                if len(kept) >= RECORDINGS:
                    break
        return Rows(accuracy_by_band(errors for _, errors in kept.values()))

    async def relief(self, name_or_id: str, *, version: int | None = None) -> Relief:
        """Returns the ground of the region in which a dataset's transmitters may stand.

        Args:
            name_or_id: which dataset.
            version: of it; if not given, the newest that is whole.

        Raises:
            UserError: there is no such dataset, it holds real recordings, or a terrain tile is missing.
            Unreachable: PostgreSQL does not answer.
        """
        async with self._postgres() as pool:
            found = await find_dataset(pool, name_or_id, version=version, tell=self._tell)
        return await asyncio.to_thread(relief_of_dataset, found, self.settings.terrain_dir)

    async def load_generator(self) -> None:
        """Loads the generator's compiled kernels, for which the first `truth`, `estimate` or `iq` waits otherwise."""
        await asyncio.to_thread(_load_generator)


def _load_generator() -> None:
    from producer.synthesize import synthesize_sample
    from producer.tile_directory import tiles_in

    capture = Capture(capture_ms=10, chunk_ms=10)
    synthesize_sample(make_spec(name="first", samples=1, seed=0, capture=capture), 0, tiles=tiles_in(""))


def relief_of_dataset(dataset: Dataset, terrain_dir: str) -> Relief:
    """Returns the ground of a dataset's region.

    Raises:
        UserError: as `TruthCalls.relief`.
    """
    from producer.tile_directory import tiles_in
    from producer.tiles import MissingTile

    if not isinstance(dataset.spec, DatasetSpec):
        raise UserError(f"dataset {dataset.name!r} holds real recordings: the ground below them is not known")
    try:
        return relief(dataset.spec, tiles_in(terrain_dir))
    except MissingTile as error:
        raise UserError(f"the ground of dataset {dataset.name!r} is not known: {error}") from None


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
