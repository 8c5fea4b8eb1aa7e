"""Consume, transform, produce: results and the input's next offset in one Kafka transaction per batch."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol, TypeAlias
from uuid import UUID

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import (
    InvalidMessageError,
    MessageSizeTooLargeError,
    OffsetOutOfRangeError,
    RecordListTooLargeError,
)

from iqstream.runtime.computation import Computed, compute
from iqstream.runtime.errors import NoPosition
from iqstream.runtime.fetched import UnreadableRecord, offset_after
from iqstream.runtime.invalid_share import InvalidShare
from iqstream.runtime.kafka import started_reader, transaction, transactional_producer
from iqstream.runtime.kafka_protocol import committed_offset, confirm_membership, topic_id_of
from iqstream.runtime.metrics import Metrics
from iqstream.runtime.records import OutgoingRecord, dead_letter, retrieve
from iqstream.runtime.settings import Settings
from iqstream.runtime.span_reader import SpanReader
from iqstream.runtime.transactional_producer import TransactionalProducer

log = logging.getLogger(__name__)

NO_TOPIC = UUID(int=0)
"""No topic has this id."""
Refusal = (MessageSizeTooLargeError, RecordListTooLargeError, InvalidMessageError)
"""What a broker says of a record that it will never take."""


WAITED_S = 60.0
"""A sample's records are written in one transaction: what has not come behind its first by then does not come."""
ReadAgain: TypeAlias = Callable[[TopicPartition, range], AsyncIterator[ConsumerRecord]]
"""Gives the records of a partition between two offsets, in their order."""


class Transform(Protocol):
    """A stage's work on one record. Pure; runs off the event loop.

    One that keeps nothing of its records leaves `first_offsets`, `give_up` and `recall` as they are here.
    """

    stage: str

    def apply(self, record: ConsumerRecord) -> Sequence[OutgoingRecord] | None:
        """What becomes of a record; None where it is skipped. Raises on a record that cannot be processed.

        Raises:
            SamplesFailed: some of the samples that it asks for cannot be made; the others are.
        """

    def fail(self, record: ConsumerRecord, error: Exception) -> Sequence[OutgoingRecord]:
        """What tells the next stage not to wait for a record that could not be processed."""

    def first_offsets(self) -> Sequence[int]:
        """Where the first records are of what further records will complete: whoever comes next needs them again."""
        return ()

    def give_up(self, partition: TopicPartition, end: int) -> Sequence[OutgoingRecord]:
        """What tells the next stage not to wait for what is begun: the log ends at `end` without it."""
        raise TypeError(f"{type(self).__name__} keeps nothing of its records, of {partition.topic} before {end}")

    def recall(self, record: ConsumerRecord, *, first: bool) -> None:  # noqa: ARG002  # of those that keep something
        """Takes up what a record began or continued that was done before; nothing is emitted of it.

        It is shown all from the lowest of the first offsets on, before it is given any other; `first` says that the
        record is one of those.
        """
        raise TypeError(f"{type(self).__name__} keeps nothing of its records")


class SamplesFailed(Exception):
    """Of some samples that a record asks for, something could not be made. The rest is sent all the same."""

    def __init__(self, records: Sequence[OutgoingRecord], errors: Mapping[int, Exception], *, every: bool) -> None:
        """What becomes of the record, and why not more.

        Args:
            records: to send; they say what failed, too.
            errors: the first of each failed sample, by its index.
            every: no sample of the record is whole: it is invalid.
        """
        super().__init__(f"{len(errors)} samples failed")
        self.records = records
        self.errors = errors
        self.every = every


