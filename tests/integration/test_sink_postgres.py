"""The sink on a real PostgreSQL: one transaction a batch, one owner a partition, every sample once."""

import asyncio
import contextlib
import importlib
import json
import logging
import random
import signal
import sys
from datetime import timedelta
from secrets import randbits
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest
from aiokafka import TopicPartition

from iqstream.catalogue.dataset_names import describe_dataset, rename_dataset
from iqstream.catalogue.dataset_status import delete_dataset, set_status
from iqstream.catalogue.datasets import (
    dataset_versions,
    find_dataset,
    get_dataset,
    list_datasets,
    same_recordings,
    split_salt,
    version_under_way,
)
from iqstream.catalogue.locked import lock_datasets
from iqstream.catalogue.migrations import migrate
from iqstream.catalogue.new_datasets import create_dataset, insert_dataset
from iqstream.catalogue.offsets import StaleOwner, create_offsets
from iqstream.catalogue.outcomes import outcome_counts_by_reason
from iqstream.catalogue.postgres import create_pool
from iqstream.catalogue.recorded import create_recorded
from iqstream.catalogue.sample_ranges import SampleRanges
from iqstream.ingest.spec import find_recorded
from iqstream.runtime.errors import Conflict, Failed, NotFound, UserError
from iqstream.runtime.invalid_share import InvalidShare
from iqstream.runtime.metrics import Metrics
from iqstream.submit.rate import samples_per_s
from schemas import Capture, DatasetKey
from schemas.dataset import Limits
from sink.dead_letters import copy_dead_letters
from sink.frozen_workers import end_transactions_of_frozen_workers
from sink.partition import SinkPartition
from sink.verdict import judge
from tests.recorded import recorded_spec
from tests.sink_samples import (
    TOPIC,
    failure_record,
    feature_record,
    kafka_record,
    make_spec,
    whole_sample,
    withdraw_tests,
)

pytestmark = pytest.mark.stack

CLUSTER = "test-cluster"
TOPIC_ID = UUID(int=7)


async def nothing(*_):
    pass


class Sink:
    """Partitions of a topic under a group of the test's own."""

    def __init__(self, pool):
        self.pool = pool
        self.group = f"test-{uuid4()}"
        self.published = []
        self.chosen = asyncio.Event()

    async def create(self, partitions=1):
        await create_offsets(
            self.pool,
            group=self.group,
            topic=TOPIC,
            partitions=range(partitions),
            cluster_id=CLUSTER,
            topic_id=TOPIC_ID,
        )
        return self

    async def owner(self, partition=0, **changes):
        """A new owner that has taken the partition over; `.start` is where it reads from."""

        owner = SinkPartition(
            **{
                "partition": TopicPartition(TOPIC, partition),
                "group": self.group,
                "cluster_id": CLUSTER,
                "topic_id": TOPIC_ID,
                "pool": self.pool,
                "confirm_membership": nothing,
                "publish_offset": self.published.append,
                "chosen": self.chosen,
                "invalid_share": InvalidShare(1.0),
                "metrics": Metrics("sink"),
                **changes,
            }
        )
        owner.start = await owner.take_over()
        return owner

    async def stored_offset(self, partition=0):
        return await self.pool.fetchval(
            'SELECT next_offset FROM heimdall.stream_offsets WHERE "group" = $1 AND partition = $2',
            self.group,
            partition,
        )


@pytest.fixture
async def pool(settings):
    async with create_pool(settings.postgres_dsn, max_size=8) as pool:
        yield pool
        await withdraw_tests(pool)


@pytest.fixture
async def sink(pool):
    return await Sink(pool).create()


async def submitted(pool, **fields):
    spec = make_spec(**fields)
    await create_dataset(pool, spec)
    assert await set_status(pool, spec.dataset_id, 1, "running")
    return spec


def numbered(messages, first=0, partition=0):
    return [kafka_record(first + n, message, partition=partition) for n, message in enumerate(messages)]


async def table_of(pool, spec):
    """Everything stored of a dataset that must not depend on how it came about."""
    rows = await pool.fetch(
        "SELECT recording_session_id, sample_idx, receiver_features, extraction_metadata, gdop, mean_snr_db "
        "FROM heimdall.measurement_features WHERE dataset_id = $1 ORDER BY sample_idx",
        UUID(spec.dataset_id),
    )
    outcomes = await pool.fetch(
        "SELECT sample_idx, outcome, reason, figures, generation, first_outcome, lineage "
        "FROM heimdall.sample_outcomes WHERE dataset_id = $1 ORDER BY sample_idx",
        UUID(spec.dataset_id),
    )
    chosen = await pool.fetch(
        "SELECT sample_idx FROM heimdall.iq_saves WHERE dataset_id = $1 ORDER BY sample_idx",
        UUID(spec.dataset_id),
    )
    dataset = await get_dataset(pool, spec.dataset_id)
    counters = (dataset.accepted, dataset.rejected, dataset.failed, dataset.status)
    return [[tuple(row) for row in part] for part in (rows, outcomes, chosen)], counters


async def counters(pool, spec):
    dataset = await get_dataset(pool, spec.dataset_id)
    return dataset.accepted, dataset.rejected, dataset.failed


async def test_a_batch_becomes_rows_outcomes_counters_and_an_offset(pool, sink):
    spec = await submitted(pool, samples=3)
    owner = await sink.owner()
    messages = [*whole_sample(spec, 0), *whole_sample(spec, 1, snr_db=1.0), failure_record(spec, 2)]
    await owner.handle(numbered(messages))
    assert await counters(pool, spec) == (1, 1, 1)
    assert await sink.stored_offset() == 7
    assert sink.published == [0, 7]
    reasons = {(c.outcome, c.reason): c.samples for c in await outcome_counts_by_reason(pool, spec.dataset_id)}
    assert reasons == {("accepted", None): 1, ("rejected", "low_snr"): 1, ("failed", "Malformed"): 1}


