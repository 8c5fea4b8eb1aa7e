"""Verifying, deleting and cleaning up datasets that real stages made, on servers of their own."""

import asyncio
import contextlib
import json
import tracemalloc
from contextlib import aclosing

import asyncpg
import numpy as np
import pytest
from click.testing import CliRunner

from iqstream.catalogue.datasets import find_dataset
from iqstream.cli.main import iqstream
from iqstream.reach import object_store, postgres_pool
from iqstream.runtime.kafka import admin_client
from iqstream.runtime.offsets import committed_offsets, partition_ends, partition_leaders
from iqstream.runtime.topics import FEATURES, FRAMES, JOBS, PRODUCER_GROUP
from iqstream.verify.verify import Verifier
from tests.embedded_servers import embedded_servers
from tests.integration.pipeline import Pipeline, is_complete, small_spec, submit_dataset, wait_for_dataset
from tests.integration.replays import drained, expire_frames, wait_until

pytestmark = pytest.mark.stack
SAMPLES, IQ_SAMPLES = 12, 3


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """Servers that no other test's datasets are on: what may be cleaned up depends on all of them."""
    with embedded_servers(tmp_path_factory.mktemp("upkeep")) as servers:
        yield servers


@pytest.fixture(scope="module")
def made(settings, tmp_path_factory):
    """Two complete datasets, the first to be proved, the second to be deleted."""
    specs = [small_spec(SAMPLES, iq_samples=IQ_SAMPLES), small_spec(4, iq_samples=2)]
    pipeline = Pipeline(settings, tmp_path_factory.mktemp("upkeep-log") / "log", workers=1)

    async def make() -> None:
        for spec in specs:
            await submit_dataset(settings, spec)
        for spec in specs:
            await wait_for_dataset(settings, spec, is_complete)
        await wait_until(lambda: drained(settings))

    with pipeline.running():
        asyncio.run(make())
    return specs


@pytest.fixture
def run(settings, tmp_path):
    """Runs `iqstream datasets ...`; the exit code and what it said."""
    environment = Pipeline(settings, tmp_path / "log").environment()

    def run_command(*arguments):
        ended = CliRunner(env=environment).invoke(iqstream, ["datasets", *arguments])
        code = getattr(ended.exception, "exit_code", ended.exit_code)
        return code, ended.stdout + (str(ended.exception) if ended.exception else "")

    return run_command


def sql(settings, *statements):
    """Runs statements in one transaction; the rows of the last one."""

    async def execute():
        connection = await asyncpg.connect(settings.postgres_dsn)
        try:
            async with connection.transaction():
                for statement in statements[:-1]:
                    await connection.execute(statement)
                return await connection.fetch(statements[-1])
        finally:
            await connection.close()

    return asyncio.run(execute())


@contextlib.contextmanager
def restored(settings):
    """Whatever happens to the tables is undone."""
    tables = ("sample_outcomes", "measurement_features", "iq_saves", "datasets")
    sql(settings, *[f"CREATE TABLE public.{table} AS SELECT * FROM heimdall.{table}" for table in tables])
    try:
        yield
    finally:
        sql(
            settings,
            *[f"DELETE FROM heimdall.{table}" for table in tables],
            *[f"INSERT INTO heimdall.{table} SELECT * FROM public.{table}" for table in reversed(tables)],
            *[f"DROP TABLE public.{table}" for table in tables],
        )


def with_store(settings, work):
    async def call():
        store = object_store(settings)
        try:
            return await work(store)
        finally:
            store.close()

    return asyncio.run(call())


def topic_ends(settings, topic):
    async def read():
        async with admin_client(settings) as admin:
            return await partition_ends(admin, await partition_leaders(admin, [topic]))

    return asyncio.run(read())


def positions_of(settings, group):
    async def read():
        async with admin_client(settings) as admin:
            return await committed_offsets(admin, group)

    return asyncio.run(read())


def test_an_untouched_dataset_is_what_its_lineage_says(settings, made, run):
    code, told = run("verify", made[0].dataset_id, "--json", "--recompute", str(SAMPLES))
    report = json.loads(told.partition("\n")[0])
    checked = {check["name"]: check["checked"] for check in report["checks"]}
    accepted = json.loads(run("show", made[0].dataset_id, "--json")[1])["accepted"]
    assert (code, report["holds"]) == (0, True)
    assert checked == {
        "counts": SAMPLES,
        "rows of accepted samples": accepted,
        "objects": IQ_SAMPLES * 7,
        "objects equal to their frames": IQ_SAMPLES * 7,
        "samples made again": SAMPLES,
    }


