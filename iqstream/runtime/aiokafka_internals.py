"""Every private or undocumented name of the Kafka client that we use (ADR 0082). No other module uses one.

The client is pinned to the minor version that this was tested with. What each name has to be is said by
`tests/unit/runtime/test_aiokafka_internals.py`. Its public modules are `aiokafka`, `aiokafka.admin`, `aiokafka.errors`.
"""

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition, conn
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient, ConnectionGroup, CoordinationType
from aiokafka.conn import AIOKafkaConnection, collect_hosts, create_conn
from aiokafka.consumer import fetcher
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata
from aiokafka.partitioner import murmur2
from aiokafka.producer import sender
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.commit import OffsetFetchRequest
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.offset import OffsetRequest, OffsetResetStrategy
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.protocol.transaction import AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, EndTxnRequest
from aiokafka.protocol.types import (
    Array,
    Boolean,
    Bytes,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    String,
    TaggedFields,
)
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from aiokafka.record.util import decode_varint

__all__ = [
    "AIOKafkaClient",
    "AIOKafkaConnection",
    "AddOffsetsToTxnRequest",
    "AddPartitionsToTxnRequest",
    "Array",
    "Boolean",
    "CompactArray",
    "CompactString",
    "ConsumerProtocolMemberAssignment",
    "ConsumerProtocolMemberMetadata",
    "DefaultRecordBatch",
    "DefaultRecordBatchBuilder",
    "EndTxnRequest",
    "FetchRequest",
    "Fields",
    "Int16",
    "Int32",
    "Int64",
    "MetadataRequest",
    "OffsetFetchRequest",
    "OffsetRequest",
    "OffsetResetStrategy",
    "Request",
    "RequestStruct",
    "Response",
    "Schema",
    "String",
    "TaggedFields",
    "collect_hosts",
    "create_conn",
    "decode_varint",
    "murmur2",
]

Fields: TypeAlias = dict[str, Any]
"""A structure of Kafka's protocol by the names of its fields; the structures in its arrays, too."""


def fields_of(response: Response) -> Fields:
    """Returns a response by the names in its schema, so that a field which another version adds changes nothing.

    The client's own `to_object` fails on an array that is null.
    """
    return _named(response.SCHEMA, [getattr(response, name) for name in response.SCHEMA.names])


def _named(schema: Schema, values: Sequence[Any]) -> Fields:
    found: Fields = {}
    for name, kind, value in zip(schema.names, schema.fields, values, strict=True):
        is_list = isinstance(kind, Array) and isinstance(kind.array_of, Schema) and value is not None
        found[name] = [_named(kind.array_of, one) for one in value] if is_list else value
    return found


class _AsItIs:
    """Hands one request structure to a connection without negotiating a version."""

    def __init__(self, request: RequestStruct) -> None:
        self._request = request

    def prepare(self, _versions: Mapping[int, tuple[int, int]]) -> RequestStruct:
        return self._request


def requests_of(client: AIOKafkaAdminClient | AIOKafkaConsumer) -> AIOKafkaClient:
    """Returns the connections of a started client, for requests that it has no call for."""
    return client._client  # noqa: SLF001


async def send_struct(client: AIOKafkaClient, node: int, request: RequestStruct) -> Fields:
    """Sends a request of exactly this version to a broker. Raises KafkaError: it does not answer."""
    return fields_of(await client.send(node, _AsItIs(request)))