async def test_the_published_queries_work_as_they_stand(pool, sink):
    spec = await submitted(pool, samples=1, receivers=4)
    await (await sink.owner()).handle(numbered(whole_sample(spec, 0)))
    where = "WHERE dataset_id = $1"
    row = await pool.fetchrow(
        "SELECT recording_session_id, array_length(receiver_features, 1) AS num_receivers, overall_confidence, "
        f"mean_snr_db, num_receivers_detected, gdop FROM heimdall.measurement_features {where} LIMIT 5",
        UUID(spec.dataset_id),
    )
    assert (row["num_receivers"], row["num_receivers_detected"], row["overall_confidence"]) == (4, 4, 0.75)
    assert row["recording_session_id"] == spec.recording_session_id(0)
    row = await pool.fetchrow(
        "SELECT receiver_features[1]->>'rx_id' AS rx_id, receiver_features[1]->'snr_db'->>'mean' AS snr_mean, "
        f"receiver_features[1]->'rssi_dbm'->>'mean' AS rssi_mean FROM heimdall.measurement_features {where}",
        UUID(spec.dataset_id),
    )
    assert tuple(row) == ("rx0", "20.0", "1.0")


async def test_the_same_batch_twice_stores_the_same(pool, sink):
    spec = await submitted(pool, samples=3)
    batch = numbered([*whole_sample(spec, 0), *whole_sample(spec, 2, snr_db=0.0), b"garbage"])
    await (await sink.owner()).handle(batch)
    before = await table_of(pool, spec)
    await (await sink.owner()).handle(batch)
    assert await table_of(pool, spec) == before


async def test_the_commit_of_a_superseded_owner_leaves_no_trace(pool, sink):
    spec = await submitted(pool, samples=3)
    zombie = await sink.owner()
    await sink.owner()
    with pytest.raises(StaleOwner):
        await zombie.handle(numbered([*whole_sample(spec, 0), failure_record(spec, 1), b"garbage"]))
    (rows, outcomes, chosen), moved = await table_of(pool, spec)
    assert (rows, outcomes, chosen, moved) == ([], [], [], (0, 0, 0, "running"))
    assert await sink.stored_offset() == 0


@pytest.mark.parametrize("seed", range(8))
async def test_restarts_at_the_oldest_open_sample_neither_lose_nor_double(pool, sink, seed):
    """Samples interleave, records repeat, owners die after or before their commit: the result is the same."""
    rng = random.Random(seed)
    samples = 12
    spec = await submitted(pool, samples=samples, iq_samples=3)
    messages = [
        message
        for idx in range(samples)
        for message in (
            [failure_record(spec, idx)] if idx % 5 == 4 else whole_sample(spec, idx, snr_db=20.0 if idx % 3 else 1.0)
        )
    ]
    messages += rng.sample(messages, 6)
    order = sorted(range(len(messages)), key=lambda n: n + rng.uniform(0, 9))
    log = numbered([messages[n] for n in order])
    owner = await sink.owner()
    position = owner.start
    while position < len(log):
        batch = log[position : position + rng.randint(1, 7)]
        fate = rng.random()
        if fate < 0.2:  # frozen while another takes over: its commit fails
            successor = await sink.owner()
            with pytest.raises(StaleOwner):
                await owner.handle(batch)
            owner, position = successor, successor.start
            continue
        await owner.handle(batch)
        position = batch[-1].offset + 1
        if fate < 0.5:  # dies after its commit
            owner = await sink.owner()
            position = owner.start
    (rows, outcomes, chosen), moved = await table_of(pool, spec)
    accepted = [idx for idx in range(samples) if idx % 5 != 4 and idx % 3]
    failed = [idx for idx in range(samples) if idx % 5 == 4]
    assert [row[1] for row in rows] == accepted
    assert [row[0] for row in outcomes] == list(range(samples))
    assert [row[0] for row in chosen] == accepted[:3]
    assert moved == (len(accepted), samples - len(accepted) - len(failed), len(failed), "running")
    assert await sink.stored_offset() == len(log)


async def test_an_open_sample_holds_the_stored_offset_at_its_first_record(pool, sink):
    spec = await submitted(pool, samples=3)
    owner = await sink.owner()
    first, *rest = whole_sample(spec, 0)
    await owner.handle(numbered([*whole_sample(spec, 1), first, *whole_sample(spec, 2)]))
    assert await sink.stored_offset() == 3
    await owner.idle(9)
    assert await sink.stored_offset() == 3
    await owner.handle(numbered(rest, 9))
    assert await sink.stored_offset() == 11
    await owner.idle(12)
    assert await sink.stored_offset() == 12


async def test_a_dead_letter_is_stored_once_and_copied(pool, sink):
    spec = await submitted(pool, samples=1)
    stranger = make_spec()
    first = random.Random(sink.group).randrange(10**12)
    batch = numbered([b"\xc1garbage", feature_record(stranger, 0), *whole_sample(spec, 0)], first)
    for _ in range(2):
        await (await sink.owner()).handle(batch)
    stored = await pool.fetch(
        'SELECT "offset", stage, error, value FROM heimdall.dead_letters WHERE "offset" >= $1 AND "offset" < $2 '
        'ORDER BY "offset"',
        first,
        first + 5,
    )
    assert [(row["offset"] - first, row["stage"]) for row in stored] == [(0, "sink"), (1, "sink")]
    assert [row["value"] for row in stored] == [record.value for record in batch[:2]]
    assert await counters(pool, spec) == (1, 0, 0)
    sent = []

    async def send(records):
        sent.extend(records)

    while await copy_dead_letters(pool, send):
        pass
    keys = [record.key for record in sent]
    assert keys.count(f"{TOPIC}:0:{first}".encode()) == 1
    assert await copy_dead_letters(pool, send) == 0


