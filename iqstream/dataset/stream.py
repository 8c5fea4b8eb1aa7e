"""FeatureStream: accepted samples out of Kafka for whoever trains on them, resumable to the sample."""

from __future__ import annotations

import copy
import logging
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing
from typing import Any, ClassVar
from uuid import UUID

from iqstream.catalogue.postgres import Pool
from iqstream.dataset.assignment import checked_shard, share_of
from iqstream.dataset.background import in_background, in_background_of_loop
from iqstream.dataset.batch import Batch, items_of
from iqstream.dataset.batcher import Batcher, Emission, Even, Stripe
from iqstream.dataset.generations import Generations, surely_first
from iqstream.dataset.join import PartitionJoin
from iqstream.dataset.judging import Choice, Judging
from iqstream.dataset.log import Log, open_log
from iqstream.dataset.place import Place, check_offset, check_order, checked_place, offsets_of, whole_number
from iqstream.dataset.position import Position, Positions, Source, as_state, from_state, furthest, one_source
from iqstream.dataset.reader import PartitionReader, Shuffle
from iqstream.dataset.reading import emissions, runs
from iqstream.dataset.recording import Places
from iqstream.dataset.specs import Specs, dataset_pool, resolve
from iqstream.dataset.splits import SPLITS, SPLITS_BY, Split, SplitBy
from iqstream.runtime.errors import UserError
from iqstream.runtime.settings import Settings, load_settings
from iqstream.runtime.topics import FEATURES
from schemas import DatasetKey, Limits, SampleKey

logger = logging.getLogger(__name__)
WINDOW_RECORDS = 1024