@dataclass(slots=True)
class PartitionMemory:
    """What a worker has learnt of a partition's records and keeps through take-overs."""

    refused: dict[int, Exception] = field(default_factory=dict)
    """By input offset: why the broker does not take what became of that record."""
    one_by_one: bool = False
    """Send each record alone, so that a refusal names the right one."""

    def forget_before(self, offset: int) -> None:
        """A batch up to `offset` is committed."""
        self.refused = {o: error for o, error in self.refused.items() if o >= offset}
        self.one_by_one = False


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one input record; it carries where it came from."""

    offset: int
    outcome: str
    records: Sequence[OutgoingRecord]
    invalid: Exception | None = None
    """Why the record could not be processed."""


class TransactionalTransform:
    """The ownership of one input partition by a stage that writes to Kafka."""

    def __init__(
        self,
        *,
        partition: TopicPartition,
        group: str,
        transform: Transform,
        consumer: AIOKafkaConsumer,
        producer: TransactionalProducer,
        executor: Executor,
        memory: PartitionMemory,
        invalid_share: InvalidShare,
        metrics: Metrics,
        read_again: ReadAgain,
    ) -> None:
        """The arguments that are not plain.

        Args:
            partition: the input.
            group: whose position it moves.
            transform: the work, of this ownership alone if it keeps anything of records.
            consumer: a member of the group.
            producer: not started.
            executor: its one thread computes.
            memory: of the partition, which outlives the ownership.
            invalid_share: of the worker.
            metrics: of the worker.
            read_again: reads a span of the partition.
        """
        self._partition = partition
        self._group = group
        self._transform = transform
        self._consumer = consumer
        self._producer = producer
        self._executor = executor
        self._memory = memory
        self._invalid_share = invalid_share
        self._read_again = read_again
        self._position = 0
        self._first_offsets: Sequence[int] = ()
        """Of what is begun before the position and completed after it."""
        self._quiet_since = 0.0
        """When a record came last, or the ownership began."""
        self._topic_id = NO_TOPIC
        self._metrics = metrics

    async def take_over(self) -> int:
        """Fences the former owner, then reads where it got to.

        Raises:
            NoPosition: the group has no offset here.
        """
        # 1. Only a member of the current generation may fence: a zombie would fence the rightful owner.
        await confirm_membership(self._consumer)
        # 2. Fences the former owner: ends its transaction, if one is open, and what it committed stands.
        await self._producer.start()
        # 3. Now nobody else can move it.
        self._topic_id = await topic_id_of(self._consumer, self._partition.topic)
        committed = await committed_offset(self._consumer, self._partition)
        if committed is None:
            raise NoPosition(self._group, *self._partition)
        # 4. What it says to be done may have been aborted.
        self._position, self._first_offsets = await self._producer.standing_position(committed)
        # 5. What was begun before it and is completed after it is taken up again.
        if self._first_offsets:
            async for record in self._read_again(self._partition, range(min(self._first_offsets), self._position)):
                self._transform.recall(record, first=record.offset in self._first_offsets)
            recalled = self._transform.first_offsets()
            if gone := sorted({*self._first_offsets} - {*recalled}):
                log.warning(
                    "%s-%d: what began at offsets %s is not in the log any more: its samples are not decided until "
                    "they are replayed",
                    *self._partition, gone,
                )  # fmt: skip
            self._first_offsets = recalled
        self._quiet_since = asyncio.get_running_loop().time()
        return self._position

    async def handle(self, records: Sequence[ConsumerRecord]) -> None:
        """Computes a whole batch, then commits it: an open transaction stalls every reader."""
        clock = asyncio.get_running_loop().time
        computed = await compute(lambda: self._compute(records), self._executor)
        results, computed_at = computed.result, clock()
        await self._commit(results, offset_after(records[-1]))
        self._quiet_since = clock()
        self._report(computed, self._quiet_since - computed_at)
        self._count(results)
        self._invalid_share.note(
            self._partition.topic, [r.invalid for r in results if r.invalid is not None], len(results)
        )

    async def idle(self, next_offset: int) -> None:
        """Passes markers, so that a drained group shows no lag; after an outage, sees to what was committed.

        What records at the end of the log began, and none has completed for `WAITED_S`, is given up.
        """
        await self._producer.settle()
        given_up = await self._give_up(next_offset)
        if given_up or next_offset > self._position:
            await self._commit(given_up, next_offset)
            self._count(given_up)

    async def _give_up(self, next_offset: int) -> Sequence[Result]:
        if not self._first_offsets or asyncio.get_running_loop().time() - self._quiet_since < WAITED_S:
            return ()
        if not await self._producer.ends_at(self._partition, next_offset):
            return ()
        records = self._transform.give_up(self._partition, next_offset)
        log.warning(
            "%s-%d: what begins at offsets %s is given up: the log ends at %d without the rest of it",
            *self._partition, list(self._first_offsets), next_offset,
        )  # fmt: skip
        return [Result(next_offset, "failed", records)]

    async def close(self) -> None:
        """Lets the producer go, committing and aborting nothing: after an error its outcome is unknown."""
        await self._producer.let_go()

    def _compute(self, records: Sequence[ConsumerRecord]) -> list[Result]:
        return [self._result(record) for record in records]

    def _result(self, record: ConsumerRecord) -> Result:
        """One record's outcome: whatever is wrong with it ends here, as a dead letter, and nowhere else."""
        refused = self._memory.refused.get(record.offset)
        if refused is not None:
            return self._failed(record, refused)
        if isinstance(record, UnreadableRecord):
            return replace(self._failed(record, record.error), invalid=record.error)
        try:
            outgoing = self._transform.apply(record)
        except OSError:
            raise  # a file of this machine: no fault of the record's
        except SamplesFailed as failed:
            return self._samples_failed(record, failed)
        except Exception as error:  # noqa: BLE001  # one bad record must not stop a partition
            return replace(self._failed(record, error), invalid=error)
        return Result(record.offset, "skipped" if outgoing is None else "done", outgoing or ())

    def _failed(self, record: ConsumerRecord, error: Exception) -> Result:
        log.warning(
            "%s:%d:%d is kept as a dead letter: %s: %s",
            record.topic, record.partition, record.offset, type(error).__name__, error,
        )  # fmt: skip
        letter = dead_letter(record, topic_id=self._topic_id, stage=self._transform.stage, error=error)
        return Result(record.offset, "failed", [letter, *self._transform.fail(record, error)])

    def _samples_failed(self, record: ConsumerRecord, failed: SamplesFailed) -> Result:
        """The letter tells the first error; each failed sample's own is in its failure."""
        sample_idx, error = next(iter(failed.errors.items()))
        log.warning(
            "%s:%d:%d is kept as a dead letter, since %d samples of it failed: sample %d: %s: %s",
            record.topic, record.partition, record.offset, len(failed.errors), sample_idx, type(error).__name__, error,
        )  # fmt: skip
        letter = dead_letter(
            record,
            topic_id=self._topic_id,
            stage=self._transform.stage,
            error=error,
            failed_samples=() if failed.every else sorted(failed.errors),
        )
        return Result(record.offset, "failed", [letter, *failed.records], invalid=error if failed.every else None)

    async def _commit(self, results: Sequence[Result], next_offset: int) -> None:
        """Emits and commits. On any error the caller discards this ownership: the outcome is unknown."""
        async with transaction(self._producer):  # all or nothing
            # 1. Emit, and await every send: the client would commit although one had failed.
            await self._send(results)
            # 2. The input's position belongs to the same transaction.
            first_offsets = self._transform.first_offsets()
            await self._producer.send_position(
                self._partition,
                next_offset,
                since=self._position,
                first_offsets=first_offsets,
                first_offsets_since=self._first_offsets,
            )
        self._position, self._first_offsets = next_offset, first_offsets
        self._memory.forget_before(next_offset)

    async def _send(self, results: Sequence[Result]) -> None:
        sent: list[Awaitable[object]] = []
        for result in results:
            for outgoing in result.records:
                try:
                    acknowledged = await self._producer.send(
                        outgoing.topic, outgoing.value, key=outgoing.key, headers=list(outgoing.headers)
                    )
                    acknowledged.add_done_callback(retrieve)
                    if self._memory.one_by_one:
                        await acknowledged
                except Refusal as error:
                    # The client has counted the refused record: what follows it would be out of order.
                    self._memory.refused[result.offset] = error
                    raise BatchRefused(f"what became of offset {result.offset} is refused: {error}") from None
                sent.append(acknowledged)
        answers = await asyncio.gather(*sent, return_exceptions=True)
        errors = [answer for answer in answers if isinstance(answer, BaseException)]
        if any(isinstance(error, Refusal) for error in errors):
            self._memory.one_by_one = True
            raise BatchRefused(f"a record of this batch is refused ({errors[0]}): sending one by one")
        if errors:
            raise errors[0]

    def _report(self, computed: Computed[list[Result]], commit_s: float) -> None:
        self._metrics.put("iqstream_compute_seconds", computed.cpu_s)
        self._metrics.put("iqstream_queue_seconds", computed.queue_s)
        self._metrics.put("iqstream_commit_seconds", commit_s)
        self._metrics.count("iqstream_batches")

    def _count(self, results: Sequence[Result]) -> None:
        for result in results:
            self._metrics.count("iqstream_records", result=result.outcome)
            for outgoing in result.records:
                self._metrics.count("iqstream_emitted_records", topic=outgoing.topic)
                self._metrics.count("iqstream_emitted_bytes", len(outgoing.value), topic=outgoing.topic)