def test_a_verification_takes_as_much_memory_for_many_samples_as_for_few(settings, made):
    """A ledger of ten million lines must not have to fit."""
    peaks = []
    with restored(settings):
        for samples in (3_000, 30_000):
            sql(
                settings,
                f"UPDATE heimdall.datasets SET spec = jsonb_set(spec, '{{samples}}', '{samples}'), "
                f"samples = '{{[0,{samples})}}', requested = {samples} WHERE id = '{made[1].dataset_id}'",
                "INSERT INTO heimdall.sample_outcomes (dataset_id, dataset_version, sample_idx, outcome, reason, "
                f"figures, generation, first_outcome, lineage) SELECT '{made[1].dataset_id}', 1, i, 'rejected', "
                f"'low_snr', figures, 0, 'rejected', lineage FROM generate_series(4, {samples - 1}) i, "
                f"(SELECT figures, lineage FROM heimdall.sample_outcomes WHERE dataset_id = '{made[1].dataset_id}' "
                "ORDER BY sample_idx LIMIT 1) o ON CONFLICT DO NOTHING",
                "SELECT 1",
            )
            peaks.append(asyncio.run(peak_of_reading(settings, made[1].dataset_id, samples)))
    assert peaks[1] < 1.5 * peaks[0]


async def peak_of_reading(settings, dataset_id, samples):
    """Bytes that Python takes while the ledger and the rows are compared."""
    async with postgres_pool(settings) as pool:
        dataset = await find_dataset(pool, dataset_id)
        verifier = Verifier(pool=pool, store=None, frames=None, synthesize=None, dataset=dataset)
        tracemalloc.start()
        try:
            async with aclosing(verifier.checks(5)) as checks:
                counted = await anext(checks)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
            assert counted.checked == samples


ROW = "heimdall.measurement_features"
ONE_ROW = f"dataset_id = '{{id}}' AND sample_idx = (SELECT min(sample_idx) FROM {ROW} WHERE dataset_id = '{{id}}')"

WHERE_0 = " WHERE sample_idx = 0 AND dataset_id = '{id}'"


@pytest.mark.parametrize(
    ("damage", "names"),
    [
        (f"UPDATE {ROW} SET mean_snr_db = mean_snr_db + 1e-9 WHERE {ONE_ROW}", "mean_snr_db is"),
        (
            f"UPDATE {ROW} SET receiver_features[2] = "
            "jsonb_set(receiver_features[2], '{{rssi_dbm,mean}}', '-50') WHERE " + ONE_ROW,
            "rssi_dbm.mean is -50",
        ),
        (f"UPDATE {ROW} SET tx_latitude = 45 WHERE {ONE_ROW}", "tx_latitude is 45"),
        (f"DELETE FROM {ROW} WHERE {ONE_ROW}", "is accepted and has no row"),
        (
            f"UPDATE {ROW} SET recording_session_id = '00000000-0000-0000-0000-000000000001' WHERE {ONE_ROW}",
            "id 00000000-0000-0000-0000-000000000001",
        ),
        (
            "UPDATE heimdall.sample_outcomes SET lineage = jsonb_set(lineage, '{{torino,crc32}}', '1') " + WHERE_0,
            "the frame of torino has expired, and its synthesis has crc32",
        ),
        (
            "UPDATE heimdall.datasets SET accepted = accepted - 1, rejected = rejected + 1 WHERE id = '{id}'",
            "outcomes",
        ),
    ],
)
def test_damage_is_found_and_named(settings, made, run, damage, names):
    with restored(settings):
        sql(settings, damage.format(id=made[0].dataset_id))
        code, told = run("verify", made[0].name, "--recompute", str(SAMPLES))
    assert code == 1
    assert names in told
    assert "differs from its lineage" in told


def test_an_object_that_is_another_or_missing_or_too_many_is_found_and_named(settings, made, run):
    dataset_id = made[0].dataset_id
    names = with_store(settings, lambda store: store.list_samples(dataset_id))
    places = sorted({int(name.split("/")[2]) for name in names})
    original = with_store(settings, lambda store: store.get_iq(dataset_id, places[0], "torino"))
    changed = np.where(np.arange(len(original)) == 7, original + np.complex64(1e-9), original)
    with_store(settings, lambda store: store.put_iq(dataset_id, places[0], "torino", changed))
    with_store(settings, lambda store: store.put_iq(dataset_id, 10_000, "torino", original))
    code, told = run("verify", dataset_id, "--recompute", "0")
    with_store(settings, lambda store: store.remove_sample(dataset_id, 10_000))
    with_store(settings, lambda store: store.put_iq(dataset_id, places[0], "torino", original))
    assert code == 1
    assert f"sample {places[0]}, torino: the object is not the frame of its lineage" in told
    assert f"synthetic/{dataset_id}/10000/torino.npy belongs to no sample" in told
    assert run("verify", dataset_id, "--recompute", "0")[0] == 0


def test_frames_that_have_expired_are_synthesised_again_and_prove_the_same(settings, made, run):
    asyncio.run(expire_frames(settings))
    code, told = run("verify", made[0].dataset_id, "--recompute", "3")
    assert code == 0
    assert f"({IQ_SAMPLES * 7} recordings, of which Kafka has no frames, were synthesised again by " in told


