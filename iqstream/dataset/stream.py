"""FeatureStream: accepted samples out of Kafka for whoever trains on them, resumable to the sample."""

from __future__ import annotations

import copy
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, aclosing
from typing import Any

from iqstream.dataset.assignment import share_of
from iqstream.dataset.background import in_background, in_background_of_loop
from iqstream.dataset.batch import Batch, items_of
from iqstream.dataset.batcher import Emission
from iqstream.dataset.generations import Generations, surely_first
from iqstream.dataset.join import PartitionJoin
from iqstream.dataset.judging import Choice, Judging
from iqstream.dataset.log import Log, Place, open_log
from iqstream.dataset.position import Position, Positions, as_state, from_state, furthest
from iqstream.dataset.reader import PartitionReader, Shuffle
from iqstream.dataset.reading import emissions, runs
from iqstream.dataset.recording import Places
from iqstream.dataset.specs import Specs, dataset_pool, resolve
from iqstream.dataset.splits import SPLITS, SPLITS_BY, Split, SplitBy
from iqstream.runtime.errors import UserError
from iqstream.runtime.settings import Settings, load_settings
from iqstream.runtime.topics import FEATURES
from schemas import Limits
from sink.join import DatasetKey, SampleKey
from sink.postgres import Pool

WINDOW_RECORDS = 1024


