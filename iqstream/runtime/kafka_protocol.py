"""Requests of Kafka's protocol that the client library does not make, or whose answers it does not look at whole."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import NamedTuple
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import NotCoordinatorForGroupError, UnknownTopicOrPartitionError, for_code

from iqstream.runtime.aiokafka_internals import (
    AIOKafkaClient,
    Array,
    Boolean,
    CompactArray,
    CompactString,
    FetchRequest,
    Fields,
    Int16,
    Int32,
    Int64,
    MetadataRequest,
    OffsetRequest,
    RequestStruct,
    Response,
    Schema,
    String,
    TaggedFields,
    ask_as_member,
    ask_coordinator,
    fields_of,
    forget_coordinator,
    group_of,
    member_of,
    requests_of,
    send_struct,
)

READ_UNCOMMITTED = 0
READ_COMMITTED = 1
NO_LEADER = -1
_CONSUMER = -1
_UNSTABLE = 88
"""A transaction that moves the offset is about to be over."""
_UNSTABLE_FOR_S = 0.02
ONE_BATCH = 1
"""A limit of bytes: the first batch is given whole, however long it is."""
_SOME_BATCHES_BYTES = 1024 * 1024
_GIVEN_WITHIN_MS = 500


class _Uuid:
    """16 bytes, most significant first."""

    @classmethod
    def decode(cls, data: BytesIO) -> UUID:
        return UUID(bytes=data.read(16))

    @classmethod
    def encode(cls, value: UUID) -> bytes:
        return value.bytes

    @classmethod
    def repr(cls, value: UUID) -> str:
        return str(value)


class HeartbeatResponseV3(Response):
    """Answer to HeartbeatRequestV3."""

    API_KEY = 12
    API_VERSION = 3
    SCHEMA = Schema(("throttle_time_ms", Int32), ("error_code", Int16))


class HeartbeatRequestV3(RequestStruct):
    """A heartbeat that names the static member: an impostor or an expired member is told so."""

    API_KEY = 12
    API_VERSION = 3
    RESPONSE_TYPE = HeartbeatResponseV3
    SCHEMA = Schema(
        ("group", String("utf-8")),
        ("generation_id", Int32),
        ("member_id", String("utf-8")),
        ("group_instance_id", String("utf-8")),
    )


class LeaveGroupResponseV3(Response):
    """Answer to LeaveGroupRequestV3."""

    API_KEY = 13
    API_VERSION = 3
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("error_code", Int16),
        (
            "members",
            Array(
                ("member_id", String("utf-8")),
                ("group_instance_id", String("utf-8")),
                ("error_code", Int16),
            ),
        ),
    )


class LeaveGroupRequestV3(RequestStruct):
    """Takes a static member out of its group; closing the client alone leaves it in until it times out."""

    API_KEY = 13
    API_VERSION = 3
    RESPONSE_TYPE = LeaveGroupResponseV3
    SCHEMA = Schema(
        ("group", String("utf-8")),
        ("members", Array(("member_id", String("utf-8")), ("group_instance_id", String("utf-8")))),
    )


class MetadataResponseV12(Response):
    """Answer to MetadataRequestV12."""

    API_KEY = 3
    API_VERSION = 12
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString("utf-8")),
                ("port", Int32),
                ("rack", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", CompactString("utf-8")),
                ("topic_id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline_replicas", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class MetadataRequestV12(RequestStruct):
    """Metadata with topic ids: a topic deleted and recreated under its old name has another id."""

    API_KEY = 3
    API_VERSION = 12
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = MetadataResponseV12
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(("topic_id", _Uuid), ("name", CompactString("utf-8")), ("tags", TaggedFields)),
        ),
        ("allow_auto_topic_creation", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class OffsetFetchResponseV7(Response):
    """Answer to OffsetFetchRequestV7."""

    API_KEY = 9
    API_VERSION = 7
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "topics",
            CompactArray(
                ("topic", CompactString("utf-8")),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("offset", Int64),
                        ("leader_epoch", Int32),
                        ("metadata", CompactString("utf-8")),
                        ("error_code", Int16),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("error_code", Int16),
        ("tags", TaggedFields),
    )


class OffsetFetchRequestV7(RequestStruct):
    """Offsets that no transaction is about to change: where one is, the coordinator says so instead."""

    API_KEY = 9
    API_VERSION = 7
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = OffsetFetchResponseV7
    SCHEMA = Schema(
        ("group", CompactString("utf-8")),
        (
            "topics",
            CompactArray(
                ("topic", CompactString("utf-8")), ("partitions", CompactArray(Int32)), ("tags", TaggedFields)
            ),
        ),
        ("require_stable", Boolean),
        ("tags", TaggedFields),
    )


async def topic_id_of(client: AIOKafkaConsumer, topic: str) -> UUID:
    """The id of a topic, which another one of its name has not.

    Raises:
        KafkaError: it does not exist, or the broker does not know it yet.
    """
    _cluster, ids = await topic_ids(client, [topic])
    if topic not in ids:
        raise UnknownTopicOrPartitionError(topic)
    return ids[topic]


async def topic_ids(client: AIOKafkaAdminClient | AIOKafkaConsumer, topics: list[str]) -> tuple[str, dict[str, UUID]]:
    """The cluster's id and the ids of those topics that exist. `client` is started."""
    kafka = requests_of(client)
    request = MetadataRequestV12([(UUID(int=0), name, {}) for name in topics], False, False, {})  # noqa: FBT003
    response = await send_struct(kafka, kafka.get_random_node(), request)
    found = {topic["name"]: topic["topic_id"] for topic in response["topics"] if topic["error_code"] == 0}
    return response["cluster_id"], found


