"""A batch is one transaction: what it emits and its input's position together, or nothing of it."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from uuid import UUID

import msgspec
import pytest
from aiokafka import TopicPartition
from aiokafka.errors import MessageSizeTooLargeError, NotLeaderForPartitionError, ProducerFenced, UnknownMemberIdError

from iqstream.runtime import transactions
from iqstream.runtime.errors import NoPosition
from iqstream.runtime.invalid_share import InvalidShare
from iqstream.runtime.kafka_protocol import CommittedOffset
from iqstream.runtime.records import OutgoingRecord
from iqstream.runtime.standing_position import Batch, Standing, metadata_of
from iqstream.runtime.topics import DEAD_LETTERS
from iqstream.runtime.transactions import (
    BatchRefused,
    PartitionMemory,
    SamplesFailed,
    TransactionalTransform,
    Transform,
)
from tests.fake_consumer import record

PLACE = TopicPartition("in", 3)
GROUP = "group"
TOPIC_ID = UUID(int=7)


class Producer:
    """Notes what is asked of it; a send, or a step, may fail."""

    def __init__(self, said, *, refuses=(), unsent=(), fails=None, aborted=0):
        self.said, self.refuses, self.unsent, self.fails = said, refuses, unsent, fails or {}
        self.aborted, self.since, self.end = aborted, 0, 0

    async def _step(self, name):
        self.said.append(name)
        if name in self.fails:
            raise self.fails[name]

    async def start(self):
        await self._step("start")

    async def begin_transaction(self):
        await self._step("begin")

    async def commit_transaction(self):
        await self._step("commit")
        self.since = self.position

    async def settle(self):
        await self._step("settle")

    async def ends_at(self, place, offset):
        assert place == PLACE
        return offset == self.end

    async def let_go(self):
        await self._step("let go")

    async def send_position(self, place, position, *, since, first_offsets, first_offsets_since):
        assert place == PLACE
        assert since == self.since
        self.first_offsets = list(first_offsets), list(first_offsets_since)
        await self._step(f"position {position}")
        self.position = position

    async def standing_position(self, committed):
        self.since = committed.offset - self.aborted
        said = msgspec.json.decode(committed.metadata, type=Batch) if committed.metadata else None
        begun = () if said is None else said.first_since if self.aborted else said.first
        return Standing(self.since, [said.since + offset for offset in begun])

    async def send(self, topic, value, *, key, headers):
        if value in self.refuses:
            raise MessageSizeTooLargeError(value)
        answer = asyncio.get_running_loop().create_future()

        def acknowledge():
            self.said.append(f"{topic} {'' if topic == DEAD_LETTERS else value.decode()}".strip())
            if value in self.unsent:
                answer.set_exception(self.unsent[value])
            else:
                answer.set_result(None)

        asyncio.get_running_loop().call_later(0.002, acknowledge)
        return answer


class Doubling(Transform):
    """Two records of each; one of value `skip` is skipped, one of `bad` cannot be processed."""

    stage = "extractor"

    def apply(self, record):
        if record.value == b"bad":
            raise ValueError("no such thing")
        if record.value == b"file":
            raise OSError("the disk")
        if record.value == b"skip":
            return None
        return [OutgoingRecord(topic="out", key=b"k", value=record.value + half, headers=()) for half in (b"1", b"2")]

    def fail(self, record, error):
        return [OutgoingRecord(topic="out", key=b"k", value=b"failed", headers=())]


class InPairs(Transform):
    """A record and the next one with its value make one; the first of them waits."""

    stage = "extractor"

    def __init__(self):
        self.begun = {}

    def apply(self, record):
        first = self.begun.pop(record.value, None)
        if first is None:
            self.begun[record.value] = record.offset
            return []
        value = b"%s %d-%d" % (record.value, first, record.offset)
        return [OutgoingRecord(topic="out", key=b"k", value=value, headers=())]

    def first_offsets(self):
        return list(self.begun.values())

    def give_up(self, partition, end):
        assert partition == PLACE
        values = [b"%s %d-none before %d" % (value, first, end) for value, first in self.begun.items()]
        self.begun.clear()
        return [OutgoingRecord(topic="out", key=b"k", value=value, headers=()) for value in values]

    def recall(self, record, *, first):
        if first:
            self.begun[record.value] = record.offset


@pytest.fixture
def said():
    return []


@pytest.fixture
def own(said, monkeypatch):
    """Makes ownerships that share a memory, as the shell's take-overs do."""
    memory = PartitionMemory()
    executor = ThreadPoolExecutor(1)

    def make(*, offset=5, metadata="", membership=None, transform=None, log=(), **producer):
        async def confirm_membership(_consumer):
            said.append("member")
            if membership is not None:
                raise membership

        async def topic_id_of(_consumer, topic):
            assert topic == PLACE.topic
            return TOPIC_ID

        async def committed_offset(_consumer, partition):
            assert partition == PLACE
            said.append("where")
            return None if offset is None else CommittedOffset(offset, metadata)

        async def read_again(partition, span):
            assert partition == PLACE
            said.append(f"read {span.start}-{span.stop}")
            for one in log:
                if one.offset in span:
                    yield one

        for function in (confirm_membership, topic_id_of, committed_offset):
            monkeypatch.setattr(transactions, function.__name__, function)
        return TransactionalTransform(
            partition=PLACE,
            group=GROUP,
            transform=transform or Doubling(),
            consumer=None,
            producer=Producer(said, **producer),
            executor=executor,
            memory=memory,
            invalid_share=InvalidShare(1.0),
            metrics=SimpleNamespace(put=lambda *_, **__: None, count=lambda *_, **__: None),
            read_again=read_again,
        )

    make.memory = memory
    yield make
    executor.shutdown()


