"""One partition of `iq.features` from taking it over to letting it go: join, judge, store, all in one transaction.

What it guarantees: every sample of the partition is decided once, its row, its dataset's counters and its dead
letters agree with that decision, and nothing of it is lost or doubled by a restart at any moment. All of a batch is
written in one PostgreSQL transaction together with the position to restart from. So either all of it is stored, or
the next owner reads the same records again.

- Position: the row in PostgreSQL is the authority. Kafka's group offset is a copy, written afterwards for lag
  monitors.
- Fencing: `take_over` raises the partition's owner epoch, but only as a member of the group's current generation, or
  a thawed worker would fence its successor. `store_offset` fails unless the epoch is still ours, and rolls the batch
  back.
- Restart: a sample is open until all its receivers are there, and its pair record if they expect one. The stored
  position is the offset of the oldest open sample's first record, so no open sample is lost with the process. Records
  of decided samples behind it are read again; the ledger (`heimdall.sample_outcomes`) recognises them, and they change
  nothing. Only a higher replay generation does.

The order within the transaction (`_commit`):

1. Lock the datasets, in the same order in every sink: two sinks that share datasets cannot deadlock. This also reads
   which of them are cancelled or deleted, so their records are dropped in the transaction that would have stored
   them.
2. Read what was decided of these samples before. It cannot change now: all writers hold the lock first.
3. Join and judge, in a thread: heartbeats must not wait for it.
4. Write outcomes, counters and rows, then dead letters. A sample that the database rejects fails alone, by a
   savepoint.
5. Store the position, last: it is what fails when the partition is no longer ours.
6. After the commit, and only then: announce what is complete, wake the saver, publish the position to Kafka.
"""

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import msgspec
from aiokafka import ConsumerRecord, TopicPartition

from iqstream.catalogue.dead_letters import NewDeadLetter, Origin, write_dead_letters
from iqstream.catalogue.ledger import read_ledger
from iqstream.catalogue.locked import DatasetState, lock_datasets, read_spec_text
from iqstream.catalogue.offsets import Claim, claim_partition, store_offset
from iqstream.catalogue.postgres import Connection, Pool
from iqstream.catalogue.sample_ranges import SampleRanges
from iqstream.runtime.computation import Computed, compute
from iqstream.runtime.fetched import offset_after
from iqstream.runtime.invalid_share import InvalidShare
from iqstream.runtime.metrics import Metrics
from iqstream.runtime.stages import SINK
from schemas import DatasetKey, SampleKey, Spec, read_spec
from sink.incoming import DeadLetter, Incoming, Misfit, check_fit, read_record
from sink.join import Join, JoinedSample, Observation, sample_of
from sink.ledger import Ledger
from sink.rows import measurement_row, pair_row
from sink.saver import announce
from sink.storing import Rows, Stored, store
from sink.verdict import judge, refusals, storable

log = logging.getLogger(__name__)

BATCH_DEADLINE_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Dataset:
    """What of a dataset never changes, except `spec.samples`: what a version holds is read with its lock."""

    spec: Spec
    content_sha256: str


@dataclass(slots=True, kw_only=True)
class _Batch:
    """What becomes of some records."""

    rows: dict[SampleKey, Rows] = field(default_factory=dict)
    """Of accepted samples, by sample."""
    dead_letters: list[DeadLetter] = field(default_factory=list)
    skipped: int = 0
    """Records of cancelled or deleted datasets."""


_NOTHING: Computed[list[Incoming | DeadLetter]] = Computed(result=[], queue_s=0.0, cpu_s=0.0)


