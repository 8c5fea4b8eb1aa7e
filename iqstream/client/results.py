"""What calls return that several rooms have a part in; frozen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from iqstream.catalogue.datasets import Dataset, held_of
from iqstream.catalogue.dead_letter_retries import Retry
from iqstream.catalogue.failures import FailureCount
from iqstream.catalogue.outcomes import OutcomeCount, SampleOutcome
from iqstream.catalogue.stored import StoredOutcome, StoredRow
from iqstream.dataset_figures import DatasetFigures
from iqstream.dead_letters.letter import DeadLetter
from iqstream.dead_letters.retry import PlannedRetry, Refused
from iqstream.replay.results import Replayed
from iqstream.runtime.readable import Readable, Rows
from iqstream.verify.check import Check
from schemas import DatasetSpec


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class DatasetVersions(Readable):
    """A version of a dataset, and all others of it."""

    dataset: Dataset
    versions: Rows[Dataset]
    """Newest first."""

    @property
    def held(self) -> str:
        """Which of the dataset's samples the version holds, in words."""
        return held_of(self.dataset, self.versions)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class DatasetReport(Readable):
    """A version of a dataset, why its samples were rejected or failed, and its figures."""

    dataset: Dataset
    versions: Rows[Dataset]
    """All of the dataset, newest first."""
    outcomes: Rows[OutcomeCount]
    failures: Rows[FailureCount]
    figures: DatasetFigures
    iq_lost: str | None = None
    """Why IQ that was to be stored cannot be had; None where none is lost."""

    @property
    def held(self) -> str:
        """Which of the dataset's samples the version holds, in words."""
        return held_of(self.dataset, self.versions)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SamplePage(Readable):
    """Decided samples of a dataset, some at a time."""

    dataset: Dataset
    samples: Rows[SampleOutcome]
    """By index."""
    next_after: int | None
    """`after` of the page that follows; None on the last one."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SampleReport(Readable):
    """A decided sample as it is stored."""

    SHOWN: ClassVar = ("dataset", "outcome")

    dataset: Dataset
    outcome: StoredOutcome
    row: StoredRow | None
    """Its features; None of a sample that was not accepted."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PathTruth(Readable):
    """The path to one receiver as the generator drew it: `link` are fields of `LinkTruth`, before anything is heard."""

    SHOWN: ClassVar = ("rx_id",)

    rx_id: str
    eirp_dbm: float
    """Towards the receiver."""
    rx_antenna_gain_dbi: float
    """Towards the transmitter."""
    link: Mapping[str, Any]
    distances_km: Sequence[float]
    """From the transmitter to the receiver; empty where the dataset has no terrain."""
    ground_m: Sequence[float]
    """Height above the chord between both ends at sea level, with the bulge of the earth as the wave sees it."""
    ray_m: tuple[float, float]
    """Heights of both antennas above sea level."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SampleTruth(Readable):
    """What the generator put into a sample, drawn again from the spec without any IQ."""

    SHOWN: ClassVar = ("dataset", "sample_idx")

    dataset: Dataset
    sample_idx: int
    transmitter: Mapping[str, Any]
    """Fields of `TransmitterTruth`."""
    paths: Rows[PathTruth]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Resumed(Readable):
    """A submission that was gone on with."""

    dataset: Dataset
    shards: int
    """Published by this call; 0: everything was submitted before."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Submission(Readable):
    """A dataset that was submitted."""

    SHOWN: ClassVar = ("dataset_id", "name", "samples", "seed", "same_recordings")

    spec: DatasetSpec
    same_recordings: Rows[Dataset]
    """Other datasets whose sample i is recorded as this one's, deleted ones too."""

    @property
    def dataset_id(self) -> str:
        """Names the dataset in every other call."""
        return self.spec.dataset_id

    @property
    def name(self) -> str:
        """As it was given."""
        return self.spec.name

    @property
    def samples(self) -> int:
        """Asked for; of one that grows, at most."""
        return self.spec.samples

    @property
    def seed(self) -> int:
        """Of everything random."""
        return self.spec.seed


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Verification(Readable):
    """A dataset held against its lineage."""

    SHOWN: ClassVar = ("dataset", "holds", "checks")

    dataset: Dataset
    checks: Rows[Check]

    @property
    def holds(self) -> bool:
        """Whether the dataset matches its lineage."""
        return all(check.holds for check in self.checks)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class DeadLetterReport(Readable):
    """A dead letter with its bytes, and what was retried of it."""

    letter: DeadLetter
    retries: Rows[Retry]
    """The latest last."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class LetterRetryPlan(Readable):
    """What trying dead letters again means."""

    retries: Rows[PlannedRetry]
    """One for each dataset."""
    refused: Rows[Refused]
    """Letters that cannot be tried again."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RetriedLetters(Readable):
    """Dead letters that were tried again."""

    replays: Rows[Replayed]
    """One for each dataset."""
    refused: Rows[Refused]
    """Letters that cannot be tried again."""
