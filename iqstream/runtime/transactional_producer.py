"""A transactional producer whose commits stand even where the broker has forgotten half of one.

A commit is decided, and answered, before its markers are written to the partitions. A broker that is killed in between
goes on when it is back; but of a partition without a leader at that moment it believes that it was deleted, and never
writes its marker (Apache Kafka 4.3.1, `TransactionMarkerChannelManager.addTxnMarkersToBrokerQueue`). What was committed
cannot be read then, nor anything after it: the partition's last stable offset never moves again.
"""

import asyncio
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, ProducerFenced, for_code

from iqstream.runtime.aiokafka_internals import (
    AddOffsetsToTxnRequest,
    AddPartitionsToTxnRequest,
    AIOKafkaConnection,
    EndTxnRequest,
    Fields,
    OffsetResetStrategy,
    OpenProducer,
    Request,
)
from iqstream.runtime.batch_building import Batch
from iqstream.runtime.kafka_protocol import (
    NO_LEADER,
    READ_COMMITTED,
    READ_UNCOMMITTED,
    CommittedOffset,
    list_offsets,
    partition_leaders,
)
from iqstream.runtime.standing_position import Standing, metadata_of, standing_position

BATCH_BYTES = 1024 * 1024
"""A frame fits, and fits Kafka's default limit."""
COMMIT_DEADLINE_S = 10.0
"""Below the transaction timeout: we give up before the broker does."""
RETRY_S = 0.05
LET_GO_AGAIN_S = 0.5
COMMIT_AGAIN_ENDS_WITHIN_S = 3.0
"""Less than the time in which a partition is to be given back."""
COMMIT_AGAIN_TRIED_FOR_S = 30.0
"""Behind its caller's back. The coordinator gives such a transaction up after its timeout, some seconds earlier."""
_unfinished: "dict[str, asyncio.Task[None]]" = {}
"""By transactional id: commits that are still being said again by a producer of this process that has been let go."""
_BUSY = frozenset({14, 51})
"""The coordinator is still loading, or still writes the markers of the transaction before."""
_MOVED = frozenset({15, 16})
"""It is another broker's now."""
_FENCED = frozenset({47, 90})


