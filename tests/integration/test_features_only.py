"""Features without frames on real servers: the rows of the other way, with no extractor and nothing on `iq.frames`."""

import asyncio
import json
import subprocess
import sys
from functools import partial
from uuid import UUID

import msgspec
import numpy as np
import psutil
import pytest

from extractor.pairs.record import pair_record
from iqstream.bench.verify import count_recordings
from iqstream.catalogue.dataset_status import delete_dataset
from iqstream.catalogue.datasets import find_dataset
from iqstream.dataset import FeatureStream, IQStream
from iqstream.reach import object_store, postgres_pool
from iqstream.runtime.errors import UserError
from iqstream.runtime.kafka import reader_consumer
from iqstream.runtime.topics import FRAMES, JOBS
from iqstream.verify.verify import Verifier
from producer.synthesize import synthesize_sample
from schemas import PAIR_QUANTITIES, Lineage
from sink.frames import FrameReader
from tests.integration.pipeline import (
    Pipeline,
    digest,
    is_complete,
    small_spec,
    stored_objects,
    submit_dataset,
    wait_for_dataset,
)
from tests.integration.replays import damage, ends_of, fetch, replay, stored

pytestmark = pytest.mark.stack
SAMPLES = 40
IDS = {"recording_session_id", "dataset_id"}
TIMES = {"created_at", "decided_at", "iq_saved_at", "generation"}
"""And the generation, which a replay raises."""

small = partial(small_spec, SAMPLES, iq_samples=6)


@pytest.fixture(scope="module")
def pipeline(settings, tmp_path_factory):
    with Pipeline(settings, tmp_path_factory.mktemp("stages") / "stages.log").running("producer", "sink") as running:
        yield running


@pytest.fixture(scope="module")
def made(settings, pipeline):
    """A complete dataset of features alone, and the ends of `iq.frames` before and after; no extractor was there."""
    spec = small(publish="features")

    async def make():
        before = await ends_of(settings, FRAMES)
        await submit_dataset(settings, spec)
        await wait_for_dataset(settings, spec, is_complete)
        return before, await ends_of(settings, FRAMES)

    return spec, *asyncio.run(make())


async def tables(settings, spec):
    """Rows and outcomes without ids and times, and the lineages that were in them."""
    lineages, kept = [], []
    for table in ("measurement_features", "sample_outcomes"):
        query = f"SELECT * FROM heimdall.{table} WHERE dataset_id = $1 ORDER BY sample_idx"
        for row in await fetch(settings, query, UUID(spec.dataset_id)):
            values = {name: value for name, value in row.items() if name not in IDS | TIMES}
            if table == "measurement_features":
                values["extraction_metadata"] = json.loads(values["extraction_metadata"])
                lineages.append(values["extraction_metadata"].pop("lineage"))
            else:
                lineages.append(json.loads(values.pop("lineage")))
            kept.append(values)
    return kept, lineages


async def checks_of(settings, spec):
    """What a verification finds that makes every sample again."""
    store = object_store(settings)
    try:
        async with postgres_pool(settings) as pool, FrameReader(lambda: reader_consumer(settings)) as frames:
            verifier = Verifier(
                pool=pool, store=store, frames=frames, synthesize=synthesize_sample,
                dataset=await find_dataset(pool, spec.dataset_id),
            )  # fmt: skip
            return [check async for check in verifier.checks(SAMPLES)]
    finally:
        store.close()


async def problems_of(settings, spec):
    return [problem for check in await checks_of(settings, spec) for problem in check.problems]


