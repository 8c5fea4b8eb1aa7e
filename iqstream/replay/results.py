"""What a replay says of itself: beforehand, as it begins, on its way, and at its end."""

from collections.abc import Mapping
from dataclasses import dataclass

from iqstream.catalogue.datasets import Dataset
from iqstream.catalogue.replays import Replay
from iqstream.catalogue.sample_ranges import SampleRanges
from iqstream.runtime.readable import Readable


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ReplayPlan(Readable):
    """What a replay will do."""

    source: Dataset
    samples: SampleRanges
    as_version: int | None
    frames_kept: int
    """Frames that Kafka still has, as far as offsets tell."""
    frames_to_synthesize: int
    """Frames of synthetic data that have expired: they are synthesised again and proved."""
    samples_to_generate_again: int
    """Samples that go through the producer and the extractor once more."""
    missing: tuple[tuple[int, str], ...]
    """Samples that cannot be processed again, by index, with the reason."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ReplayBegun(Readable):
    """A replay as it begins, or goes on."""

    source: Dataset
    replay: Replay
    resumed: bool
    """It goes on with one that was interrupted."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Replayed(Readable):
    """What a replay did. Counts of frames are of this run; an interrupted one before it had its own."""

    source: Dataset
    replay: Replay
    frames_read: int
    frames_synthesized: int
    samples_generated_again: int
    frames_failed: int
    missing: tuple[tuple[int, str], ...]
    """Samples that could not be processed again, by index, with the reason."""
    outcomes: Mapping[str, int]
    """How the samples stand now: accepted, rejected, failed."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ReplayProgress(Readable):
    """How far a replay is."""

    samples: int
    published: int
    """Samples whose records, or whose order to be made again, are committed to Kafka."""
    stored: int
    """Samples that the sink has decided by it."""
