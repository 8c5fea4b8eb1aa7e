"""Who is in a consumer group, as its coordinator describes it."""

from dataclasses import dataclass
from io import BytesIO

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import for_code

from iqstream.runtime.aiokafka_internals import (
    ConsumerProtocolMemberAssignment,
    ConsumerProtocolMemberMetadata,
    fields_of,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMember:
    """One consumer of a group."""

    member_id: str
    """Given by the group; a process that takes a static member's place gets a new one."""
    client_id: str
    """Of our members, their static instance id."""
    subscribed: tuple[str, ...] | None
    """Topics; None where the member's bytes do not say."""
    assigned: tuple[TopicPartition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A group's state by Kafka's own word, such as Stable, and its members."""

    state: str
    members: tuple[GroupMember, ...]


async def describe_group(admin: AIOKafkaAdminClient, group: str) -> Group:
    """Asks the group's coordinator. One group at a time: the client reads no answer on several.

    Raises:
        KafkaError: the coordinator does not answer for the group.
    """
    (response,) = await admin.describe_consumer_groups([group])
    (described,) = fields_of(response)["groups"]
    if code := described["error_code"]:
        raise for_code(code)(f"members of group {group}")
    return Group(
        state=described["state"],
        members=tuple(
            GroupMember(
                member_id=member["member_id"],
                client_id=member["client_id"],
                subscribed=_subscribed(member["member_metadata"]),
                assigned=_assigned(member["member_assignment"]),
            )
            for member in described["members"]
        ),
    )


def _subscribed(metadata: bytes) -> tuple[str, ...] | None:
    try:
        decoded = ConsumerProtocolMemberMetadata.decode(metadata)
    except ValueError:
        return None
    return tuple(decoded.subscription) or None


def _assigned(assignment: bytes) -> tuple[TopicPartition, ...]:
    """None are assigned while a group rebalances, and in bytes that are none of a consumer's."""
    try:
        return tuple(ConsumerProtocolMemberAssignment.decode(BytesIO(assignment)).partitions()) if assignment else ()
    except ValueError:
        return ()
