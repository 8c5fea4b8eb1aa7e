"""Kafka clients with our settings applied: one place where every client is made."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal, TypeAlias

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from iqstream.runtime.aiokafka_internals import (
    AIOKafkaClient,
    let_go_of_closed_connections,
    move_much_at_once,
    read_answers_with,
)
from iqstream.runtime.errors import IqstreamError, Unreachable, UserError
from iqstream.runtime.fetched import FetchedRecords
from iqstream.runtime.kafka_protocol import CommittedOffset, committed_offset
from iqstream.runtime.kafka_refusal import refusal
from iqstream.runtime.settings import Settings
from iqstream.runtime.transactional_producer import COMMIT_DEADLINE_S, TransactionalProducer

REQUEST_TIMEOUT_MS = 10_000
SESSION_TIMEOUT_MS = 10_000
REBALANCE_TIMEOUT_MS = 7_000
"""How long a rebalance waits for a member that has not joined. Longer than a member takes to give its partitions back;
shorter than a request may take: a client that gives up a join and sends it again starts another rebalance."""
LONGEST_WITHOUT_POLL_MS = 2**31 - 1
"""The client's limit, put out of the way: it joins no rebalance once nobody has polled for so long (5 min by default),
and nobody polls during an outage. The shell ends a member that makes no progress."""
TRANSACTION_TIMEOUT_MS = 15_000
POSITION_DEADLINE_S = 30.0
POSITION_RETRY_S = 0.2
MAX_REQUEST_BYTES = 32 * 1024 * 1024
"""The client's own limit is out of the way: the broker judges by the topic's `max.message.bytes`."""
FETCH_PARTITION_BYTES = 4 * 1024 * 1024

IsolationLevel: TypeAlias = Literal["read_committed", "read_uncommitted"]
READ_AHEAD_BYTES = 4 * 1024 * 1024
read_answers_with(FetchedRecords)  # no record stops a partition
move_much_at_once(READ_AHEAD_BYTES)
let_go_of_closed_connections()


def security(settings: Settings) -> dict[str, Any]:
    """The clients' arguments for TLS and SASL.

    Raises:
        UserError: a certificate file cannot be read.
    """
    arguments: dict[str, Any] = {"security_protocol": settings.kafka_security_protocol}
    if settings.kafka_security_protocol in {"SSL", "SASL_SSL"}:
        arguments["ssl_context"] = _tls(settings)
    if settings.kafka_security_protocol.startswith("SASL"):
        arguments["sasl_mechanism"] = settings.kafka_sasl_mechanism
        arguments["sasl_plain_username"] = settings.kafka_sasl_username
        arguments["sasl_plain_password"] = settings.kafka_sasl_password
    return arguments


def _tls(settings: Settings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.kafka_ssl_cafile or None)
    except OSError as error:  # an SSLError is one
        raise UserError(
            f"IQSTREAM_KAFKA_SSL_CAFILE: {settings.kafka_ssl_cafile} holds no certificates: {error}"
        ) from None
    if settings.kafka_ssl_certfile:
        try:
            context.load_cert_chain(settings.kafka_ssl_certfile, settings.kafka_ssl_keyfile or None)
        except OSError as error:
            raise UserError(
                f"IQSTREAM_KAFKA_SSL_CERTFILE, IQSTREAM_KAFKA_SSL_KEYFILE: {settings.kafka_ssl_certfile} and "
                f"{settings.kafka_ssl_keyfile or 'the same file'} are no certificate and its key: {error}"
            ) from None
    return context


def member_consumer(
    settings: Settings,
    *,
    group: str,
    instance_id: str,
    gather_bytes: int = 1,
    gather_ms: int = 500,
    fetch_bytes: int = FETCH_PARTITION_BYTES,
) -> AIOKafkaConsumer:
    """A static member of a stage's group: reads committed records only, never commits or jumps by itself.

    A broker answers as soon as it has `gather_bytes`, and after `gather_ms` with what there is: of a partition
    `fetch_bytes`, and one batch even where that is larger.
    """
    return AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap,
        group_id=group,
        group_instance_id=instance_id,
        client_id=instance_id,
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level="read_committed",
        session_timeout_ms=SESSION_TIMEOUT_MS,
        rebalance_timeout_ms=REBALANCE_TIMEOUT_MS,
        heartbeat_interval_ms=1_000,
        max_poll_interval_ms=LONGEST_WITHOUT_POLL_MS,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
        fetch_min_bytes=gather_bytes,
        fetch_max_wait_ms=gather_ms,
        max_partition_fetch_bytes=fetch_bytes,
        **security(settings),
    )


def reader_consumer(
    settings: Settings,
    *,
    group: str | None = None,
    fetch_bytes: int = FETCH_PARTITION_BYTES,
    isolation_level: IsolationLevel = "read_committed",
) -> AIOKafkaConsumer:
    """A consumer to `assign()` by hand: reads committed records unless told otherwise, commits nothing by itself.

    `fetch_bytes` of a partition at a time; the broker gives a whole batch even where that is larger.
    """
    return AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level=isolation_level,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
        max_partition_fetch_bytes=fetch_bytes,
        **security(settings),
    )


@asynccontextmanager
async def started_reader(
    settings: Settings,
    *,
    group: str | None = None,
    fetch_bytes: int = FETCH_PARTITION_BYTES,
    isolation_level: IsolationLevel = "read_committed",
) -> AsyncIterator[AIOKafkaConsumer]:
    """A `reader_consumer` for as long as the context lasts.

    Raises:
        KafkaError: no broker answers.
    """
    consumer = reader_consumer(settings, group=group, fetch_bytes=fetch_bytes, isolation_level=isolation_level)
    try:
        await consumer.start()
        await asyncio.sleep(0)  # the client cannot stop before a task of it has begun
        yield consumer
    finally:
        await consumer.stop()


async def stored_position(settings: Settings, group: str, partition: TopicPartition) -> CommittedOffset:
    """How far a group that commits in transactions alone is on a partition; 0 where it has not begun.

    A broker that has just started is asked again: to take its silence for 0 would do everything twice. Only after
    the group's producer has been fenced is the answer the last one: a commit may still be under way.

    Raises:
        KafkaError: the broker refuses, or is away.
        TimeoutError: it does not get ready.
    """
    async with started_reader(settings, group=group) as reader, asyncio.timeout(POSITION_DEADLINE_S):
        reader.assign([partition])
        while True:
            try:
                return await committed_offset(reader, partition) or CommittedOffset(0)
            except KafkaError as error:
                if not error.retriable:
                    raise
                await asyncio.sleep(POSITION_RETRY_S)


async def position_to_go_on_from(
    settings: Settings, producer: TransactionalProducer, group: str, partition: TopicPartition
) -> int:
    """Where whoever has started the group's `producer` goes on: behind the last batch whose records can be read.

    Raises:
        KafkaError, TimeoutError: as `stored_position`.
    """
    standing = await producer.standing_position(await stored_position(settings, group, partition))
    return standing.position


def transactional_producer(
    settings: Settings, transactional_id: str, *, outputs: Sequence[str] = (), group: str | None = None
) -> TransactionalProducer:
    """A producer whose start fences every earlier one of the same id and ends its open transaction.

    Commits that a broker may have forgotten half-way are reissued to `outputs` and to the offsets of `group`.
    """
    return TransactionalProducer(
        transactional_id=transactional_id,
        outputs=outputs,
        group=group,
        bootstrap_servers=settings.kafka_bootstrap,
        transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
        max_request_size=MAX_REQUEST_BYTES,
        **security(settings),
    )


@asynccontextmanager
async def started_producer(
    settings: Settings, transactional_id: str, *, outputs: Sequence[str], group: str | None = None
) -> AsyncIterator[TransactionalProducer]:
    """A `transactional_producer` for as long as the context lasts, for work after which nobody may come.

    At its end what it committed stands, unless it ends by an error: then whoever starts next sees to it.

    Raises:
        KafkaError, TimeoutError: as `TransactionalProducer.start`.
    """
    producer = transactional_producer(settings, transactional_id, outputs=outputs, group=group)
    try:
        await producer.start()
        yield producer
        await producer.commit_again()
    finally:
        await producer.let_go()


@asynccontextmanager
async def transaction(producer: AIOKafkaProducer) -> AsyncIterator[None]:
    """Commits at the end. After any error the outcome is unknown, and the producer is to be let go.

    It does not abort, as the client's own would: with the broker away that takes for ever, and the next producer of
    the same id ends what is open.

    Raises:
        TimeoutError: it took longer than `COMMIT_DEADLINE_S`.
    """
    async with asyncio.timeout(COMMIT_DEADLINE_S):
        await producer.begin_transaction()
        yield
        await producer.commit_transaction()


@asynccontextmanager
async def request_client(settings: Settings, topic: str) -> AsyncIterator[AIOKafkaClient]:
    """Connections for requests that we make ourselves; it knows who leads the topic's partitions.

    Raises:
        Unreachable: no broker answers; says where, and what to do.
        UserError: a broker does not let us in, or is not trusted; says why, and which setting to look at.
    """
    client = AIOKafkaClient(
        bootstrap_servers=settings.kafka_bootstrap, request_timeout_ms=REQUEST_TIMEOUT_MS, **security(settings)
    )
    try:
        try:
            await client.bootstrap()
            await client.set_topics([topic])
        except (KafkaError, OSError, ValueError) as error:
            raise await _no_connection(settings, error) from None
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def admin_client(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    """A started admin client.

    Raises:
        Unreachable: no broker answers; says where, and what to do.
        UserError: a broker does not let us in, or is not trusted; says why, and which setting to look at.
    """
    admin = AIOKafkaAdminClient(
        bootstrap_servers=settings.kafka_bootstrap,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
        **security(settings),
    )
    try:
        try:
            await admin.start()
        except (KafkaError, OSError, ValueError) as error:
            raise await _no_connection(settings, error) from None
        yield admin
    finally:
        await admin.close()


async def _no_connection(settings: Settings, error: Exception) -> IqstreamError:
    """Wrong settings, where a broker says so and waiting does not help; else an outage."""
    if (reason := await refusal(settings.kafka_bootstrap, security(settings))) is not None:
        return UserError(f"Kafka at {settings.kafka_bootstrap}: {reason}.")
    return Unreachable(
        f"Kafka at {settings.kafka_bootstrap} does not answer ({error}). "
        "Start it with `iqstream up`, or set IQSTREAM_KAFKA_BOOTSTRAP and IQSTREAM_KAFKA_SECURITY_PROTOCOL."
    )
