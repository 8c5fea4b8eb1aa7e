"""The shell around every stage: a member of a consumer group that owns partitions and serves each by itself.

What it guarantees: of one partition, records are handled in offset order, each batch by one owner, from the position
that was committed last. What is done with the records, and how results and position are committed together, is the
business of an `Ownership` (`transactions.py`, `sink/partition.py`); the shell decides when.

An assigned partition goes through these steps, in a task of its own:

1. Pause it. Until its position is known, nothing may be fetched. The client calls `on_partitions_assigned` while
   heartbeats stand still and swallows its exceptions: so it only pauses and starts tasks.
2. Take over: `Ownership.take_over` fences the former owner, then reads the committed position. In the other order the
   former owner could still move the position after it was read.
3. Seek there and resume. The `Inbox` drops what the client had fetched for an earlier position.
4. Serve: fetch a batch, wait while the gate holds one of its records (backpressure), `handle` it (compute, emit,
   commit), accept it; then the next. Between batches a stop and idleness are seen to. Who waits at the gate is paused
   and keeps polling, outside any transaction.
5. After any error or missed deadline: close the ownership and go back to step 2 with a new one. Whether the last
   commit succeeded is unknown then, and reading the position again answers it. So nothing is retried in place, and no
   client that failed is used again.

One task per partition, since a partition that waits (for a hanging transaction, a lock, a missing position) must not
hold up the others. Errors that retrying does not mend (`FATAL`) end the worker with a message; a missing position is
retried slowly, as somebody has to set it. A revoked partition's task is cancelled within `REVOKE_DEADLINE_S`, below
the rebalance timeout; since a client may swallow the cancellation, a task also asks before each step whether it is
still the owner. A worker that has records and makes no progress for `STUCK_AFTER_S` ends itself; its service starts a
new one.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError, RebalanceInProgressError

from iqstream.runtime.errors import Failed, IqstreamError, NoPosition
from iqstream.runtime.fetched import offset_after
from iqstream.runtime.inbox import Inbox
from iqstream.runtime.member_contention import ADVICE, MemberContention
from iqstream.runtime.metrics import Metrics
from iqstream.runtime.own_faults import own_fault

log = logging.getLogger(__name__)

TAKE_OVER_DEADLINE_S = 20.0
REVOKE_DEADLINE_S = 5.0
DRAIN_DEADLINE_S = 20.0
STOP_DEADLINE_S = 3.0
IDLE_AFTER_S = 1.0
STUCK_AFTER_S = 120.0
RETRY_FIRST_S = 0.2
RETRY_MOST_S = 1.0
POSITION_RETRY_S = 5.0
"""For a position that somebody must set."""
FATAL = (IqstreamError, OffsetOutOfRangeError)
"""Trying again does not mend these."""


class Ownership(Protocol):
    """One input partition, from taking it over until an error or a rebalance ends it. Never reused after."""

    async def take_over(self) -> int:
        """Fences the former owner; returns the offset to go on from."""

    async def handle(self, records: Sequence[ConsumerRecord]) -> None:
        """Does a whole batch, in offset order, and commits its results with the position, or raises."""

    async def idle(self, next_offset: int) -> None:
        """Nothing is left to read, up to `next_offset`: the stored position may say so. Called every second."""

    async def close(self) -> None:
        """Releases what it holds; aborts and commits nothing."""


class Gate(Protocol):
    """Says whether a record may be handled, or must wait for those who read what would become of it."""

    def holds(self, record: ConsumerRecord) -> bool:
        """True while it must wait."""


class StageShell(ConsumerRebalanceListener):
    """One member of a stage's group."""

    def __init__(
        self,
        *,
        consumer: AIOKafkaConsumer,
        topic: str,
        own: Callable[[TopicPartition], Ownership],
        batch_records: int,
        metrics: Metrics,
        gate: Gate | None = None,
        beside: Callable[[], Coroutine[Any, Any, None]] | None = None,
    ) -> None:
        """The arguments that are not plain.

        Args:
            consumer: not started; a static member of the stage's group.
            topic: the input.
            own: makes the ownership of a partition.
            batch_records: at most so many at once.
            metrics: of the worker.
            gate: asked of every record; holds those whose readers are too far behind.
            beside: runs as long as the shell does, and ends it with its error.
        """
        self._consumer = consumer
        self._topic = topic
        self._new_ownership = own
        self._batch_records = batch_records
        self._metrics = metrics
        self._gate = gate
        self._beside = beside
        self._tasks: dict[TopicPartition, asyncio.Task[None]] = {}
        self._inboxes: dict[TopicPartition, Inbox] = {}
        self._progress: dict[TopicPartition, float] = {}
        self._stopping = asyncio.Event()
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._contention = MemberContention()

    async def run(self, stop: asyncio.Event) -> None:
        """Serves until `stop` is set; finishes the batches in flight, within a deadline.

        Raises:
            IqstreamError: something that trying again does not mend.
        """
        stopped = asyncio.create_task(stop.wait())
        watched = asyncio.create_task(self._watch_progress())
        ends: list[asyncio.Future[Any]] = [stopped, watched, self._failure]
        if self._beside is not None:
            ends.append(asyncio.create_task(self._beside()))
        try:
            await self._consumer.start()
            self._consumer.subscribe([self._topic], listener=self)
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for end in ends:
                if end.done():
                    end.result()
        finally:
            await self._drain()
            await _end(ends, REVOKE_DEADLINE_S)
            with contextlib.suppress(TimeoutError):  # it would wait for a rebalance that is under way
                async with asyncio.timeout(STOP_DEADLINE_S):
                    await self._consumer.stop()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Heartbeats stand still in here and exceptions are swallowed: it pauses and schedules, no more."""
        if assigned:
            self._consumer.pause(*assigned)
        if self._contention.noted(frozenset(assigned), asyncio.get_running_loop().time()):
            log.error("%s", ADVICE, extra={"topic": self._topic})
        for partition in assigned:
            self._progress[partition] = asyncio.get_running_loop().time()
            self._tasks[partition] = asyncio.create_task(self._own(partition))
        self._metrics.put("iqstream_partitions_owned", len(self._tasks))

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:  # noqa: ARG002
        """All partitions are given back at once; what was not committed is the next owner's."""
        tasks, self._tasks = list(self._tasks.values()), {}
        self._inboxes.clear()
        self._progress.clear()
        await _end(tasks, REVOKE_DEADLINE_S)
        self._metrics.put("iqstream_partitions_owned", 0)

    async def _own(self, partition: TopicPartition) -> None:
        """Owns one partition until it is revoked: take over, serve, and after any error start again.

        A client may take the cancellation for an outage and raise that: so it is asked, too, whether this is still the
        owner. Two of them would take the partition from each other for ever. An error that repeats is logged once.
        """
        retry_s, last_error = RETRY_FIRST_S, ""
        while self._is_owner(partition):
            ownership = self._new_ownership(partition)
            try:
                self._metrics.count("iqstream_takeovers")
                inbox = await self._take_over(partition, ownership)
                started_at = inbox.expected
                try:
                    await self._serve(partition, ownership, inbox)
                finally:
                    if inbox.expected > started_at:
                        retry_s, last_error = RETRY_FIRST_S, ""
            except Exception as error:  # noqa: BLE001  # whatever went wrong, the outcome is unknown: start again
                if not self._is_owner(partition):
                    return
                fatal = own_fault(error) or error
                if isinstance(fatal, FATAL) and not isinstance(fatal, NoPosition):
                    self._fail(partition, fatal)
                    return
                self._metrics.count("iqstream_partition_errors", error=type(error).__name__)
                problem = f"{type(error).__name__} {error}"
                quiet = problem == last_error or isinstance(error, RebalanceInProgressError)  # we are told of that soon
                last_error = problem
                log.log(
                    logging.DEBUG if quiet else logging.WARNING,
                    "retrying partition %s-%d: %s",
                    *partition, problem,
                )  # fmt: skip
                if partition in self._consumer.assignment():
                    self._consumer.pause(partition)
                if isinstance(error, NoPosition):
                    self._progress[partition] = asyncio.get_running_loop().time()  # a new worker would know no better
                    retry_s = POSITION_RETRY_S
                await self._pause_before_retry(retry_s)
                retry_s = min(retry_s * 2, RETRY_MOST_S)
            finally:
                with contextlib.suppress(Exception):
                    async with asyncio.timeout(REVOKE_DEADLINE_S):
                        await asyncio.shield(ownership.close())

    def _is_owner(self, partition: TopicPartition) -> bool:
        """Whether the current task is the one that the last assignment made for the partition."""
        return not self._stopping.is_set() and self._tasks.get(partition) is asyncio.current_task()

    async def _take_over(self, partition: TopicPartition, ownership: Ownership) -> Inbox:
        async with asyncio.timeout(TAKE_OVER_DEADLINE_S):
            offset = await ownership.take_over()
        if not self._is_owner(partition):
            raise asyncio.CancelledError
        self._consumer.seek(partition, offset)
        self._consumer.resume(partition)
        self._inboxes[partition] = Inbox(self._consumer, partition, offset)
        return self._inboxes[partition]

    async def _serve(self, partition: TopicPartition, ownership: Ownership, inbox: Inbox) -> None:
        """The main path: fetch, do, accept. Between batches a stop or idleness is seen to."""
        clock = asyncio.get_running_loop().time
        busy_at = clock()
        while self._is_owner(partition):
            records = await inbox.fetch(self._batch_records)
            if records:
                if self._gate is not None:
                    await self._wait_at_gate(self._gate, partition, records)
                    if not self._is_owner(partition):
                        return
                with self._metrics.batch():
                    await ownership.handle(records)
                inbox.accept(offset_after(records[-1]))
                busy_at = self._progress[partition] = clock()
            elif clock() - busy_at > IDLE_AFTER_S:
                passed = await inbox.passed()
                await ownership.idle(passed)
                inbox.accept(passed)
                busy_at = clock()

    async def _wait_at_gate(self, gate: Gate, partition: TopicPartition, records: Sequence[ConsumerRecord]) -> None:
        """Until it holds none of the batch's records, or this is no longer the owner.

        Paused, but still polling: a member that does not poll is put out of its group.
        """
        held = [record for record in records if gate.holds(record)]
        if not held:
            return
        self._consumer.pause(partition)
        while held and self._is_owner(partition):
            await self._consumer.getmany(partition, timeout_ms=500)
            self._progress[partition] = asyncio.get_running_loop().time()
            held = [record for record in held if gate.holds(record)]
        if self._is_owner(partition):
            self._consumer.resume(partition)

    async def _pause_before_retry(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    def _fail(self, partition: TopicPartition, error: Exception) -> None:
        if not isinstance(error, IqstreamError):
            place = f"{partition.topic}-{partition.partition}"
            error = Failed(
                f"{place}: the position to read from is no longer there ({error}). The topic was emptied or recreated; "
                "submit the datasets concerned again. `iqstream replay --stage … --topic "
                f"{partition.topic}:{partition.partition} --to-earliest --execute` goes on with what is left"
            )
        if not self._failure.done():
            self._failure.set_exception(error)

    async def _watch_progress(self) -> None:
        """Ends a worker that has something to read and makes no progress: a new one starts clean."""
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(STUCK_AFTER_S / 10)
            for partition, since in list(self._progress.items()):
                inbox = self._inboxes.get(partition)
                if inbox is not None and inbox.drained():
                    self._progress[partition] = clock()
                elif clock() - since > STUCK_AFTER_S:
                    offset = "its position" if inbox is None else f"offset {inbox.expected}"
                    raise RuntimeError(
                        f"{partition.topic}-{partition.partition}: nothing done in {STUCK_AFTER_S:.0f} s from {offset} "
                        "on; a new worker starts. If it repeats, `iqstream datasets watch` says what is in the way"
                    )

    async def _drain(self) -> None:
        self._stopping.set()
        tasks, self._tasks = list(self._tasks.values()), {}
        if tasks:
            await asyncio.wait(tasks, timeout=DRAIN_DEADLINE_S)
        await _end(tasks, REVOKE_DEADLINE_S)


async def _end(tasks: Sequence[asyncio.Future[Any]], deadline_s: float) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=deadline_s)
