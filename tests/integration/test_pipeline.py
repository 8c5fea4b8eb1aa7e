"""The whole job on real servers: what is asked for is what is stored, whatever dies on the way."""

import json
import math

import asyncpg
import numpy as np
import pytest
from aiokafka import TopicPartition

from iqstream.catalogue.datasets import find_dataset, split_salt
from iqstream.catalogue.iq_saves import samples_with_iq
from iqstream.catalogue.new_datasets import create_dataset
from iqstream.dataset_figures import NPY_HEADER_BYTES, dataset_figures
from iqstream.reach import postgres_pool
from iqstream.runtime.kafka import transactional_producer
from iqstream.runtime.topics import DEAD_LETTERS, FRAMES
from iqstream.submit.extend import extend_dataset
from iqstream.submit.submission import resume
from producer.synthesize import synthesize_sample
from schemas import FEATURE_NAMES, STATISTICS, Capture, GenerationShard, decode, encode, headers, sample_key
from schemas.feature_record import FEATURE_VALUES
from tests.integration.pipeline import (
    STAGES,
    Pipeline,
    digest,
    is_complete,
    small_spec,
    stored_objects,
    submit_dataset,
    wait_for_dataset,
)
from tests.integration.transactions import committed_records, settled

pytestmark = pytest.mark.stack
SAMPLES = 40


@pytest.fixture(scope="module")
def pipeline(settings, tmp_path_factory):
    with Pipeline(settings, tmp_path_factory.mktemp("stages") / "stages.log").running() as running:
        yield running


async def test_every_sample_is_decided_and_every_row_is_whole(settings, pipeline):
    spec = small_spec(SAMPLES)
    await submit_dataset(settings, spec)
    row = await wait_for_dataset(settings, spec, is_complete)
    assert row["accepted"] + row["rejected"] + row["failed"] == row["requested"] == SAMPLES
    assert row["failed"] == 0
    connection = await asyncpg.connect(settings.postgres_dsn)
    try:
        stored = await connection.fetch(
            "SELECT receiver_features, num_receivers_detected, overall_confidence, extraction_metadata "
            "FROM heimdall.measurement_features WHERE dataset_id = $1::uuid",
            spec.dataset_id,
        )
    finally:
        await connection.close()
    assert len(stored) == row["accepted"] > 0
    for sample in stored:
        receivers = [json.loads(text) for text in sample["receiver_features"]]
        assert sorted(r["rx_id"] for r in receivers) == sorted(r.rx_id for r in spec.receivers)
        for receiver in receivers:
            receiver_values = receiver.keys() - {"rx_id"}
            values = [receiver[feature][statistic] for feature in FEATURE_NAMES for statistic in STATISTICS]
            assert len(values) == len(receiver_values) * len(STATISTICS) == FEATURE_VALUES
            assert all(math.isfinite(value) for value in values)
        assert 0 <= sample["overall_confidence"] <= 1


async def test_an_extended_dataset_completes_again_and_equals_one_that_was_made_so_with_its_iq_and_splits(
    settings, pipeline
):
    spec, twin = small_spec(5, iq_samples=6), small_spec(11, iq_samples=6)
    await submit_dataset(settings, spec)
    await wait_for_dataset(settings, spec, is_complete)
    async with postgres_pool(settings) as pool:
        salt = await split_salt(pool, spec.dataset_id)
        kept = await samples_with_iq(pool, spec.dataset_id)
        extended = await extend_dataset(settings, pool, await find_dataset(pool, spec.dataset_id), 11)
        assert (extended.dataset.status, extended.dataset.completed_at) == ("submitting", None)
        await submit_dataset(settings, twin)
        for one in (spec, twin):
            row = await wait_for_dataset(settings, one, is_complete)
            assert row["accepted"] + row["rejected"] + row["failed"] == row["requested"] == 11
        assert await split_salt(pool, spec.dataset_id) == salt == await split_salt(pool, twin.dataset_id)
        assert kept < await samples_with_iq(pool, spec.dataset_id) == await samples_with_iq(pool, twin.dataset_id)
        dataset = await find_dataset(pool, spec.dataset_id)
        figures = await dataset_figures(pool, dataset)
    assert await digest(settings, spec) == await digest(settings, twin)
    objects = await stored_objects(settings, spec)
    assert figures.iq_bytes == sum(iq.nbytes + NPY_HEADER_BYTES for iq in objects.values())
    assert dataset.spec.limits.min_snr_db <= figures.mean_snr_db.percentile_10 <= figures.mean_snr_db.percentile_90
    assert figures.nearest_receiver_km.median < figures.distance_km.median < 400
    assert figures.rows_bytes > 11 * 1000


