"""The sink's service: records of `iq.features` become rows, and the first accepted samples' IQ objects."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from uuid import UUID

from aiokafka import TopicPartition

from iqstream.catalogue.postgres import Pool, create_pool
from iqstream.runtime.errors import Failed
from iqstream.runtime.invalid_share import InvalidShare
from iqstream.runtime.kafka import (
    admin_client,
    member_consumer,
    reader_consumer,
    started_producer,
    transaction,
)
from iqstream.runtime.kafka_protocol import confirm_membership, topic_ids
from iqstream.runtime.outages import ServersAway
from iqstream.runtime.own_faults import own_fault
from iqstream.runtime.records import OutgoingRecord, send_all
from iqstream.runtime.settings import Settings
from iqstream.runtime.shell import StageShell
from iqstream.runtime.stages import SINK
from iqstream.runtime.topic_watch import watch_topics
from iqstream.runtime.topics import DEAD_LETTERS, FEATURES
from iqstream.runtime.worker import Worker
from sink.dead_letters import copy_dead_letters
from sink.frames import FrameReader
from sink.frozen_workers import end_transactions_of_frozen_workers
from sink.objects import ObjectStore
from sink.offset_copies import OffsetCopies
from sink.partition import SinkPartition
from sink.recordings import Synthesize
from sink.saver import SAVES_AT_ONCE, Saver

log = logging.getLogger(__name__)

RECORDS_PER_BATCH = 210
"""30 samples of 7 receivers: a transaction of some ten milliseconds."""
GATHER_BYTES, GATHER_MS = 64 * 1024, 200
"""Records of four samples, of all partitions: each answer wakes all of them."""
CONNECTIONS = 6 + SAVES_AT_ONCE
COPY_EVERY_S = 5.0
RETRY_EVERY_S = 1.0


async def serve(worker: Worker, synthesize: Synthesize) -> None:
    """Runs one sink worker until it is told to stop.

    Args:
        worker: the process.
        synthesize: makes a sample again whose frames have expired.

    Raises:
        Unreachable: PostgreSQL or Kafka does not answer.
        Failed: the topic or its offsets are missing, or not those of this database.
    """
    settings = worker.settings
    chosen = asyncio.Event()
    invalid_share = InvalidShare(settings.max_invalid_share)
    async with AsyncExitStack() as resources:
        pool = await resources.enter_async_context(create_pool(settings.postgres_dsn, max_size=CONNECTIONS))
        cluster_id, topic_id = await _identity(settings)
        store = ObjectStore(
            endpoint=settings.s3_endpoint,
            access_key=settings.s3_access_key,
            secret_key=settings.s3_secret_key,
            secure=settings.s3_secure,
            region=settings.s3_region,
            bucket=settings.s3_bucket,
            ca_file=settings.s3_cafile,
        )
        resources.callback(store.close)
        frames = await resources.enter_async_context(FrameReader(lambda: reader_consumer(settings)))
        saver = Saver(pool=pool, store=store, frames=frames, synthesize=synthesize, wake=chosen)
        consumer = member_consumer(
            settings,
            group=SINK.group,
            instance_id=worker.instance_id(SINK.group),
            gather_bytes=GATHER_BYTES,
            gather_ms=GATHER_MS,
        )
        copies = OffsetCopies(consumer)

        def own(partition: TopicPartition) -> SinkPartition:
            return SinkPartition(
                partition=partition,
                group=SINK.group,
                cluster_id=cluster_id,
                topic_id=topic_id,
                pool=pool,
                confirm_membership=lambda: confirm_membership(consumer),
                publish_offset=partial(copies.note, partition),
                chosen=chosen,
                invalid_share=invalid_share,
                metrics=worker.metrics,
            )

        shell = StageShell(
            consumer=consumer,
            topic=FEATURES,
            own=own,
            batch_records=RECORDS_PER_BATCH,
            metrics=worker.metrics,
            beside=lambda: _run_together(watch_topics(settings, (FEATURES, DEAD_LETTERS)), copies.keep_up()),
        )
        await _run_together(
            shell.run(worker.stop),
            _through_outages("saving IQ", saver.run),
            _through_outages("copying dead letters", lambda: _copy_dead_letters(worker, pool)),
            _through_outages(
                "looking for frozen workers", lambda: end_transactions_of_frozen_workers(settings.postgres_dsn)
            ),
        )


async def _run_together(main: Awaitable[None], *sides: Awaitable[None]) -> None:
    """Until `main` ends; a side task that ends before it ends it too, with its error."""
    tasks = [asyncio.ensure_future(task) for task in (main, *sides)]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                await task
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _through_outages(what: str, work: Callable[[], Awaitable[None]]) -> None:
    """Begins again when PostgreSQL, Kafka or the object store was away; nothing is lost by that."""
    last_problem = ""
    while True:
        try:
            await work()
        except ServersAway as error:
            if (fault := own_fault(error)) is not None:
                raise fault from None
            problem = f"{type(error).__name__} {error}"
            log.log(
                logging.DEBUG if problem == last_problem else logging.WARNING,
                "%s is interrupted, and tried again every %.0f s: %s", what, RETRY_EVERY_S, problem,
            )  # fmt: skip
            last_problem = problem
            await asyncio.sleep(RETRY_EVERY_S)


async def _copy_dead_letters(worker: Worker, pool: Pool) -> None:
    transactional_id = worker.instance_id(f"{SINK.group}-dead-letters")

    async def send(records: Sequence[OutgoingRecord]) -> None:
        async with (
            started_producer(worker.settings, transactional_id, outputs=SINK.outputs) as producer,
            transaction(producer),
        ):
            await send_all(producer, records)

    while True:
        while await copy_dead_letters(pool, send):
            pass
        await asyncio.sleep(COPY_EVERY_S)


async def _identity(settings: Settings) -> tuple[str, UUID]:
    """The cluster's id and the topic's: the stored offsets must be theirs."""
    async with admin_client(settings) as admin:
        cluster_id, ids = await topic_ids(admin, [FEATURES])
    if FEATURES not in ids:
        raise Failed(f"Kafka at {settings.kafka_bootstrap} has no topic {FEATURES}: run `iqstream init`")
    return cluster_id, ids[FEATURES]