async def test_letters_of_a_topic_made_anew_do_not_meet_those_of_the_one_before(pool, sink):
    """Its offsets are the same ones again."""
    first = random.Random(sink.group).randrange(10**12)
    anew = await Sink(pool).create()
    await (await sink.owner()).handle(numbered([b"the former topic's"], first))
    await pool.execute('UPDATE heimdall.stream_offsets SET topic_id = $2 WHERE "group" = $1', anew.group, UUID(int=8))
    await (await anew.owner(topic_id=UUID(int=8))).handle(numbered([b"the new one's"], first))
    kept = await pool.fetch('SELECT value, topic_id FROM heimdall.dead_letters WHERE "offset" = $1', first)
    assert {(row["value"], row["topic_id"]) for row in kept} == {
        (b"the former topic's", TOPIC_ID), (b"the new one's", UUID(int=8)),
    }  # fmt: skip
    sent = []

    async def send(records):
        sent.extend(record for record in records if record.key == f"{TOPIC}:0:{first}".encode())

    while await copy_dead_letters(pool, send):
        pass
    assert sorted(dict(record.headers)["topic_id"].decode() for record in sent) == [str(TOPIC_ID), str(UUID(int=8))]


@contextlib.asynccontextmanager
async def refusing(pool, table, spec, sample_idx, sqlstate):
    """As long as the context lasts, the database refuses to store a sample in a table, with that code."""
    name = f"heimdall.refuse_{uuid4().hex}"
    await pool.execute(
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"RAISE EXCEPTION 'it will not be' USING ERRCODE = '{sqlstate}'; END $$"
    )
    await pool.execute(
        f"CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON heimdall.{table} FOR EACH ROW WHEN "
        f"(NEW.dataset_id = '{spec.dataset_id}' AND NEW.sample_idx = {sample_idx}) EXECUTE FUNCTION {name}()"
    )
    try:
        yield
    finally:
        await pool.execute(f"DROP FUNCTION {name} CASCADE")


async def kept_offsets(pool, first, count):
    """The offsets of dead letters in a range that is the test's own, counted from its first."""
    rows = await pool.fetch(
        'SELECT "offset" - $1 AS place FROM heimdall.dead_letters WHERE topic = $2 AND "offset" >= $1 '
        'AND "offset" < $1 + $3 ORDER BY 1',
        first,
        TOPIC,
        count,
    )
    return [row["place"] for row in rows]


@pytest.mark.parametrize(
    ("table", "sqlstate", "failed"),
    [
        ("measurement_features", "22003", 1),  # a number out of range
        ("measurement_features", "23514", 1),  # a CHECK
        ("measurement_features", "54000", 1),  # JSON too large
        ("measurement_features", "P0001", 1),  # raised by a trigger
        ("sample_outcomes", "22P05", 0),  # not even as failed
    ],
)
async def test_a_sample_that_the_database_refuses_ends_alone_as_dead_letters(pool, sink, table, sqlstate, failed):
    spec, other = await submitted(pool, samples=3), await submitted(pool, samples=1)
    first = random.Random(sink.group).randrange(10**12)
    messages = [m for one, index in ((spec, 0), (spec, 1), (other, 0), (spec, 2)) for m in whole_sample(one, index)]
    batch = numbered(messages, first)
    async with refusing(pool, table, spec, 1, sqlstate):
        owner = await sink.owner()
        await owner.handle(batch[:4])  # the refused sample's records come in two batches
        await owner.handle(batch[4:])
        await (await sink.owner()).handle(batch)  # and again, as after a restart
    assert await counters(pool, spec) == (2, 0, failed)
    assert await counters(pool, other) == (1, 0, 0)
    assert await sink.stored_offset() == first + len(batch)
    assert await kept_offsets(pool, first, len(batch)) == [3, 4, 5]
    (rows, outcomes, _), _ = await table_of(pool, spec)
    assert [row[1] for row in rows] == [0, 2]
    assert [row[0] for row in outcomes] == ([0, 1, 2] if failed else [0, 2])


async def test_a_database_that_is_in_trouble_refuses_nothing(pool, sink):
    """A full disk is no fault of the sample: the batch is undone, to be tried again."""
    spec = await submitted(pool, samples=2)
    first = random.Random(sink.group).randrange(10**12)
    batch = numbered([*whole_sample(spec, 0), *whole_sample(spec, 1)], first)
    async with refusing(pool, "measurement_features", spec, 1, "53100"):
        with pytest.raises(asyncpg.DiskFullError):
            await (await sink.owner()).handle(batch)
    assert (await counters(pool, spec), await kept_offsets(pool, first, 6)) == ((0, 0, 0), [])
    await (await sink.owner()).handle(batch)
    assert await counters(pool, spec) == (2, 0, 0)


async def test_a_sample_that_cannot_be_judged_fails_alone(pool, sink, monkeypatch):
    spec = await submitted(pool, samples=2, iq_samples=0)
    first = random.Random(sink.group).randrange(10**12)

    def judge_some(joined, limits):
        if joined.key.sample_idx == 0:
            raise OverflowError("a figure beyond floats")
        return judge(joined, limits)

    monkeypatch.setattr("sink.partition.judge", judge_some)
    await (await sink.owner()).handle(numbered([*whole_sample(spec, 0), *whole_sample(spec, 1)], first))
    assert await counters(pool, spec) == (1, 0, 1)
    assert await kept_offsets(pool, first, 6) == [0, 1, 2]


async def test_a_counter_that_is_wrong_stops_no_other_dataset(pool, sink):
    """Its CHECK then refuses every sample of that dataset, however it is judged."""
    spec, other = await submitted(pool, samples=2), await submitted(pool, samples=2)
    await pool.execute("UPDATE heimdall.datasets SET rejected = 2 WHERE id = $1", UUID(spec.dataset_id))
    first = random.Random(sink.group).randrange(10**12)
    batch = numbered([m for one in (spec, other) for m in whole_sample(one, 0)], first)
    await (await sink.owner()).handle(batch)
    assert await counters(pool, spec) == (0, 2, 0)
    assert await counters(pool, other) == (1, 0, 0)
    assert await kept_offsets(pool, first, 6) == [0, 1, 2]


