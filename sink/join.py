"""Brings the records of a sample together: one join per partition, since a sample has one partition."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TypeAlias

from schemas import DatasetKey, FailureRecord, FeatureRecord, PairRecord, SampleKey

MAX_OPEN_RECORDS = 8192
"""About 32 MB. Samples stand close together on a partition, so thousands of open ones mean lost records."""


Observation: TypeAlias = FeatureRecord | FailureRecord | PairRecord


def sample_of(record: Observation) -> SampleKey:
    """The sample that a record is about."""
    return SampleKey(record.dataset_id, record.dataset_version, record.sample_idx)


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinedSample:
    """A sample that waits for nothing more, its records and failures ordered by receiver."""

    key: SampleKey
    generation: int
    records: tuple[FeatureRecord, ...]
    failures: tuple[FailureRecord, ...]
    missing: int
    """Receivers that said nothing, neither features nor failure, as far as is known."""
    pairs: PairRecord | None = None
    """The time differences; None where the dataset asks for none, or they never came."""

    @property
    def pairs_missing(self) -> bool:
        """Whether time differences were to come and did not."""
        return self.pairs is None and any(record.pairs_expected for record in self.records)


@dataclass(slots=True, kw_only=True)
class _OpenSample:
    key: SampleKey
    generation: int
    first_offset: int
    records: dict[str, FeatureRecord] = field(default_factory=dict)
    failures: dict[str, FailureRecord] = field(default_factory=dict)
    pairs: PairRecord | None = None

    def take(self, record: Observation) -> bool:
        """Keeps the record; False if its receiver has spoken before, or the pairs were there."""
        if isinstance(record, PairRecord):
            self.pairs = self.pairs or record
            return self.pairs is record
        if isinstance(record, FeatureRecord):
            return self.records.setdefault(record.receiver.rx_id, record) is record
        return self.failures.setdefault(record.rx_id or "", record) is record

    @property
    def size(self) -> int:
        return len(self.records) + len(self.failures) + (self.pairs is not None)

    @property
    def missing(self) -> int:
        expected = max((record.receivers_expected for record in self.records.values()), default=0)
        return max(expected - len(self.records.keys() | self.failures.keys()), 0)

    @property
    def complete(self) -> bool:
        if self.failures:
            return True
        return bool(self.records) and self.missing == 0 and (self.pairs is not None or not self.pairs_expected)

    @property
    def pairs_expected(self) -> bool:
        return any(record.pairs_expected for record in self.records.values())

    def joined(self) -> JoinedSample:
        return JoinedSample(
            key=self.key,
            generation=self.generation,
            records=tuple(self.records[rx_id] for rx_id in sorted(self.records)),
            failures=tuple(self.failures[rx_id] for rx_id in sorted(self.failures)),
            missing=self.missing,
            pairs=self.pairs,
        )


class Join:
    """The open samples of one partition, oldest first. Records must come in the order of their offsets.

    A sample is open from its first record until all receivers it expects have spoken, and its pair record is there if
    it expects one, or until one has failed. After a restart at `restart_offset` the records of samples that were
    decided meanwhile come again: the caller's ledger says so with each record, and they are dropped.
    """

    def __init__(self, max_open_records: int = MAX_OPEN_RECORDS) -> None:
        self._max_open_records = max_open_records
        self._open: dict[tuple[SampleKey, int], _OpenSample] = {}
        self._open_records = 0
        self.dropped: Counter[str] = Counter()
        """Records left out so far, by reason: `decided`, `duplicate`, `superseded`, `cancelled`."""

    def add(self, offset: int, record: Observation, *, decided_generation: int | None) -> JoinedSample | None:
        """Takes one record; the joined sample if that was the last one it waited for.

        Args:
            offset: of the record on the partition.
            record: of any replay generation; generations of a sample are joined apart.
            decided_generation: the generation in which the sample was last decided, None if it never was.
        """
        if decided_generation is not None and record.generation <= decided_generation:
            self.dropped["decided"] += 1
            return None
        key = sample_of(record)
        sample = self._open.get((key, record.generation))
        if sample is None:
            sample = _OpenSample(key=key, generation=record.generation, first_offset=offset)
            self._open[key, record.generation] = sample
        if not sample.take(record):
            self.dropped["duplicate"] += 1
            return None
        self._open_records += 1
        return self._close(sample) if sample.complete else None

    def close_overflow(self) -> list[JoinedSample]:
        """The oldest open samples, as many as stand in the way of the bound on memory."""
        closed = []
        while self._open_records > self._max_open_records:
            closed.append(self._close(next(iter(self._open.values()))))
        return closed

    def drop_datasets(self, gone: Collection[DatasetKey]) -> None:
        """Forgets the open samples of cancelled or deleted datasets."""
        for sample in [sample for sample in self._open.values() if sample.key.dataset in gone]:
            self._forget(sample)
            self.dropped["cancelled"] += sample.size

    def open_samples(self) -> set[SampleKey]:
        """The samples that wait for records."""
        return {key for key, _generation in self._open}

    def restart_offset(self, next_offset: int) -> int:
        """Where a new owner must begin to read: the oldest open sample's first record, else `next_offset`."""
        return next((sample.first_offset for sample in self._open.values()), next_offset)

    def _close(self, sample: _OpenSample) -> JoinedSample:
        for key, generation in [opened for opened in self._open if opened[0] == sample.key]:
            if generation <= sample.generation:
                if generation < sample.generation:
                    self.dropped["superseded"] += self._open[key, generation].size
                self._forget(self._open[key, generation])
        return sample.joined()

    def _forget(self, sample: _OpenSample) -> None:
        del self._open[sample.key, sample.generation]
        self._open_records -= sample.size