async def connect_once(host: str, port: int, security: Mapping[str, Any]) -> None:
    """Opens one connection and closes it again.

    Raises:
        OSError, KafkaError: the host does not answer, or does not let us in.
    """
    (await create_conn(host, port, **security)).close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A consumer as its group knows it."""

    group: str
    generation: int
    member_id: str
    instance_id: str


def member_of(consumer: AIOKafkaConsumer) -> Member:
    """Returns what the consumer is in its group now."""
    coordinator = consumer._coordinator  # noqa: SLF001
    return Member(
        group=coordinator.group_id,
        generation=coordinator.generation,
        member_id=coordinator.member_id,
        instance_id=coordinator._group_instance_id,  # noqa: SLF001
    )


def group_of(consumer: AIOKafkaConsumer) -> str:
    """Returns the group that a consumer was made with."""
    return str(consumer._coordinator.group_id)  # noqa: SLF001


async def ask_as_member(consumer: AIOKafkaConsumer, request: RequestStruct) -> Fields:
    """Asks the group's coordinator on the connection that no rebalance holds up. Raises KafkaError."""
    coordinator = consumer._coordinator  # noqa: SLF001
    await coordinator.ensure_coordinator_known()
    return await send_struct(coordinator._client, coordinator.coordinator_id, request)  # noqa: SLF001


async def ask_coordinator(consumer: AIOKafkaConsumer, request: RequestStruct) -> Fields:
    """Asks the group's coordinator; one that does not answer is looked up again by the next call. Raises KafkaError."""
    coordinator = consumer._coordinator  # noqa: SLF001
    await coordinator.ensure_coordinator_known()
    return fields_of(await coordinator._send_req(_AsItIs(request)))  # noqa: SLF001


def forget_coordinator(consumer: AIOKafkaConsumer) -> None:
    """The next call looks the group's coordinator up again."""
    consumer._coordinator.coordinator_dead()  # noqa: SLF001


class Answer:
    """The bytes for one partition, as the client's own reader of them is asked."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def has_next(self) -> bool:
        return bool(self.data)

    def size_in_bytes(self) -> int:
        return len(self.data)


class PartitionAnswer(fetcher.PartitionRecords):
    """What the client makes of an answer for one partition; a subclass reads the records out of it."""

    next_fetch_offset: int
    """Where reading continues."""

    def records(self) -> Iterator[ConsumerRecord]:
        """The records in order; sets `next_fetch_offset` before it gives one."""
        raise NotImplementedError

    @property
    def partition(self) -> TopicPartition:
        return self._tp

    @property
    def data(self) -> bytes:
        """The batches as they came; the last may be cut off."""
        return bytes(self._records.data)

    @property
    def aborted_transactions(self) -> Sequence[tuple[int, int]]:
        """Producer id and first offset of each."""
        return self._aborted_transactions  # type: ignore[no-any-return]

    def consumer_record(self, record: Any) -> ConsumerRecord:  # noqa: ANN401  # the library's record or ours
        """Returns what a consumer hands out for a record of a batch."""
        return self._consumer_record(self._tp, record)

    def _unpack_records(self) -> Iterator[ConsumerRecord]:
        return self.records()


def read_answers_with(reader: type[PartitionAnswer]) -> None:
    """Makes all consumers of this process read their answers with this class; the client has no hook for that."""
    fetcher.MemoryRecords, fetcher.PartitionRecords = Answer, reader


class FillableBatch(Protocol):
    """A batch as the producer's queue is to fill and send it."""

    closed: bool
    count: int
    size: int

    def add(self, key: Any, value: Any, headers: Any, timestamp_ms: int | None) -> Any:  # noqa: ANN401  # as the client has them
        """Adds a record; returns its offset and timestamp by these names, or None where the batch is full."""

    def finished(self, producer_id: int, producer_epoch: int, first_sequence: int) -> bytes:
        """Returns the bytes of the batch."""


class _QueuedBatch:
    """A batch by the names that the producer's queue calls it by."""

    def __init__(self, batch: FillableBatch) -> None:
        self._batch = batch
        self._producer = (-1, -1, 0)
        self._data: bytes | None = None

    def append(self, *, timestamp: int | None, key: Any, value: Any, headers: Any = ()) -> Any:  # noqa: ANN401  # as the client has them
        return self._batch.add(key, value, headers or (), timestamp)

    def close(self) -> None:
        self._batch.closed = True

    def closed(self) -> bool:
        return self._batch.closed

    def record_count(self) -> int:
        return self._batch.count

    def size(self) -> int:
        return self._batch.size

    def _set_producer_state(self, producer_id: int, producer_epoch: int, base_sequence: int) -> None:
        self._producer = (producer_id, producer_epoch, base_sequence)

    def _build(self) -> bytes:
        self.close()
        if self._data is None:  # kept, since it is sent again after an outage
            self._data = self._batch.finished(*self._producer)
        return self._data


