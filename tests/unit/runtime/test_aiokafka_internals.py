"""Every internal name of the Kafka client that we use exists in the pinned version, with the shape that we rely on."""

import ast
import asyncio
import importlib
import inspect
import tomllib
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import aiokafka
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition, conn
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.conn import AIOKafkaConnection
from aiokafka.consumer import fetcher
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.producer import sender
from aiokafka.producer.sender import Sender
from aiokafka.producer.transaction_manager import TransactionManager
from aiokafka.protocol import admin as admin_protocol
from aiokafka.protocol.produce import ProduceRequest

from iqstream.runtime import aiokafka_internals as internals
from iqstream.runtime import kafka, kafka_protocol
from iqstream.runtime.fetched import FetchedRecords

ROOT = Path(__file__).parents[3]
PUBLIC = {"aiokafka", "aiokafka.admin", "aiokafka.admin.config_resource", "aiokafka.errors"}
OUR_CLIENTS = ("consumer", "_consumer", "admin", "_admin", "producer", "_producer", "client", "_client", "coordinator")


def parameters(function):
    return list(inspect.signature(function).parameters)


def sources():
    for package in ("iqstream", "producer", "extractor", "sink", "schemas"):
        yield from (ROOT / package).rglob("*.py")


def internal_names(path):
    """Modules of the client that are not public, and private attributes of its objects, that a file uses."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "aiokafka":
            if node.module not in PUBLIC:
                yield node.module
        elif isinstance(node, ast.Import):
            yield from (n.name for n in node.names if n.name.startswith("aiokafka.") and n.name not in PUBLIC)
        elif isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
            owner = node.value
            name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
            if name in OUR_CLIENTS:
                yield f"{name}.{node.attr}"


def test_no_other_module_uses_an_internal_name():
    found = {str(path.relative_to(ROOT)): sorted(names) for path in sources() if (names := set(internal_names(path)))}
    assert found.pop("iqstream/runtime/aiokafka_internals.py")
    assert found == {}


def test_the_client_has_the_pinned_minor_version():
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    (pinned,) = (line.removeprefix("aiokafka>=") for line in dependencies if line.startswith("aiokafka"))
    lowest, below = pinned.split(",<")
    version = tuple(map(int, aiokafka.__version__.split(".")[:2]))
    assert version == tuple(map(int, lowest.split(".")[:2]))
    assert tuple(map(int, below.split("."))) == (version[0], version[1] + 1)


@pytest.mark.parametrize("name", internals.__all__)
def test_each_name_that_is_handed_on_exists(name):
    assert getattr(internals, name) is not None


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (internals.AIOKafkaClient.send, ["self", "node_id", "request", "group"]),
        (internals.AIOKafkaClient.bootstrap, ["self"]),
        (internals.AIOKafkaClient.set_topics, ["self", "topics"]),
        (internals.AIOKafkaClient.force_metadata_update, ["self"]),
        (internals.AIOKafkaClient.get_random_node, ["self"]),
        (internals.AIOKafkaClient.close, ["self"]),
        (internals.collect_hosts, ["hosts", "randomize"]),
        (internals.decode_varint, ["buffer", "pos"]),
        (AIOKafkaAdminClient.find_coordinator, ["self", "group_id", "coordinator_type"]),
        (GroupCoordinator._send_req, ["self", "request"]),
        (GroupCoordinator.ensure_coordinator_known, ["self"]),
        (GroupCoordinator.coordinator_dead, ["self"]),
        (Sender._find_coordinator, ["self", "coordinator_type", "coordinator_key"]),
        (Sender._coordinator_dead, ["self", "coordinator_type"]),
        (fetcher.PartitionRecords._consumer_record, ["self", "tp", "record"]),
        (fetcher.PartitionRecords._unpack_records, ["self"]),
        (internals.AddOffsetsToTxnRequest, ["transactional_id", "producer_id", "producer_epoch", "group_id"]),
        (internals.AddPartitionsToTxnRequest, ["transactional_id", "producer_id", "producer_epoch", "topics"]),
        (internals.EndTxnRequest, ["transactional_id", "producer_id", "producer_epoch", "transaction_result"]),
        (internals.OffsetFetchRequest, ["consumer_group", "partitions"]),
        (internals.OffsetRequest, ["replica_id", "isolation_level", "topics"]),
        (internals.MetadataRequest, ["topics", "allow_auto_topic_creation"]),
    ],
    ids=lambda value: getattr(value, "__qualname__", ""),
)
def test_each_function_takes_what_we_give_it(function, expected):
    assert parameters(function)[: len(expected)] == expected


def test_a_fetch_request_takes_its_limits_in_our_order():
    assert parameters(internals.FetchRequest)[:5] == [
        "max_wait_time",
        "min_bytes",
        "max_bytes",
        "isolation_level",
        "topics",
    ]


FIELDS = {
    "MetadataRequest": {"topics": {"error_code", "topic", "partitions"}, "partitions": {"partition", "leader"}},
    "OffsetFetchRequest": {
        "": {"topics", "error_code"},
        "topics": {"topic", "partitions"},
        "partitions": {"partition", "offset", "error_code"},
    },
    "AddOffsetsToTxnRequest": {"": {"error_code"}},
    "EndTxnRequest": {"": {"error_code"}},
    "AddPartitionsToTxnRequest": {"": {"errors"}, "errors": {"partition_errors"}, "partition_errors": {"error_code"}},
    "OffsetRequest": {"topics": {"topic", "partitions"}, "partitions": {"partition", "error_code", "offset"}},
    "FetchRequest": {
        "topics": {"partitions"},
        "partitions": {"partition", "error_code", "aborted_transactions", "message_set"},
        "aborted_transactions": {"producer_id", "first_offset"},
    },
    "DescribeGroupsRequest": {
        "": {"groups"},
        "groups": {"error_code", "state", "members"},
        "members": {"member_id", "client_id", "member_metadata", "member_assignment"},
    },
    "DescribeConfigsRequest": {
        "": {"resources"},
        "resources": {"error_code", "error_message", "resource_name", "config_entries"},
        "config_entries": {"config_names", "config_value"},
    },
    "CreateTopicsRequest": {"": {"topic_errors"}, "topic_errors": {"topic", "error_code"}},
}
"""What we read of the answer to each request, by the array that it stands in."""
TOO_OLD = {"MetadataRequest": 0, "OffsetFetchRequest": 1, "OffsetRequest": 0, "FetchRequest": 3}
"""Versions up to this one are spoken by brokers before 2.1 alone, with which there are no static members."""


def names_by_array(schema, name=""):
    found = {name: set(schema.names)}
    for field, kind in zip(schema.names, schema.fields, strict=True):
        if isinstance(kind, internals.Array) and isinstance(kind.array_of, internals.Schema):
            found |= names_by_array(kind.array_of, field)
    return found


@pytest.mark.parametrize("request_name", FIELDS)
def test_every_version_of_an_answer_has_the_fields_that_we_read(request_name):
    kind = getattr(internals, request_name, None) or getattr(admin_protocol, request_name)
    versions = [struct for struct in kind._CLASSES if TOO_OLD.get(request_name, -1) < struct.API_VERSION]
    assert versions
    for struct in versions:
        there = names_by_array(struct.RESPONSE_TYPE.SCHEMA)
        for array, fields in FIELDS[request_name].items():
            assert fields <= there[array], struct


def test_a_field_is_read_by_its_name_wherever_it_stands():
    """Two versions of one answer, of which the newer has a field more, and an array that is null."""
    answers = {"partition": 1, "error_code": 0, "timestamp": 5, "offset": 9, "leader_epoch": 3}
    for version in ("OffsetResponse_v1", "OffsetResponse_v2", "OffsetResponse_v4"):
        kind = getattr(importlib.import_module("aiokafka.protocol.offset"), version)
        fields = names_by_array(kind.SCHEMA)["partitions"]
        row = tuple(value for name, value in answers.items() if name in fields)
        response = kind(*[0] * (len(kind.SCHEMA.names) - 1), [("t", [row])])
        (partition,) = internals.fields_of(kind.decode(BytesIO(response.encode())))["topics"][0]["partitions"]
        assert (partition["partition"], partition["offset"]) == (1, 9)
    fetch = importlib.import_module("aiokafka.protocol.fetch").FetchResponse_v11
    empty = fetch(0, 0, 0, [("t", [(0, 0, 7, 7, 0, None, -1, b"")])])
    (partition,) = internals.fields_of(fetch.decode(BytesIO(empty.encode())))["topics"][0]["partitions"]
    assert partition["aborted_transactions"] is None


@pytest.mark.parametrize(
    "request_type",
    [
        kafka_protocol.HeartbeatRequestV3,
        kafka_protocol.LeaveGroupRequestV3,
        kafka_protocol.MetadataRequestV12,
        kafka_protocol.OffsetFetchRequestV7,
    ],
)
async def test_a_request_of_ours_is_sent_as_it_is_and_its_answer_read(request_type):
    """Whatever versions the broker has named: `send` asks the request to prepare itself for them."""
    sent = request_type.__new__(request_type)
    answer = kafka_protocol.HeartbeatResponseV3(0, 27)

    class Client:
        async def send(self, node, request, group=None):
            assert (node, request.prepare({})) == (4, sent)
            return answer

    assert await internals.send_struct(Client(), 4, sent) == {"throttle_time_ms": 0, "error_code": 27}


async def test_a_consumer_of_a_group_tells_what_it_is_there():
    consumer = AIOKafkaConsumer(group_id="g", group_instance_id="g-0")
    coordinator = GroupCoordinator(
        consumer._client, consumer._subscription, group_id="g", group_instance_id="g-0", assignors=()
    )
    try:
        consumer._coordinator = coordinator
        assert internals.requests_of(consumer) is consumer._client
        assert internals.member_of(consumer) == internals.Member(
            group="g", generation=-1, member_id="", instance_id="g-0"
        )
        assert internals.group_of(consumer) == "g"
        coordinator.coordinator_id = 3
        internals.forget_coordinator(consumer)
        assert coordinator.coordinator_id is None
    finally:
        await coordinator.close()
        consumer._closed = True  # it was never started


async def test_an_admin_client_hands_out_its_connections():
    assert isinstance(internals.requests_of(AIOKafkaAdminClient()), internals.AIOKafkaClient)


async def test_a_transactional_producer_tells_who_it_is_and_what_it_has_open():
    producer = internals.OpenProducer(transactional_id="id")
    assert producer.sending is None
    assert isinstance(producer._txn_manager, TransactionManager)
    producer._txn_manager.set_pid_and_epoch(7, 2)
    assert producer.identity() == ("id", 7, 2)
    assert list(producer.connected()) == []
    producer._sender._coordinators[internals.CoordinationType.TRANSACTION] = 5
    producer.forget_transaction_coordinator()
    assert producer._sender._coordinators == {}
    producer.refuse_more()
    assert producer._closed
    await producer.client.close()
    await asyncio.sleep(0)


async def test_the_client_makes_its_answers_with_our_reader():
    """The module's own two names are looked up at every fetch; a local import of them would pass ours by."""
    assert kafka.FetchedRecords is FetchedRecords
    assert (fetcher.MemoryRecords, fetcher.PartitionRecords) == (internals.Answer, FetchedRecords)
    names = fetcher.Fetcher._proc_fetch_request.__code__.co_names
    assert {"MemoryRecords", "PartitionRecords"} <= set(names)
    place = TopicPartition("t", 2)
    answer = FetchedRecords(place, internals.Answer(b""), [(3, 9), (2, 4)], 11, None, None, True, 1)
    assert (answer.partition, answer.data, answer.next_fetch_offset) == (place, b"", 11)
    assert sorted(answer.aborted_transactions) == [(2, 4), (3, 9)]
    assert list(answer) == []