async def test_a_spec_that_cannot_be_read_stops_no_other_dataset(pool, sink):
    spec, other = await submitted(pool, samples=2), await submitted(pool, samples=2)
    await pool.execute("UPDATE heimdall.datasets SET spec = '{}' WHERE id = $1", UUID(spec.dataset_id))
    first = random.Random(sink.group).randrange(10**12)
    await (await sink.owner()).handle(numbered([*whole_sample(spec, 0), *whole_sample(other, 0)], first))
    text = msgspec.json.encode(spec).decode()
    await pool.execute("UPDATE heimdall.datasets SET spec = $2 WHERE id = $1", UUID(spec.dataset_id), text)
    assert await counters(pool, other) == (1, 0, 0)
    assert await kept_offsets(pool, first, 6) == [0, 1, 2]


async def test_a_refused_replay_leaves_the_old_row_standing(pool, sink):
    spec = await submitted(pool, samples=1)
    owner = await sink.owner()
    await owner.handle(numbered(whole_sample(spec, 0)))
    before, moved = await table_of(pool, spec)
    async with refusing(pool, "measurement_features", spec, 0, "23514"):
        await owner.handle(numbered(whole_sample(spec, 0, generation=1), 3))
    after, now = await table_of(pool, spec)
    assert (after[0], now) == (before[0], moved)
    assert after[1][0][4] == 1


async def test_records_that_the_join_drops_are_counted(pool, sink):
    spec = await submitted(pool, samples=3)
    metrics = Metrics("sink")
    owner = await sink.owner(metrics=metrics)
    decided, waiting = whole_sample(spec, 0), whole_sample(spec, 1)
    await owner.handle(numbered([*decided, decided[0], waiting[0], waiting[0], *whole_sample(spec, 1, generation=1)]))
    await owner.handle(numbered(whole_sample(spec, 2)[:2], 9))
    await set_status(pool, spec.dataset_id, 1, "cancelled")
    await owner.idle(11)
    counted = {
        sample.labels["reason"]: sample.value
        for metric in metrics.registry.collect()
        for sample in metric.samples
        if sample.name == "iqstream_dropped_records_total"
    }
    assert counted == {"decided": 1, "duplicate": 1, "superseded": 1, "cancelled": 2}


async def further_version(pool, spec, number, samples):
    """A version of a dataset that holds some of its samples, as a replay makes it."""
    made = msgspec.structs.replace(spec, dataset_version=number)
    async with pool.acquire() as connection:
        held = SampleRanges.parse(samples)
        await insert_dataset(connection, made, samples=held, status="running", grows=False)
    return made


async def test_a_sample_that_a_version_does_not_hold_is_a_dead_letter(pool, sink):
    spec = await submitted(pool, samples=4, iq_samples=0)
    part = await further_version(pool, spec, 2, "1,3")
    first = random.Random(sink.group).randrange(10**12)
    await (await sink.owner()).handle(numbered([m for index in (0, 1, 2, 3) for m in whole_sample(part, index)], first))
    version = await find_dataset(pool, spec.dataset_id, version=2)
    assert (version.accepted, version.requested, version.status) == (2, 2, "complete")
    assert await kept_offsets(pool, first, 12) == [0, 1, 2, 6, 7, 8]


async def test_by_default_a_dataset_is_its_newest_version_that_is_whole_and_decided(pool, sink):
    spec = await submitted(pool, samples=2, iq_samples=0)
    owner, offset, told = await sink.owner(), iter(range(0, 100, 3)), []

    async def default(**more):
        return (await find_dataset(pool, spec.name, tell=told.append, **more)).version

    assert (await default(), told) == (1, [])
    for index in range(2):
        await owner.handle(numbered(whole_sample(spec, index), next(offset)))
    part, whole = await further_version(pool, spec, 2, "1"), await further_version(pool, spec, 3, "0-1")
    await owner.handle(numbered(whole_sample(part, 1), next(offset)))
    await owner.handle(numbered(whole_sample(whole, 0), next(offset)))
    assert await default() == 1
    assert "version 1 is taken (all 2 samples)" in told[-1]
    assert "3 (all 2 samples, 1 decided), 2 (samples 1 of 2)" in told[-1]
    assert await default(prefer=version_under_way) == 3
    await owner.handle(numbered(whole_sample(whole, 1), next(offset)))
    assert (await default(), await default(prefer=version_under_way)) == (3, 3)
    assert (await find_dataset(pool, spec.name, version=2)).version == 2


@contextlib.asynccontextmanager
async def empty_database(settings):
    """The address of a database of the test's own."""
    name = f"test_{uuid4().hex}"
    admin = await asyncpg.connect(settings.postgres_dsn)
    try:
        await admin.execute(f"CREATE DATABASE {name}")
        base, _, query = settings.postgres_dsn.partition("?")
        yield base.rsplit("/", 1)[0] + f"/{name}" + (f"?{query}" if query else "")
    finally:
        await admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await admin.close()


@contextlib.asynccontextmanager
async def database_of_before(settings):
    """A database with the tables that there were before versions said what they hold, and a connection to it."""
    async with empty_database(settings) as dsn:
        connection = await asyncpg.connect(dsn)
        await connection.execute("CREATE SCHEMA heimdall")
        for module in ("v0001_first_tables", "v0002_replays"):
            for statement in importlib.import_module(f"iqstream.catalogue.migrations.versions.{module}")._STATEMENTS:
                await connection.execute(statement)
        await connection.execute("CREATE TABLE heimdall.alembic_version (version_num varchar(32) PRIMARY KEY)")
        await connection.execute("INSERT INTO heimdall.alembic_version VALUES ('0002')")
        try:
            yield dsn, connection
        finally:
            await connection.close()


