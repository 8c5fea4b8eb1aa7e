"""What a person says of recordings and of the dataset that they are to become."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from iqstream.ingest.track import UNKNOWN_TRACK, Track
from iqstream.recordings import BadRecording, Given
from iqstream.runtime.readable import Readable, Rows
from schemas import Receiver


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedDataset:
    """None stands for what an existing dataset says, else for the default of `schemas.RecordedSpec`."""

    name: str
    """Of the dataset: a new one, or one of real recordings, which is gone on with."""
    receivers: tuple[Receiver, ...] = ()
    """Positions, which stand above those that files say."""
    calibration_dbm: Mapping[str, float] = field(default_factory=dict)
    """By rx_id, the power at the antenna input of a complex tone of full scale."""
    track: Track = UNKNOWN_TRACK
    """Where the transmitter was."""
    window_ms: int | None = None
    chunk_ms: int | None = None
    sample_rate_hz: float | None = None
    """To which recordings are resampled."""
    min_snr_db: float | None = None
    min_receivers: int | None = None
    iq_samples: int | None = None
    pairs: bool | None = None
    """Whether time differences are measured, too."""
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked(AskedDataset):
    """Recordings in files."""

    paths: tuple[Path, ...]
    """Files and folders."""
    given: Given = field(default_factory=Given)
    """Of all recordings."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Ingested(Readable):
    """What has become of recordings."""

    SHOWN: ClassVar = ("dataset_id", "name", "recordings", "samples", "windows", "known_windows", "failures")

    dataset_id: str
    """Empty where there was nothing to make a dataset of."""
    name: str
    recordings: int
    samples: int
    """Published by this call."""
    windows: int
    """In these samples: one of each receiver."""
    known_windows: int
    """That the dataset holds already."""
    unaligned: int
    """Samples of one receiver, because its time is not known well enough, or another recording has it."""
    pairs: bool
    """Whether the dataset has time differences."""
    comparable: int
    """Samples of which these can be measured: of two receivers or more that satellites gave the time."""
    unplaced: tuple[str, ...]
    """Receivers whose place is not known: they have no part in geometry."""
    recorded_s: float
    """Seconds of IQ in these windows."""
    failures: Rows[BadRecording]
    """What could not be read: file, place in it, and what is wrong."""