class Filled:
    """A batch that notes what is asked of it."""

    closed, count, size = False, 0, 61

    def add(self, key, value, headers, timestamp_ms):
        self.count += 1
        return SimpleNamespace(offset=self.count - 1, timestamp=timestamp_ms or 9)

    def finished(self, *producer):
        return b"batch of %d %d %d" % producer


async def test_the_producers_queue_fills_and_stamps_our_batches():
    """The whole way of a record through the client, without a broker: added, numbered, built, acknowledged."""
    producer = internals.OpenProducer(bootstrap_servers="127.0.0.1:1", transactional_id="t")
    producer.fill_batches(Filled)
    manager, queue, place = producer._txn_manager, producer._message_accumulator, TopicPartition("out", 3)
    manager.set_pid_and_epoch(7, 2)
    manager.begin_transaction()
    sent = [await queue.add_message(place, b"k", b"v", 1.0, headers=[]) for _ in range(2)]
    batch = queue._pop_batch(place)
    assert batch.get_data_buffer() == b"batch of 7 2 0"
    assert batch._builder.closed()
    assert batch.get_data_buffer() == b"batch of 7 2 0"  # sent again, it is the same
    batch.done(100)
    assert [(await one).offset for one in sent] == [100, 101]
    producer.refuse_more()
    await producer.client.close()


