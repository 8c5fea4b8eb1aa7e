"""The extractor's result for a frame: its features, or why there are none."""

import math
from collections.abc import Callable
from typing import Annotated, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta

from schemas.dataset import (
    MAX_CHUNKS,
    MAX_RECEIVERS,
    TEXT,
    DatasetId,
    Finite,
    Name,
    Positive,
    ReceiverId,
    SampleIndex,
    Station,
)
from schemas.features import FEATURE_NAMES, FEATURES_OF_VERSION, STATISTICS
from schemas.iq_frame import Datatype, IQFrame, SampleRateHz, TransmitterTruth, Truth
from schemas.recorded import RecordedWindow, TransmitterPosition

FEATURE_VALUES = len(FEATURE_NAMES) * len(STATISTICS)
"""Values of a record that is made today."""


class Lineage(msgspec.Struct, frozen=True, kw_only=True):
    """The record that a recording came from: its frame, or the shard by which it was made where no frame was published.

    And the recording's CRC-32 (`frame_crc32`; None: it could not be made or read).
    """

    topic: Annotated[str, Meta(max_length=249, pattern=TEXT)]
    partition: Annotated[int, Meta(ge=0)]
    offset: Annotated[int, Meta(ge=0)]
    crc32: Annotated[int, Meta(ge=0, le=2**32 - 1)] | None


class FrequencyClasses(msgspec.Struct, frozen=True, kw_only=True):
    """In how many chunks the frequency offset was measured in which way; none of them where nothing was detected."""

    tone: Annotated[int, Meta(ge=0, le=MAX_CHUNKS)] = 0
    """Peak of a line."""
    fm: Annotated[int, Meta(ge=0, le=MAX_CHUNKS)] = 0
    """Cycles of a constant envelope."""
    narrow: Annotated[int, Meta(ge=0, le=MAX_CHUNKS)] = 0
    """Centroid, or middle of a flat band, below 30 kHz."""
    wide: Annotated[int, Meta(ge=0, le=MAX_CHUNKS)] = 0
    """Middle of the edges."""


class FeatureRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The values of one recording: of all features, or of those that the extractor of its time knew."""

    dataset_id: DatasetId
    dataset_version: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    sample_idx: SampleIndex
    generation: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0
    receivers_expected: Annotated[int, Meta(ge=1, le=MAX_RECEIVERS)]
    pairs_expected: bool = False
    """The sample is complete only with its pair record."""
    receiver: Station
    captured_at_ns: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    center_frequency_hz: Positive
    sample_rate_hz: SampleRateHz
    duration_ms: Positive
    chunk_ms: Annotated[int, Meta(ge=1, le=60_000)]
    chunks: Annotated[int, Meta(ge=1, le=MAX_CHUNKS)]
    datatype: Datatype
    values: tuple[Finite, ...]
    """Feature by feature, the four statistics of each together."""
    frequency_classes: FrequencyClasses
    truth: Truth | None
    position: TransmitterPosition | None = None
    """Of the transmitter, where there is no truth and yet it is known."""
    recorded: RecordedWindow | None = None
    """Of a real recording."""
    extractor_version: Name
    lineage: Lineage

    @property
    def wire_version(self) -> int:
        """Returns the version of `feature_record` that has this number of values.

        Raises:
            ValueError: there is none.
        """
        counts = {features * len(STATISTICS): version for version, features in FEATURES_OF_VERSION.items()}
        if len(self.values) not in counts:
            known = ", ".join(f"version {version} has {count}" for count, version in counts.items())
            raise ValueError(f"values: {len(self.values)} is the count of no version; {known}")
        return counts[len(self.values)]

    @property
    def transmitter(self) -> TransmitterTruth | TransmitterPosition | None:
        """Where the transmitter stood; None where that is not known."""
        return self.position if self.truth is None else self.truth.transmitter

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The features that it holds, in their order: fewer than FEATURE_NAMES in a record of an earlier version."""
        return FEATURE_NAMES[: len(self.values) // len(STATISTICS)]

    def features(self) -> npt.NDArray[np.float64]:
        """The values as float64, shape (n, 4): `feature_names` by STATISTICS."""
        return np.array(self.values).reshape(-1, len(STATISTICS))

    def value(self, feature: str, statistic: str = "mean") -> float:
        """One value by its names; NaN where the record is of a version without the feature."""
        at = FEATURE_NAMES.index(feature) * len(STATISTICS) + STATISTICS.index(statistic)
        return self.values[at] if at < len(self.values) else math.nan


Extract: TypeAlias = Callable[[IQFrame, Lineage], FeatureRecord]
"""A recording to its record: `extractor.record.feature_record`, for those who may not import it."""


class FailureRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A sample, or one receiver of it, that could not be made or read: the join need not wait for it."""

    dataset_id: DatasetId
    dataset_version: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    sample_idx: SampleIndex
    generation: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0
    rx_id: ReceiverId | None
    """None: the whole sample."""
    stage: Name
    """Which of the stream's stages gave it up; a stage that a later version adds is read as well."""
    error: Name
    """The error's class."""
    message: Annotated[str, Meta(max_length=2000, pattern=TEXT)]
    lineage: Lineage