async def test_databases_of_before_know_what_their_versions_hold(settings):
    """Versions that replays made hold the samples of these, and what later ones put there; the others all samples."""
    old_row = (
        "INSERT INTO heimdall.datasets (id, version, name, spec, status, requested, iq_samples, accepted, "
        "created_at, status_changed_at) VALUES ($1, $2, 'n', $3, $4, $5, 0, $6, now() - $7::interval, now())"
    )
    spec, growing = make_spec(samples=40), make_spec(samples=10_000_000)
    whole, grown = UUID(spec.dataset_id), UUID(growing.dataset_id)
    text, endless = msgspec.json.encode(spec).decode(), msgspec.json.encode(growing).decode()
    async with database_of_before(settings) as (dsn, connection):
        minute, none = timedelta(minutes=1), timedelta()
        await connection.execute(old_row, whole, 1, text, "complete", 40, 40, minute)
        await connection.execute(old_row, whole, 2, text, "running", 20, 2, minute)
        await connection.execute(old_row, whole, 3, text, "complete", 1, 1, minute)
        await connection.execute(old_row, grown, 1, endless, "running", 10_000_000, 0, none)
        for version, samples in ((2, "{[20,40)}"), (3, "{[7,8)}")):
            await connection.execute(
                "INSERT INTO heimdall.replays (dataset_id, dataset_version, generation, source_version, samples, "
                f"lanes) VALUES ($1, $2, 0, 1, '{samples}', 1)", whole, version,
            )  # fmt: skip
        await connection.execute(
            'INSERT INTO heimdall.dead_letters (topic, partition, "offset", stage, error, message, value, '
            "header_names, header_values) VALUES ('iq.features', 0, 7, 'sink', 'Malformed', '', 'kept', '{}', '{}')"
        )
        for index in (5, 20):
            await connection.execute(
                "INSERT INTO heimdall.sample_outcomes (dataset_id, dataset_version, sample_idx, outcome, figures, "
                "generation, first_outcome, lineage) VALUES ($1, 2, $2, 'accepted', '{}', 1, 'accepted', '{}')",
                whole, index,
            )  # fmt: skip
        await migrate(dsn)
        async with create_pool(dsn, max_size=1) as pool:
            found = {one.version: one for one in await dataset_versions(pool, spec.dataset_id)}
            assert {v: (str(one.samples), one.requested, one.grows) for v, one in found.items()} == {
                1: ("0-39", 40, False), 2: ("5,20-39", 21, False), 3: ("7", 1, False),
            }  # fmt: skip
            assert (await get_dataset(pool, growing.dataset_id)).is_growing
            letter = await pool.fetchrow("SELECT value, topic_id FROM heimdall.dead_letters")
            assert tuple(letter) == (b"kept", UUID(int=0))
            assert (await find_dataset(pool, spec.dataset_id)).version == 1


async def test_an_unreadable_record_of_ours_fails_its_sample(pool, sink):
    spec = await submitted(pool, samples=1)
    records = numbered(whole_sample(spec, 0), 500)
    broken = [*records[:2], kafka_record(502, b"")]
    object.__setattr__(broken[2], "key", records[2].key)
    object.__setattr__(broken[2], "headers", records[2].headers)
    await (await sink.owner()).handle(broken)
    assert await counters(pool, spec) == (0, 0, 1)


@pytest.mark.parametrize("status", ["cancelled", "deleted"])
async def test_records_of_a_withdrawn_dataset_are_dropped_and_hold_nothing_back(pool, sink, status):
    spec = await submitted(pool, samples=3)
    owner = await sink.owner()
    await owner.handle(numbered([*whole_sample(spec, 0), feature_record(spec, 1)]))
    assert await sink.stored_offset() == 3
    if status == "cancelled":
        await set_status(pool, spec.dataset_id, 1, "cancelled")
    else:
        assert await delete_dataset(pool, spec.dataset_id) == 1
    await owner.idle(4)
    assert await sink.stored_offset() == 4
    await owner.handle(numbered(whole_sample(spec, 2), 4))
    assert await sink.stored_offset() == 7
    (rows, _, _), _ = await table_of(pool, spec)
    assert len(rows) == (1 if status == "cancelled" else 0)


async def test_a_replay_rewrites_a_sample_and_moves_counters_only_where_the_verdict_changes(pool, sink):
    spec = await submitted(pool, samples=3, iq_samples=1)
    owner = await sink.owner()
    await owner.handle(numbered([*whole_sample(spec, 0), *whole_sample(spec, 1), failure_record(spec, 2)]))
    rows_before, _ = await table_of(pool, spec)
    replay = [
        *whole_sample(spec, 0, generation=1),
        *whole_sample(spec, 1, generation=1, snr_db=0.0),
        *whole_sample(spec, 2, generation=1),
    ]
    await owner.handle(numbered(replay, 7))
    rows, moved = await table_of(pool, spec)
    assert moved == (2, 1, 0, "running")
    assert [row[1] for row in rows[0]] == [0, 2]
    assert rows[0][0] == rows_before[0][0]
    assert [row[0] for row in rows[2]] == [0]
    # older generations, late or read again, change nothing
    await owner.handle(numbered([*whole_sample(spec, 1), *whole_sample(spec, 1, generation=1)], 16))
    assert await table_of(pool, spec) == (rows, moved)


async def test_until_a_replay_is_complete_and_when_it_fails_the_old_row_stands(pool, sink):
    spec = await submitted(pool, samples=1)
    owner = await sink.owner()
    await owner.handle(numbered(whole_sample(spec, 0)))
    (rows, _, _), moved = await table_of(pool, spec)
    await owner.handle(numbered(whole_sample(spec, 0, generation=1)[:2], 3))
    assert (await table_of(pool, spec))[0][0] == rows
    await owner.handle(numbered([failure_record(spec, 0, 2, generation=1)], 5))
    assert ((await table_of(pool, spec))[0][0], (await table_of(pool, spec))[1]) == (rows, moved)
    assert await sink.stored_offset() == 6


