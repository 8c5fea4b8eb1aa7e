"""Who is in a consumer group, and what they read."""

from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata
from aiokafka.errors import for_code


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """The consumers of a group, as its coordinator describes them."""

    members: int | None
    """None: not known, as of a group of the protocol that this client does not speak (KIP-848)."""
    topics: frozenset[str] | None
    """What the members have subscribed to together; None where there are none, or they do not say."""


NOT_KNOWN = Membership(members=None, topics=None)


async def membership(admin: AIOKafkaAdminClient, group: str, *, exists: bool) -> Membership:
    """The consumers of one group. `exists`: whether the broker lists it.

    Raises:
        KafkaError: the coordinator does not answer for the group.
    """
    (answer,) = await admin.describe_consumer_groups([group])
    error, _group, state, _type, _protocol, members, *_ = answer.groups[0]
    if error:
        raise for_code(error)(f"members of group {group}")
    if state == "Dead" and exists:
        return NOT_KNOWN
    subscribed = [_subscription(metadata) for *_, metadata, _assignment in members]
    topics = [topic for one in subscribed if one is not None for topic in one]
    told = bool(members) and state == "Stable" and None not in subscribed
    return Membership(members=len(members), topics=frozenset(topics) if told else None)


def _subscription(metadata: bytes) -> list[str] | None:
    """The topics of a member of a consumer group; None where its bytes do not say."""
    try:
        decoded = ConsumerProtocolMemberMetadata.decode(metadata)
    except ValueError:
        return None
    return decoded.subscription or None
