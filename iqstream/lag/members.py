"""Who is in a consumer group, and what they read."""

from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient

from iqstream.runtime.group_members import describe_group


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """The consumers of a group, as its coordinator describes them."""

    members: int | None
    """None: not known, as of a group of the protocol that this client does not speak (KIP-848)."""
    topics: frozenset[str] | None
    """What the members have subscribed to together; None where there are none, or they do not say."""
    names: tuple[str, ...] = ()
    """Of the members that are known: of ours, their instance ids."""


NOT_KNOWN = Membership(members=None, topics=None)


async def membership(admin: AIOKafkaAdminClient, group: str, *, exists: bool) -> Membership:
    """The consumers of one group. `exists`: whether the broker lists it.

    Raises:
        KafkaError: the coordinator does not answer for the group.
    """
    described = await describe_group(admin, group)
    if described.state == "Dead" and exists:
        return NOT_KNOWN
    members = described.members
    told = bool(members) and described.state == "Stable" and all(member.subscribed for member in members)
    topics = frozenset(topic for member in members for topic in member.subscribed or ())
    return Membership(
        members=len(members),
        topics=topics if told else None,
        names=tuple(sorted(member.client_id for member in members)),
    )
