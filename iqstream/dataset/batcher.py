"""Cuts runs of samples into batches, and knows for each batch how far the log is read with it."""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from iqstream.dataset.batch import Batch, Judged, batch_of
from iqstream.dataset.position import Position, Positions
from iqstream.dataset.reader import Run

Part: TypeAlias = tuple[Judged, npt.NDArray[np.intp]]
"""Rows of a judged run."""
Even: TypeAlias = Literal["drop", "pad"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stripe:
    """Every `count`-th sample from the `index`-th on, so that all readers have equally many."""

    index: int
    count: int
    even: Even
    """What becomes of fewer than `count` samples at the end: dropped, or padded with some of the last batch."""

    def of(self, parts: Sequence[Part]) -> list[Part]:
        """This reader's rows, of samples of which the first is the first reader's."""
        size = sum(len(rows) for _, rows in parts)
        whole = size - size % self.count
        shared = whole if self.even == "drop" else size
        mine, first = [], 0
        for judged, rows in parts:
            mine.append((judged, rows[: max(shared - first, 0)][(self.index - first) % self.count :: self.count]))
            first += len(rows)
        if self.even == "pad" and size % self.count <= self.index and size % self.count:
            mine.append(_row(parts, (whole + self.index) % size))
        return [part for part in mine if len(part[1])]


def _row(parts: Sequence[Part], at: int) -> Part:
    for judged, rows in parts:
        if at < len(rows):
            return judged, rows[at : at + 1]
        at -= len(rows)
    raise IndexError(at)


class Emission(NamedTuple):
    """A batch, and the positions that it brings its partitions to. No batch: samples that nobody wants were passed."""

    batch: Batch | None
    progress: Positions
    sources: Sequence[tuple[Run, npt.NDArray[np.intp]]]
    """Of the batch's rows in order: their run, and how much of it is passed with each."""
    left_out: Counter[str]
    """Of the runs that end with it, what did not become samples."""

    def marks(self) -> tuple[list[int], list[Position]]:
        """For each row of the batch its partition, and the position after it."""
        marks = [(run.partition, run.position(passed)) for run, emitted in self.sources for passed in emitted.tolist()]
        return [partition for partition, _ in marks], [position for _, position in marks]


class _Piece(NamedTuple):
    run: Run
    judged: Judged
    rows: npt.NDArray[np.intp]
    """Wanted samples, in the order of emission."""
    emitted: npt.NDArray[np.intp]
    """How many of the run's order are passed with each of them."""
    left_out: Counter[str]


class Batcher:
    """Takes runs in the order of emission, gives batches of `batch_size`; without one, what is there at a time.

    With a stripe, its part of as many samples as all readers' batches have together; without size, one by one.
    """

    def __init__(self, batch_size: int | None, stripe: Stripe | None = None) -> None:
        self._batch_size = batch_size if stripe is None else (batch_size or 1) * stripe.count
        self._stripe = stripe
        self._pieces: deque[_Piece] = deque()
        self._waiting = 0

    def add(self, run: Run, judged: Judged, wanted: npt.NDArray[np.bool_], left_out: Counter[str]) -> None:
        """Queues the wanted samples of a run that were not yielded before."""
        places = np.arange(run.skip, len(run.order))
        places = places[wanted[run.order[run.skip :]]]
        self._pieces.append(_Piece(run, judged, run.order[places], places + 1, left_out))
        self._waiting += len(places)

    def batches(self, *, flush: bool = False) -> list[Emission]:
        """The whole batches; with `flush` also what is left, in a last and smaller one."""
        found = []
        while self._batch_size is not None and self._waiting >= self._batch_size:
            found.append(self._cut(self._batch_size))
        if self._pieces and (flush or self._batch_size is None):
            found.append(self._cut(self._waiting))
        return found

    def _cut(self, size: int) -> Emission:
        parts: list[Part] = []
        left_out = Counter[str]()
        progress: Positions = {}
        sources = []
        missing = size
        while self._pieces and (missing or not len(self._pieces[0].rows)):
            piece = self._pieces.popleft()
            took = min(missing, len(piece.rows))
            if took:
                parts.append((piece.judged, piece.rows[:took]))
                sources.append((piece.run, piece.emitted[:took]))
            if took < len(piece.rows):
                self._pieces.appendleft(piece._replace(rows=piece.rows[took:], emitted=piece.emitted[took:]))
                progress[piece.run.partition] = piece.run.position(int(piece.emitted[took - 1]))
            else:
                progress[piece.run.partition] = piece.run.after
                left_out += piece.left_out
            missing -= took
        self._waiting -= size
        if self._stripe is not None:
            parts = self._stripe.of(parts)
        return Emission(batch_of(parts) if parts else None, progress, sources, left_out)