async def partition_leaders(client: AIOKafkaClient, topics: Sequence[str]) -> dict[str, dict[int, int]]:
    """Leader by topic and partition, `NO_LEADER` where there is none; topics that do not exist are left out.

    Raises:
        KafkaError: a topic may not be seen, or no broker answers.
    """
    if not topics:
        return {}
    request = MetadataRequest(list(topics), allow_auto_topic_creation=False)
    response = fields_of(await client.send(client.get_random_node(), request))
    leaders: dict[str, dict[int, int]] = {}
    for topic in response["topics"]:
        if topic["error_code"] == UnknownTopicOrPartitionError.errno:
            continue
        if topic["error_code"]:
            raise for_code(topic["error_code"])(f"topic {topic['topic']}")
        leaders[topic["topic"]] = {p["partition"]: p["leader"] for p in topic["partitions"]}
    return leaders


async def list_offsets(
    client: AIOKafkaClient,
    leaders: Mapping[str, Mapping[int, int]],
    isolation_level: int,
    which: Mapping[TopicPartition, int],
) -> dict[TopicPartition, int]:
    """By partition, the offset of a time in ms, or of EARLIEST or LATEST.

    Each has a leader; one whose leader refuses (it has just moved) is left out.

    Raises:
        KafkaError: a leader does not answer.
    """
    asked: dict[int, dict[str, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))
    for (topic, partition), wanted in which.items():
        asked[leaders[topic][partition]][topic].append((partition, wanted))
    found: dict[TopicPartition, int] = {}
    for leader, by_topic in asked.items():
        request = OffsetRequest(_CONSUMER, isolation_level, list(by_topic.items()))
        for topic in fields_of(await client.send(leader, request))["topics"]:
            for answer in topic["partitions"]:
                if not answer["error_code"]:
                    found[TopicPartition(topic["topic"], answer["partition"])] = answer["offset"]
    return found


async def refused_reads(
    client: AIOKafkaClient, leaders: Mapping[str, Mapping[int, int]], offsets: Mapping[TopicPartition, int]
) -> dict[TopicPartition, str]:
    """Partitions of which the leader gives nothing from an offset on, and its error's name; others are left out.

    The offsets are before the last stable one, so that there is something to give: a batch of each is read. A leader
    that has just moved is left out, too.

    Raises:
        KafkaError: a leader does not answer.
    """
    found = {}
    for place, offset in offsets.items():
        leader = leaders.get(place.topic, {}).get(place.partition, NO_LEADER)
        if leader == NO_LEADER:
            continue
        answer = await fetch(client, leader, place, offset, READ_COMMITTED, ONE_BATCH)
        error = for_code(answer["error_code"])
        if answer["error_code"] and not (error.retriable and error.invalid_metadata):
            found[place] = error.__name__
        elif not answer["error_code"] and not answer["message_set"]:
            found[place] = "an empty answer"
    return found


