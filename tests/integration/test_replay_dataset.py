"""Processing a dataset again on real servers: identical rows, nothing doubled, whatever has expired or dies."""

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
from collections import Counter
from uuid import uuid4

import numpy as np
import pytest

from iqstream.catalogue.dataset_status import set_status
from iqstream.catalogue.datasets import find_dataset
from iqstream.catalogue.new_datasets import create_dataset
from iqstream.catalogue.replays import begin_replay
from iqstream.catalogue.sample_ranges import SampleRanges
from iqstream.client.asynchronous import aconnect
from iqstream.dataset import FeatureStream
from iqstream.ingest.given import Asked
from iqstream.ingest.track import Track
from iqstream.reach import postgres_pool
from iqstream.recordings import Given, open_recordings
from iqstream.replay.run import DatasetReplay, chosen
from iqstream.runtime.errors import Conflict, Failed, NotFound, UserError
from iqstream.shards import published_samples
from iqstream.submit.continuous import end_growth
from iqstream.submit.submission import shard_publisher
from schemas import Receiver, TransmitterPosition
from tests.integration import replay_extractors
from tests.integration.pipeline import (
    Pipeline,
    is_complete,
    small_spec,
    stored_objects,
    submit_dataset,
    wait_for_dataset,
)
from tests.integration.replays import (
    damage,
    expire_frames,
    fetch,
    once_each,
    records_by_generation,
    replay,
    stored,
)
from tests.recorded import DCF77, KIWI, KIWI_RECEIVERS, recorded_spec, write_recordings
from tests.rtl_tcp_server import WELL, RtlTcpServer

pytestmark = pytest.mark.stack
SAMPLES = 20


@pytest.fixture(scope="module")
def pipeline(settings, tmp_path_factory):
    log = tmp_path_factory.mktemp("stages") / "stages.log"
    with Pipeline(settings, log, workers=1).running() as running:
        yield running


@pytest.fixture
async def spec(settings, pipeline):
    """A complete dataset."""
    made = small_spec(SAMPLES)
    await submit_dataset(settings, made)
    await wait_for_dataset(settings, made, is_complete)
    return made


async def test_damaged_rows_are_identical_again_while_the_stages_work_on_another_dataset(settings, pipeline, spec):
    before, objects = await stored(settings, spec), await stored_objects(settings, spec)
    assert await damage(settings, spec) > 3
    assert await stored(settings, spec) != before
    other = small_spec(SAMPLES)
    await submit_dataset(settings, other)
    command = [
        sys.executable,
        "-m",
        "iqstream",
        "replay",
        "--dataset",
        spec.name,
        "--workers",
        "2",
        "--execute",
        "--json",
    ]
    done = await asyncio.to_thread(subprocess.run, command, env=pipeline.environment(), capture_output=True, check=True)
    document = json.loads(done.stdout)
    frames = SAMPLES * len(spec.receivers)
    assert (document["generation"], document["frames_read"], document["frames_synthesized"]) == (1, frames, 0)
    assert await stored(settings, spec) == before
    assert (await stored_objects(settings, spec)).keys() == objects.keys()
    row = await wait_for_dataset(settings, other, is_complete)
    assert row["failed"] == 0


async def test_a_second_replay_changes_nothing_and_emits_every_record_once(settings, spec):
    before = await stored(settings, spec)
    assert [(await replay(settings, spec)).replay.generation for _ in range(2)] == [1, 2]
    assert await stored(settings, spec) == before
    expected = once_each(spec, range(SAMPLES))
    assert await records_by_generation(settings, spec) == {0: expected, 1: expected, 2: expected}


async def test_samples_outside_the_ranges_are_left_alone(settings, spec):
    before = await stored(settings, spec)
    await replay(settings, spec, samples="2-4,9")
    assert await stored(settings, spec) == before
    assert (await records_by_generation(settings, spec))[1] == once_each(spec, [2, 3, 4, 9])


async def test_expired_frames_are_synthesised_again_and_proved(settings, spec):
    before = await stored(settings, spec)
    await damage(settings, spec)
    await expire_frames(settings)
    replayed = await replay(settings, spec)
    assert replayed.result.counts == {"frames_synthesized": SAMPLES * len(spec.receivers)}
    assert await stored(settings, spec) == before