def batch(*values, first=5):
    return [record(PLACE, first + n, value) for n, value in enumerate(values)]


async def test_an_owner_is_a_member_first_then_fences_then_asks_where_to_go_on(own, said):
    assert await own().take_over() == 5
    assert said == ["member", "start", "where"]


async def test_an_owner_does_an_aborted_batch_again(own, said):
    owner = own(aborted=2)
    assert await owner.take_over() == 3
    await owner.handle(batch(b"a", first=3))
    assert said[-2:] == ["position 4", "commit"]


async def test_what_was_begun_before_a_batch_and_ends_in_it_is_taken_up_by_the_next_owner(own, said):
    log = batch(b"a", b"b", b"a", b"c", b"b", b"c", b"d")
    first = own(transform=InPairs(), offset=5)
    await first.take_over()
    await first.handle(log[:2])
    await first.handle(log[2:4])
    begun, begun_since = first._producer.first_offsets
    assert (begun, begun_since) == ([6, 8], [5, 6])
    metadata = metadata_of(7, 3, {}, begun, begun_since)
    said.clear()
    second = own(transform=InPairs(), offset=9, metadata=metadata, log=log)
    assert await second.take_over() == 9
    await second.handle(log[4:])
    assert said[3:] == ["read 6-9", "begin", "out b 6-9", "out c 8-10", "position 12", "commit"]
    assert second._producer.first_offsets == ([11], [6, 8])
    said.clear()
    where_a_batch_was_aborted = own(transform=InPairs(), offset=9, metadata=metadata, log=log, aborted=2)
    assert await where_a_batch_was_aborted.take_over() == 7
    await where_a_batch_was_aborted.handle(log[2:5])
    assert said[3:] == ["read 5-7", "begin", "out a 5-7", "out b 6-9", "position 10", "commit"]


async def test_what_was_begun_by_records_that_are_gone_is_told_and_waited_for_no_longer(own, said, monkeypatch, caplog):
    monkeypatch.setattr(transactions, "WAITED_S", 0.0)
    metadata = metadata_of(7, 3, {}, [6, 8], [])
    owner = own(transform=InPairs(), offset=9, metadata=metadata, log=batch(b"c", first=8))
    await owner.take_over()
    assert "what began at offsets [6] is not in the log any more" in caplog.text
    owner._producer.end = 9
    await owner.idle(9)
    assert said[-3:] == ["out c 8-none before 9", "position 9", "commit"]


async def test_a_zombie_fences_nobody(own, said):
    with pytest.raises(UnknownMemberIdError):
        await own(membership=UnknownMemberIdError()).take_over()
    assert said == ["member"]


async def test_a_partition_without_a_position_is_not_begun(own):
    with pytest.raises(NoPosition):
        await own(offset=None).take_over()


async def test_a_batch_is_emitted_whole_then_its_position_then_committed(own, said):
    owner = own()
    await owner.handle(batch(b"a", b"skip", b"b"))
    assert said == ["begin", "out a1", "out a2", "out b1", "out b2", "position 8", "commit"]


@pytest.mark.parametrize("failing", ["begin", "position 6", "commit"])
async def test_after_a_failed_step_nothing_more_is_said_and_the_position_stays(own, said, failing):
    owner = own(fails={failing: ProducerFenced()})
    with pytest.raises(ProducerFenced):
        await owner.handle(batch(b"a"))
    assert said[-1] == failing
    owner._producer.fails = {}
    said.clear()
    await owner.idle(5)
    assert said == ["settle", "begin", "position 5", "commit"]  # 5 is news: it was never committed here