async def test_partitions_that_share_datasets_do_not_deadlock(pool):
    """Every batch touches all datasets, in another order each time."""
    sink = await Sink(pool).create(partitions=4)
    specs = [await submitted(pool, samples=40) for _ in range(3)]

    async def serve(partition):
        rng = random.Random(partition)
        owner, offset = await sink.owner(partition), 0
        for idx in range(partition, 40, 4):
            messages = [m for spec in rng.sample(specs, 3) for m in whole_sample(spec, idx)]
            await owner.handle(numbered(messages, offset, partition))
            offset += len(messages)

    await asyncio.gather(*(serve(partition) for partition in range(4)))
    for spec in specs:
        assert await counters(pool, spec) == (40, 0, 0)


async def test_a_dataset_without_iq_is_complete_with_its_last_sample_exactly_once(pool, sink, settings, caplog):
    caplog.set_level(logging.INFO, logger="sink.saver")
    spec = await submitted(pool, samples=3, iq_samples=0)
    heard = []
    listener = await asyncpg.connect(settings.postgres_dsn)
    try:
        await listener.add_listener("iqstream_datasets", lambda *event: heard.append(event[-1]))
        owner = await sink.owner()
        batch = numbered([*whole_sample(spec, 0), *whole_sample(spec, 1), *whole_sample(spec, 2, snr_db=0.0)])
        await owner.handle(batch)
        await (await sink.owner()).handle(batch)
        await listener.fetchval("SELECT 1")
    finally:
        await listener.close()
    assert heard.count(spec.dataset_id) == 1
    dataset = await get_dataset(pool, spec.dataset_id)
    assert (dataset.status, dataset.completed_at is not None) == ("complete", True)
    assert caplog.messages == ["Generation complete: 2 samples, 0 IQ samples saved to MinIO"]
    assert not await set_status(pool, spec.dataset_id, 1, "running")
    assert not await set_status(pool, spec.dataset_id, 1, "cancelled")


async def test_a_partition_without_an_offset_is_an_error_that_names_the_fix(sink):
    with pytest.raises(Failed, match="iqstream init"):
        await sink.owner(partition=99)


async def test_an_offset_of_another_cluster_is_refused_with_both_named(pool, sink):
    with pytest.raises(Failed, match=f"{CLUSTER}.*other-cluster"):
        await sink.owner(cluster_id="other-cluster")
    with pytest.raises(Failed, match=f"{CLUSTER}.*other-cluster"):
        await create_offsets(
            pool, group=sink.group, topic=TOPIC, partitions=range(2), cluster_id="other-cluster", topic_id=TOPIC_ID
        )


async def test_making_offsets_again_adds_what_is_missing_and_moves_nothing(pool, sink):
    spec = await submitted(pool, samples=1)
    await (await sink.owner()).handle(numbered(whole_sample(spec, 0)))
    await sink.create(partitions=3)
    assert [await sink.stored_offset(partition) for partition in range(3)] == [3, 0, 0]


async def test_offsets_of_a_topic_made_anew_begin_at_0_and_fence_its_former_owners(pool, sink):
    spec = await submitted(pool, samples=2)
    former = await sink.owner()
    await former.handle(numbered(whole_sample(spec, 0)))
    anew = uuid4()
    await create_offsets(pool, group=sink.group, topic=TOPIC, partitions=range(2), cluster_id=CLUSTER, topic_id=anew)
    assert [await sink.stored_offset(partition) for partition in range(2)] == [0, 0]
    with pytest.raises(StaleOwner):
        await former.handle(numbered(whole_sample(spec, 1), 3))


async def test_migrations_are_idempotent_and_may_run_at_once(settings):
    async with empty_database(settings) as dsn:
        await asyncio.gather(*(migrate(dsn) for _ in range(4)))
        await migrate(dsn)
        connection = await asyncpg.connect(dsn)
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'heimdall'")
        versions = await connection.fetchval("SELECT count(*) FROM heimdall.alembic_version")
        await connection.close()
    assert {row["tablename"] for row in tables} >= {"datasets", "measurement_features", "sample_outcomes"}
    assert versions == 1


async def test_datasets_of_an_earlier_version_keep_the_split_that_their_id_made(settings):
    spec = make_spec()
    async with empty_database(settings) as dsn:
        await migrate(dsn, to="0004")
        connection = await asyncpg.connect(dsn)
        await connection.execute(
            "INSERT INTO heimdall.datasets "
            "(id, version, name, spec, recorded, status, samples, grows, requested, iq_samples) "
            "VALUES ($1, 1, $2, $3, false, 'running', $4, false, 1, 0)",
            UUID(spec.dataset_id), spec.name, msgspec.json.encode(spec).decode(), SampleRanges.first(1).to_sql(),
        )  # fmt: skip
        await migrate(dsn)
        assert await split_salt(connection, spec.dataset_id) == spec.dataset_id
        await connection.close()


async def test_a_name_in_use_is_refused_unless_reused_on_purpose(pool):
    spec = make_spec()
    again = make_spec(name=spec.name)
    await create_dataset(pool, spec)
    with pytest.raises(UserError, match="--reuse-name"):
        await create_dataset(pool, again)
    await create_dataset(pool, again, reuse_name=True)
    with pytest.raises(UserError, match=spec.dataset_id):
        await find_dataset(pool, spec.name)
    await delete_dataset(pool, again.dataset_id)
    assert (await find_dataset(pool, spec.name)).id == spec.dataset_id
    assert (await find_dataset(pool, again.dataset_id)).status == "deleted"