async def test_after_a_change_of_the_extractor_a_new_version_stands_beside_the_old(settings, spec):
    before = await stored(settings, spec)
    await replay(settings, spec, as_version=2, extract=replay_extractors.raised_rssi)
    assert await stored(settings, spec) == before
    rows = await fetch(
        settings,
        "SELECT new.receiver_features[1]->'rssi_dbm'->>'mean' AS new, old.receiver_features[1]->'rssi_dbm'->>'mean' "
        "AS old, new.extraction_metadata->>'extractor_version' AS extractor FROM heimdall.measurement_features old "
        "JOIN heimdall.measurement_features new USING (dataset_id, sample_idx) "
        "WHERE dataset_id = $1::uuid AND old.dataset_version = 1 AND new.dataset_version = 2",
        spec.dataset_id,
    )
    old, new = (await fetch(settings, "SELECT status, accepted FROM heimdall.datasets WHERE id = $1::uuid "
                                      "ORDER BY version", spec.dataset_id))  # fmt: skip
    assert len(rows) == new["accepted"] == old["accepted"] > 3
    assert {row["extractor"] for row in rows} == {"test-raised"}
    assert all(float(row["new"]) == pytest.approx(float(row["old"]) + 1, abs=1e-9) for row in rows)
    await wait_for_dataset(settings, spec, is_complete)


async def test_a_version_of_some_samples_holds_these_and_no_others_whatever_is_done_with_it(settings, pipeline, spec):
    """Replayed as a whole, in part, and made a version of: nothing that it does not hold is ever ordered of it."""
    before = await stored(settings, spec)
    await replay(settings, spec, samples="5-8", as_version=2)
    part = await stored(settings, spec, 2)
    again = await replay(settings, spec, version=2)
    assert (str(again.replay.samples), again.replay.generation) == ("5-8", 1)
    with pytest.raises(UserError, match="does not hold 9: it holds 5-8"):
        await replay(settings, spec, version=2, samples="8-9")
    with pytest.raises(UserError, match="has a version 2 already"):
        await replay(settings, spec, samples="9-10", as_version=2)
    async with postgres_pool(settings) as pool:
        source = await find_dataset(pool, spec.dataset_id, version=2)
        with pytest.raises(UserError, match="does not hold the samples 0-4,9-19"):
            await begin_replay(pool, source, SampleRanges.first(SAMPLES), as_version=None, lanes=1)
    await replay(settings, spec, version=2, samples="6", as_version=3)
    assert await stored(settings, spec, 2) == part
    assert await stored(settings, spec) == before
    assert (await replay(settings, spec)).replay.dataset_version == 1  # the default, which is whole
    versions = await fetch(
        settings,
        "SELECT samples::text, requested, accepted + rejected + failed AS decided, status FROM heimdall.datasets "
        "WHERE id = $1::uuid ORDER BY version",
        spec.dataset_id,
    )
    held = [tuple(row) for row in versions]
    assert held[0][:3] == ("{[0,20)}", 20, 20)
    assert [row[:3] for row in held[1:]] == [("{[5,9)}", 4, 4), ("{[6,7)}", 1, 1)]
    command = [sys.executable, "-m", "iqstream", "datasets", "verify", spec.name, "--recompute", "4"]
    for version, says in (("2", "matches its lineage"), ("", "version 1 is taken")):
        given = [*command, *(["--version", version] if version else [])]
        done = await asyncio.to_thread(
            subprocess.run, given, env=pipeline.environment(), capture_output=True, text=True, check=True
        )
        assert says in done.stdout + done.stderr


async def test_of_a_dataset_that_grows_only_what_was_submitted_is_ordered_again(settings, pipeline):
    growing = small_spec(10_000_000, iq_samples=0)
    async with postgres_pool(settings) as pool:
        await create_dataset(pool, growing, status="running")
        with pytest.raises(UserError, match="none of its samples is submitted yet"):
            await replayed_samples(settings, pool, growing)
        async with shard_publisher(settings, growing) as publisher:
            await publisher.publish(2)
        assert str(await replayed_samples(settings, pool, growing)) == "0-3"
        with pytest.raises(UserError, match="does not hold 4-9: it holds 0-3 so far"):
            await replayed_samples(settings, pool, growing, "0-9")
        await wait_for_dataset(settings, growing, lambda row: row["accepted"] + row["rejected"] == 4)
        await end_growth(settings, pool, growing)
        assert str(await replayed_samples(settings, pool, growing)) == "0-3"
    row = await wait_for_dataset(settings, growing, is_complete)
    assert (row["requested"], row["grows"]) == (4, False)


async def replayed_samples(settings, pool, spec, samples=None):
    """What a replay would order."""
    asked = DatasetReplay(dataset=spec.dataset_id, version=None, samples=samples, as_version=None)
    return (await chosen(settings, pool, asked))[1]


async def test_a_replay_whose_worker_dies_goes_on_when_it_is_run_again(settings, spec, tmp_path, monkeypatch):
    before = await stored(settings, spec)
    await damage(settings, spec)
    mark = tmp_path / "dies"
    mark.write_text(str(SAMPLES - 1))
    monkeypatch.setenv(replay_extractors.MARK_VARIABLE, str(mark))
    with pytest.raises(Failed, match="run the same command again"):
        await replay(settings, spec, extract=replay_extractors.dies_once)
    again = await replay(settings, spec)
    assert again.resumed
    assert await stored(settings, spec) == before
    expected = once_each(spec, range(SAMPLES))
    assert await records_by_generation(settings, spec) == {0: expected, 1: expected}