@pytest.mark.parametrize("version", [3, 7])
@pytest.mark.parametrize("transactional_id", ["id", None])
def test_a_request_with_batches_is_the_clients_byte_for_byte(version, transactional_id):
    topics = [("iq.frames", [(0, b"first"), (11, b"second" * 100)]), ("iq.features", [(3, b"")])]
    kind = next(one for one in ProduceRequest._CLASSES if version == one.API_VERSION)
    ours, theirs = (
        one(transactional_id, -1, 10_000, topics).build(kind) for one in (internals._JoinedOnce, ProduceRequest)
    )
    assert ours.encode() == theirs.encode()
    assert type(ours) is type(theirs)


def test_connections_read_ahead_and_senders_join_once():
    """Where the client looks these names up: when it connects, when it sends."""
    assert "READER_LIMIT" in AIOKafkaConnection.connect.__code__.co_names
    assert conn.READER_LIMIT == kafka.READ_AHEAD_BYTES
    assert "ProduceRequest" in sender.SendProduceReqHandler.create_request.__code__.co_names
    assert sender.ProduceRequest is internals._JoinedOnce


async def test_a_closed_connection_is_none_although_its_reader_was_not_told():
    """Else the client writes to it for ever."""
    async with await asyncio.start_server(lambda _, peer: peer.close(), "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        connection = AIOKafkaConnection("127.0.0.1", port)
        reader = connection._reader = asyncio.StreamReader()
        _, connection._writer = await asyncio.open_connection("127.0.0.1", port)
        assert connection.connected()
        connection._writer.transport.abort()
        assert not reader.at_eof()
        assert not connection.connected()
        connection._reader = None
        assert not connection.connected()