async def test_the_iq_of_the_first_accepted_samples_is_stored_bit_for_bit(settings, pipeline):
    spec = small_spec(SAMPLES)
    await submit_dataset(settings, spec)
    row = await wait_for_dataset(settings, spec, is_complete)
    connection = await asyncpg.connect(settings.postgres_dsn)
    try:
        accepted = await connection.fetch(
            "SELECT sample_idx FROM heimdall.sample_outcomes WHERE dataset_id = $1::uuid AND outcome = 'accepted' "
            "ORDER BY sample_idx LIMIT $2",
            spec.dataset_id,
            spec.iq_samples,
        )
    finally:
        await connection.close()
    expected = {
        f"synthetic/{spec.dataset_id}/{r['sample_idx']}/{frame.receiver.rx_id}.npy": frame.samples()
        for r in accepted
        for frame in synthesize_sample(spec, r["sample_idx"]).frames
    }
    found = await stored_objects(settings, spec)
    assert row["iq_samples_saved"] == spec.iq_samples
    assert found.keys() == expected.keys()
    for name, iq in found.items():
        assert iq.dtype == np.complex64
        np.testing.assert_array_equal(iq, expected[name])


async def test_kill_9_of_a_worker_of_each_stage_changes_nothing(settings, pipeline):
    undisturbed, disturbed = small_spec(SAMPLES), small_spec(SAMPLES)
    await submit_dataset(settings, undisturbed)
    await wait_for_dataset(settings, undisturbed, is_complete)
    await submit_dataset(settings, disturbed)
    for number, stage in enumerate(STAGES):
        decided = (number + 1) * SAMPLES // 5
        await wait_for_dataset(
            settings, disturbed, lambda row, n=decided: row["accepted"] + row["rejected"] + row["failed"] >= n
        )
        pipeline.kill_worker(stage)
    await wait_for_dataset(settings, disturbed, is_complete)
    assert await digest(settings, disturbed) == await digest(settings, undisturbed)


async def test_a_cancelled_dataset_stops_and_the_next_one_goes_on(settings, pipeline):
    from iqstream.catalogue.dataset_status import set_status

    cancelled, following = small_spec(3_000), small_spec(10)
    await submit_dataset(settings, cancelled)
    async with postgres_pool(settings) as pool:
        await set_status(pool, cancelled.dataset_id, cancelled.dataset_version, "cancelled")
    await submit_dataset(settings, following)
    await wait_for_dataset(settings, following, is_complete)
    row = await wait_for_dataset(settings, cancelled, lambda row: row["status"] == "cancelled")
    assert row["accepted"] + row["rejected"] + row["failed"] < row["requested"]


async def test_frames_that_the_broker_refuses_fail_their_samples_and_disturb_no_other_dataset(settings, pipeline):
    too_large = small_spec(4, datatype="cf32_le", capture=Capture(capture_ms=1000))  # 1.6 MB a frame
    other = small_spec(10)
    async with postgres_pool(settings) as pool:  # as submitted before the topic's limit was lowered: now it is refused
        await create_dataset(pool, too_large)
        await resume(settings, pool, too_large)
    await submit_dataset(settings, other)
    row = await wait_for_dataset(settings, too_large, is_complete)
    assert (row["failed"], row["requested"]) == (4, 4)
    row = await wait_for_dataset(settings, other, is_complete)
    assert row["failed"] == 0
    shards = [decode(value, GenerationShard) for value in await dead_letters_of(settings, too_large)]
    assert sorted(index for shard in shards for index in shard.sample_indices) == [0, 1, 2, 3]


async def test_bad_frames_are_kept_and_fail_their_sample_alone(settings, pipeline):
    """A frame that does not decode, one of another schema, and one with NaN: each fails the sample that it is of."""
    spec = small_spec(4)
    pipeline.stop("extractor")  # so that the bad frames come before the good ones of the same receivers
    bad = [bad_frame(spec, 0, b"\xc1 not msgpack"), bad_frame(spec, 1, encode(spec)), nan_frame(spec, 2)]
    sender = transactional_producer(settings, f"bad-{spec.dataset_id}")
    await sender.start()
    try:
        async with sender.transaction():
            for key, value, named in bad:
                await (await sender.send(FRAMES, value, key=key, headers=named))
    finally:
        await sender.stop()
    await submit_dataset(settings, spec)
    pipeline.start("extractor")
    row = await wait_for_dataset(settings, spec, is_complete)
    assert row["failed"] == 3
    assert row["accepted"] + row["rejected"] == 1
    letters = await dead_letters_of(settings, spec)
    assert sorted(letters) == sorted(value for _, value, _ in bad)


def bad_frame(spec, index, value):
    frame = synthesize_sample(spec, index).frames[0]
    return sample_key(spec.dataset_id, index), value, headers(frame)


def nan_frame(spec, index):
    import msgspec

    frame = synthesize_sample(spec, index).frames[0]
    iq = np.full(spec.capture.samples, np.nan, np.complex64)
    broken = msgspec.structs.replace(frame, datatype="cf32_le", scale=1.0, iq=memoryview(iq).cast("B"))
    return sample_key(spec.dataset_id, index), encode(broken), headers(broken)


async def dead_letters_of(settings, spec):
    await settled(settings, DEAD_LETTERS)
    letters = await committed_records(settings, [TopicPartition(DEAD_LETTERS, 0)])
    return [r.value for r in letters if dict(r.headers)["key"].startswith(spec.dataset_id.encode())]
