"""What whoever watches a dataset is given: how far it is, stage by stage, and at what rate."""

from dataclasses import dataclass

from iqstream.catalogue.datasets import Dataset
from iqstream.runtime.errors import Failed
from iqstream.runtime.readable import Readable
from iqstream.watch.speed import Speed


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Progress(Readable):
    """A dataset's row, with what its stages have done; `generated` and `extracted` are reckoned from backlogs."""

    dataset: Dataset
    submitted: int
    """Samples; fewer than requested while a submission goes on, and for as long as a dataset grows."""
    generated: int
    """Samples."""
    extracted: int | None
    """Samples, too: recordings over receivers. None where no extractor is on the way."""
    obstacles: tuple[str, ...] = ()
    """What keeps it from getting on, a sentence each."""

    @property
    def iq_wanted(self) -> int:
        """Samples whose IQ will be stored, as far as can be known yet."""
        undecided = self.dataset.requested - self.dataset.decided
        return min(self.dataset.iq_samples, self.dataset.accepted + undecided) - self.dataset.iq_samples_lost

    @property
    def finished(self) -> bool:
        """Whether nothing more will come."""
        return self.dataset.status in {"complete", "cancelled", "deleted"}

    @property
    def waiting_stages(self) -> tuple[str, ...]:
        """The stages that still have something to do for the dataset."""
        left = {
            "producer": self.generated < self.submitted,
            "extractor": self.extracted is not None and self.extracted < self.submitted,
            "sink": not self.finished,
        }
        return () if self.finished else tuple(stage for stage, waits in left.items() if waits)

    @property
    def waits_for_nothing_known(self) -> int:
        """Samples that are not decided although nothing is left to generate or extract."""
        return self.submitted - self.dataset.decided if self.waiting_stages == ("sink",) else 0


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class WatchEvent(Readable):
    """A reading of a dataset that is watched."""

    progress: Progress
    """Its obstacles are those that last."""
    speed: Speed

    @property
    def dataset(self) -> Dataset:
        """As it is now."""
        return self.progress.dataset


def require_success(dataset: Dataset) -> None:
    """Raises Failed where a dataset has come to its end with no sample that did not fail."""
    if dataset.failed == dataset.requested:
        raise Failed(
            f"every sample of {dataset.name!r} failed: `iqstream datasets show {dataset.id}` says why, "
            "`iqstream dead-letters list` lists what was kept"
        )