@pytest.fixture(scope="module")
def by_frames(settings, pipeline):
    """A complete dataset with frames and with time differences; both extractor workers were killed meanwhile."""
    spec = small(pairs=True)

    async def make():
        await submit_dataset(settings, spec)
        pipeline.start("extractor")
        try:
            for number, decided in enumerate((SAMPLES // 8, SAMPLES // 4)):
                await wait_for_dataset(
                    settings, spec, lambda row, n=decided: row["accepted"] + row["rejected"] + row["failed"] >= n
                )
                pipeline.kill_worker("extractor", number)
            await wait_for_dataset(settings, spec, is_complete)
        finally:
            pipeline.stop("extractor")

    asyncio.run(make())
    return spec


async def test_the_rows_are_those_of_the_frames_mode_and_no_frame_was_published(settings, made, by_frames):
    spec, before, after = made
    assert before == after
    rows, lineages = await tables(settings, spec)
    rows_by_frames, lineages_by_frames = await tables(settings, by_frames)
    assert rows == rows_by_frames
    assert len(rows) > SAMPLES
    assert {place["topic"] for lineage in lineages for place in lineage.values()} == {JOBS}
    assert {place["topic"] for lineage in lineages_by_frames for place in lineage.values()} == {FRAMES}
    crc32s = [
        [{rx: place["crc32"] for rx, place in one.items()} for one in both] for both in (lineages, lineages_by_frames)
    ]
    assert crc32s[0] == crc32s[1]


async def test_the_extractor_joins_frames_to_the_time_differences_of_the_features_mode(settings, by_frames, disturbed):
    assert await digest(settings, by_frames) == await digest(settings, disturbed)
    [counted] = (await count_recordings(settings, [by_frames])).values()
    assert (counted.lost, counted.doubled) == (0, 0)
    assert await problems_of(settings, by_frames) == []
    undamaged = await stored_pairs(settings, by_frames)
    first = min(undamaged)
    damaged = "UPDATE heimdall.pair_measurements SET pairs = pairs[2:] WHERE dataset_id = $1 AND sample_idx = $2"
    await fetch(settings, damaged, UUID(by_frames.dataset_id), first)
    replayed = await replay(settings, by_frames, samples=str(first))
    assert replayed.result.counts["frames_read"] == len(by_frames.receivers)
    assert await stored_pairs(settings, by_frames) == undamaged


async def test_the_iq_of_the_first_accepted_samples_is_stored_bit_for_bit(settings, made):
    spec, *_ = made
    found = await stored_objects(settings, spec)
    assert len(found) == spec.iq_samples * len(spec.receivers)
    for name, iq in found.items():
        index, rx_file = name.split("/")[-2:]
        frames = {f"{frame.receiver.rx_id}.npy": frame for frame in synthesize_sample(spec, int(index)).frames}
        np.testing.assert_array_equal(iq, frames[rx_file].samples())


def test_iq_of_every_accepted_sample_is_streamed_although_none_was_published(settings, made):
    spec, *_ = made
    seen = 0
    for x, _, meta in IQStream(spec.dataset_id, settings=settings):
        frames = {frame.receiver.rx_id: frame for frame in synthesize_sample(spec, meta["sample_idx"]).frames}
        for rx_id, iq in zip(meta["rx_ids"], x["iq"], strict=True):
            np.testing.assert_array_equal(iq, frames[rx_id].samples())
        assert all(meta["synthesized"])
        seen += 1
    assert seen == sum("receiver_features" in row for row in asyncio.run(stored(settings, spec))) > 0


async def test_it_is_verified_and_replayed_from_its_spec_alone(settings, made):
    spec, *_ = made
    undamaged = await stored(settings, spec)
    assert await damage(settings, spec)
    replayed = await replay(settings, spec)
    assert (replayed.result.counts["frames_read"], replayed.result.missing) == (0, [])
    assert replayed.result.counts["frames_synthesized"] == SAMPLES * len(spec.receivers)
    assert await stored(settings, spec) == undamaged
    checks = await checks_of(settings, spec)
    assert [problem for check in checks for problem in check.problems] == []
    assert checks[-1].checked == SAMPLES


@pytest.fixture(scope="module")
def disturbed(settings, pipeline):
    """A complete dataset with time differences; a worker of each stage was killed while it was made."""
    spec = small(publish="features", pairs=True)

    async def make():
        await submit_dataset(settings, spec)
        for number, stage in enumerate(("producer", "sink")):
            decided = (number + 1) * SAMPLES // 4
            await wait_for_dataset(
                settings, spec, lambda row, n=decided: row["accepted"] + row["rejected"] + row["failed"] >= n
            )
            pipeline.kill_worker(stage)
        await wait_for_dataset(settings, spec, is_complete)

    asyncio.run(make())
    return spec


async def test_kill_9_of_a_producer_and_a_sink_worker_without_a_standby_changes_nothing_nor_do_time_differences(
    settings, pipeline, made, disturbed
):
    undisturbed, *_ = made
    services = [psutil.Process(service.pid) for service in pipeline.services.values()]
    assert not [
        name for service in services for child in service.children() if (name := child.name()).endswith("-next")
    ]
    (rows, _), (undisturbed_rows, _) = await tables(settings, disturbed), await tables(settings, undisturbed)
    assert rows == undisturbed_rows


async def stored_pairs(settings, spec):
    """By sample, what PostgreSQL holds of each pair."""
    query = "SELECT sample_idx, pairs FROM heimdall.pair_measurements WHERE dataset_id = $1 ORDER BY sample_idx"
    rows = await fetch(settings, query, UUID(spec.dataset_id))
    return {row["sample_idx"]: [json.loads(text) for text in row["pairs"]] for row in rows}


def test_the_time_differences_of_every_accepted_sample_are_stored_and_streamed_once(settings, disturbed):
    stored_by_sample = asyncio.run(stored_pairs(settings, disturbed))
    streamed = {
        meta["sample_idx"]: x for x, _, meta in FeatureStream(disturbed.dataset_id, pairs=True, settings=settings)
    }
    assert stored_by_sample.keys() == streamed.keys() != set()
    lineage = Lineage(topic=JOBS, partition=0, offset=0, crc32=None)
    for index, pairs in stored_by_sample.items():
        frames = synthesize_sample(disturbed, index).frames
        assert pairs == [msgspec.structs.asdict(pair) for pair in pair_record(frames, lineage).pairs]
        values = [[float(pair[name]) for name in PAIR_QUANTITIES] for pair in pairs]
        assert streamed[index]["pairs"].tolist() == values
    assert any(pair["found"] for pairs in stored_by_sample.values() for pair in pairs)


def test_the_example_locates_every_accepted_sample_to_some_kilometres(settings, pipeline, disturbed):
    """Of recordings of 50 ms, over a coarse map."""
    said = subprocess.run(
        [sys.executable, "-W", "error", "examples/locate_transmitters.py", disturbed.name, "--cells", "1000"],
        capture_output=True,
        check=False,
        text=True,
        env=pipeline.environment(),
        timeout=150,
    )
    assert said.returncode == 0, said.stderr
    *each, last = said.stdout.splitlines()
    assert len(each) == len(asyncio.run(stored_pairs(settings, disturbed)))
    assert last.startswith(f"{len(each)} samples: ")
    assert float(last.split()[2]) < 10.0


def test_a_network_locates_every_sample_once_although_it_was_killed_between(
    settings, pipeline, disturbed, torch_path, tmp_path
):
    """What was written after its checkpoint is made again, and a group says how far it is."""
    there = set(asyncio.run(stored_pairs(settings, disturbed)))
    run_example = (
        f"import sys, runpy; sys.path.append({torch_path!r}); sys.argv[0] = 'locate_network.py'; "
        "sys.path.insert(0, 'examples'); runpy.run_path('examples/locate_network.py', run_name='__main__')"
    )
    command = [sys.executable, "-c", run_example, disturbed.name, str(tmp_path), "--every", "4", "--steps", "1"]
    estimates = tmp_path / "estimates.jsonl"
    with (tmp_path / "log").open("wb") as log:
        endless = subprocess.Popen(command, env=pipeline.environment(), stdout=subprocess.PIPE, stderr=log)
    with endless:
        told = [endless.stdout.readline() for _ in range(2)]  # the first of them is in a checkpoint
        endless.kill()
    assert all(told), (tmp_path / "log").read_text()
    with estimates.open("a") as file:
        file.write('{"cut')
    ended = subprocess.run(
        [*command, "--samples", str(len(there))],
        capture_output=True, check=False, text=True, env=pipeline.environment(), timeout=150,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    known = [json.loads(line) for line in estimates.read_text().splitlines()]
    assert len(known) == len(there)
    assert {one["sample_idx"] for one in known} == there
    assert np.median([one["error_km"] for one in known]) < 10.0
    group = subprocess.run(
        [sys.executable, "-m", "iqstream", "lag", "--group", "locate-network", "--topic", "iq.features", "--json"],
        capture_output=True, check=False, env=pipeline.environment(), timeout=60,
    )  # fmt: skip
    (read,) = json.loads(group.stdout)["groups"][0]["topics"]
    assert sum(partition["committed_offset"] or 0 for partition in read["partitions"]) > 0


async def test_time_differences_are_verified_and_replayed_and_go_with_their_dataset(settings, disturbed):
    undamaged = await stored_pairs(settings, disturbed)
    first, second, *_ = undamaged
    damaged = "UPDATE heimdall.pair_measurements SET pairs = pairs[2:] WHERE dataset_id = $1 AND sample_idx = $2"
    missing = "DELETE FROM heimdall.pair_measurements WHERE dataset_id = $1 AND sample_idx = $2"
    await fetch(settings, damaged, UUID(disturbed.dataset_id), first)
    await fetch(settings, missing, UUID(disturbed.dataset_id), second)
    problems = await problems_of(settings, disturbed)
    assert any(one.startswith(f"sample {first} pairs is ") for one in problems)
    assert f"sample {second}: time differences: they are asked for and missing" in problems
    await replay(settings, disturbed, samples=f"{first},{second}")
    assert await stored_pairs(settings, disturbed) == undamaged
    assert await problems_of(settings, disturbed) == []
    (streamed,) = [
        x for x, _, meta in FeatureStream(disturbed.dataset_id, pairs=True, settings=settings)
        if meta["sample_idx"] == first
    ]  # fmt: skip
    assert len(streamed["pairs"]) == len(undamaged[first])
    async with postgres_pool(settings) as pool:
        await delete_dataset(pool, disturbed.dataset_id)
    assert await stored_pairs(settings, disturbed) == {}


def test_time_differences_of_a_dataset_without_any_are_refused_by_name(settings, made):
    spec, *_ = made
    with pytest.raises(UserError, match=f"pairs: dataset '{spec.name}' holds no time differences"):
        next(iter(FeatureStream(spec.dataset_id, pairs=True, settings=settings)))
