"""Brings the records of a sample together for a reader: what is complete at which offset follows from the log alone.

The sink's join decides once and for all. A reader must come to the same sequence whenever it
reads the same offsets again, from wherever it may start: so a sample counts at the offset of the record that completed
it, and nothing here depends on when records were fetched or on what was read before.
"""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from iqstream.dataset.record_batches import Records
from iqstream.dataset.recording import (
    UNREADABLE,
    Failure,
    Message,
    Place,
    Places,
    Recording,
    TimeDifferences,
    read_message,
)
from schemas import DatasetKey, SampleKey
from schemas.dataset import MAX_RECEIVERS

GIVEN_UP_AFTER_OFFSETS = 65_536
"""A sample that is not complete so many offsets after its first record has lost some: it is left out."""
MOST_ORDERS = 10_000


class Joined(NamedTuple):
    """A sample with all that will come of it, ordered by receiver."""

    key: SampleKey
    completed_at: int
    """Offset of the record that completed it."""
    recordings: tuple[Recording, ...]
    places: tuple[Place, ...]
    values: tuple[bytes, ...]
    """The records as they came."""
    pairs: bytes | None = None
    """The pair record; None where the dataset asks for none."""


class _Open:
    __slots__ = ("expected", "failed", "first_offset", "hopeless", "key", "pairs", "pairs_expected", "recordings")

    def __init__(self, key: SampleKey, first_offset: int) -> None:
        self.key = key
        self.first_offset = first_offset
        self.recordings: dict[Place, tuple[Recording, bytes]] = {}
        self.failed: set[str] = set()
        self.hopeless = False
        """The whole sample failed."""
        self.expected = MAX_RECEIVERS + 1
        """Receivers; unknown before the first recording."""
        self.pairs: bytes | None = None
        """The pair record."""
        self.pairs_expected = False
        """It is no sample without time differences; unknown before the first recording."""

    @property
    def was_begun(self) -> bool:
        """Something of it was there beside time differences, which may come again when their sample is through."""
        return bool(self.recordings or self.failed or self.hopeless)

    @property
    def lost(self) -> bool:
        """It will never be a sample, but its other receivers may still speak."""
        return self.hopeless or bool(self.failed)


class PartitionJoin:
    """The open samples of one partition, oldest first. Records come in the order of their offsets."""

    def __init__(self, places: Places, dataset: DatasetKey | None, replayed: Mapping[SampleKey, int]) -> None:
        """What counts: records of `dataset` (None: all), of the generation in `replayed`, of others the first."""
        self._places = places
        self._dataset = dataset
        self._replayed = replayed
        self._open: dict[SampleKey, _Open] = {}
        self._orders: dict[tuple[Place, ...], tuple[tuple[Place, ...], list[int]]] = {}
        self.left_out = Counter[str]()
        """What did not become samples: `unreadable` records, `failed` and `incomplete` samples."""

    def take(self, records: Records) -> list[Joined]:  # noqa: C901  # the hot loop saves calls
        """Adds records; the samples that they completed, in the order of completion.

        The receivers of a sample mostly stand together, so the sample of the record before is tried first.
        """
        done: list[Joined] = []
        place_of, replayed, dataset = self._places.of, self._replayed, self._dataset
        sample, sample_idx, dataset_id, version = None, -1, "", -1
        for offset, stored in zip(records.offsets, records.values, strict=True):
            value = stored or b""
            try:
                message = read_message(value)
                place = place_of(message) if type(message) is Recording else None
            except UNREADABLE:
                self.left_out["unreadable"] += 1
                continue
            if (
                sample is None
                or message.sample_idx != sample_idx
                or message.dataset_version != version
                or message.dataset_id != dataset_id
            ):
                if dataset is not None and (message.dataset_id, message.dataset_version) != dataset:
                    continue
                sample_idx, dataset_id, version = message.sample_idx, message.dataset_id, message.dataset_version
                key = SampleKey(dataset_id, version, sample_idx)
                counts, sample = replayed.get(key, 0), self._open.get(key)
                if message.generation != counts:
                    sample = None
                    continue
                if sample is None:
                    sample = self._begin(key, offset)
            elif message.generation != counts:
                continue
            if place is None:
                _note(sample, message, value)
            else:
                recordings = sample.recordings
                if not recordings:
                    sample.expected = message.receivers_expected
                    sample.pairs_expected = message.pairs_expected
                recordings[place] = (message, value)
            if len(sample.recordings) + len(sample.failed) >= sample.expected and (
                not sample.pairs_expected or sample.pairs or sample.lost
            ):
                self._close(sample, offset, done)
                sample = None
        return done

    def finish(self) -> None:
        """Leaves out what is still open where the log is read to its end."""
        for sample in self._open.values():
            self._leave_out(sample)

    def restart_offset(self, next_offset: int) -> int:
        """Where a reader must begin to find all samples that are completed at `next_offset` or later."""
        return next((sample.first_offset for sample in self._open.values() if not sample.lost), next_offset)

    def _begin(self, key: SampleKey, offset: int) -> _Open:
        self._give_up_before(offset - GIVEN_UP_AFTER_OFFSETS)
        sample = self._open[key] = _Open(key, offset)
        return sample

    def _close(self, sample: _Open, offset: int, done: list[Joined]) -> None:
        del self._open[sample.key]
        if sample.lost:
            self.left_out["failed"] += 1
        elif offset - sample.first_offset > GIVEN_UP_AFTER_OFFSETS:
            self.left_out["incomplete"] += 1
        else:
            places, order = self._ordered(tuple(sample.recordings))
            known = list(sample.recordings.values())
            done.append(
                Joined(
                    sample.key,
                    offset,
                    tuple([known[at][0] for at in order]),
                    places,
                    tuple([known[at][1] for at in order]),
                    sample.pairs,
                )
            )

    def _ordered(self, places: tuple[Place, ...]) -> tuple[tuple[Place, ...], list[int]]:
        """The receivers by id, and which of the arrived ones each is."""
        known = self._orders.get(places)
        if known is None:
            if len(self._orders) >= MOST_ORDERS:
                self._orders.clear()
            order = sorted(range(len(places)), key=lambda at: places[at].rx_id)
            known = self._orders[places] = tuple([places[at] for at in order]), order
        return known

    def _give_up_before(self, offset: int) -> None:
        while self._open:
            sample = next(iter(self._open.values()))
            if sample.first_offset >= offset:
                return
            del self._open[sample.key]
            self._leave_out(sample)

    def _leave_out(self, sample: _Open) -> None:
        if sample.was_begun:
            self.left_out["failed" if sample.lost else "incomplete"] += 1


def _note(sample: _Open, message: Message, value: bytes) -> None:
    """What is no recording: time differences, of which the first count, or a failure."""
    if isinstance(message, TimeDifferences):
        sample.pairs = sample.pairs or value
    elif isinstance(message, Failure) and message.rx_id is not None:
        sample.failed.add(message.rx_id)
    else:
        sample.hopeless = True