class FeatureStream:
    """Iterates `(x, y, meta)` of the accepted samples of `iq.features`: see `Batch`.

    With an end an iteration is an epoch: everything between `start` and `end` exactly once, the end fixed by
    `snapshot()` or the first iteration. Without (`end=None`) it follows the topic for ever. A stream goes on where it
    was left: after `break`, after `load_state_dict`, in another process with another number of readers. Once an epoch
    is through, the next iteration begins the next epoch. Copies, pickled or not, go their own ways from where it was.

    It belongs to no consumer group and commits nothing. Of a sample that was replayed, a read with an end takes the
    highest generation, following takes the first. The reading goes on in a thread of its own, so `for` works within a
    running event loop too (notebooks). One iteration at a time: one that goes on after another was begun, or after the
    position was changed, raises a UserError.
    """

    _at_a_time: ClassVar[int | None] = None
    """Samples that are made ready together where no batch size is given; None: as many as there are."""

    def __init__(
        self,
        dataset: str | None = None,
        *,
        version: int | None = None,
        topic: str = FEATURES,
        start: Place = "earliest",
        end: Place | None = "latest",
        batch_size: int | None = None,
        split: Split | None = None,
        split_by: SplitBy = "random",
        include_rejected: bool = False,
        pairs: bool = False,
        shuffle: bool = False,
        seed: int = 0,
        window: int = WINDOW_RECORDS,
        shard: tuple[int, int] = (0, 1),
        even: Even | None = None,
        limits: Limits | None = None,
        settings: Settings | None = None,
    ) -> None:
        """Connects to nothing yet.

        Args:
            dataset: name or id of one dataset; all that are on the topic, if not given.
            version: of the dataset; if not given, the newest that is whole.
            topic: where the feature records are.
            start: `earliest`, `latest`, a time with zone, or offsets by partition (of others: `earliest`).
            end: likewise (of others: `latest`); `latest` is where the topic ends at the snapshot. None: follow.
            batch_size: samples in a batch; None: one by one.
            split: `train`, `validation` or `test`; None: all samples.
            split_by: `random` by sample, `spatial` by blocks of 5 km, `receiver-holdout` by receiver.
            include_rejected: also the samples that miss the limits of their dataset.
            pairs: x holds the time differences, too, for datasets whose spec has `pairs: true`.
            shuffle: a seeded order within windows of `window` offsets of each partition, a new one every epoch.
            seed: of the order.
            window: offsets; memory grows with it, times partitions.
            shard: (index, count): this reader's share of the partitions.
            even: shares are of samples instead, equally many for every reader: `drop` those left over, or `pad` them
                with some that come twice, as DistributedSampler's `drop_last` does. Every reader reads the whole log.
            limits: judge by these instead of the datasets' own. PostgreSQL is asked then only for the salt of a split
                by sample; where it is not, `dataset` is an id, and its version 1 unless given.
            settings: where the servers are; the environment's, if not given.

        Raises:
            UserError: an argument is wrong; names it.
        """
        if split is not None and split not in SPLITS:
            raise UserError(f"split: {split!r} is not one of {', '.join(SPLITS)}")
        if split_by not in SPLITS_BY:
            raise UserError(f"split_by: {split_by!r} is not one of {', '.join(SPLITS_BY)}")
        for name, value, kind, wanted in (
            ("dataset", dataset, str | None, "a name or an id"),
            ("topic", topic, str, "the name of a topic"),
            ("include_rejected", include_rejected, bool, "True or False"),
            ("pairs", pairs, bool, "True or False"),
            ("shuffle", shuffle, bool, "True or False"),
            ("limits", limits, Limits | None, "Limits"),
            ("settings", settings, Settings | None, "Settings"),
        ):
            if not isinstance(value, kind):
                raise UserError(f"{name}: {value!r} is not {wanted}")
        batch_size = None if batch_size is None else whole_number("batch_size:", batch_size, least=1)
        version = None if version is None else whole_number("version:", version, least=1)
        window, seed = whole_number("window:", window, least=1), whole_number("seed:", seed)
        start, end = checked_place("start", start), None if end is None else checked_place("end", end)
        check_order(start, end)
        if even not in (None, "drop", "pad"):
            raise UserError(f"even: {even!r} is not one of 'drop', 'pad', None")
        if even and end is None:
            raise UserError(
                "even: a stream that follows (end=None) has no end at which readers could have equally many"
            )
        self.topic = topic
        self.batch_size = batch_size
        self.epoch = 0
        self._asked = Source(dataset_version=version)
        self._source = self._asked
        """Once more of it is looked up, all that is known."""
        self._start = start
        self._end = end
        self._choice = Choice(split=split, split_by=split_by, include_rejected=include_rejected)
        self._pairs = pairs
        self._shuffle = shuffle
        self._seed = seed
        self._window = window if shuffle or end is not None else None
        self._shards: tuple[tuple[int, int], ...] = (checked_shard(shard),)
        """Each a share of the share before."""
        self._worker = (0, 1)
        """Of the share, whose batches come together again in one process."""
        self.even = even
        self._limits = limits
        self._dataset = dataset if dataset is None or self._asks_postgres() else _checked_id(dataset)
        self._settings = settings or load_settings()
        self._positions: Positions = {}
        self._loaded = False
        """Whether a state has said what the epoch holds."""
        self._through = False
        """Whether the epoch was yielded whole here, not only read ahead: the next iteration is another one."""
        self._iteration: object | None = None
        """The one that may go on."""
        self._batches = 0
        """Of the iteration, all workers' together where they share out batches."""
        self.left_out = Counter[str]()
        """What this reader has passed of the epoch without a sample coming of it: `unreadable` records and samples,
        `failed` and `incomplete` samples, samples `without dataset`."""

    def __getstate__(self) -> dict[str, Any]:
        """For copies, of every kind: none shares what changes, none is iterated yet."""
        return {**self.__dict__, "_positions": dict(self._positions), "_iteration": None, "left_out": Counter()}

    def __iter__(self) -> Iterator[Batch]:
        """The samples or batches, read in a thread of their own, a few batches ahead."""
        iteration = self._begin()
        for emission in in_background(self._read):
            yield from self._given(emission, iteration)
        self._end_epoch(iteration)

    async def __aiter__(self) -> AsyncIterator[Batch]:
        """The samples or batches, read likewise while the running event loop goes on."""
        iteration = self._begin()
        async with aclosing(in_background_of_loop(self._read)) as read:
            async for emission in read:
                for batch in self._given(emission, iteration):
                    yield batch
        self._end_epoch(iteration)

    def with_progress(self) -> Iterator[tuple[Batch, dict[str, Any]]]:
        """Batches or samples, each with what `advance` takes: for readers in other processes."""
        for batch in self:
            yield batch, self.state_dict()

    def advance(self, *progress: Mapping[str, Any]) -> None:
        """Notes what other readers of the stream have yielded; `state_dict` tells it from then on.

        Raises:
            UserError: a state is of another epoch or snapshot than this stream's, or no state of such a stream.
        """
        read = [from_state(state, self._order()) for state in progress]
        for saved in read:
            if saved.epoch != self.epoch:
                raise UserError(
                    f"advance: progress in epoch {saved.epoch}, but the stream stands in epoch {self.epoch}; call "
                    "set_epoch before the readers begin an epoch"
                )
        source = one_source([self._source, *[saved.source for saved in read]])
        self._positions = furthest([self._positions, *[saved.positions for saved in read]])
        self._source = source

    @property
    def bounded(self) -> bool:
        """Whether an iteration ends."""
        return self._end is not None

    def sharded(self, index: int, count: int) -> FeatureStream:
        """A reader of the same stream, for share `index` of `count` of its partitions, at the same position."""
        reader = copy.copy(self)
        reader._shards = (*self._shards, checked_shard((index, count)))  # noqa: SLF001  # its own class
        return reader

    def for_worker(self, number: int, workers: int) -> FeatureStream:
        """A reader for one of several loader processes, of which one process takes the batches in turn."""
        reader = copy.copy(self)
        reader._worker = checked_shard((number, workers))  # noqa: SLF001  # its own class
        return reader

    def set_epoch(self, epoch: int) -> None:
        """Names the epoch that the next iteration is of; where the stream shuffles, each has an order of its own.

        The epoch in which the stream stands goes on where it was left, with what is left of it. Any other, and one
        that was iterated to its end here, begins from its start, up to the same end as before.

        Raises:
            UserError: no number from 0.
        """
        if whole_number("epoch", epoch) != self.epoch or self._through:
            self.begin_epoch(epoch)

    def begin_epoch(self, epoch: int) -> None:
        """Begins an epoch from its start, whatever was yielded of it."""
        self.epoch = whole_number("epoch", epoch)
        self._positions = {partition: position.rewound() for partition, position in self._positions.items()}
        self._loaded, self._through, self._iteration = False, False, None
        self.left_out = Counter()

    def snapshot(self) -> None:
        """Fixes what the coming epochs hold: from `start` to where `end` is now. Begins an epoch.

        Without it the first iteration does so. Call it before readers in other processes get their copies, so that all
        of them see the same.

        Raises:
            UserError: an epoch is under way, or was loaded: what it holds is fixed.
            Unreachable, UserError, Failed: as iterating does.
        """
        if self._loaded or (not self._through and any(position.moved for position in self._positions.values())):
            raise UserError(
                f"snapshot: epoch {self.epoch} is under way, or was loaded, and what it holds is fixed; go on with it, "
                "or call set_epoch with another before"
            )
        self._check_same_for_all(fixed=False)
        fixed: Positions = {}

        async def fix(stopping: Callable[[], bool]) -> AsyncGenerator[None, None]:
            async with AsyncExitStack() as stack:
                await self._dataset_key(await self._pool(stack))
                fixed.update(await self._fixed(await stack.enter_async_context(self._log(stopping))))
            return
            yield

        for _ in in_background(fix):
            pass
        self._positions, self._iteration = fixed, None

    def state_dict(self) -> dict[str, Any]:
        """How far samples were *yielded*, whatever was read ahead: JSON values, small, valid at any time."""
        return as_state(self._positions, self.epoch, self._source, self._order())

    def load_state_dict(self, *states: Mapping[str, Any]) -> None:
        """Goes on after what the streams that gave these states have yielded, however many shares they were.

        Raises:
            UserError: not a state, or one of a stream with another order, epoch, version, snapshot, schema or end. That
                its dataset's name, or its topic's, means another one now, the next iteration raises.
        """
        read = [from_state(state, self._order()) for state in states]
        epochs = {saved.epoch for saved in read}
        if len(epochs) != 1:
            raise UserError(f"states: of {len(epochs)} epochs, {sorted(epochs)}; they must be of one")
        source = one_source([self._asked, *[saved.source for saved in read]])
        positions = furthest(saved.positions for saved in read)
        if any((position.end is None) == self.bounded for position in positions.values()):
            raise UserError(
                "state: saved by a stream that "
                + (
                    "follows (end=None), but this one has an end"
                    if self.bounded
                    else "has an end, but this one follows"
                )
            )
        if self.even and any(saved.positions not in ({}, positions) for saved in read):
            raise UserError("states: of different steps; readers that share samples out evenly save at the same step")
        self.epoch, self._positions = epochs.pop(), positions
        self._source = source
        self._loaded, self._through, self._iteration = bool(positions), False, None

    def _order(self) -> dict[str, Any]:
        """What the order of samples follows from, log apart; what is wanted of them may change between states."""
        return {
            "topic": self.topic,
            "dataset": self._dataset,
            "window": self._window,
            "seed": self._seed if self._shuffle else None,
        }

    def _begin(self) -> object:
        if self._through:
            self.begin_epoch(self.epoch + 1)
        self._check_same_for_all(fixed=bool(self._positions))
        self._iteration, self._batches = object(), 0
        return self._iteration

    def _check_same_for_all(self, *, fixed: bool) -> None:
        """Raises UserError where several readers are to have equally many, each of an end that it finds by itself."""
        if self.even and not fixed and self._stripe().count > 1 and "latest" in (self._start, self._end):
            raise UserError(
                f"even: {self._stripe().count} readers that look for the end by themselves may find different ones; "
                "give start and end as times or offsets, or call snapshot() before sharded(), or load_state_dict the "
                "state_dict() of one stream's snapshot in all"
            )

    def _stripe(self) -> Stripe:
        index, count = 0, 1
        for at, of in self._shards:
            index, count = index + count * at, count * of
        return Stripe(index=index, count=count, even=self.even or "drop")

    def _move(self, positions: Positions, iteration: object) -> None:
        if self._iteration is not iteration:
            raise UserError(
                "this iteration cannot go on: another one of the stream was begun since, or set_epoch, snapshot or "
                "load_state_dict changed its position"
            )
        self._positions |= positions

    def _end_epoch(self, iteration: object) -> None:
        self._move({}, iteration)
        self._through = True
        if self.left_out:
            told = ", ".join(f"{count} {reason}" for reason, count in sorted(self.left_out.items()))
            logger.warning("%s: epoch %d leaves out: %s", self.topic, self.epoch, told)

    def _given(self, emission: Emission, iteration: object) -> Iterator[Batch]:
        """What is handed out of an emission; the position moves just before each."""
        if self.batch_size is None and self.even is None and emission.batch is not None:
            items = items_of(emission.batch)
            marks = zip(items, *emission.marks(), strict=True)
            for number, (item, partition, position) in enumerate(marks, start=1):
                self._move({partition: position}, iteration)
                if number == len(items):
                    self._move(emission.progress, iteration)
                    self.left_out += emission.left_out
                yield item
            return
        self._move(emission.progress, iteration)
        self.left_out += emission.left_out
        if emission.batch is not None:
            self._batches += 1
            if self._is_turn(self._batches):
                yield from items_of(emission.batch) if self.batch_size is None else [emission.batch]

    async def _read(self, stopping: Callable[[], bool]) -> AsyncGenerator[Emission, None]:
        """One iteration, from the positions as they are."""
        async with AsyncExitStack() as stack:
            pool = await self._pool(stack)
            key = await self._dataset_key(pool)
            log = await stack.enter_async_context(self._log(stopping))
            positions = await self._located(log)
            yield Emission(None, positions, (), Counter())
            mine = {p: positions[p] for p in self._share(sorted(positions))}
            replayed = await self._replayed(log, mine, pool, key)
            places = Places()
            shuffle = Shuffle(seed=self._seed, epoch=self.epoch) if self._shuffle else None
            joins = {p: PartitionJoin(places, key, replayed) for p in mine}
            readers = {
                p: PartitionReader(p, position, joins[p], window=self._window, shuffle=shuffle)
                for p, position in mine.items()
            }
            specs = Specs(pool, self._limits)
            await self._check_pairs(specs, key)
            batcher = Batcher(self.batch_size or self._at_a_time, self._stripe() if self.even else None)
            read = emissions(runs(log, readers, mine), Judging(specs, self._choice, pairs=self._pairs), batcher)
            async with aclosing(self._completed(read, specs)) as completed:
                async for emission in completed:
                    yield emission

    async def _completed(self, read: AsyncGenerator[Emission, None], specs: Specs) -> AsyncGenerator[Emission, None]:  # noqa: ARG002
        """The emissions with all that their batches are to hold; here they do."""
        async with aclosing(read):
            async for emission in read:
                yield emission

    def _is_turn(self, number: int) -> bool:
        """Whether batch `number` of an iteration, from 1, is this worker's, which take those of even shares in turn."""
        return self.even is None or number % self._worker[1] == (self._worker[0] + 1) % self._worker[1]

    def _asks_postgres(self) -> bool:
        """For limits, and for the salt of a split by sample."""
        return self._limits is None or (self._choice.split is not None and self._choice.split_by == "random")

    def _share(self, partitions: Sequence[int]) -> Sequence[int]:
        if self.even:
            return partitions
        share = partitions
        for shard in (*self._shards, self._worker):
            share = share_of(share, *shard)
        stripe = self._stripe()
        if not share and partitions:
            logger.warning(
                "%s: reader %d of %d, worker %d of %d, has nothing to read: there are %d partitions, and shares are of "
                "whole ones; use fewer readers, or even='drop' or 'pad', which shares samples out",
                self.topic, stripe.index, stripe.count, *self._worker, len(partitions),
            )  # fmt: skip
        elif self.bounded and stripe.count > 1 and stripe.index == self._worker[0] == 0:
            logger.warning(
                "%s: %d readers share %d partitions out whole, so they have different numbers of batches; where all "
                "must have equally many, as in distributed training, use even='drop' or 'pad'",
                self.topic, stripe.count, len(partitions),
            )  # fmt: skip
        return share

    async def _pool(self, stack: AsyncExitStack) -> Pool | None:
        return await stack.enter_async_context(dataset_pool(self._settings)) if self._asks_postgres() else None

    def _log(self, stopping: Callable[[], bool]) -> AbstractAsyncContextManager[Log]:
        return open_log(self._settings, self.topic, stopping=stopping)

    async def _dataset_key(self, pool: Pool | None) -> DatasetKey | None:
        if self._dataset is None:
            return None
        if pool is None:
            key = DatasetKey(self._dataset, self._source.dataset_version or 1)
        else:
            key = await resolve(pool, self._dataset, self._source.dataset_version)
        if self._source.dataset_id not in {None, key.dataset_id}:
            raise UserError(
                f"state: of dataset {self._source.dataset_id}, but {self._dataset!r} is now {key.dataset_id}; read the "
                "one by its id, or the other without the state"
            )
        self._source = self._source._replace(dataset_id=key.dataset_id, dataset_version=key.dataset_version)
        return key

    async def _check_pairs(self, specs: Specs, key: DatasetKey | None) -> None:
        """Raises UserError where time differences are wanted of a dataset that has none."""
        if not self._pairs or key is None:
            return
        await specs.learn({key})
        dataset = specs.dataset(key)
        if dataset is not None and not dataset.spec.pairs:
            raise UserError(
                f"pairs: dataset {dataset.name!r} holds no time differences; one that is made with --pairs (pairs: "
                "true in its spec) does"
            )

    async def _located(self, log: Log) -> Positions:
        """The positions as they are, or at their start. An epoch with an end keeps the partitions that it began with.

        Raises:
            UserError: the log is not the one that the positions are of.
        """
        known = self._positions
        if known:
            if self._source.topic_id != log.topic_id:
                raise UserError(
                    f"state: of another topic {log.topic} than the one that is there now, where its offsets mean other "
                    "records; read again without the state"
                )
            ends = await log.offsets("latest")
            for partition, position in known.items():
                check_offset(
                    "state", log.topic, partition, position.window if position.end is None else position.end, ends
                )
        if known and (self.bounded or set(log.partitions) <= known.keys()):
            return known
        return await self._fixed(log) | known

    async def _fixed(self, log: Log) -> Positions:
        """Every partition at its start, the epoch's end fixed."""
        self._source = self._source._replace(topic_id=log.topic_id)
        starts = await offsets_of(log, "start", self._start)
        if self._end is None:
            return {partition: Position.at(start, None) for partition, start in starts.items()}
        ends = await offsets_of(log, "end", self._end)
        if all(starts[partition] >= end for partition, end in ends.items()):
            logger.warning("%s: nothing lies between start and end, the epoch is empty", self.topic)
        return {
            partition: Position.at(min(start, ends[partition]), ends[partition]) for partition, start in starts.items()
        }

    async def _replayed(
        self, log: Log, mine: Mapping[int, Position], pool: Pool | None, key: DatasetKey | None
    ) -> Mapping[SampleKey, int]:
        """Of a read with an end, the generation that counts of each sample that was replayed."""
        generations = Generations()
        ends = {p: position.end for p, position in mine.items() if position.end is not None}
        if ends:
            first = {} if pool is None else await surely_first(pool, self.topic, key.dataset_id if key else None)
            starts = {p: max(mine[p].read_from, min(first.get(p, 0), ends[p])) for p in ends}
            await generations.read(log.between(starts, ends))
        return generations.highest


def _checked_id(dataset: str) -> str:
    """The id as records have it, which no server is asked for."""
    try:
        return str(UUID(dataset))
    except ValueError:
        raise UserError(f"dataset: {dataset!r} is no id, by which alone a dataset is read with limits") from None
