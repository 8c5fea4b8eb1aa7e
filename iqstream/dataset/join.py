"""Brings the records of a sample together for a reader: what is complete at which offset follows from the log alone.

The sink's join decides once and for all and may wait on the clock. A reader must come to the same sequence whenever it
reads the same offsets again, from wherever it may start: so a sample counts at the offset of the record that completed
it, and nothing here depends on when records were fetched or on what was read before.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import NamedTuple, Protocol

import msgspec

from iqstream.dataset.recording import NO_TRUTH, Failure, Message, Place, Places, Recording, is_whole, read_message
from schemas.dataset import MAX_RECEIVERS
from sink.join import SampleKey

GIVEN_UP_AFTER_OFFSETS = 65_536
"""A sample that is not complete so many offsets after its first record has lost some: it is left out."""
LIVE_GRACE_NS = 10_000_000_000
"""A real recording's sample goes without the receivers that others of its dataset have overtaken by this much."""

_rx_id = attrgetter("rx_id")


class LogRecord(Protocol):
    """What is read of a Kafka record."""

    offset: int
    value: bytes | None


class Joined(NamedTuple):
    """A sample with all that will come of it, ordered by receiver."""

    key: SampleKey
    completed_at: int
    """Offset of the record that completed it."""
    recordings: tuple[Recording, ...]
    places: tuple[Place, ...]
    values: tuple[bytes, ...]
    """The records as they came."""


class _Open:
    __slots__ = ("expected", "failed", "first_offset", "hopeless", "key", "recordings")

    def __init__(self, key: SampleKey, first_offset: int) -> None:
        self.key = key
        self.first_offset = first_offset
        self.recordings: dict[Place, tuple[Recording, bytes]] = {}
        self.failed: set[str] = set()
        self.hopeless = False
        """The whole sample failed."""
        self.expected = MAX_RECEIVERS + 1
        """Receivers; unknown before the first recording."""

    @property
    def complete(self) -> bool:
        return len(self.recordings) + len(self.failed) >= self.expected

    @property
    def live(self) -> bool:
        """A recording of the real world, which may lack receivers."""
        return not self.hopeless and any(bytes(r.truth) == NO_TRUTH for r, _ in self.recordings.values())

    @property
    def lost(self) -> bool:
        """It will never be a sample, but its other receivers may still speak."""
        return self.hopeless or (bool(self.failed) and not self.live)


class PartitionJoin:
    """The open samples of one partition, oldest first. Records come in the order of their offsets."""

    def __init__(self, wanted: Callable[[Message], bool], places: Places) -> None:
        """`wanted` tells the dataset and generation that count; other records are passed over."""
        self._wanted = wanted
        self._places = places
        self._open: dict[SampleKey, _Open] = {}
        self._live: set[SampleKey] = set()
        self.left_out = Counter[str]()
        """What did not become samples: `unreadable` records, `failed` and `incomplete` samples."""

    def take(self, records: Sequence[LogRecord]) -> list[Joined]:
        """Adds records; the samples that they completed, in the order of completion."""
        done: list[Joined] = []
        opened, wanted, place_of = self._open, self._wanted, self._places.of
        for record in records:
            value = record.value or b""
            try:
                message = read_message(value)
                place = place_of(message) if type(message) is Recording else None
            except (msgspec.DecodeError, RecursionError):
                self.left_out["unreadable"] += 1
                continue
            if not wanted(message):
                continue
            key = SampleKey(message.dataset_id, message.dataset_version, message.sample_idx)
            sample = opened.get(key)
            if sample is None:
                self._give_up_before(record.offset - GIVEN_UP_AFTER_OFFSETS)
                sample = opened[key] = _Open(key, record.offset)
            if place is None or isinstance(message, Failure):
                _fail(sample, message)
            elif is_whole(message):
                sample.recordings.setdefault(place, (message, value))
                sample.expected = message.receivers_expected
            else:
                self.left_out["unreadable"] += 1
                sample.hopeless = True
            if sample.complete:
                self._close(sample, record.offset, done)
            elif isinstance(message, Recording) and bytes(message.truth) == NO_TRUTH:
                self._live.add(key)
                self._overtake(message, record.offset, done)
        return done

    def finish(self, end: int) -> list[Joined]:
        """The live samples still open where the log is read to its `end`: nothing more is coming."""
        done: list[Joined] = []
        for key in [key for key in self._open if key in self._live]:
            self._close(self._open[key], end - 1, done)
        return done

    def restart_offset(self, next_offset: int) -> int:
        """Where a reader must begin to find all samples that are completed at `next_offset` or later."""
        return next((sample.first_offset for sample in self._open.values() if not sample.lost), next_offset)

    def _overtake(self, message: Recording, offset: int, done: list[Joined]) -> None:
        """Closes live samples of the dataset that were recorded long before this record."""
        for sample in [self._open[key] for key in self._live]:
            captured_at_ns = min(recording.captured_at_ns for recording, _ in sample.recordings.values())
            same = sample.key[:2] == (message.dataset_id, message.dataset_version)
            if same and message.captured_at_ns - captured_at_ns > LIVE_GRACE_NS:
                self._close(sample, offset, done)

    def _close(self, sample: _Open, offset: int, done: list[Joined]) -> None:
        del self._open[sample.key]
        self._live.discard(sample.key)
        if sample.lost:
            self.left_out["failed"] += 1
        elif offset - sample.first_offset > GIVEN_UP_AFTER_OFFSETS:
            self.left_out["incomplete"] += 1
        else:
            places = tuple(sorted(sample.recordings, key=_rx_id))
            recordings, values = zip(*[sample.recordings[place] for place in places], strict=True)
            done.append(Joined(sample.key, offset, recordings, places, values))

    def _give_up_before(self, offset: int) -> None:
        while self._open:
            sample = next(iter(self._open.values()))
            if sample.first_offset >= offset:
                return
            del self._open[sample.key]
            self._live.discard(sample.key)
            self.left_out["failed" if sample.lost else "incomplete"] += 1


def _fail(sample: _Open, failure: Message) -> None:
    rx_id = failure.rx_id if isinstance(failure, Failure) else None
    if rx_id is None:
        sample.hopeless = True
    else:
        sample.failed.add(rx_id)
