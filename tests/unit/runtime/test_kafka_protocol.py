"""Questions that the client has no call for: what is asked, and what is made of every kind of answer."""

from types import SimpleNamespace
from uuid import UUID

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    GroupLoadInProgressError,
    IllegalGenerationError,
    NotCoordinatorForGroupError,
    NotLeaderForPartitionError,
    TopicAuthorizationFailedError,
    UnknownMemberIdError,
    UnknownTopicOrPartitionError,
)
from aiokafka.protocol.metadata import MetadataResponse_v5
from aiokafka.protocol.offset import OffsetResponse_v3

from iqstream.runtime import kafka_protocol as protocol
from iqstream.runtime.kafka_protocol import NO_LEADER, READ_COMMITTED

PLACE = TopicPartition("t", 2)
ID = UUID(int=9)


class Broker:
    """A client's connections; notes each request and gives the next of the answers."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    def get_random_node(self):
        return 0

    async def send(self, node, request, group=None):
        self.asked.append((node, request.prepare({}) if hasattr(request, "_request") else request))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Member:
    """A consumer in a group, as far as its coordinator goes."""

    def __init__(self, *answers):
        self._client = Broker(*answers)
        self._coordinator = self
        self.group_id, self.generation, self.member_id, self._group_instance_id = "g", 4, "m-1", "g-host-0"
        self.coordinator_id, self.lookups, self.lost = 3, 0, 0

    async def ensure_coordinator_known(self):
        self.lookups += 1

    async def _send_req(self, request):
        return await self._client.send(self.coordinator_id, request)

    def coordinator_dead(self):
        self.lost += 1


def heartbeat(code):
    return protocol.HeartbeatResponseV3(0, code)


async def test_a_member_names_its_generation_and_its_place():
    member = Member(heartbeat(0))
    await protocol.confirm_membership(member)
    ((node, request),) = member._client.asked
    assert (node, request.encode()) == (3, protocol.HeartbeatRequestV3("g", 4, "m-1", "g-host-0").encode())


@pytest.mark.parametrize("error", [IllegalGenerationError, UnknownMemberIdError, NotCoordinatorForGroupError])
async def test_who_is_no_member_any_more_is_told(error):
    with pytest.raises(error):
        await protocol.confirm_membership(Member(heartbeat(error.errno)))


def offsets(offset, *, error=0, of_group=0, said=""):
    return protocol.OffsetFetchResponseV7(0, [("t", [(2, offset, -1, said, error, {})], {})], of_group, {})


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(offsets(17, said="so"), (17, "so")), (offsets(0, said=None), (0, "")), (offsets(-1), None)],
)
async def test_an_offset_is_where_the_group_is_and_none_where_it_has_none(answer, expected):
    assert await protocol.committed_offset(Member(answer), PLACE) == expected


async def test_it_waits_for_a_commit_that_is_under_way(monkeypatch):
    monkeypatch.setattr(protocol, "_UNSTABLE_FOR_S", 0.0)
    member = Member(offsets(-1, error=88), offsets(-1, of_group=88), offsets(21))
    assert await protocol.committed_offset(member, PLACE) == (21, "")
    assert member.lookups == 3
    assert all(request.require_stable for _node, request in member._client.asked)


@pytest.mark.parametrize("where", ["error", "of_group"])
async def test_a_coordinator_that_is_still_loading_is_no_group_without_offsets(where):
    member = Member(offsets(-1, **{where: GroupLoadInProgressError.errno}))
    with pytest.raises(GroupLoadInProgressError):
        await protocol.committed_offset(member, PLACE)
    assert member.lost == 0


async def test_one_that_has_moved_is_looked_up_again():
    member = Member(offsets(-1, of_group=NotCoordinatorForGroupError.errno))
    with pytest.raises(NotCoordinatorForGroupError):
        await protocol.committed_offset(member, PLACE)
    assert member.lost == 1


def metadata(*topics):
    rows = [(error, name, topic_id, False, [], 0, {}) for error, name, topic_id in topics]
    return protocol.MetadataResponseV12(0, [], "cluster", 0, rows, {})


async def test_topics_have_ids_and_one_that_is_not_there_is_an_error():
    client = SimpleNamespace(_client=Broker(metadata((0, "t", ID), (3, "gone", UUID(int=0)))))
    assert await protocol.topic_ids(client, ["t", "gone"]) == ("cluster", {"t": ID})
    ((_node, request),) = client._client.asked
    assert request.allow_auto_topic_creation is False
    assert await protocol.topic_id_of(SimpleNamespace(_client=Broker(metadata((0, "t", ID)))), "t") == ID
    with pytest.raises(UnknownTopicOrPartitionError):
        await protocol.topic_id_of(SimpleNamespace(_client=Broker(metadata((3, "t", UUID(int=0))))), "t")


@pytest.mark.parametrize("topic_id", [ID, UUID(int=0), UUID(int=2**128 - 1)])
def test_an_answer_with_ids_is_read_as_it_was_written(topic_id):
    written = metadata((0, "t", topic_id)).encode()
    assert protocol.MetadataResponseV12.decode(written).topics[0][2] == topic_id


async def test_leaders_of_topics_that_are_there_and_no_answer_for_one_that_may_not_be_seen():
    def answer(*topics):
        rows = [(error, name, False, [(0, 0, 5, [], [], []), (0, 1, NO_LEADER, [], [], [])]) for error, name in topics]
        return MetadataResponse_v5(0, [], "cluster", 0, rows)

    gone = UnknownTopicOrPartitionError.errno
    assert await protocol.partition_leaders(Broker(answer((0, "t"), (gone, "u"))), ["t", "u"]) == {
        "t": {0: 5, 1: NO_LEADER}
    }
    assert await protocol.partition_leaders(Broker(), []) == {}
    with pytest.raises(TopicAuthorizationFailedError, match="topic t"):
        await protocol.partition_leaders(Broker(answer((TopicAuthorizationFailedError.errno, "t"))), ["t"])


async def test_each_leader_is_asked_for_its_own_and_one_that_refuses_is_left_out():
    moved = NotLeaderForPartitionError.errno
    broker = Broker(
        OffsetResponse_v3(0, [("t", [(0, 0, -1, 11), (2, moved, -1, -1)])]),
        OffsetResponse_v3(0, [("t", [(1, 0, -1, 12)])]),
    )
    wanted = {TopicPartition("t", n): -1 for n in range(3)}
    leaders = {"t": {0: 5, 1: 6, 2: 5}}
    found = await protocol.list_offsets(broker, leaders, READ_COMMITTED, wanted)
    assert found == {TopicPartition("t", 0): 11, TopicPartition("t", 1): 12}
    assert [node for node, _ in broker.asked] == [5, 6]


class Admin:
    def __init__(self, answer):
        self._client = Broker(answer)

    async def find_coordinator(self, group):
        assert group == "g"
        return 8


async def test_static_members_leave_and_one_that_is_not_there_is_no_error():
    answer = protocol.LeaveGroupResponseV3(0, 0, [("", "g-0", 0), ("", "g-1", 25)])
    admin = Admin(answer)
    await protocol.leave_group(admin, "g", ["g-0", "g-1"])
    ((node, request),) = admin._client.asked
    assert (node, request.members) == (8, [("", "g-0"), ("", "g-1")])


@pytest.mark.parametrize("where", ["group", "member"])
async def test_a_refused_leave_is_an_error(where):
    code = GroupAuthorizationFailedError.errno
    answer = protocol.LeaveGroupResponseV3(0, code * (where == "group"), [("", "g-0", code * (where == "member"))])
    with pytest.raises(GroupAuthorizationFailedError, match="g-0"):
        await protocol.leave_group(Admin(answer), "g", ["g-0"])