class TransactionalProducer(OpenProducer):
    """Says commits again that may have been forgotten: its predecessor's when it starts, its own after an outage."""

    def __init__(self, *, transactional_id: str, outputs: Sequence[str], group: str | None, **client: object) -> None:
        """The arguments that are not plain.

        Args:
            transactional_id: starting ends and fences every earlier producer of this id.
            outputs: all topics that producers of this id write to.
            group: whose offsets they commit; None where they commit none.
            client: the client's own arguments.
        """
        super().__init__(transactional_id=transactional_id, **client)
        self.fill_batches(lambda: Batch(BATCH_BYTES, transactional=True))
        self._id = transactional_id
        self._outputs = outputs
        self._group = group
        self._connections: set[AIOKafkaConnection] = set()
        self._again: asyncio.Future[None] | None = None
        """The last commit that was said again."""
        self._last_offsets: dict[TopicPartition, int] = {}
        """Where the records of the transaction are."""

    async def start(self) -> None:
        """Fences the predecessor, ends its open transaction, and sees to it that what it committed can be read.

        Raises:
            KafkaError: no broker answers, or it refuses.
            TimeoutError: the coordinator, or the leader of a partition of the outputs, does not get ready.
        """
        if (unfinished := _unfinished.get(self._id)) is not None:
            await asyncio.shield(unfinished)
        await super().start()
        await self.commit_again()

    async def begin_transaction(self) -> None:
        """Begins one; after an outage the last one is committed again before it.

        Raises:
            KafkaError, TimeoutError: as `start`.
        """
        await self.settle()
        await super().begin_transaction()
        self._last_offsets = {}

    async def send(self, *record: Any, **more: Any) -> asyncio.Future[Any]:  # noqa: ANN401  # the client's arguments
        """As the client's own."""
        acknowledged: asyncio.Future[Any] = await super().send(*record, **more)
        acknowledged.add_done_callback(self._note)
        return acknowledged

    def _note(self, acknowledged: asyncio.Future[Any]) -> None:
        if not acknowledged.cancelled() and acknowledged.exception() is None:
            sent = acknowledged.result()
            if sent.offset >= 0:  # not one that the broker had already, and does not know where
                self._last_offsets[sent.topic_partition] = sent.offset

    async def send_position(
        self,
        place: TopicPartition,
        position: int,
        *,
        since: int,
        first_offsets: Sequence[int] = (),
        first_offsets_since: Sequence[int] = (),
    ) -> None:
        """Moves the group's position from `since` on in the transaction, after all its records are acknowledged.

        The first offsets are those of what is begun before `position`, or before `since`, and completed after it.

        Raises:
            KafkaError: the broker refuses.
        """
        metadata = metadata_of(since, self.identity()[1], self._last_offsets, first_offsets, first_offsets_since)
        await self.send_offsets_to_transaction({place: (position, metadata)}, self._group)

    async def standing_position(self, committed: CommittedOffset) -> Standing:
        """Where to go on, read after `start`: where the batch behind the position was aborted, before that.

        Raises:
            KafkaError: no broker answers, or one refuses.
        """
        return await standing_position(self.client, committed)

    async def ends_at(self, place: TopicPartition, offset: int) -> bool:
        """Whether the log of a partition ends there: nothing lies behind it, committed or not.

        Raises:
            KafkaError: no broker answers, or one refuses.
        """
        leaders = await partition_leaders(self.client, [place.topic])
        if leaders.get(place.topic, {}).get(place.partition, NO_LEADER) == NO_LEADER:
            return False
        for isolation_level in (READ_COMMITTED, READ_UNCOMMITTED):
            ends = await list_offsets(self.client, leaders, isolation_level, {place: OffsetResetStrategy.LATEST})
            if ends.get(place) != offset:
                return False
        return True

    async def settle(self) -> None:
        """After an outage, commits the last transaction again. Not to be called within one.

        Raises:
            KafkaError, TimeoutError: as `start`.
        """
        if not all(connection.connected() for connection in self._connections):
            await self.commit_again()
        self._connections |= set(self.connected())

    async def commit_again(self) -> None:
        """Commits an empty transaction to the group's offsets, and to all partitions where one stands open.

        Every earlier commit of this id can be read then; of one that was forgotten, as soon as the markers of this one
        are written. Markers that are there already do no harm. Where the caller is cancelled it goes on until `let_go`:
        an empty transaction that is begun and not committed is aborted by whoever starts next, and that abort takes
        a forgotten commit back.

        Raises:
            KafkaError, TimeoutError: as `start`.
        """
        connections = set(self.connected())
        self._again = asyncio.ensure_future(self._commit_empty())
        async with asyncio.timeout(COMMIT_DEADLINE_S):
            await asyncio.shield(self._again)
        self._connections = connections | set(self.connected())

    async def _commit_empty(self) -> None:
        if self._group is not None:
            # Accepted once the markers of the transaction before are written, or forgotten.
            await self._ask(AddOffsetsToTxnRequest(*self.identity(), self._group))
        if partitions := await self._open_partitions():
            await self._ask(AddPartitionsToTxnRequest(*self.identity(), _by_topic(partitions)))
        if self._group is not None or partitions:
            await self._ask(EndTxnRequest(*self.identity(), transaction_result=True))

    async def let_go(self) -> None:
        """Ends it within seconds, also with its broker away, committing and aborting nothing.

        What it has not sent is given up; what its tasks and connections still say is of no consequence. Only a commit
        that is being said again is waited for, as long as that may help.
        """
        self.refuse_more()
        if self._again is not None:
            await asyncio.wait({self._again}, timeout=COMMIT_AGAIN_ENDS_WITHIN_S)
            if not self._again.done():
                _unfinished[self._id] = asyncio.create_task(self._finish(self._again))
                return
            if not self._again.cancelled():
                self._again.exception()  # whoever waited for it has been told
        await self._leave()

    async def _finish(self, again: asyncio.Future[None]) -> None:
        """Sees a commit that is being said again to its end with the broker away, then goes; a successor waits."""
        try:
            await asyncio.wait({again}, timeout=COMMIT_AGAIN_TRIED_FOR_S)
            again.cancel()
            await asyncio.gather(again, return_exceptions=True)
            await self._leave()
        finally:
            _unfinished.pop(self._id, None)

    async def _leave(self) -> None:
        await self._close_connections()  # whatever waits for an answer fails by that
        sender = self.sending
        while sender is not None and not sender.done():
            sender.cancel()  # and once more, where it still waits for a coordinator
            await asyncio.wait({sender}, timeout=LET_GO_AGAIN_S)
        await self._close_connections()  # those that were just being opened

    async def _close_connections(self) -> None:
        closing = asyncio.ensure_future(self.client.close())
        await asyncio.wait({closing}, timeout=LET_GO_AGAIN_S)
        closing.cancel()  # a broker that stands still takes no last words

    async def _open_partitions(self) -> list[TopicPartition]:
        """Partitions of the outputs with records behind the last stable offset, whoever's they are.

        All of them must tell: one whose leader is just being chosen is asked again.
        """
        while True:
            leaders = await partition_leaders(self.client, self._outputs)
            latest = {
                TopicPartition(topic, partition): OffsetResetStrategy.LATEST
                for topic, partitions in leaders.items()
                for partition, leader in partitions.items()
                if leader != NO_LEADER
            }
            stable = await list_offsets(self.client, leaders, READ_COMMITTED, latest)
            ends = await list_offsets(self.client, leaders, READ_UNCOMMITTED, latest)
            told = stable.keys() & ends.keys()
            if len(told) == sum(map(len, leaders.values())):
                return [partition for partition in told if stable[partition] < ends[partition]]
            await asyncio.sleep(RETRY_S)

    async def _ask(self, request: Request[Any]) -> None:
        """Sends a request to the transaction's coordinator, again and again while it is busy or away."""
        while True:
            try:
                answer = await self.ask_transaction_coordinator(request)
            except KafkaError as error:
                if not error.retriable:
                    raise
                codes = set(_MOVED)
            else:
                codes = _error_codes(answer)
            if not codes:
                return
            if codes & _MOVED:
                self.forget_transaction_coordinator()
            elif codes & _FENCED:
                raise ProducerFenced
            elif refused := codes - _BUSY:
                raise for_code(min(refused))(f"{type(request).__name__} of {self.identity()[0]}")
            await asyncio.sleep(RETRY_S)


def _by_topic(partitions: Iterable[TopicPartition]) -> list[tuple[str, list[int]]]:
    return [(topic, [p.partition for p in some]) for topic, some in groupby(sorted(partitions), lambda p: p.topic)]


def _error_codes(answer: Fields) -> set[int]:
    """All that are not 0, whichever of the three answers it is."""
    if "errors" not in answer:
        return {answer["error_code"]} - {0}
    return {partition["error_code"] for topic in answer["errors"] for partition in topic["partition_errors"]} - {0}