async def test_what_a_broken_extractor_says_leaves_the_old_rows_standing(settings, spec):
    before = await stored(settings, spec)
    replayed = await replay(settings, spec, extract=replay_extractors.cannot_hear_the_first_receiver)
    assert replayed.result.counts["frames_failed"] == SAMPLES
    assert await stored(settings, spec) == before


async def test_samples_that_were_never_made_are_generated_by_the_stages(settings, pipeline):
    """As after a topic of jobs or frames was lost: the dataset's row is there, its shards are not."""
    lost, whole = small_spec(6), small_spec(6)
    async with postgres_pool(settings) as pool:
        await create_dataset(pool, lost)
        await set_status(pool, lost.dataset_id, 1, "running")
    replayed = await replay(settings, lost)
    assert replayed.result.counts == {"samples_generated_again": 6}
    await wait_for_dataset(settings, lost, is_complete)
    await submit_dataset(settings, whole)
    await wait_for_dataset(settings, whole, is_complete)
    verdicts = [
        [(row["sample_idx"], row["outcome"], row["figures"]) for row in await outcomes(settings, spec)]
        for spec in (lost, whole)
    ]
    assert verdicts[0] == verdicts[1]


async def test_recordings_are_taken_once_streamed_replayed_and_missing_when_their_frames_have_expired(
    settings, pipeline, tmp_path
):
    """One dataset of real recordings through everything that reads it; ingested twice, it has each window once."""
    nowhere = write_recordings(tmp_path, 0.35)[-1]
    nowhere.write_text(nowhere.read_text().replace("core:geolocation", "core:comment"))
    place = TransmitterPosition(latitude=45.1, longitude=7.2)
    asked = Asked(
        name=f"recorded {tmp_path}", paths=(tmp_path,), given=Given(time_source="gnss"), pairs=True, window_ms=100,
        chunk_ms=20, track=Track(always=place),
    )  # fmt: skip
    async with aconnect(settings) as client:
        done = await client.ingest(asked)
        assert (done.samples, done.windows, done.failures, done.unplaced) == (3, 9, (), ("rx2",))
        assert (done.pairs, done.comparable) == (True, 3)
        again = await client.ingest(asked)
        assert (again.dataset_id, again.samples, again.known_windows) == (done.dataset_id, 0, 9)
        spec = recorded_spec(dataset_id=done.dataset_id)
        await wait_for_dataset(settings, spec, is_complete)
        assert (await client.verify(done.dataset_id)).holds
        report = await client.sample(done.dataset_id, 1)
        stored_as = report.row.columns["extraction_metadata"]
        assert (stored_as["extraction_method"], stored_as["level_reference"]) == ("recorded", "dbfs")
        assert (report.row.columns["tx_known"], report.row.columns["tx_latitude"]) == (True, 45.1)
        assert (report.row.columns["num_receivers_detected"], report.row.columns["gdop"]) == (3, None)
        detail = await client.dataset(done.dataset_id)
        assert detail.figures.iq_bytes == 9 * (128 + 4800 * 8)
        streamed = await asyncio.to_thread(list, FeatureStream(done.dataset_id, pairs=True, settings=settings))
        assert sorted(one.meta["sample_idx"] for one in streamed) == [0, 1, 2]
        assert all(one.meta["outcome"] == "accepted" and one.y[0] == 45.1 for one in streamed)
        assert all(np.isnan(one.x["receivers"][:, 0]).sum() == 1 for one in streamed)
        stored_pairs = {one.meta["sample_idx"]: one.x["pairs"][:, 0].tolist() for one in streamed}
        assert stored_pairs[1] == [pair["time_difference_us"] for pair in report.row.pairs]
        assert [len(pairs) for pairs in stored_pairs.values()] == [3, 3, 3]
        await client.export(done.dataset_id, tmp_path / "all.npz", file_format="npz")
        assert np.isnan(np.load(tmp_path / "all.npz")["rx_latitude"]).sum() == 3
        assert len(np.load(tmp_path / "all-pairs.npz")["sample_idx"]) == 9
    before = await stored(settings, spec)
    replayed = await replay(settings, spec)
    assert (replayed.result.counts["frames_read"], replayed.result.missing) == (9, [])
    assert await stored(settings, spec) == before
    await expire_frames(settings)
    replayed = await replay(settings, spec)
    assert sorted(index for index, _reason in replayed.result.missing) == [0, 1, 2]
    assert all("ingest its file again" in reason for _index, reason in replayed.result.missing)
    assert await stored(settings, spec) == before


