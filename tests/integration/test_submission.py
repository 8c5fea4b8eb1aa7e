"""A submission that is cut off is gone on with, every shard once."""

import asyncio
import contextlib
import dataclasses
import sys
from collections import Counter

import pytest
from aiokafka import TopicPartition

from extractor.open_samples import OpenSamples
from iqstream.catalogue.dataset_status import set_status
from iqstream.catalogue.datasets import find_dataset, get_dataset
from iqstream.client.asynchronous import aconnect
from iqstream.ingest.given import Asked
from iqstream.reach import postgres_pool
from iqstream.recordings import Given
from iqstream.runtime.errors import Conflict, Unreachable, UserError
from iqstream.runtime.topics import FRAMES
from iqstream.shards import published_samples
from iqstream.submit import submission
from iqstream.submit.extend import extend_dataset
from schemas import IQFrame, decode
from tests.integration.pipeline import Pipeline, small_spec, submitted_shards, submitted_shards_of
from tests.integration.transactions import committed_records
from tests.recorded import recorded_spec, write_recordings

pytestmark = pytest.mark.stack


async def test_a_submission_cut_off_in_the_middle_is_resumed_with_every_shard_once(settings, monkeypatch):
    spec = small_spec(20)
    whole = submission.shards

    def cut_off(spec, first_idx):
        for number, shard in enumerate(whole(spec, first_idx)):
            if number == 7:
                raise ConnectionResetError("cut off")
            yield shard

    monkeypatch.setattr(submission, "SHARDS_PER_TRANSACTION", 3)
    async with postgres_pool(settings) as pool:
        with monkeypatch.context() as broken:
            broken.setattr(submission, "shards", cut_off)
            with pytest.raises(Unreachable, match=f"iqstream datasets resume {spec.dataset_id}"):
                await submission.submit(settings, pool, spec)
        assert (await get_dataset(pool, spec.dataset_id)).status == "submitting"
        assert await submission.resume(settings, pool, spec) == 4  # 2 transactions of 3 of the 10 stood
        assert await submission.resume(settings, pool, spec) == 0
        assert (await get_dataset(pool, spec.dataset_id)).status == "running"
        await set_status(pool, spec.dataset_id, spec.dataset_version, "cancelled")
    assert await submitted_shards(settings, spec) == dict.fromkeys(range(0, 20, 2), 1)


async def test_an_extended_dataset_has_every_sample_once_whether_its_size_was_odd_or_even(settings):
    spec = small_spec(5)
    async with postgres_pool(settings) as pool:
        await submission.submit(settings, pool, spec)
        for samples in (10, 11, 13):
            extended = await extend_dataset(settings, pool, await find_dataset(pool, spec.dataset_id), samples)
            assert (extended.dataset.requested, extended.dataset.spec.samples) == (samples, samples)
        assert await submission.resume(settings, pool, extended.dataset.spec) == 0
        await set_status(pool, spec.dataset_id, spec.dataset_version, "cancelled")
        with pytest.raises(UserError, match="is cancelled"):
            await extend_dataset(settings, pool, await find_dataset(pool, spec.dataset_id), 20)
    shards = await submitted_shards_of(settings, spec)
    assert sorted(index for shard in shards for index in shard.sample_indices) == list(range(13))


async def test_an_extension_cut_off_is_resumed_and_one_of_a_forgotten_submission_begins_after_its_last_sample(
    settings, monkeypatch
):
    spec = small_spec(5)
    async with postgres_pool(settings) as pool:
        await submission.submit(settings, pool, spec)

        async def forgotten(*_):
            return 0

        def away(*_):
            raise ConnectionResetError("cut off")

        with monkeypatch.context() as broken:
            broken.setattr(submission, "shards", away)
            with pytest.raises(Unreachable, match="datasets resume"):
                await extend_dataset(settings, pool, await find_dataset(pool, spec.dataset_id), 8)
        cut_off = await find_dataset(pool, spec.dataset_id)
        with pytest.raises(UserError, match="datasets resume"):
            await extend_dataset(settings, pool, cut_off, 20)
        assert await submission.resume(settings, pool, cut_off.spec) == 2
        with monkeypatch.context() as broken:
            broken.setattr(submission, "position_to_go_on_from", forgotten)
            await extend_dataset(settings, pool, await find_dataset(pool, spec.dataset_id), 9)
        await set_status(pool, spec.dataset_id, spec.dataset_version, "cancelled")
    shards = await submitted_shards_of(settings, spec)
    assert sorted(index for shard in shards for index in shard.sample_indices) == list(range(9))


async def test_an_ingest_killed_in_the_middle_is_gone_on_with_and_has_each_window_once(settings, tmp_path):
    """kill -9 once the first transaction stands; the same command, in another process, publishes the rest."""
    write_recordings(tmp_path, 2.0)
    name = f"killed {tmp_path}"
    command = [sys.executable, "-m", "iqstream", "ingest", "--name", name, "--window-ms", "10", "--chunk-ms", "5"]
    command += ["--pairs", "--time-source", "gnss"]
    environment = Pipeline(settings, tmp_path / "log").environment()
    dying = await asyncio.create_subprocess_exec(
        *command, str(tmp_path), env=environment, stdout=asyncio.subprocess.PIPE
    )
    assert dying.stdout is not None
    dataset_id = (await dying.stdout.readline()).decode().split()[-1]
    spec = recorded_spec(dataset_id=dataset_id)
    while not await published_samples(settings, spec) and dying.returncode is None:
        await asyncio.sleep(0.01)
    with contextlib.suppress(ProcessLookupError):
        dying.kill()
    await dying.wait()
    asked = Asked(name=name, paths=(tmp_path,), given=Given(time_source="gnss"), window_ms=10, chunk_ms=5)
    async with aconnect(settings) as client:
        with pytest.raises(Conflict, match="ingest those first") if dying.returncode else contextlib.nullcontext():
            await client.ingest(dataclasses.replace(asked, paths=(tmp_path / "rx0.sigmf-meta",)))
        with pytest.raises(Conflict, match="--no-pairs: dataset"):
            await client.ingest(dataclasses.replace(asked, pairs=False))
        done = await client.ingest(asked)
        assert (done.dataset_id, done.failures) == (dataset_id, ())
        assert (await client.dataset(dataset_id)).dataset.status == "running"
        await client.cancel(dataset_id)
    places = [TopicPartition(FRAMES, partition) for partition in range(settings.partitions)]
    records = [
        record
        for record in await committed_records(settings, places)
        if (record.key or b"").startswith(dataset_id.encode())
    ]
    frames = [decode(record.value, IQFrame) for record in records]
    each = Counter((frame.sample_idx, frame.receiver.rx_id) for frame in frames)
    assert each == {(index, receiver.rx_id): 1 for index in range(200) for receiver in spec.receivers}
    assert len({frame.recorded.identity for frame in frames}) == 600
    joined = {partition: OpenSamples() for partition in range(settings.partitions)}
    whole = [joined[record.partition].add(record.offset, frame) for record, frame in zip(records, frames, strict=True)]
    assert sum(sample is not None for sample in whole) == 200  # each brings its time differences, once
    assert not any(partition.first_offsets() for partition in joined.values())
