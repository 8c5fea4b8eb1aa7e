"""Commits that a broker may have forgotten are reissued, and only those; whoever is fenced stops at once."""

import asyncio

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import (
    ConcurrentTransactions,
    CoordinatorLoadInProgressError,
    InvalidTxnState,
    NodeNotReadyError,
    NotCoordinatorForGroupError,
    ProducerFenced,
    TransactionalIdAuthorizationFailed,
)

from iqstream.runtime import transactional_producer
from iqstream.runtime.aiokafka_internals import AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, EndTxnRequest
from iqstream.runtime.kafka_protocol import NO_LEADER, READ_COMMITTED, READ_UNCOMMITTED
from iqstream.runtime.transactional_producer import TransactionalProducer

FENCED = 47


class Connection:
    def __init__(self, *, is_open=True):
        self.is_open = is_open

    def connected(self):
        return self.is_open


class Scripted(TransactionalProducer):
    """One that has started, of a coordinator that gives these answers and then no more errors."""

    def __init__(self, *, group, outputs, answers):
        super().__init__(transactional_id="id", group=group, outputs=outputs)
        self.said, self.script, self.connections = [], list(answers), [Connection()]

    def identity(self):
        return "id", 7, 2

    def connected(self):
        return [connection for connection in self.connections if connection.is_open]

    async def ask_transaction_coordinator(self, request):
        self.said.append(type(request).__name__.removesuffix("Request"))
        answer = self.script.pop(0) if self.script else 0
        if isinstance(answer, Exception):
            raise answer
        if isinstance(request, AddPartitionsToTxnRequest):
            return {"errors": [{"topic": "out", "partition_errors": [{"partition": 0, "error_code": answer}]}]}
        return {"error_code": answer}

    def forget_transaction_coordinator(self):
        self.said.append("forget")


@pytest.fixture(autouse=True)
def nobody_before(monkeypatch):
    monkeypatch.setattr(transactional_producer, "_unfinished", {})


@pytest.fixture
def producer(monkeypatch):
    """Makes producers of a cluster with these leaders, and offsets by partition: 4 where none is given."""
    made = []

    def make(*, group="group", answers=(), leaders=({"out": {0: 1, 1: 1}},), stable=None, ends=None):
        coming = list(leaders)

        async def partition_leaders(_client, topics):
            found = coming.pop(0) if len(coming) > 1 else coming[0]
            return {topic: found[topic] for topic in topics}

        async def list_offsets(_client, _leaders, isolation, wanted):
            known = {READ_COMMITTED: stable or {}, READ_UNCOMMITTED: ends or {}}[isolation]
            return {partition: known.get(partition.partition, 4) for partition in wanted}

        monkeypatch.setattr(transactional_producer, "partition_leaders", partition_leaders)
        monkeypatch.setattr(transactional_producer, "list_offsets", list_offsets)
        monkeypatch.setattr(transactional_producer, "RETRY_S", 0.0)
        made.append(Scripted(group=group, outputs=("out",), answers=answers))
        return made[-1]

    yield make
    for one in made:
        one._closed = True  # never started: nothing is to be closed


async def test_offsets_come_first_then_the_partitions_that_stand_open_then_the_end(producer):
    made = producer(stable={0: 4, 1: 4}, ends={0: 4, 1: 9})
    await made.commit_again()
    assert made.said == ["AddOffsetsToTxn", "AddPartitionsToTxn", "EndTxn"]


async def test_only_partitions_with_records_behind_their_last_stable_offset_are_named(producer, monkeypatch):
    made = producer(stable={0: 4, 1: 4}, ends={0: 4, 1: 9})
    assert await made._open_partitions() == [TopicPartition("out", 1)]
    asked = []
    monkeypatch.setattr(made, "_ask", lambda request: asked.append(request) or asyncio.sleep(0))
    await made.commit_again()
    offsets, partitions, end = asked
    assert isinstance(offsets, AddOffsetsToTxnRequest)
    assert partitions._topics == [("out", [1])]
    assert isinstance(end, EndTxnRequest)
    assert end._transaction_result is True


async def test_without_a_group_and_with_nothing_open_nothing_is_committed(producer):
    made = producer(group=None)
    await made.commit_again()
    assert made.said == []
    made = producer(group=None, ends={0: 5})
    await made.commit_again()
    assert made.said == ["AddPartitionsToTxn", "EndTxn"]


async def test_a_partition_whose_leader_is_just_chosen_is_asked_again(producer):
    made = producer(leaders=[{"out": {0: 1, 1: NO_LEADER}}, {"out": {0: 1, 1: 1}}], ends={1: 9})
    assert await made._open_partitions() == [TopicPartition("out", 1)]


@pytest.mark.parametrize("busy", [CoordinatorLoadInProgressError.errno, ConcurrentTransactions.errno])
async def test_a_busy_coordinator_is_asked_again(producer, busy):
    made = producer(answers=[busy, busy, 0])
    await made.commit_again()
    assert made.said == ["AddOffsetsToTxn"] * 3 + ["EndTxn"]


@pytest.mark.parametrize("moved", [15, NotCoordinatorForGroupError.errno, NodeNotReadyError()])
async def test_one_that_has_moved_or_is_away_is_looked_up_again(producer, moved):
    made = producer(answers=[moved, 0])
    await made.commit_again()
    assert made.said == ["AddOffsetsToTxn", "forget", "AddOffsetsToTxn", "EndTxn"]