async def test_a_renamed_dataset_is_found_by_its_new_name_alone_in_every_version_and_keeps_what_it_holds(pool):
    spec, other = make_spec(), make_spec()
    for one in (spec, other):
        await create_dataset(pool, one, description="why")
    salt, name = await split_salt(pool, spec.dataset_id), f"renamed {uuid4()}"
    found = await find_dataset(pool, spec.name)
    with pytest.raises(UserError, match="in use"):
        await rename_dataset(pool, found, other.name, reuse_name=False)
    for wrong in ("", str(uuid4()), "a\nb", "x" * 201):
        with pytest.raises(UserError, match="name"):
            await rename_dataset(pool, found, wrong, reuse_name=True)
    await rename_dataset(pool, found, name, reuse_name=False)
    await describe_dataset(pool, found, "the first network")
    renamed = await find_dataset(pool, name)
    assert (renamed.id, renamed.spec.name, renamed.description) == (found.id, name, "the first network")
    assert renamed.spec.content_sha256() == spec.content_sha256()
    assert await split_salt(pool, spec.dataset_id) == salt
    with pytest.raises(UserError, match="no dataset"):
        await find_dataset(pool, spec.name)
    with pytest.raises(UserError, match="description"):
        await describe_dataset(pool, found, "\x1b[31m")
    await delete_dataset(pool, spec.dataset_id)
    with pytest.raises(UserError, match="is deleted"):
        await rename_dataset(pool, await find_dataset(pool, spec.dataset_id), "again", reuse_name=False)


async def test_a_dataset_is_found_by_how_its_id_begins_and_one_misspelt_is_told_with_what_was_meant(pool):
    name, prefix = f"Turin rural {uuid4()}", uuid4().hex[:9]
    ids = [str(UUID(prefix + tail + uuid4().hex[10:])) for tail in "ab"]
    one, other = (msgspec.structs.replace(make_spec(name=name), dataset_id=dataset_id) for dataset_id in ids)
    for spec in (one, other):
        await create_dataset(pool, spec, reuse_name=True)
    for begun in (prefix + "a", (prefix + "a").upper(), one.dataset_id[:11]):
        assert (await find_dataset(pool, begun)).id == one.dataset_id
    with pytest.raises(UserError, match=f"2 datasets are named .* or have ids that begin so: .*{other.dataset_id}"):
        await find_dataset(pool, prefix)
    named = make_spec(name=prefix + "a")
    await create_dataset(pool, named)
    for version in (None, 1, 2):
        with pytest.raises(
            Conflict, match=f"2 datasets .*({one.dataset_id}.*{named.name}|{named.name}.*{one.dataset_id})"
        ):
            await find_dataset(pool, prefix + "a", version=version)
    assert (await find_dataset(pool, prefix + "a", whole=True)).id == named.dataset_id
    assert await find_recorded(pool, one.dataset_id[:13]) is None, "recordings go into a dataset that is named whole"
    await delete_dataset(pool, other.dataset_id)
    with pytest.raises(UserError, match="no dataset"):
        await find_dataset(pool, prefix + "b")
    for impossible in ("", "\0", f"{name}\0", "\udcff"):
        with pytest.raises(NotFound, match="no dataset"):
            await find_dataset(pool, impossible)
    for misspelt in (name.lower(), name.replace("Turin", "Turn"), name[6:]):
        with pytest.raises(UserError, match=f"did you mean '{name}'"):
            await find_dataset(pool, misspelt)


async def test_how_fast_a_stack_is_is_told_from_the_latest_datasets_with_such_recordings(pool):
    """Half a second a sample; twice as many receivers take twice the time."""
    capture = Capture(capture_ms=int(uuid4().int % 40_000) + 1000)  # such recordings as no other test has
    spec = make_spec(samples=40, capture=capture)
    assert await samples_per_s(pool, spec) is None
    await create_dataset(pool, spec)
    await pool.execute(
        "INSERT INTO heimdall.sample_outcomes (dataset_id, dataset_version, sample_idx, generation, outcome, "
        "first_outcome, figures, lineage, decided_at) SELECT $1, 1, i, 0, 'accepted', 'accepted', '{}', '{}', "
        "now() + i * interval '0.5 s' FROM generate_series(0, 39) AS i",
        UUID(spec.dataset_id),
    )
    assert await samples_per_s(pool, make_spec(capture=capture)) == pytest.approx(2)
    assert await samples_per_s(pool, make_spec(capture=capture, receivers=6)) == pytest.approx(1)
    assert await samples_per_s(pool, make_spec(capture=capture, publish="features")) is None


async def test_an_id_means_its_dataset_even_where_another_one_is_named_so(pool):
    spec, other = make_spec(), make_spec()
    await create_dataset(pool, spec)
    await create_dataset(pool, other)
    for form in (spec.dataset_id, spec.dataset_id.upper(), UUID(spec.dataset_id).hex):
        await pool.execute("UPDATE heimdall.datasets SET name = $1 WHERE id = $2", form, UUID(other.dataset_id))
        assert (await find_dataset(pool, form)).id == spec.dataset_id
    with pytest.raises(UserError, match="looks like a dataset's id"):
        await create_dataset(pool, make_spec(name=spec.dataset_id))
    assert (await find_dataset(pool, other.dataset_id)).id == other.dataset_id


async def test_datasets_of_the_same_recordings_have_one_salt_whatever_is_asked_of_them(pool):
    seed = randbits(53)
    spec = make_spec(samples=100, seed=seed)
    longer = make_spec(samples=1000, seed=seed, limits=Limits(min_snr_db=9.0), iq_samples=0)
    others = [make_spec(seed=seed + 1), make_spec(seed=seed, frequency_hz=145e6)]
    real = recorded_spec()
    for one in (spec, longer, *others):
        await create_dataset(pool, one)
    await create_recorded(pool, real, {}, reuse_name=False, description="")
    assert [twin.id for twin in await same_recordings(pool, longer)] == [spec.dataset_id]
    salts = [await split_salt(pool, one.dataset_id) for one in (spec, longer, *others, real)]
    assert salts[0] == salts[1]
    assert len(set(salts)) == 4
    assert salts[4] == real.dataset_id