class SinkPartition:
    """The ownership of one partition, as the shell calls it. After an exception it must be discarded."""

    def __init__(
        self,
        *,
        partition: TopicPartition,
        group: str,
        cluster_id: str,
        topic_id: UUID,
        pool: Pool,
        confirm_membership: Callable[[], Awaitable[None]],
        publish_offset: Callable[[int], None],
        chosen: asyncio.Event,
        invalid_share: InvalidShare,
        metrics: Metrics,
    ) -> None:
        """The arguments that are not plain.

        Args:
            partition: of `iq.features`.
            group: the consumer group, under which PostgreSQL keeps the offset.
            cluster_id: of the Kafka cluster that is read; must be that of the stored offset.
            topic_id: of the topic that is read, likewise.
            pool: connections to PostgreSQL.
            confirm_membership: raises unless this worker is a member of the group's current generation: a
                worker that was thawed after its time must not fence the rightful owner.
            publish_offset: told the stored position, for whoever watches lag; does not raise.
            chosen: set whenever samples were chosen whose IQ is to be saved.
            invalid_share: of the worker: stops it when most of what it reads is invalid.
            metrics: of the worker.
        """
        self._partition = partition
        self._group = group
        self._cluster_id = cluster_id
        self._topic_id = topic_id
        self._pool = pool
        self._confirm_membership = confirm_membership
        self._publish_offset = publish_offset
        self._chosen = chosen
        self._invalid_share = invalid_share
        self._metrics = metrics
        self._join = Join()
        self._claim: Claim | None = None
        self._stored_offset = -1
        self._datasets: dict[DatasetKey, _Dataset] = {}
        self._sources: defaultdict[SampleKey, list[ConsumerRecord]] = defaultdict(list)
        """The records of open samples, as they came."""
        self._dropped: Counter[str] = Counter()
        """Records that the join dropped, as far as they are counted in the metrics."""

    async def take_over(self) -> int:
        """Fences the former owner; the stored offset is where to go on.

        Raises:
            Failed: there is no stored offset, or it is of another cluster or topic.
        """
        await self._confirm_membership()
        self._claim = await claim_partition(
            self._pool,
            group=self._group,
            topic=self._partition.topic,
            partition=self._partition.partition,
            cluster_id=self._cluster_id,
            topic_id=self._topic_id,
        )
        self._stored_offset = self._claim.next_offset
        self._publish_offset(self._stored_offset)
        return self._stored_offset

    async def handle(self, records: Sequence[ConsumerRecord]) -> None:
        """Stores what becomes of a batch, and the offset to restart from, in one transaction."""
        arrived = await compute(lambda: [read_record(record) for record in records])
        await self._commit(arrived, offset_after(records[-1]))

    async def idle(self, next_offset: int) -> None:
        """Passes markers; forgets samples of cancelled datasets."""
        if not self._join.open_samples() and next_offset == self._stored_offset:
            return
        await self._commit(_NOTHING, next_offset)

    async def close(self) -> None:
        """Nothing is held between batches: connections belong to the pool."""
        self._datasets.clear()

    async def _commit(self, read: Computed[list[Incoming | DeadLetter]], next_offset: int) -> None:
        """The main path. An exception anywhere leaves the database as it was, and this object unusable."""
        claim, loop = self._claim, asyncio.get_running_loop()
        if claim is None:
            raise RuntimeError(f"{self._partition}: records before take_over")
        started_at, arrived = loop.time(), read.result
        messages = [one.message for one in arrived if one.message is not None]
        samples = self._join.open_samples() | {sample_of(message) for message in messages}
        async with (
            asyncio.timeout(BATCH_DEADLINE_S),
            self._pool.acquire() as connection,
            connection.transaction(),
        ):
            # 1. Lock the datasets, everybody in the same order; this also reads their status.
            datasets = await lock_datasets(connection, {sample.dataset for sample in samples})
            # 2. What was decided of these samples before, and what their datasets ask for.
            ledger = Ledger(await read_ledger(connection, samples))
            await self._read_specs(connection, datasets)
            # 3. Join and judge; off the event loop, since heartbeats must not wait.
            judged_from = loop.time()
            judged = await compute(lambda: self._compute(arrived, datasets, ledger))
            batch, judged_s = judged.result, loop.time() - judged_from
            # 4. Outcomes, counters and rows, what follows for the datasets, and dead letters.
            stored = await store(connection, ledger, batch.rows, datasets)
            invalid = {letter.source.offset: letter.error for letter in batch.dead_letters}
            for sample, error in stored.refused.items():
                batch.dead_letters += self._letters(sample, error)
            await write_dead_letters(connection, [_row(letter, self._topic_id) for letter in batch.dead_letters])
            # 5. The offset, if the partition is still ours.
            restart_offset = self._join.restart_offset(next_offset)
            await store_offset(connection, claim, restart_offset)
        # 6. All of it stands: tell whom it concerns.
        self._stored_offset = restart_offset
        if stored.chosen:
            self._chosen.set()
        for dataset in stored.completed:
            announce(dataset)
        self._forget_closed()
        self._count_dropped()
        self._publish_offset(restart_offset)
        if arrived:
            self._metrics.put("iqstream_compute_seconds", read.cpu_s + judged.cpu_s)
            self._metrics.put("iqstream_queue_seconds", read.queue_s + judged.queue_s)
            self._metrics.put("iqstream_commit_seconds", loop.time() - started_at - judged_s)
            self._report(len(arrived), batch, stored)
            self._invalid_share.note(self._partition.topic, list(invalid.values()), len(arrived))

    def _compute(
        self,
        arrived: Sequence[Incoming | DeadLetter],
        datasets: Mapping[DatasetKey, DatasetState],
        ledger: Ledger,
    ) -> _Batch:
        """Joins and judges; decisions go into the ledger."""
        batch = _Batch()
        self._join.drop_datasets([key for key, dataset in datasets.items() if dataset.withdrawn])
        for one in arrived:
            if isinstance(one, DeadLetter):
                batch.dead_letters.append(one)
            if one.message is not None:
                self._take(one.source, one.message, datasets, ledger, batch)
        for joined in self._join.close_overflow():
            self._decide(joined, ledger, batch)
        return batch

    def _take(
        self,
        source: ConsumerRecord,
        message: Observation,
        datasets: Mapping[DatasetKey, DatasetState],
        ledger: Ledger,
        batch: _Batch,
    ) -> None:
        sample = sample_of(message)
        dataset = datasets.get(sample.dataset)
        if dataset is not None and dataset.withdrawn:
            batch.skipped += 1
            return
        known = self._datasets.get(sample.dataset)
        try:
            check_fit(
                message, None if known is None else known.spec, SampleRanges(()) if dataset is None else dataset.samples
            )
        except Misfit as error:
            batch.dead_letters.append(DeadLetter(source, error))
            return
        self._sources[sample].append(source)
        joined = self._join.add(
            source.offset,
            message,
            decided_generation=ledger.generation(sample),
        )
        if joined is not None:
            self._decide(joined, ledger, batch)

    def _decide(self, joined: JoinedSample, ledger: Ledger, batch: _Batch) -> None:
        """Judges a sample; whatever is wrong with it ends here, as a failed sample and dead letters."""
        known = self._datasets[joined.key.dataset]
        try:
            outcome = judge(joined, known.spec.limits)
            if outcome.verdict == "accepted":
                batch.rows[outcome.sample] = Rows(
                    features=measurement_row(known.spec, known.content_sha256, outcome), pairs=pair_row(outcome)
                )
        except Exception as error:  # noqa: BLE001  # one bad sample must not stop a partition
            outcome = next(refusals(joined, error, stage=SINK.name))
            batch.dead_letters += self._letters(joined.key, error)
        ledger.decide(outcome)

    def _letters(self, sample: SampleKey, error: Exception) -> list[DeadLetter]:
        """Dead letters of all records of a sample: which of them is to blame cannot be told."""
        return [DeadLetter(source, error) for source in self._sources[sample]]

    def _forget_closed(self) -> None:
        """Lets the records of samples go that are not open any more."""
        opened = self._join.open_samples()
        for sample in [sample for sample in self._sources if sample not in opened]:
            del self._sources[sample]

    def _count_dropped(self) -> None:
        for reason, records in (self._join.dropped - self._dropped).items():
            self._metrics.count("iqstream_dropped_records", records, reason=reason)
        self._dropped = Counter(self._join.dropped)

    async def _read_specs(self, connection: Connection, datasets: Mapping[DatasetKey, DatasetState]) -> None:
        """Keeps the specs of this batch's datasets at hand, and of no others. One that cannot be read is as none."""
        kept = {key: known for key, known in self._datasets.items() if key in datasets}
        for key in datasets.keys() - kept.keys():
            try:
                spec = read_spec(await read_spec_text(connection, key), recorded=datasets[key].recorded)
            except msgspec.DecodeError as error:
                log.warning("the spec of dataset %s version %d cannot be read: %s", *key, error)
                continue
            kept[key] = _Dataset(spec=spec, content_sha256=spec.content_sha256())
        self._datasets = kept

    def _report(self, records: int, batch: _Batch, stored: Stored) -> None:
        for change in stored.changes:
            self._metrics.count("iqstream_samples", outcome=change.outcome.verdict)
        failed = len({letter.source.offset for letter in batch.dead_letters})
        self._metrics.count("iqstream_batches")
        self._metrics.count("iqstream_records", max(records - batch.skipped - failed, 0), result="done")
        self._metrics.count("iqstream_records", batch.skipped, result="skipped")
        self._metrics.count("iqstream_records", failed, result="failed")
        for letter in batch.dead_letters:
            log.warning("%s:%d:%d is kept as a dead letter: %s: %s", letter.source.topic, letter.source.partition,
                        letter.source.offset, type(letter.error).__name__, letter.error)  # fmt: skip


def _row(letter: DeadLetter, topic_id: UUID) -> NewDeadLetter:
    source = letter.source
    return NewDeadLetter(
        origin=Origin(source.topic, source.partition, source.offset, topic_id),
        error=type(letter.error).__name__,
        message=storable(str(letter.error)),
        key=source.key,
        value=source.value or b"",
        headers=tuple((storable(name), value) for name, value in source.headers),
    )