@pytest.mark.skipif(not KIWI.is_dir(), reason=f"the recordings of three KiwiSDRs, {KIWI}, are not there")
async def test_three_receivers_of_dcf77_are_ingested_compared_and_locate_the_transmitter(settings, pipeline):
    """From files to a place within 25 km. Some receivers hear a second alone: such a sample has no differences."""
    network = tuple(
        Receiver(rx_id=rx_id, latitude=place[0], longitude=place[1], altitude_m=0.0)
        for rx_id, place in KIWI_RECEIVERS.items()
    )
    known = Track(always=TransmitterPosition(latitude=DCF77[0], longitude=DCF77[1]))
    asked = Asked(name=f"DCF77 {uuid4()}", paths=(KIWI,), pairs=True, receivers=network, track=known)
    async with aconnect(settings) as client:
        done = await client.ingest(asked)
        assert (done.samples, done.comparable) == (29, 28)
        spec = recorded_spec(dataset_id=done.dataset_id)
        row = await wait_for_dataset(settings, spec, is_complete)
        assert row["accepted"] == 29
        assert (await client.verify(done.dataset_id, recompute=3)).holds
        lone = [
            report.row.pairs == []
            for index in range(29)
            if len((report := await client.sample(done.dataset_id, index)).outcome.lineage) == 1
        ]
        assert lone == [True]
    said = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-W", "error", "examples/locate_transmitters.py", done.dataset_id, "--still"],
        env=pipeline.environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    *each, median, together = said.stdout.splitlines()
    assert sum("not located, it has 0" in line for line in each) == 1
    assert median.startswith("28 samples: ")
    for error_km in (median.split()[2], together.split()[-2]):
        assert float(error_km) < 25.0, said.stdout


async def test_what_receivers_send_is_a_sample_once_also_after_kill_9_and_the_dataset_ends_with_the_command(
    settings, pipeline, tmp_path
):
    """Two receivers; killed while it publishes, begun again, ended by SIGTERM. The stages process it as any dataset."""
    name = f"live {tmp_path}"
    async with RtlTcpServer([WELL], 250_000).running() as one, RtlTcpServer([WELL], 250_000).running() as two:
        command = [
            sys.executable, "-m", "iqstream", "listen", "--name", name, "--frequency", "433.92M", "--gain", "28",
            "--window-ms", "100", "--chunk-ms", "50", "--at", "rx0=45,7", "--at", "rx1=45.3,7.2", "--json",
            "--record", str(tmp_path / "kept"), f"rx0=rtl_tcp://{one.address}", f"rx1=rtl_tcp://{two.address}",
        ]  # fmt: skip
        async with aconnect(settings) as client:
            published = 0
            for end in (signal.SIGKILL, signal.SIGTERM):
                listening = await asyncio.create_subprocess_exec(
                    *command, env=pipeline.environment(), stdout=asyncio.subprocess.PIPE
                )
                spec = await published_more(settings, client, name, than=published)
                listening.send_signal(end)
                told, _ = await listening.communicate()
                published = await published_samples(settings, spec)
        assert listening.returncode == 0
        row = await wait_for_dataset(settings, spec, is_complete)
        assert row["requested"] == json.loads(told.splitlines()[-1])["samples"] == row["accepted"]
        async with aconnect(settings) as client:
            assert (await client.verify(spec.dataset_id)).holds
            with pytest.raises(Conflict, match="begun by ingest 'listen 1'"):
                await client.ingest(Asked(name=name, paths=(tmp_path / "kept",)))
    stored_as = [json.loads(one["extraction_metadata"]) for one in await rows(settings, spec)]
    assert {one["recordings"]["rx0"]["time_source"] for one in stored_as if "rx0" in one["recordings"]} == {"arrival"}
    places = Counter((rx_id, one["captured_at_ns"]) for one in stored_as for rx_id in one["recordings"])
    assert set(places.values()) == {1}
    assert any(len(one["recordings"]) == 2 for one in stored_as)
    assert len(open_recordings([tmp_path / "kept"]).recordings) == 4


async def published_more(settings, client, name, *, than):
    async with asyncio.timeout(120):
        while True:
            with contextlib.suppress(NotFound):
                spec = recorded_spec(dataset_id=(await client.dataset(name)).dataset.id)
                if await published_samples(settings, spec) > than + 5:
                    return spec
            await asyncio.sleep(0.1)


async def rows(settings, spec):
    return await fetch(
        settings,
        "SELECT extraction_metadata FROM heimdall.measurement_features WHERE dataset_id = $1::uuid",
        spec.dataset_id,
    )


async def outcomes(settings, spec):
    return await fetch(
        settings,
        "SELECT * FROM heimdall.sample_outcomes WHERE dataset_id = $1::uuid ORDER BY sample_idx",
        spec.dataset_id,
    )
