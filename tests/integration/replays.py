"""What replays' tests share: a dataset as it is stored, its records on Kafka, expiry, and running a replay."""

import asyncio
from collections import Counter
from dataclasses import dataclass

import asyncpg
from aiokafka.admin import RecordsToDelete

from extractor.pairs.record import pair_record
from extractor.record import feature_record
from iqstream.catalogue.datasets import find_dataset
from iqstream.catalogue.replays import Replay, begin_replay, replayable
from iqstream.dataset.feature_records import feature_records
from iqstream.reach import postgres_pool
from iqstream.replay.job import feature_partitions, run_replay
from iqstream.replay.lane import LaneResult
from iqstream.replay.run import wanted_samples
from iqstream.runtime.kafka import admin_client
from iqstream.runtime.offsets import committed_offsets, partition_ends, partition_leaders
from iqstream.runtime.topics import EXTRACTOR_GROUP, FEATURES, FRAMES, SINK_GROUP
from producer.synthesize import synthesize_sample
from schemas import FeatureRecord


@dataclass(frozen=True)
class Replayed:
    replay: Replay
    resumed: bool
    result: LaneResult


async def replay(settings, spec, *, samples=None, version=None, as_version=None, extract=feature_record) -> Replayed:
    async with postgres_pool(settings) as pool:
        source = await find_dataset(pool, spec.dataset_id, version=version)
        begun, resumed = await begin_replay(
            pool,
            source,
            await replayable(pool, source, wanted_samples(source, samples)),
            as_version=as_version,
            lanes=await feature_partitions(settings),
        )
        result = await run_replay(
            settings,
            pool,
            begun,
            source,
            extract=extract,
            measure_pairs=pair_record,
            synthesize=synthesize_sample,
            workers=2,
            show=lambda _progress: None,
        )
    return Replayed(begun, resumed, result)


async def fetch(settings, query, *arguments):
    connection = await asyncpg.connect(settings.postgres_dsn)
    try:
        return await connection.fetch(query, *arguments)
    finally:
        await connection.close()


async def stored(settings, spec, version=1):
    """Rows, pairs, outcomes and counters, whole: left out is when they were written, and by which generation."""
    rows = await fetch(
        settings,
        "SELECT * FROM heimdall.measurement_features WHERE dataset_id = $1::uuid AND dataset_version = $2 "
        "ORDER BY sample_idx",
        spec.dataset_id,
        version,
    )
    outcomes = await fetch(
        settings,
        "SELECT * FROM heimdall.sample_outcomes WHERE dataset_id = $1::uuid AND dataset_version = $2 "
        "ORDER BY sample_idx",
        spec.dataset_id,
        version,
    )
    pairs = await fetch(
        settings,
        "SELECT * FROM heimdall.pair_measurements WHERE dataset_id = $1::uuid AND dataset_version = $2 "
        "ORDER BY sample_idx",
        spec.dataset_id,
        version,
    )
    counters = await fetch(
        settings,
        "SELECT status, accepted, rejected, failed, iq_samples_saved FROM heimdall.datasets "
        "WHERE id = $1::uuid AND version = $2",
        spec.dataset_id,
        version,
    )
    left_out = {"created_at", "decided_at", "generation"}
    return [
        {name: value for name, value in row.items() if name not in left_out}
        for row in (*rows, *pairs, *outcomes, *counters)
    ]


async def damage(settings, spec):
    """Overwrites some rows and deletes others; how many."""
    overwritten = await fetch(
        settings,
        'UPDATE heimdall.measurement_features SET gdop = -1, receiver_features[1] = \'{"rx_id": "nobody"}\' '
        "WHERE dataset_id = $1::uuid AND sample_idx % 3 = 0 RETURNING sample_idx",
        spec.dataset_id,
    )
    deleted = await fetch(
        settings,
        "DELETE FROM heimdall.measurement_features WHERE dataset_id = $1::uuid AND sample_idx % 3 = 1 "
        "RETURNING sample_idx",
        spec.dataset_id,
    )
    return len(overwritten) + len(deleted)


async def expire_frames(settings):
    """Drops every frame that the extractor has done, as retention would."""
    async with admin_client(settings) as admin:
        done = await committed_offsets(admin, EXTRACTOR_GROUP)
        await admin.delete_records({p: RecordsToDelete(offset) for p, offset in done.items() if p.topic == FRAMES})


async def offsets(settings, group, topic):
    async with admin_client(settings) as admin:
        return {p: o for p, o in (await committed_offsets(admin, group)).items() if p.topic == topic}


async def ends_of(settings, topic):
    async with admin_client(settings) as admin:
        return await partition_ends(admin, await partition_leaders(admin, [topic]))


async def drained(settings):
    """Whether extractor and sink stand at their topics' ends."""
    for group, topic in ((EXTRACTOR_GROUP, FRAMES), (SINK_GROUP, FEATURES)):
        known = await ends_of(settings, topic)
        if await offsets(settings, group, topic) != {p: end.end for p, end in known.items()}:
            return False
    return True


async def wait_until(so, deadline_s=120):
    async with asyncio.timeout(deadline_s):
        while not await so():
            await asyncio.sleep(0.2)


async def records_by_generation(settings, spec, version=1):
    """How often each (sample, receiver) stands on iq.features, by generation; failures have no receiver."""
    seen: dict[int, Counter] = {}
    async for record in feature_records(settings, spec.dataset_id, version):
        receiver = record.receiver.rx_id if isinstance(record, FeatureRecord) else None
        seen.setdefault(record.generation, Counter())[record.sample_idx, receiver] += 1
    return seen


def once_each(spec, samples):
    return Counter({(index, receiver.rx_id): 1 for index in samples for receiver in spec.receivers})