class _JoinedOnce(ProduceRequest):
    """A request with batches whose bytes are put together once: the client's own way copies a batch six times."""

    def build(self, request_struct_class: type[RequestStruct]) -> RequestStruct:
        request = super().build(request_struct_class)
        fields = [getattr(request, name) for name in request.SCHEMA.names]
        request.encode = lambda: b"".join(_pieces(request.SCHEMA, fields))
        return request


def _pieces(kind: Any, value: Any) -> Iterator[bytes]:  # noqa: ANN401  # the library's types
    """The bytes of a value by its type in the protocol, large ones as they are."""
    if isinstance(kind, Schema):
        for field, one in zip(kind.fields, value, strict=True):
            yield from _pieces(field, one)
    elif type(kind) is Array and value is not None:
        yield Int32.encode(len(value))
        for one in value:
            yield from _pieces(kind.array_of, one)
    elif kind is Bytes and value is not None:
        yield Int32.encode(len(value))
        yield value
    else:
        yield kind.encode(value)


def move_much_at_once(read_limit_bytes: int) -> None:
    """Makes the connections of this process fit for large batches; the client has no settings for it.

    Args:
        read_limit_bytes: what a connection reads ahead of its reader; at 64 KiB, as the client has it, it stops and
            starts again sixty times for an answer of 4 MB.
    """
    conn.READER_LIMIT = read_limit_bytes
    sender.ProduceRequest = _JoinedOnce


def _connected(connection: AIOKafkaConnection) -> bool:
    reader, writer = connection._reader, connection._writer  # noqa: SLF001
    return reader is not None and not reader.at_eof() and not writer.transport.is_closing()


def let_go_of_closed_connections() -> None:
    """Makes the clients of this process open a connection anew whose transport is closed.

    The client asks the reader alone, which after an outage may not have been told: then it writes to the closed
    transport for ever, and each time an error follows that is none of a connection.
    """
    AIOKafkaConnection.connected = _connected


class OpenProducer(AIOKafkaProducer):
    """The client's transactional producer, with what requests of our own and a quick end need."""

    def fill_batches(self, new_batch: Callable[[], FillableBatch]) -> None:
        """Makes batches of ours of everything that is sent from now on."""

        def create_builder(**_serializers: object) -> _QueuedBatch:
            return _QueuedBatch(new_batch())

        self._message_accumulator.create_builder = create_builder

    def identity(self) -> tuple[str, int, int]:
        """Returns its transactional id, producer id and epoch."""
        manager = self._txn_manager
        return manager.transactional_id, manager.producer_id, manager.producer_epoch

    def connected(self) -> Collection[AIOKafkaConnection]:
        """Returns the connections that are open."""
        return [connection for connection in self.client._conns.values() if connection.connected()]  # noqa: SLF001

    async def ask_transaction_coordinator(self, request: Request[Any]) -> Fields:
        """Asks the transaction's coordinator. Raises KafkaError: it does not answer."""
        transactional_id = self._txn_manager.transactional_id
        coordinator = await self._sender._find_coordinator(CoordinationType.TRANSACTION, transactional_id)  # noqa: SLF001
        return fields_of(await self.client.send(coordinator, request, group=ConnectionGroup.COORDINATION))

    def forget_transaction_coordinator(self) -> None:
        """The next question looks it up again."""
        self._sender._coordinator_dead(CoordinationType.TRANSACTION)  # noqa: SLF001

    def refuse_more(self) -> None:
        """Nothing more can be sent; what waits in it is left where it is."""
        self._closed = True

    @property
    def sending(self) -> "asyncio.Task[None] | None":
        """The task that sends; None before the start."""
        return self._sender.sender_task  # type: ignore[no-any-return]