def test_failures_are_counted_by_stage_and_error(settings, made, run):
    spec = made[0]
    failure = [{"rx_id": "torino", "stage": "extractor", "error": "Malformed", "message": "truncated [/x]"}]
    with restored(settings):
        sql(
            settings,
            "UPDATE heimdall.sample_outcomes SET outcome = 'failed', reason = 'Malformed', "
            f"figures = jsonb_build_object('failures', '{json.dumps(failure * 2)}'::jsonb) WHERE sample_idx < 2 "
            f"AND dataset_id = '{spec.dataset_id}'",
            "UPDATE heimdall.sample_outcomes SET outcome = 'failed', reason = 'Incomplete', figures = '{}' "
            f"WHERE sample_idx = 2 AND dataset_id = '{spec.dataset_id}'",
        )
        found = json.loads(run("show", spec.dataset_id, "--json")[1])["failures"]
        told = run("show", spec.dataset_id)[1]
    assert [(one["stage"], one["error"], one["samples"], one["recordings"]) for one in found] == [
        ("extractor", "Malformed", 2, 4),
        ("sink", "Incomplete", 1, 1),
    ]
    assert "truncated [/x]" in told


def test_watching_a_dataset_of_which_every_sample_failed_ends_as_no_success(settings, made, run):
    spec = made[0]
    assert run("watch", spec.dataset_id)[0] == 0
    with restored(settings):
        sql(
            settings,
            "UPDATE heimdall.datasets SET accepted = 0, rejected = 0, failed = requested "
            f"WHERE id = '{spec.dataset_id}'",
        )
        code, told = run("watch", spec.dataset_id)
    assert code == 1
    assert f"all {SAMPLES} samples failed" in told
    assert f"iqstream datasets show {spec.dataset_id}" in told


def test_deleting_is_planned_first_and_leaves_a_tombstone_and_nothing_else(settings, made, run):
    spec = made[1]
    code, told = run("delete", spec.name)
    assert (code, "add --execute" in told, f"Would delete '{spec.name}'" in told) == (0, True, True)
    planned = json.loads(run("delete", spec.name, "--json")[1])
    assert (planned["executed"], planned["iq_samples"]) == (False, 2)
    assert json.loads(run("show", spec.name, "--json")[1])["status"] == "complete"
    code, told = run("delete", spec.name, "--execute")
    assert (code, "14 objects" in told) == (0, True)
    shown = json.loads(run("show", spec.dataset_id, "--json")[1])
    assert (shown["status"], shown["outcomes"]) == ("deleted", [])
    left = sql(settings, f"SELECT 1 FROM {ROW} WHERE dataset_id = '{spec.dataset_id}'")
    assert (left, with_store(settings, lambda store: store.list_samples(spec.dataset_id))) == ([], [])
    assert spec.name not in run("list")[1]
    assert run("delete", spec.dataset_id, "--execute")[0] == 0  # again: nothing is left, and that is no error
    assert run("verify", spec.dataset_id)[0] == 1


def test_cleanup_drops_no_record_that_a_dataset_needs_and_all_that_none_does(settings, made, run):
    """The first dataset is there and complete: its features stay. Then an open one is submitted, then all are old."""
    before = topic_ends(settings, FEATURES)
    code, told = run("cleanup", "--json")
    dry = {topic["topic"]: topic for topic in json.loads(told)["topics"]}
    assert (code, dry[FEATURES]["needed_by"], dry[FEATURES]["offsets_deleted"]) == (0, made[0].name, 0)
    assert dry[JOBS]["offsets_left"] == 0
    assert topic_ends(settings, JOBS) != {}
    assert all(end.log_start == 0 for end in topic_ends(settings, JOBS).values())  # it was a dry run

    waiting = small_spec(4)
    asyncio.run(submit_dataset(settings, waiting))
    code, told = run("cleanup", "--older-than", "0s", "--execute", "--json")
    done = json.loads(told)
    assert [one["id"] for one in done["datasets"]] == [made[0].dataset_id]
    assert {topic["topic"]: topic["needed_by"] for topic in done["topics"]} == dict.fromkeys(
        (JOBS, FRAMES, FEATURES), waiting.name
    )
    assert run("cancel", waiting.name)[0] == 0
    code, told = run("cleanup", "--older-than", "0s", "--execute")
    assert code == 0
    after = topic_ends(settings, FEATURES)
    assert all(end.log_start == end.end for end in after.values())
    assert {p: end.end for p, end in after.items()} == {p: end.end for p, end in before.items()}
    jobs, positions = topic_ends(settings, JOBS), positions_of(settings, PRODUCER_GROUP)
    assert {p: end.log_start for p, end in jobs.items()} == positions
    assert any(end.end > positions[p] for p, end in jobs.items())  # the shards that nobody has read