async def unsettled_batches(
    client: AIOKafkaClient, leaders: Mapping[str, Mapping[int, int]], partition: TopicPartition, offset: int
) -> bytes:
    """Some batches from an offset on, those of open and of aborted transactions among them; the last may be cut off.

    Returns none where the leader has just moved.

    Raises:
        KafkaError: the leader does not answer, or refuses.
    """
    leader = leaders.get(partition.topic, {}).get(partition.partition, NO_LEADER)
    if leader == NO_LEADER:
        return b""
    answer = await fetch(client, leader, partition, offset, READ_UNCOMMITTED, _SOME_BATCHES_BYTES)
    if code := answer["error_code"]:
        raise for_code(code)(f"{partition.topic}, partition {partition.partition}, offset {offset}")
    return bytes(answer["message_set"] or b"")


async def fetch(
    client: AIOKafkaClient, leader: int, partition: TopicPartition, offset: int, isolation_level: int, limit_bytes: int
) -> Fields:
    """The leader's answer for one partition from an offset on; it waits a moment for a first byte.

    Raises:
        KafkaError: the leader does not answer. What it refuses stands in the answer.
    """
    wanted = [(partition.topic, [(partition.partition, offset, limit_bytes)])]
    request = FetchRequest(_GIVEN_WITHIN_MS, 1, limit_bytes, isolation_level, wanted)
    response = fields_of(await client.send(leader, request))
    answers: list[Fields] = [answer for topic in response["topics"] for answer in topic["partitions"]]
    return answers[0]


async def confirm_membership(consumer: AIOKafkaConsumer) -> None:
    """Asks the group's coordinator whether this consumer is a member of the current generation.

    Raises:
        KafkaError: it is not (expired, fenced, or a rebalance is on its way), or nobody answers.
    """
    member = member_of(consumer)
    request = HeartbeatRequestV3(member.group, member.generation, member.member_id, member.instance_id)
    response = await ask_as_member(consumer, request)
    if code := response["error_code"]:
        raise for_code(code)(f"not a member of the current generation of {member.group}")


class CommittedOffset(NamedTuple):
    """How far a group is on a partition, and what was said with it."""

    offset: int
    metadata: str = ""


async def committed_offset(consumer: AIOKafkaConsumer, partition: TopicPartition) -> CommittedOffset | None:
    """How far the consumer's group is on a partition; None where it has no offset there.

    It waits while a commit is under way: its answer comes before its marker is written. The client's own call does not,
    and takes a coordinator that is still loading (after a restart of the broker) for a group without offsets.

    Raises:
        KafkaError: the coordinator does not answer for the group, or not yet.
    """
    group = group_of(consumer)
    request = OffsetFetchRequestV7(
        group,
        [(partition.topic, [partition.partition], {})],
        True,  # noqa: FBT003  # require_stable
        {},
    )
    while True:
        response = await ask_coordinator(consumer, request)
        answers = [answer for topic in response["topics"] for answer in topic["partitions"]]
        code = response["error_code"] or next((answer["error_code"] for answer in answers), 0)
        if code != _UNSTABLE:
            break
        await asyncio.sleep(_UNSTABLE_FOR_S)
    if code:
        if code == NotCoordinatorForGroupError.errno:
            forget_coordinator(consumer)
        raise for_code(code)(f"offset of {group} on {partition.topic}-{partition.partition}")
    found = (CommittedOffset(answer["offset"], answer["metadata"] or "") for answer in answers if answer["offset"] >= 0)
    return next(found, None)


async def leave_group(client: AIOKafkaAdminClient, group: str, instance_ids: list[str]) -> None:
    """Removes static members from a group, so that the others take over their partitions at once.

    `client` is a started admin client; members that are not in the group are no error.

    Raises:
        KafkaError: the coordinator refuses.
    """
    request = LeaveGroupRequestV3(group, [("", instance_id) for instance_id in instance_ids])
    response = await send_struct(requests_of(client), await client.find_coordinator(group), request)
    unknown_member = 25
    for error_code in (response["error_code"], *(member["error_code"] for member in response["members"])):
        if error_code not in {0, unknown_member}:
            raise for_code(error_code)(f"{group}: members {', '.join(instance_ids)} cannot leave")