def transactional_ownerships(
    *,
    settings: Settings,
    group: str,
    outputs: Sequence[str],
    transform: Callable[[], Transform],
    consumer: AIOKafkaConsumer,
    executor: Executor,
    metrics: Metrics,
) -> Callable[[TopicPartition], TransactionalTransform]:
    """Makes ownerships for the shell; what was learnt of a partition's records outlives them.

    `transform` gives the one of an ownership; one that keeps nothing of the records may serve all.
    """
    memories: defaultdict[TopicPartition, PartitionMemory] = defaultdict(PartitionMemory)
    invalid_share = InvalidShare(settings.max_invalid_share)

    def own(partition: TopicPartition) -> TransactionalTransform:
        return TransactionalTransform(
            partition=partition,
            group=group,
            transform=transform(),
            consumer=consumer,
            producer=transactional_producer(settings, transactional_id(group, partition), outputs=outputs, group=group),
            executor=executor,
            memory=memories[partition],
            invalid_share=invalid_share,
            metrics=metrics,
            read_again=partial(_read_again, settings),
        )

    return own


async def _read_again(settings: Settings, partition: TopicPartition, span: range) -> AsyncIterator[ConsumerRecord]:
    """The records of a span, but for those that retention has removed."""
    async with started_reader(settings) as reader:
        log_start: int = (await reader.beginning_offsets([partition]))[partition]
        left = range(max(span.start, log_start), span.stop)
        async for record in SpanReader(reader, {partition: left}, tolerated=(OffsetOutOfRangeError,)).records():
            yield record


class BatchRefused(Exception):
    """The broker will not take a record of the batch; the next attempt keeps its input as a dead letter."""


def transactional_id(group: str, partition: TopicPartition) -> str:
    """The id that all owners of an input partition share, so that a new one fences the old."""
    return f"{group}-{partition.topic}-{partition.partition}"