async def test_what_was_split_before_stays_so_and_new_datasets_of_its_recordings_go_with_it(pool):
    """Datasets of before the column are salted by their ids: so are their versions, and what equals the oldest."""
    seed = randbits(53)
    old, second = make_spec(seed=seed), make_spec(seed=seed)
    for one in (old, second):
        await create_dataset(pool, one)
        await pool.execute("UPDATE heimdall.datasets SET split_salt = id WHERE id = $1", UUID(one.dataset_id))
    await delete_dataset(pool, old.dataset_id)
    new, version = make_spec(seed=seed), msgspec.structs.replace(second, dataset_version=2)
    await create_dataset(pool, new)
    async with pool.acquire() as connection:
        await insert_dataset(connection, version, samples=SampleRanges.first(1), status="running", grows=False)
    rows = await pool.fetch(
        "SELECT id::text, split_salt::text FROM heimdall.datasets WHERE id = ANY($1) ORDER BY created_at, version",
        [UUID(one.dataset_id) for one in (old, second, new)],
    )
    assert {(row["id"], row["split_salt"]) for row in rows} == {
        (old.dataset_id, old.dataset_id),
        (second.dataset_id, second.dataset_id),
        (new.dataset_id, old.dataset_id),
    }
    assert len(rows) == 4


async def test_of_submitters_of_one_name_at_once_one_wins(pool):
    name = f"race {uuid4()}"
    results = await asyncio.gather(
        *(create_dataset(pool, make_spec(name=name)) for _ in range(5)), return_exceptions=True
    )
    assert sorted(type(result).__name__ for result in results) == ["Conflict"] * 4 + ["NoneType"]


async def test_a_dataset_comes_back_as_it_was_submitted(pool):
    spec = make_spec(limits=Limits(min_snr_db=4.5), seed=2**62)
    await create_dataset(pool, spec)
    assert (await get_dataset(pool, spec.dataset_id)).spec == spec
    assert spec.dataset_id in [dataset.id for dataset in await list_datasets(pool)]
    assert await get_dataset(pool, str(uuid4())) is None


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        (["running", "cancelled"], True),
        (["cancelled"], True),
        (["cancelled", "running"], False),
        (["cancelled", "deleted"], True),
        (["deleted", "cancelled"], False),
        (["running", "running"], False),
    ],
)
async def test_a_status_follows_only_certain_others(pool, path, allowed):
    spec = make_spec()
    await create_dataset(pool, spec)
    moved = [await set_status(pool, spec.dataset_id, 1, status) for status in path]
    assert moved[-1] is allowed


async def test_complete_is_not_for_people_to_say(pool):
    spec = make_spec()
    await create_dataset(pool, spec)
    with pytest.raises(UserError, match="complete"):
        await set_status(pool, spec.dataset_id, 1, "complete")
    with pytest.raises(UserError, match="no dataset"):
        await set_status(pool, str(uuid4()), 1, "running")


async def test_what_postgres_stores_of_a_row_is_what_the_extractor_said(pool, sink):
    """jsonb keeps every float64 to the last bit."""
    spec = await submitted(pool, samples=1)
    rng = random.Random(5)
    records = whole_sample(spec, 0)
    values = tuple(rng.gauss(0, 10.0 ** rng.randint(-9, 9)) for _ in range(72 - 16))
    odd = feature_record(spec, 0, 0, values=(records[0].values[:4] + records[0].values[4:8] + values)[:72])
    odd_values = (*odd.values[:64], *records[0].values[64:])
    await (await sink.owner()).handle(numbered([feature_record(spec, 0, 0, values=odd_values), *records[1:]]))
    text = await pool.fetchval(
        "SELECT receiver_features[1] FROM heimdall.measurement_features WHERE dataset_id = $1", UUID(spec.dataset_id)
    )
    stored = json.loads(text)
    assert stored["noise_floor_dbm"]["mean"] == odd_values[8]
    assert stored["zero_crossing_rate"]["max"] == odd_values[12 * 4 + 3]


@pytest.mark.parametrize(
    ("connections", "then", "said"),
    [
        ("6", "wait", b"one holds the dataset, the others wait\n"),
        ("1", "rows", b"one holds the dataset, and has sent a part of its rows\n"),
    ],
    ids=["idle", "in the middle of a statement"],
)
async def test_a_frozen_worker_holds_a_dataset_for_one_timeout_wherever_it_was_frozen(
    settings, monkeypatch, connections, then, said
):
    monkeypatch.setattr("iqstream.catalogue.postgres.IDLE_IN_TRANSACTION_MS", 1000)
    monkeypatch.setattr("iqstream.catalogue.locked.LOCK_TIMEOUT_MS", 500)
    monkeypatch.setattr("sink.frozen_workers.LOOK_EVERY_S", 0.2)
    async with create_pool(settings.postgres_dsn, max_size=1) as pool:
        spec = make_spec()
        await create_dataset(pool, spec)
        key = DatasetKey(spec.dataset_id, spec.dataset_version)
        worker = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.integration.lock_holder"),
            *(settings.postgres_dsn, key.dataset_id, connections, "1000", "500", then),
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            assert await worker.stdout.readline() == said
            looking = asyncio.create_task(end_transactions_of_frozen_workers(settings.postgres_dsn))
            worker.send_signal(signal.SIGSTOP)
            began = asyncio.get_running_loop().time()
            async with asyncio.timeout(10.0), pool.acquire() as connection, connection.transaction():
                assert key in await lock_datasets(connection, [key])
            assert asyncio.get_running_loop().time() - began < 3.0  # without an end to waiting: 6 s, or for ever
        finally:
            looking.cancel()
            worker.kill()
            await worker.wait()
