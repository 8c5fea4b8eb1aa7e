"""One partition read in order: records in, runs of samples out, each with the positions that its samples stand for."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from iqstream.dataset.join import Joined, PartitionJoin
from iqstream.dataset.position import Position
from iqstream.dataset.record_batches import Records
from iqstream.dataset.window import permutation, window_end


@dataclass(frozen=True, slots=True, kw_only=True)
class Shuffle:
    """What the order within windows follows from."""

    seed: int
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Samples of one partition, of which the first `skip` in `order` were yielded before."""

    partition: int
    samples: Sequence[Joined]
    order: npt.NDArray[np.intp]
    skip: int
    begin: Position
    """Before its first sample."""
    after: Position
    """After its last sample."""
    left_out: Counter[str]
    """Of the window, what did not become samples."""

    def position(self, emitted: int) -> Position:
        """After the first `emitted` of `order`."""
        if emitted >= len(self.order):
            return self.after
        return replace(self.begin, taken=emitted)


class PartitionReader:
    """Cuts a partition into windows. Without a window size, into whatever is there at a time."""

    def __init__(
        self, partition: int, position: Position, join: PartitionJoin, *, window: int | None, shuffle: Shuffle | None
    ) -> None:
        self.partition = partition
        self._position = replace(position, taken=0)
        self._skip = position.taken
        self._join = join
        self._window = window
        self._shuffle = shuffle
        self._pending: list[Joined] = []
        self._counted = Counter[str]()
        """Of what the join left out, what belongs to windows before."""

    @property
    def finished(self) -> bool:
        """Whether everything up to the end was given away."""
        return self._position.end is not None and self._position.window >= self._position.end

    def feed(self, records: Records, next_offset: int) -> list[Run]:
        """Takes records and the offset up to which the log is read with them; the runs that are now whole."""
        runs: list[Run] = []
        at = 0
        limit = next_offset if self._position.end is None else min(next_offset, self._position.end)
        while True:
            boundary = (
                limit if self._window is None else window_end(self._position.window, self._window, self._position.end)
            )
            stop = bisect_left(records.offsets, min(boundary, limit), lo=at)
            self._take(Records(records.offsets[at:stop], records.values[at:stop]))
            at = stop
            if boundary > limit or boundary <= self._position.window:
                return runs
            runs.append(self._close(boundary))

    def _take(self, records: Records) -> None:
        before = bisect_left(records.offsets, self._position.window)
        if before:  # read again for the samples that were open there: whatever was complete is of windows before
            self._join.take(Records(records.offsets[:before], records.values[:before]))
            self._counted = Counter(self._join.left_out)
            records = Records(records.offsets[before:], records.values[before:])
        self._pending += self._join.take(records)

    def _close(self, boundary: int) -> Run:
        if boundary == self._position.end:
            self._join.finish()
        samples, self._pending = self._pending, []
        left_out, self._counted = Counter(self._join.left_out) - self._counted, Counter(self._join.left_out)
        carried = max(self._skip - len(samples), 0)
        begin = self._position
        after = replace(begin, read_from=self._join.restart_offset(boundary), window=boundary)
        run = Run(
            partition=self.partition,
            samples=samples,
            order=self._order(len(samples)),
            skip=min(self._skip, len(samples)),
            begin=begin,
            after=replace(after, taken=carried),
            left_out=left_out,
        )
        self._position, self._skip = after, carried
        return run

    def _order(self, samples: int) -> npt.NDArray[np.intp]:
        if self._shuffle is None:
            return np.arange(samples)
        return permutation(
            samples,
            seed=self._shuffle.seed,
            epoch=self._shuffle.epoch,
            partition=self.partition,
            window_start=self._position.window,
        )