async def test_a_send_that_failed_is_not_committed_over_although_others_arrived(own, said):
    owner = own(unsent={b"a2": NotLeaderForPartitionError()})
    with pytest.raises(NotLeaderForPartitionError):
        await owner.handle(batch(b"a", b"b"))
    assert said == ["begin", "out a1", "out a2", "out b1", "out b2"]  # all were waited for


async def test_what_the_client_refuses_is_a_dead_letter_at_the_next_attempt(own, said):
    owner = own(refuses={b"b2"})
    with pytest.raises(BatchRefused, match="offset 6"):
        await owner.handle(batch(b"a", b"b"))
    assert own.memory.refused.keys() == {6}
    owner._producer.said = []  # what it still hears of is of no consequence
    said.clear()
    await own(refuses={b"b2"}).handle(batch(b"a", b"b"))
    assert said == ["begin", "out a1", "out a2", DEAD_LETTERS, "out failed", "position 7", "commit"]
    assert own.memory.refused == {}  # it is behind us


async def test_what_the_broker_refuses_is_found_by_sending_one_by_one(own, said):
    refusing = {b"b1": MessageSizeTooLargeError()}
    with pytest.raises(BatchRefused, match="one by one"):
        await own(unsent=refusing).handle(batch(b"a", b"b"))
    assert own.memory.one_by_one
    said.clear()
    with pytest.raises(BatchRefused, match="offset 6"):
        await own(unsent=refusing).handle(batch(b"a", b"b"))
    assert said == ["begin", "out a1", "out a2", "out b1"]  # each was waited for
    said.clear()
    await own(unsent=refusing).handle(batch(b"a", b"b"))
    assert said[-3:] == ["out failed", "position 7", "commit"]
    assert not own.memory.one_by_one


async def test_a_record_that_cannot_be_processed_becomes_a_dead_letter_beside_its_neighbours(own, said):
    await own().handle(batch(b"a", b"bad", b"b"))
    assert said[1:6] == ["out a1", "out a2", DEAD_LETTERS, "out failed", "out b1"]


async def test_a_fault_of_this_machine_is_no_fault_of_the_record(own, said):
    with pytest.raises(OSError, match="the disk"):
        await own().handle(batch(b"a", b"file"))
    assert said == []


async def test_an_idle_partition_moves_past_markers_and_never_back(own, said):
    owner = own()
    await owner.take_over()
    said.clear()
    await owner.idle(5)
    assert said == ["settle"]
    await owner.idle(9)
    assert said == ["settle", "settle", "begin", "position 9", "commit"]


@pytest.mark.parametrize("moved", [0, 2], ids=["where it stands", "behind markers"])
async def test_what_nothing_at_the_end_of_the_log_completes_is_given_up_once(own, said, monkeypatch, moved):
    """The records that say so and the position are one transaction; a later owner finds nothing begun."""
    monkeypatch.setattr(transactions, "WAITED_S", 0.0)
    owner = own(transform=InPairs(), offset=5)
    await owner.take_over()
    await owner.handle(batch(b"a", b"b", b"a"))
    said.clear()
    owner._producer.end = 9 + moved
    await owner.idle(8 + moved - (moved > 0))
    assert not any("none" in one for one in said), "the log goes on"
    owner._producer.end = 8 + moved
    said.clear()
    await owner.idle(8 + moved)
    assert said == ["settle", "begin", f"out b 6-none before {8 + moved}", f"position {8 + moved}", "commit"]
    assert owner._producer.first_offsets == ([], [6])
    said.clear()
    await owner.idle(8 + moved)
    assert said == ["settle"]


async def test_what_was_begun_a_moment_ago_is_waited_for(own, said):
    owner = own(transform=InPairs(), offset=5)
    owner._producer.end = 6
    await owner.take_over()
    await owner.handle(batch(b"a"))
    said.clear()
    await owner.idle(6)
    assert said == ["settle"]


async def test_letting_go_commits_and_aborts_nothing(own, said):
    await own().close()
    assert said == ["let go"]


async def test_samples_that_failed_are_kept_with_the_record_and_the_others_are_sent(own, said):
    owner = own()
    sent = [OutgoingRecord(topic="out", key=b"k", value=value, headers=()) for value in (b"whole", b"failure")]

    class Partly(Doubling):
        def apply(self, record):
            raise SamplesFailed(sent, {4: ValueError("no land")}, every=record.value == b"none")

    owner._transform = Partly()
    results = owner._compute(batch(b"some", b"none"))
    assert [dict(result.records[0].headers).get("failed_samples") for result in results] == [b"4", None]
    assert [str(result.invalid) for result in results] == ["None", "no land"]
    await owner.handle(batch(b"some"))
    assert said == ["begin", DEAD_LETTERS, "out whole", "out failure", "position 6", "commit"]
