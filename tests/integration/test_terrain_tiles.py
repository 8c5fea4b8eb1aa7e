"""A dataset over real tiles, from the command line's reading of them to rows and objects."""

import dataclasses
from asyncio import timeout

import asyncpg
import numpy as np
import pytest

from iqstream.dataset.feature_records import feature_records
from iqstream.submit.spec import read_terrain
from producer.synthesize import synthesize_sample
from producer.tile_directory import tiles_in
from schemas import FailureRecord
from schemas.dataset import ITALY_NORTH_WEST
from tests.integration.pipeline import (
    Pipeline,
    is_complete,
    small_spec,
    stored_objects,
    submit_dataset,
    wait_for_dataset,
)
from tests.integration.replays import expire_frames
from tests.srtm_tiles import plane_m, write_region

pytestmark = pytest.mark.stack
SAMPLES = 6


async def features_of(settings, spec, count):
    """The dataset's records on `iq.features`, once all are there."""
    found = []
    async with timeout(90):
        while len(found) < count:
            found = [record async for record in feature_records(settings, spec.dataset_id)]
    return found


async def test_frames_that_expired_are_made_again_over_the_same_tiles(settings, tmp_path):
    """Producers and extractors end, the frames are deleted, then the sink begins: its objects are the first ones."""
    directory = write_region(tmp_path)
    settings = dataclasses.replace(settings, terrain_dir=str(directory))
    spec = small_spec(SAMPLES, terrain=read_terrain(directory, ITALY_NORTH_WEST), iq_samples=2)
    with Pipeline(settings, tmp_path / "stages.log", workers=1).running("producer", "extractor") as pipeline:
        await submit_dataset(settings, spec)
        assert not any(isinstance(one, FailureRecord) for one in await features_of(settings, spec, 7 * SAMPLES))
        pipeline.stop("producer", "extractor")
        await expire_frames(settings)
        pipeline.start("sink")
        row = await wait_for_dataset(settings, spec, is_complete)
    assert row["failed"] == 0
    assert row["accepted"] >= 2
    made = {
        f"synthetic/{spec.dataset_id}/{index}/{frame.receiver.rx_id}.npy": frame.samples()
        for index in range(SAMPLES)
        for frame in synthesize_sample(spec, index, tiles=tiles_in(str(directory))).frames
    }
    stored = await stored_objects(settings, spec)
    assert len(stored) == 14
    assert all(np.array_equal(iq, made[name]) for name, iq in stored.items())
    connection = await asyncpg.connect(settings.postgres_dsn)
    try:
        places = await connection.fetch(
            "SELECT tx_latitude, tx_longitude, tx_altitude_m FROM heimdall.measurement_features "
            "WHERE dataset_id = $1::uuid",
            spec.dataset_id,
        )
    finally:
        await connection.close()
    for place in places:
        expected = plane_m(place["tx_latitude"], place["tx_longitude"])
        assert place["tx_altitude_m"] == pytest.approx(expected, abs=0.51)


async def test_a_producer_without_the_tiles_fails_each_sample_by_the_tiles_name(settings, tmp_path):
    spec = small_spec(2, terrain=read_terrain(write_region(tmp_path), ITALY_NORTH_WEST))
    with Pipeline(settings, tmp_path / "stages.log", workers=1).running():
        await submit_dataset(settings, spec)
        row = await wait_for_dataset(settings, spec, is_complete)
    assert row["failed"] == 2
    messages = [one.message for one in await features_of(settings, spec, 2)]
    assert all("N4" in message and "IQSTREAM_TERRAIN_DIR" in message for message in messages)
