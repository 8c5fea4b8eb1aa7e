"""Real recordings: the spec of a dataset of them, and what is known of a window that a receiver recorded."""

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias
from uuid import UUID, uuid5

import msgspec
from msgspec import Meta

from schemas.checked import Checked
from schemas.dataset import (
    MAX_CHUNKS,
    MAX_RECEIVERS,
    MAX_SAMPLES,
    TEXT,
    Count,
    DatasetId,
    DatasetSpec,
    Finite,
    Latitude,
    Limits,
    Longitude,
    Name,
    NonNegative,
    Publish,
    Share,
    Station,
    require_ordered,
    sha256_of,
)

TimeSource: TypeAlias = Literal["gnss", "ntp", "arrival", "name", "none"]
"""Where the time of a recording comes from: time stamps of a satellite receiver, the recording computer's clock (by the
file's metadata; whether NTP keeps it is not known to a file), when samples without time stamps came over the network
(known to a tenth of a second or so), the file's name, or nowhere."""
LevelReference: TypeAlias = Literal["dbm", "dbfs"]
"""What 0 dBm means: a power at the antenna input by a calibration, or full scale of an uncalibrated receiver."""
COMPARED_BY: tuple[TimeSource, ...] = ("gnss",)
"""Sources of time that are exact enough for time differences; a computer's clock errs by a millisecond: 300 km."""
LIMITS_BANDWIDTH_HZ = 200_000.0
"""`Limits.detection_snr_db` is of a recording of this bandwidth; in another one the same signal has another SNR."""
_IDENTITY = frozenset({"dataset_id", "dataset_version", "name", "samples", "iq_samples", "receivers", "pairs"})
"""Fields that say which dataset this is, how much of it there is and whose, not how a window becomes a sample."""


class TransmitterPosition(Checked, frozen=True, kw_only=True):
    """Where a transmitter is known to have stood."""

    latitude: Latitude
    """North, WGS 84."""
    longitude: Longitude
    """East, WGS 84."""
    altitude_m: Finite | None = None
    """Of the ground, above sea level; None where it is not known."""