@pytest.mark.parametrize("fenced", [FENCED, 90])
@pytest.mark.parametrize("step", [0, 1, 2])
async def test_whoever_is_fenced_stops_there(producer, fenced, step):
    made = producer(answers=[0] * step + [fenced], ends={0: 9})
    with pytest.raises(ProducerFenced):
        await made.commit_again()
    assert len(made.said) == step + 1


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        (InvalidTxnState.errno, InvalidTxnState),
        (TransactionalIdAuthorizationFailed(), TransactionalIdAuthorizationFailed),
    ],
)
async def test_another_refusal_is_an_error(producer, refusal, expected):
    with pytest.raises(expected):
        await producer(answers=[refusal]).commit_again()


async def test_a_coordinator_that_stays_busy_is_given_up(producer, monkeypatch):
    monkeypatch.setattr(transactional_producer, "COMMIT_DEADLINE_S", 0.02)
    made = producer(answers=[ConcurrentTransactions.errno] * 100_000)
    with pytest.raises(TimeoutError):
        await made.commit_again()


async def test_while_its_connections_stand_nothing_is_committed_again_and_after_an_outage_once(producer, monkeypatch):
    begun = []

    async def begin(self):
        begun.append(list(self.said))

    monkeypatch.setattr(AIOKafkaProducer, "begin_transaction", begin)
    made = producer()
    await made.begin_transaction()
    assert made.said == []
    made.connections[0].is_open = False
    made.connections.append(Connection())
    await made.begin_transaction()
    assert made.said == ["AddOffsetsToTxn", "EndTxn"]
    assert begun == [[], made.said]  # before the next transaction
    await made.begin_transaction()
    assert len(made.said) == 2


async def test_a_start_fences_first_and_then_sees_to_what_its_predecessor_committed(producer, monkeypatch):
    order = []
    made = producer()

    async def start(self):
        order.append(("fenced", list(self.said)))

    monkeypatch.setattr(AIOKafkaProducer, "start", start)
    await made.start()
    assert order == [("fenced", [])]
    assert made.said == ["AddOffsetsToTxn", "EndTxn"]


async def test_letting_go_ends_a_sender_that_clings_and_says_nothing(producer, monkeypatch):
    monkeypatch.setattr(transactional_producer, "LET_GO_AGAIN_S", 0.01)
    made = producer()
    cancelled = 0

    async def cling():
        nonlocal cancelled
        while cancelled < 2:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                cancelled += 1

    made._sender._sender_task = asyncio.create_task(cling())
    await asyncio.sleep(0)
    await made.let_go()
    assert (made._sender.sender_task.done(), cancelled, made.said) == (True, 2, [])


@pytest.mark.parametrize("step", ["AddOffsetsToTxn", "AddPartitionsToTxn", "EndTxn"])
async def test_a_commit_that_is_being_said_again_is_said_to_its_end_where_its_caller_is_cancelled(producer, step):
    """Whoever starts next would abort the empty transaction, and with it what the broker had forgotten."""
    one = producer(stable={0: 3})
    reached, goes_on, ask = asyncio.Event(), asyncio.Event(), one.ask_transaction_coordinator

    async def slowly(request):
        if type(request).__name__ == f"{step}Request":
            reached.set()
            await goes_on.wait()
        return await ask(request)

    one.ask_transaction_coordinator = slowly
    caller = asyncio.create_task(one.commit_again())
    await reached.wait()
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    assert caller.cancelled()
    leaving = asyncio.create_task(one.let_go())
    goes_on.set()
    await leaving
    assert one.said == ["AddOffsetsToTxn", "AddPartitionsToTxn", "EndTxn"]


async def test_a_commit_that_cannot_be_said_again_holds_nobody_up(producer, monkeypatch):
    monkeypatch.setattr(transactional_producer, "COMMIT_AGAIN_ENDS_WITHIN_S", 0.05)
    one = producer()

    async def never(_request):
        await asyncio.Event().wait()

    one.ask_transaction_coordinator = never
    caller = asyncio.create_task(one.commit_again())
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    async with asyncio.timeout(5):
        await one.let_go()
    assert transactional_producer._unfinished.keys() == {"id"}  # a successor in this process waits for it


async def test_a_commit_that_is_being_said_again_goes_on_while_the_broker_is_away_and_a_successor_waits(
    producer, monkeypatch
):
    monkeypatch.setattr(transactional_producer, "COMMIT_AGAIN_ENDS_WITHIN_S", 0.01)
    back, one, successor = asyncio.Event(), producer(stable={0: 3}), producer(stable={0: 3})
    ask = one.ask_transaction_coordinator

    async def away(request):
        await back.wait()
        return await ask(request)

    one.ask_transaction_coordinator = away
    caller = asyncio.create_task(one.commit_again())
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    await one.let_go()
    monkeypatch.setattr(AIOKafkaProducer, "start", _started)
    starting = asyncio.create_task(successor.start())
    await asyncio.sleep(0.05)
    assert successor.said == []
    back.set()
    await starting
    assert one.said == successor.said == ["AddOffsetsToTxn", "AddPartitionsToTxn", "EndTxn"]
    assert transactional_producer._unfinished == {}


async def _started(_producer):
    pass