class FeatureStream:
    """Iterates `(x, y, meta)` of the accepted samples of `iq.features`: see `Batch`.

    With an end an iteration is an epoch: everything between `start` and `end` exactly once, the end fixed by
    `snapshot()` or the first iteration. Without (`end=None`) it follows the topic for ever. A stream goes on where it
    was left: after `break`, after `load_state_dict`, in another process with another number of readers. Once an epoch
    is through, the next iteration begins the next epoch.

    It belongs to no consumer group and commits nothing. Of a sample that was replayed, a read with an end takes the
    highest generation, following takes the first. The reading goes on in a thread of its own, so `for` works within a
    running event loop too (notebooks). One iteration at a time.
    """

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
        shuffle: bool = False,
        seed: int = 0,
        window: int = WINDOW_RECORDS,
        shard: tuple[int, int] = (0, 1),
        limits: Limits | None = None,
        settings: Settings | None = None,
    ) -> None:
        """Connects to nothing yet.

        Args:
            dataset: name or id of one dataset; all that are on the topic, if not given.
            version: of the dataset; if not given, the newest that is whole.
            topic: where the feature records are.
            start: `earliest`, `latest`, a time with zone, or offsets by partition.
            end: likewise; `latest` is where the topic ends when the snapshot is taken. None: follow.
            batch_size: samples in a batch; None: one by one.
            split: `train`, `validation` or `test`; None: all samples.
            split_by: `random` by sample, `spatial` by blocks of 5 km, `receiver-holdout` by receiver.
            include_rejected: also the samples that miss the limits of their dataset.
            shuffle: a seeded order within windows of `window` offsets of each partition, a new one every epoch.
            seed: of the order.
            window: offsets; memory grows with it, times partitions.
            shard: (index, count): this reader's share of the partitions.
            limits: judge by these instead of the datasets' own. PostgreSQL is asked then only for the salt of a split
                by sample, and `dataset` is an id.
            settings: where the servers are; the environment's, if not given.

        Raises:
            UserError: an argument is wrong; names it.
        """
        if split is not None and split not in SPLITS:
            raise UserError(f"split: {split!r} is none of {', '.join(SPLITS)}")
        if split_by not in SPLITS_BY:
            raise UserError(f"split_by: {split_by!r} is none of {', '.join(SPLITS_BY)}")
        for name, value in (("batch_size", batch_size), ("window", window)):
            if value is not None and value < 1:
                raise UserError(f"{name}: {value} is below 1")
        if not 0 <= shard[0] < shard[1]:
            raise UserError(f"shard: reader {shard[0]} of {shard[1]}; readers count from 0")
        self.topic = topic
        self.batch_size = batch_size
        self.epoch = 0
        self._dataset = dataset
        self._version = version
        """Once the newest is looked up, that one."""
        self._start = start
        self._end = end
        self._choice = Choice(split=split, split_by=split_by, include_rejected=include_rejected)
        self._shuffle = shuffle
        self._seed = seed
        self._window = window if shuffle or end is not None else None
        self._shard = shard
        self._limits = limits
        self._settings = settings or load_settings()
        self._positions: Positions = {}
        self._through = False
        """Whether the epoch was yielded whole here, not only read ahead: the next iteration is another one."""

    def __iter__(self) -> Iterator[Batch]:
        """The samples or batches, read in a thread of their own, a few batches ahead."""
        for emission in in_background(self._read):
            yield from self._given(emission)
        self._through = True

    async def __aiter__(self) -> AsyncIterator[Batch]:
        """The samples or batches, read likewise while the running event loop goes on."""
        async with aclosing(in_background_of_loop(self._read)) as read:
            async for emission in read:
                for batch in self._given(emission):
                    yield batch
        self._through = True

    def with_progress(self) -> Iterator[tuple[Batch, dict[str, Any]]]:
        """Batches or samples, each with what `advance` takes: for readers in other processes."""
        for batch in self:
            yield batch, self.state_dict()

    def advance(self, *progress: Mapping[str, Any]) -> None:
        """Notes what other readers of the stream have yielded; `state_dict` tells it from then on."""
        read = [from_state(state, self._order()) for state in progress]
        self._positions = furthest([self._positions, *[saved.positions for saved in read if saved.epoch == self.epoch]])

    @property
    def bounded(self) -> bool:
        """Whether an iteration ends."""
        return self._end is not None

    def sharded(self, index: int, count: int) -> FeatureStream:
        """A reader of the same stream, for share `index` of `count` of the partitions, at the same position."""
        reader = copy.copy(self)
        reader._shard = (index, count)  # noqa: SLF001  # its own class
        reader._positions = dict(self._positions)  # noqa: SLF001
        return reader

    def set_epoch(self, epoch: int) -> None:
        """Begins an epoch from its start, up to the same end as before; where it shuffles, in an order of its own."""
        self.epoch = epoch
        self._positions = {partition: position.rewound() for partition, position in self._positions.items()}
        self._through = False

    def snapshot(self) -> None:
        """Fixes what the coming epochs hold: from `start` to where `end` is now. Begins an epoch.

        Without it the first iteration does so. Call it before readers in other processes get their copies, so that all
        of them see the same.

        Raises:
            Unreachable, UserError, Failed: as iterating does.
        """

        async def fix(_stopping: Callable[[], bool]) -> AsyncGenerator[None, None]:
            async with open_log(self._settings, self.topic) as log:
                self._positions = await self._fixed(log)
            return
            yield

        for _ in in_background(fix):
            pass

    def state_dict(self) -> dict[str, Any]:
        """How far samples were *yielded*, whatever was read ahead: JSON values, small, valid at any time."""
        return as_state(self._positions, self.epoch, self._version, self._order())

    def load_state_dict(self, *states: Mapping[str, Any]) -> None:
        """Goes on after what the streams that gave these states have yielded, however many shares they were.

        Raises:
            UserError: not a state, or one of a stream with another order, epoch or schema.
        """
        read = [from_state(state, self._order()) for state in states]
        epochs = {(saved.epoch, saved.dataset_version) for saved in read}
        if len(epochs) != 1:
            raise UserError(f"states: of {len(epochs)} epochs, {sorted(epochs, key=str)}; they must be of one")
        self.epoch, self._version = epochs.pop()
        self._positions = furthest(saved.positions for saved in read)
        self._through = False

    def _order(self) -> dict[str, Any]:
        """What the order of samples follows from, log apart; what is wanted of them may change between states."""
        return {
            "topic": self.topic,
            "dataset": self._dataset,
            "window": self._window,
            "seed": self._seed if self._shuffle else None,
        }

    def _given(self, emission: Emission) -> Iterator[Batch]:
        """What is handed out of an emission; the position moves just before each."""
        if emission.batch is None:
            pass
        elif self.batch_size is None:
            for item, partition, position in zip(items_of(emission.batch), *emission.marks(), strict=True):
                self._positions[partition] = position
                yield item
        else:
            self._positions |= emission.progress
            yield emission.batch
        self._positions |= emission.progress

    async def _read(self, stopping: Callable[[], bool]) -> AsyncGenerator[Emission, None]:
        """One iteration, from the positions as they are."""
        if self._through:
            self.set_epoch(self.epoch + 1)
        async with AsyncExitStack() as stack:
            pool = await stack.enter_async_context(dataset_pool(self._settings)) if self._asks_postgres() else None
            key = await self._dataset_key(pool)
            log = await stack.enter_async_context(open_log(self._settings, self.topic, stopping=stopping))
            if log.partitions != tuple(sorted(self._positions)):
                self._positions = await self._fixed(log) | self._positions
            mine = {p: self._positions[p] for p in share_of(log.partitions, *self._shard)}
            replayed = await self._replayed(log, mine, pool, key)
            places = Places()
            shuffle = Shuffle(seed=self._seed, epoch=self.epoch) if self._shuffle else None
            joins = {p: PartitionJoin(places, key, replayed) for p in mine}
            readers = {
                p: PartitionReader(p, position, joins[p], window=self._window, shuffle=shuffle)
                for p, position in mine.items()
            }
            judging = Judging(Specs(pool, self._limits), self._choice)
            async for emission in emissions(runs(log, readers, mine), judging, self.batch_size):
                yield emission

    def _asks_postgres(self) -> bool:
        """For limits, and for the salt of a split by sample."""
        return self._limits is None or (self._choice.split is not None and self._choice.split_by == "random")

    async def _dataset_key(self, pool: Pool | None) -> DatasetKey | None:
        if self._dataset is None:
            return None
        if pool is None:
            return DatasetKey(self._dataset, self._version or 1)
        key = await resolve(pool, self._dataset, self._version)
        self._version = key.dataset_version
        return key

    async def _fixed(self, log: Log) -> Positions:
        """Every partition at its start, the epoch's end fixed."""
        ends = None if self._end is None else await log.offsets(self._end)
        starts = await log.offsets(self._start)
        return {
            partition: Position.at(min(start, ends[partition]) if ends else start, ends[partition] if ends else None)
            for partition, start in starts.items()
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
