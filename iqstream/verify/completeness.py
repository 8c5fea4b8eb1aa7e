"""Whether a complete dataset is there exactly once: every recording on `iq.features`, every sample in PostgreSQL."""

from collections import Counter
from dataclasses import dataclass

from schemas import DatasetSpec, FailureRecord, FeatureRecord, PairRecord


class RecordingCount:
    """Counts the committed records of each recording of a dataset that was never replayed, and its pair records."""

    def __init__(self, spec: DatasetSpec) -> None:
        self._spec = spec
        self._seen: Counter[tuple[int, str]] = Counter()
        self._compared: Counter[int] = Counter()
        """Samples whose time differences are there."""
        self._failed: set[int] = set()
        """Samples that have none because something failed."""

    def add(self, record: FeatureRecord | PairRecord | FailureRecord) -> None:
        """A record; the failure of a whole sample stands for one of each receiver."""
        if isinstance(record, PairRecord):
            self._compared[record.sample_idx] += 1
            return
        if isinstance(record, FailureRecord):
            self._failed.add(record.sample_idx)
        for rx_id in self._receivers_of(record):
            self._seen[record.sample_idx, rx_id] += 1

    def _receivers_of(self, record: FeatureRecord | FailureRecord) -> list[str]:
        if isinstance(record, FeatureRecord):
            return [record.receiver.rx_id]
        return [record.rx_id] if record.rx_id else [receiver.rx_id for receiver in self._spec.receivers]

    @property
    def lost(self) -> int:
        """Recordings without a record, and samples without the time differences that they are to have."""
        compared = len(self._compared.keys() | self._failed) if self._spec.pairs else self._spec.samples
        return self._spec.samples * (len(self._spec.receivers) + 1) - len(self._seen) - compared

    @property
    def doubled(self) -> int:
        """Records beyond the first of their recording, or of their sample's time differences."""
        return self._seen.total() - len(self._seen) + self._compared.total() - len(self._compared)


@dataclass(frozen=True, slots=True, kw_only=True)
class Completeness:
    """What should agree, as it was found."""

    requested: int
    outcomes: int
    accepted: int
    rows: int
    recordings_lost: int
    recordings_doubled: int

    @property
    def lost(self) -> int:
        """Recordings, outcomes and rows that should be there and are not."""
        return self.recordings_lost + max(0, self.requested - self.outcomes) + max(0, self.accepted - self.rows)

    @property
    def doubled(self) -> int:
        """Recordings, outcomes and rows that are there too often."""
        return self.recordings_doubled + max(0, self.outcomes - self.requested) + max(0, self.rows - self.accepted)

    def problems(self) -> list[str]:
        """What does not agree, a sentence each; nothing where everything is there exactly once."""
        found = []
        if self.recordings_lost:
            found.append(f"{self.recordings_lost} recordings have no committed feature record")
        if self.recordings_doubled:
            found.append(f"{self.recordings_doubled} feature records are doubles")
        if self.outcomes != self.requested:
            found.append(f"{self.outcomes} outcomes for {self.requested} samples")
        if self.rows != self.accepted:
            found.append(f"{self.rows} rows for {self.accepted} accepted samples")
        return found