class RecordedWindow(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a real recording beside its samples; generated ones have none."""

    file: Annotated[str, Meta(max_length=255, pattern=TEXT)]
    """Its name, without folders."""
    first_sample: Annotated[int, Meta(ge=0)]
    """Index in the file."""
    identity: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]
    """SHA-256 of content and place: the same for a file that is read again, and for its copy."""
    time_source: TimeSource
    late_samples: Annotated[float, Meta(ge=0, le=1)]
    """How much later than the window begins the first sample was taken, in samples of the file."""
    level_reference: LevelReference
    clipped_share: Share
    """Of the components that stand at a limit of the converter."""
    clipped: bool
    dc_dominates: bool
    """The mean holds more than half of the power."""
    agc_suspected: bool
    """The noise floor falls when a signal rises: levels mean nothing."""
    dc_of_device: bool
    """The mean is the receiver's, and is taken out before features are measured."""
    unaligned: Annotated[str, Meta(max_length=500, pattern=TEXT)] = ""
    """Why the sample has this receiver alone although others may have recorded at its time; else empty."""
    lost_before_s: NonNegative | msgspec.UnsetType = msgspec.UNSET
    """Seconds that are missing between the receiver's window ahead and this one, where that is known: a connection
    that was lost, or samples that were dropped."""


def why_not_compared(time_sources: Mapping[str, TimeSource]) -> str:
    """Why a sample has no time differences, or none of some receivers; empty where it has those of all.

    Args:
        time_sources: of the sample's receivers, by rx_id.
    """
    if len(time_sources) < 2:
        return "one receiver alone recorded it"
    untimed = [f"{rx_id} ({source})" for rx_id, source in time_sources.items() if source not in COMPARED_BY]
    if not untimed:
        return ""
    return f"the time of {', '.join(untimed)} is not exact enough: time differences need {' or '.join(COMPARED_BY)}"


class RecordedLimits(Limits, frozen=True, kw_only=True):
    """What a recorded sample needs to be accepted. One receiver may be all there is."""

    min_receivers: Annotated[int, Meta(ge=1, le=MAX_RECEIVERS)] = 1
    """Fewest receivers that must have detected it."""


class RecordedSpec(Checked, frozen=True, kw_only=True):
    """A dataset of real recordings: whose they are, and how windows of them become samples."""

    dataset_id: DatasetId
    """A UUID; drawn for a new dataset."""
    name: Name
    """What the dataset is called; one in use is refused."""
    samples: Annotated[int, Meta(ge=1, le=MAX_SAMPLES)]
    """How many there are so far."""
    ingest_version: Name
    """Of the program that cut the recordings into windows."""
    receivers: Annotated[tuple[Station, ...], Meta(min_length=1, max_length=MAX_RECEIVERS)]
    """The network, in the order of a sample's recordings."""
    dataset_version: Annotated[int, Meta(ge=1, le=2**31 - 1)] = 1
    """Of the results; replays make further ones."""
    iq_samples: Count = 100
    """The IQ of so many samples is kept, the first ones that are accepted."""
    window_ms: Annotated[int, Meta(ge=1, le=60_000)] = 1000
    """A sample's length: windows begin at whole multiples of it, counted in UTC from 1970."""
    chunk_ms: Annotated[int, Meta(ge=1, le=60_000)] = 200
    """Features are measured of pieces of this length; no longer than the window."""
    sample_rate_hz: Annotated[float, Meta(ge=1, le=1e9)] | None = None
    """To which recordings are resampled; None: each keeps its own."""
    pairs: bool = False
    """Whether the time differences between receivers are measured, too, where satellites gave the time of both."""
    limits: RecordedLimits = RecordedLimits()

    def __post_init__(self) -> None:
        if all(isinstance(one, Station) for one in self.receivers):  # `Receiver`s too
            stations = tuple(Station(**msgspec.structs.asdict(one)) for one in self.receivers)
            msgspec.structs.force_setattr(self, "receivers", stations)
        super().__post_init__()
        require_ordered(self.chunk_ms, self.window_ms, "chunk_ms, window_ms")
        if -(-self.window_ms // self.chunk_ms) > MAX_CHUNKS:
            raise ValueError(f"chunk_ms: more than {MAX_CHUNKS} chunks in a window")
        ids = [receiver.rx_id for receiver in self.receivers]
        twice = sorted({rx_id for rx_id in ids if ids.count(rx_id) > 1})
        if twice:
            raise ValueError(f"receivers: rx_id {', '.join(twice)} is duplicated")

    @property
    def duration_ms(self) -> int:
        """How long every recording is."""
        return self.window_ms

    @property
    def unplaced(self) -> tuple[str, ...]:
        """Receivers whose place is not known."""
        return tuple(station.rx_id for station in self.receivers if station.placed is None)

    @property
    def publish(self) -> Publish:
        """Windows are published as frames, and kept: nobody can make them again."""
        return "frames"

    @property
    def generator_version(self) -> None:
        """Nothing is generated."""
        return

    def content_sha256(self) -> str:
        """Returns the hex digest of how a window becomes a sample (not identity, size and network)."""
        return sha256_of({name: value for name, value in msgspec.to_builtins(self).items() if name not in _IDENTITY})

    def recording_session_id(self, sample_idx: int) -> UUID:
        """Returns the row id of a sample: UUIDv5 of (dataset, version, index)."""
        return uuid5(UUID(self.dataset_id), f"{self.dataset_version}:{sample_idx}")


Spec: TypeAlias = DatasetSpec | RecordedSpec
"""Of any dataset."""


def read_spec(text: str | bytes, *, recorded: bool) -> Spec:
    """The spec of a dataset as it is stored, JSON.

    Raises:
        msgspec.DecodeError: it is none, or of a later release.
    """
    if recorded:
        return msgspec.json.decode(text, type=RecordedSpec)
    return msgspec.json.decode(text, type=DatasetSpec)
