"""Which receivers are listened to, how they are set, and what has become of what they sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from iqstream.ingest.given import AskedDataset
from iqstream.ingest.live.tuning import Address, Tuning
from iqstream.runtime.readable import Readable


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A receiver that is listened to."""

    rx_id: str
    address: Address
    tuning: Tuning


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedLive(AskedDataset):
    """Receivers that send now."""

    sources: tuple[Source, ...]
    dbm_at_full_scale: float | None = None
    """The calibration of those that have none of their own."""
    record: Path | None = None
    """A folder, in which what they send is kept as it came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What has come of one receiver."""

    windows: int = 0
    """Published, or about to be."""
    gaps: int = 0
    """Stretches of time without windows between windows."""
    lost_s: float = 0.0
    """In these gaps."""
    outages: int = 0
    """Times that nothing came any more."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Listened(Readable):
    """How it stands, at any moment and at the end."""

    SHOWN: ClassVar = ("dataset_id", "name", "samples", "published", "waiting", "receivers", "problems")

    dataset_id: str
    name: str
    samples: int
    """That the dataset has."""
    published: int
    """Of these, by this call."""
    waiting: int
    """Samples that are to be published."""
    receivers: Mapping[str, Heard]
    problems: tuple[str, ...] = field(default=())
    """What went wrong and stays so: a receiver that was given up, a recorder that stopped."""
