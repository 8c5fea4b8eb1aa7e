"""Cuts runs of samples into batches, and knows for each batch how far the log is read with it."""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from iqstream.dataset.batch import Batch, Judged, batch_of
from iqstream.dataset.position import Position, Positions
from iqstream.dataset.reader import Run


class Emission(NamedTuple):
    """A batch, and the positions that it brings its partitions to. No batch: samples that nobody wants were passed."""

    batch: Batch | None
    progress: Positions
    sources: Sequence[tuple[Run, npt.NDArray[np.intp]]]
    """Of the batch's rows in order: their run, and how much of it is passed with each."""

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


class Batcher:
    """Takes runs in the order of emission, gives batches of `batch_size`; without one, what is there at a time."""

    def __init__(self, batch_size: int | None) -> None:
        self._batch_size = batch_size
        self._pieces: deque[_Piece] = deque()
        self._waiting = 0

    def add(self, run: Run, judged: Judged, wanted: npt.NDArray[np.bool_]) -> None:
        """Queues the wanted samples of a run that were not yielded before."""
        places = np.arange(run.skip, len(run.order))
        places = places[wanted[run.order[run.skip :]]]
        self._pieces.append(_Piece(run, judged, run.order[places], places + 1))
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
        parts: list[tuple[Judged, npt.NDArray[np.intp]]] = []
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
            missing -= took
        self._waiting -= size
        return Emission(batch_of(parts) if parts else None, progress, sources)
