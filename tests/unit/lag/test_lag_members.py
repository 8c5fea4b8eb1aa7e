"""Who is in a group and what they read, from a coordinator's description; what it does not say is not known."""

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    OffsetOutOfRangeError,
    TopicAuthorizationFailedError,
    UnknownError,
)
from aiokafka.protocol.admin import DescribeGroupsResponse_v1

from iqstream.lag.members import NOT_KNOWN, Membership, membership
from iqstream.runtime.aiokafka_internals import ConsumerProtocolMemberMetadata
from iqstream.runtime.span_reader import concerned


def subscription(*topics):
    return ConsumerProtocolMemberMetadata(version=0, subscription=list(topics), user_data=b"").encode()


async def described(state, *metadata, error=0, exists=True):
    class Admin:
        async def describe_consumer_groups(self, groups):
            members = [("id", "client", "/host", one, b"") for one in metadata]
            return [DescribeGroupsResponse_v1(0, [(error, groups[0], state, "consumer", "range", members)])]

    return await membership(Admin(), "theirs", exists=exists)


@pytest.mark.parametrize(
    ("state", "metadata", "exists", "expected"),
    [
        (
            "Stable",
            [subscription("a"), subscription("a", "b")],
            True,
            Membership(members=2, topics=frozenset("ab"), names=("client",) * 2),
        ),
        ("Empty", [], True, Membership(members=0, topics=None)),
        ("PreparingRebalance", [subscription("a")], True, Membership(members=1, topics=None, names=("client",) * 1)),
        ("Stable", [b"", subscription("a")], True, Membership(members=2, topics=None, names=("client",) * 2)),
        ("Stable", [b"\x00\x01\x00\x00\x00\x09ab"], True, Membership(members=1, topics=None, names=("client",) * 1)),
        ("Dead", [], False, Membership(members=0, topics=None)),
        ("Dead", [], True, NOT_KNOWN),  # it is there, and of a protocol that this client does not speak
    ],
)
async def test_what_the_members_read_is_known_only_where_all_of_them_say(state, metadata, exists, expected):
    assert await described(state, *metadata, exists=exists) == expected


async def test_a_group_that_may_not_be_described_is_an_error():
    with pytest.raises(GroupAuthorizationFailedError):
        await described("", error=GroupAuthorizationFailedError.errno)


def test_an_error_about_some_partitions_takes_no_answer_from_the_others():
    asked = {TopicPartition("a", 0), TopicPartition("a", 1), TopicPartition("ab", 0)}
    assert concerned(TopicAuthorizationFailedError("a"), asked) == {TopicPartition("a", n) for n in (0, 1)}
    gone = OffsetOutOfRangeError({TopicPartition("ab", 0): 7, TopicPartition("c", 0): 1})
    assert concerned(gone, asked) == {TopicPartition("ab", 0)}
    assert concerned(UnknownError(), asked) == asked
