"""The spec of a dataset: everything that determines its samples, and how it is cut into shards."""

import hashlib
from itertools import combinations
from operator import itemgetter
from typing import Annotated, Any, Literal, get_args
from uuid import UUID, uuid5

import msgspec
from msgspec import Meta

from schemas.checked import Checked
from schemas.terrain import Terrain

SPEC_VERSION = 1
MAX_RECEIVERS = 64
MAX_SAMPLES = 10_000_000
MAX_SHARD_SAMPLES = 64
MAX_CAPTURE_SAMPLES = 8 * 1024 * 1024
"""Complex samples of one recording."""
MAX_CHUNKS = 4096
"""Chunks of one recording."""
MAX_CLOCK_DRIFT_US = 4.0
"""Of a receiver's clock within a recording."""
TEXT = r"^[^\x00\ud800-\udfff]*$"
"""What UTF-8 and PostgreSQL can both hold: no lone surrogate, no NUL."""

Finite = Annotated[float, Meta(ge=-1e300, le=1e300)]
NonNegative = Annotated[float, Meta(ge=0, le=1e300)]
Positive = Annotated[float, Meta(gt=0, le=1e300)]
Share = Annotated[float, Meta(ge=0, le=1)]
Decibels = Annotated[float, Meta(ge=-300, le=300)]
Metres = Annotated[float, Meta(gt=0, le=10_000)]
Watts = Annotated[float, Meta(gt=0, le=1e9)]
Microseconds = Annotated[float, Meta(ge=0, le=1e6)]
Latitude = Annotated[float, Meta(ge=-90, le=90)]
Longitude = Annotated[float, Meta(ge=-180, le=180)]
Altitude = Annotated[float, Meta(ge=-500, le=9000)]
Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=TEXT)]
# `$` alone lets a final newline through.
ReceiverId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$(?!\n)")]
DatasetId = Annotated[str, Meta(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$(?!\n)")]
Modulation = Literal["nbfm", "carrier", "am", "ssb", "4fsk"]
"""What a transmitter sends."""
Modulations = Literal[Modulation, "mixed"]
"""What a dataset sends; mixed: drawn per sample, each as often as the others (`producer.emission.MIXED`)."""
MODULATIONS: tuple[Modulations, ...] = get_args(Modulations)
Publish = Literal["frames", "features"]
"""What the producer sends of a recording: the frame, whose features the extractor computes, or the features at once."""
TransmittingAntenna = Literal["constant", "whip", "rubber_duck", "yagi"]
ReceivingAntenna = Literal["constant", "dipole", "collinear", "yagi"]
_IDENTITY = frozenset({"dataset_id", "dataset_version", "name", "samples", "iq_samples", "publish", "pairs"})
"""Fields that say which dataset this is, how much of it is wanted and by which way, not what sample i holds."""
Count = Annotated[int, Meta(ge=0, le=MAX_SAMPLES)]
SampleIndex = Annotated[int, Meta(ge=0, lt=MAX_SAMPLES)]


def require_ordered(low: float, high: float, names: str) -> None:
    """Raises ValueError unless low <= high (NaN included)."""
    if not low <= high:
        raise ValueError(f"{names}: {low} is above {high}")


class Station(Checked, frozen=True, kw_only=True, eq=False):
    """A receiving station, whose place is known or not: all of latitude, longitude and altitude, or none of them.

    `altitude_m` is that of the ground; the antenna is `antenna_height_m` above it. One of known place equals the
    `Receiver` of the same values.
    """

    rx_id: ReceiverId
    """Names it everywhere."""
    latitude: Latitude | None
    """North, WGS 84."""
    longitude: Longitude | None
    """East, WGS 84."""
    altitude_m: Altitude | None
    """Of the ground, above sea level."""
    antenna_height_m: Annotated[float, Meta(gt=0, le=1000)] = 20.0
    """Above the ground."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if len({value is None for value in (self.latitude, self.longitude, self.altitude_m)}) > 1:
            raise ValueError(f"latitude, longitude, altitude_m: {self.rx_id} has a place, or none: not a part of one")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Station) and msgspec.structs.astuple(self) == msgspec.structs.astuple(other)

    def __ne__(self, other: object) -> bool:
        return not self == other  # the struct's own would compare types

    def __hash__(self) -> int:
        return hash(msgspec.structs.astuple(self))

    @property
    def placed(self) -> "Receiver | None":
        """The station as one of known place; None where that is not known."""
        if self.latitude is None or self.longitude is None or self.altitude_m is None:
            return None
        return Receiver(
            rx_id=self.rx_id,
            latitude=self.latitude,
            longitude=self.longitude,
            altitude_m=self.altitude_m,
            antenna_height_m=self.antenna_height_m,
        )


class Receiver(Station, frozen=True, kw_only=True, eq=False):
    """A receiving station of known place. `altitude_m` is the ground's; the antenna is `antenna_height_m` above it."""

    latitude: Latitude
    """North, WGS 84."""
    longitude: Longitude
    """East, WGS 84."""
    altitude_m: Altitude
    """Of the ground, above sea level."""


def require_one_ground(one: Receiver, other: Receiver) -> None:
    """Raises ValueError unless two receivers of one spot have one altitude."""
    if one.altitude_m != other.altitude_m:
        raise ValueError(
            f"receivers: {one.rx_id} and {other.rx_id} have the same coordinates but altitudes of {one.altitude_m:g} m "
            f"and {other.altitude_m:g} m: altitude_m is the ground's, so make them equal; antenna_height_m may differ"
        )


ITALY_NORTH_WEST: tuple[Receiver, ...] = (
    Receiver(rx_id="giaveno", latitude=45.02, longitude=7.29, altitude_m=600.0),
    Receiver(rx_id="montanaro", latitude=45.234, longitude=7.857, altitude_m=300.0),
    Receiver(rx_id="torino", latitude=45.044, longitude=7.672, altitude_m=250.0),
    Receiver(rx_id="coazze", latitude=45.03, longitude=7.27, altitude_m=700.0),
    Receiver(rx_id="passo-dei-giovi", latitude=44.561, longitude=8.956, altitude_m=480.0),
    Receiver(rx_id="genova", latitude=44.395, longitude=8.956, altitude_m=100.0),
    Receiver(rx_id="milano-baggio", latitude=45.478, longitude=9.123, altitude_m=120.0),
)
"""The default network: seven receivers of north-west Italy."""


class Capture(Checked, frozen=True, kw_only=True):
    """How long and how fast every receiver records, and how the recording is cut for the features."""

    sample_rate_hz: Annotated[float, Meta(ge=1_000, le=20e6)] = 200_000.0
    """Complex samples a second: the bandwidth that is recorded."""
    capture_ms: Annotated[int, Meta(ge=1, le=60_000)] = 1000
    """How long every receiver records."""
    chunk_ms: Annotated[int, Meta(ge=1, le=60_000)] = 200
    """Features are measured of pieces of this length; no longer than the recording."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_ordered(self.chunk_ms, self.capture_ms, "chunk_ms, capture_ms")
        chunks = -(-self.capture_ms // self.chunk_ms)
        if chunks > MAX_CHUNKS:
            raise ValueError(f"chunk_ms: {chunks} chunks in a recording, at most {MAX_CHUNKS}")
        if self.samples > MAX_CAPTURE_SAMPLES:
            raise ValueError(
                f"sample_rate_hz, capture_ms: {self.samples} samples in a recording, at most {MAX_CAPTURE_SAMPLES}: "
                f"{longest_capture_ms(self.sample_rate_hz)} ms at this rate"
            )

    @property
    def samples(self) -> int:
        """Complex samples of one recording."""
        return round(self.sample_rate_hz * self.capture_ms / 1000)


def longest_capture_ms(sample_rate_hz: float) -> int:
    """Returns the longest recording that a spec may have at a sample rate, milliseconds."""
    return int(MAX_CAPTURE_SAMPLES / sample_rate_hz * 1000)


class Scenario(Checked, frozen=True, kw_only=True):
    """Where transmitters are and what they send."""

    inside_share: Share = 0.7
    """How many transmitters stand within the receivers' bounding box; the others around it."""
    margin_deg: Annotated[float, Meta(gt=0, le=10)] = 0.5
    """How far around the box those stand at most."""
    eirp_min_w: Watts = 2.0
    """Least power towards a receiver (EIRP); drawn evenly in dB."""
    eirp_max_w: Watts = 50.0
    """Most power towards a receiver (EIRP)."""
    tx_antenna_gain_dbi: Decibels = 2.0
    """Of the transmitter's antenna; tells the truth's power from its EIRP."""
    tx_height_min_m: Metres = 1.5
    """Lowest transmitting antenna above the ground."""
    tx_height_max_m: Metres = 30.0
    """Highest transmitting antenna above the ground."""
    modulation: Modulations = "nbfm"
    """What is sent; mixed: drawn per sample, the truth says which."""
    sideband: Literal["upper", "lower", "either"] = "either"
    """Of single sideband; either: drawn per sample."""
    oscillator_ppm: Annotated[float, Meta(ge=0, le=1000)] = 2.0
    """Largest frequency error of every oscillator, either way."""
    transmitters_at_sea: bool = False
    """Whether a transmitter may stand on the sea."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_ordered(self.eirp_min_w, self.eirp_max_w, "eirp_min_w, eirp_max_w")
        require_ordered(self.tx_height_min_m, self.tx_height_max_m, "tx_height_min_m, tx_height_max_m")


class Propagation(Checked, frozen=True, kw_only=True):
    """Path loss beyond free space, and what the receiver adds.

    `environment` sets the man-made noise (ITU-R P.372), `clutter` what surrounds both antennas (ITU-R P.2108).
    """

    shadowing_sigma_db: Annotated[float, Meta(ge=0, le=100)] = 6.0
    """Standard deviation of shadowing, beyond terrain and clutter."""
    shadowing_decorrelation_km: Positive = 5.0
    """Receivers this far apart have shadowing with a correlation of 1/e."""
    rx_antenna_gain_dbi: Decibels = 5.0
    """Of every receiver's antenna."""
    noise_figure_db: Annotated[float, Meta(ge=0, le=100)] = 6.0
    """Of every receiver."""
    environment: Literal["city", "residential", "rural"] = "rural"
    """Man-made noise (ITU-R P.372)."""
    clutter: Literal["none", "rural", "suburban", "urban", "dense_urban"] = "rural"
    """What surrounds both antennas (ITU-R P.2108)."""
    effective_earth_factor: Annotated[float, Meta(ge=0.5, le=10)] = 4 / 3
    """k: the earth's radius in which rays run straight over the true one."""


class Channel(Checked, frozen=True, kw_only=True):
    """Multipath and motion."""

    taps_min: Annotated[int, Meta(ge=1, le=32)] = 3
    """Fewest echoes of a path, the first arrival included."""
    taps_max: Annotated[int, Meta(ge=1, le=32)] = 6
    """Most echoes of a path."""
    delay_min_us: Microseconds = 0.5
    """Shortest delay of an echo behind the first arrival."""
    delay_max_us: Microseconds = 5.0
    """Longest delay of an echo."""
    rician_share: Share = 0.3
    """How many paths have a steady first arrival."""
    rician_k_min_db: Decibels = 3.0
    """Least power of the steady part over the rest."""
    rician_k_max_db: Decibels = 10.0
    """Most power of the steady part over the rest."""
    speed_min_m_s: NonNegative = 0.0
    """Slowest transmitter."""
    speed_max_m_s: Annotated[float, Meta(ge=0, le=1000)] = 30.0
    """Fastest transmitter."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_ordered(self.taps_min, self.taps_max, "taps_min, taps_max")
        require_ordered(self.delay_min_us, self.delay_max_us, "delay_min_us, delay_max_us")
        require_ordered(self.rician_k_min_db, self.rician_k_max_db, "rician_k_min_db, rician_k_max_db")
        require_ordered(self.speed_min_m_s, self.speed_max_m_s, "speed_min_m_s, speed_max_m_s")


class Impairments(Checked, frozen=True, kw_only=True):
    """What the receivers' analogue parts do to signal and noise; off by default, the same for all receivers."""

    phase_noise_linewidth_hz: Annotated[float, Meta(ge=0, le=10_000)] = 0.0
    """Full width at half maximum of the line that becomes of a carrier."""
    iq_gain_error_db: Annotated[float, Meta(ge=-20, le=20)] = 0.0
    """Gain of the I branch over that of the Q branch."""
    iq_phase_error_deg: Annotated[float, Meta(ge=-60, le=60)] = 0.0
    """By how much the angle between the I and Q branches differs from 90 degrees."""
    dc_offset_db: Annotated[float, Meta(ge=-100, le=100)] | None = None
    """Power of the constant offset over that of the noise in the recorded bandwidth."""
    clip_level_db: Annotated[float, Meta(ge=-40, le=100)] | None = None
    """Where I and Q are clipped, over the rms of one of them."""


class Clocks(Checked, frozen=True, kw_only=True):
    """What time it is for a receiver; the same kind of clock for all, drawn anew for every sample.

    A clock that is fast by e and ahead by o takes the sample that it stamps t at t - o - e t.
    """

    kind: Literal["ideal", "gnss", "free"] = "ideal"
    """ideal: exact; gnss: steered by satellites; free: an oscillator by itself, which errs as its carrier does."""
    offset_us: Annotated[float, Meta(ge=0, le=10_000)] = 0.05
    """Standard deviation of the time of the first sample; unused where the clock is ideal."""
    rate_ppm: Annotated[float, Meta(ge=0, le=1)] = 0.001
    """Standard deviation of sample rate and carrier, of gnss; a free clock has scenario.oscillator_ppm."""

    @property
    def error_us(self) -> float:
        """Standard deviation of the time of the first sample."""
        return 0.0 if self.kind == "ideal" else self.offset_us


class Antennas(Checked, frozen=True, kw_only=True):
    """Which antennas there are, and with that their patterns (`producer.antennas`).

    The EIRP is that in an antenna's strongest direction.
    """

    transmitter: Literal[TransmittingAntenna, "mixed"] = "constant"
    """constant: scenario.tx_antenna_gain_dbi in every direction; mixed: drawn per sample, most of them whips."""
    receiver: Literal[ReceivingAntenna, "mixed"] = "constant"
    """constant: propagation.rx_antenna_gain_dbi in every direction; mixed: drawn per receiver, most of them dipoles."""


class Limits(Checked, frozen=True, kw_only=True):
    """What a sample needs to be accepted, and a receiver to count as having detected it."""

    min_snr_db: Finite = 3.0
    """Lowest mean SNR, over the receivers that detected it, of an accepted sample."""
    min_receivers: Annotated[int, Meta(ge=2, le=MAX_RECEIVERS)] = 3
    """Fewest receivers that must have detected it."""
    max_gdop: Positive = 10.0
    """Highest dilution of precision of the receivers that detected it."""
    detection_snr_db: Finite = -12.0
    """A receiver with less mean SNR has not detected it."""


class DatasetSpec(Checked, frozen=True, kw_only=True):
    """A dataset in full: sample i of a dataset is a function of its spec and i, and of nothing else.

    `dataset_id`, `dataset_version`, `name`, `samples`, `iq_samples`, `publish` and `pairs` say which dataset this is,
    how much of it is wanted and by which way; they do not change what sample i holds.
    """

    dataset_id: DatasetId
    """A UUID; drawn for a new dataset."""
    name: Name
    """What the dataset is called; one in use is refused."""
    samples: Annotated[int, Meta(ge=1, le=MAX_SAMPLES)]
    """How many transmissions to make."""
    generator_version: Name
    """Of the program that makes the samples."""
    dataset_version: Annotated[int, Meta(ge=1, le=2**31 - 1)] = 1
    """Of the results; replays make further ones."""
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    """Of everything random: the same seed and settings give the same recordings."""
    frequency_hz: Annotated[float, Meta(ge=50e6, le=500e6)] = 144e6
    """Carrier, and the centre of the recorded window."""
    iq_samples: Count = 100
    """The IQ of so many samples is kept, the first ones that are accepted."""
    publish: Publish = "frames"
    """What producers publish; features: they compute the features themselves, the same rows at less cost."""
    pairs: bool = False
    """Whether the time differences between receivers are measured, too; a sample waits for them."""
    datatype: Literal["auto", "cf32_le"] = "auto"
    """Numbers of the recordings in Kafka; auto: 8-bit integers where the noise is far above a step, else 16-bit."""
    receivers: Annotated[tuple[Receiver, ...], Meta(min_length=2, max_length=MAX_RECEIVERS)] = ITALY_NORTH_WEST
    """The network, in the order of a sample's recordings."""
    capture: Capture = Capture()
    scenario: Scenario = Scenario()
    propagation: Propagation = Propagation()
    terrain: Terrain = Terrain()
    channel: Channel = Channel()
    impairments: Impairments = Impairments()
    clocks: Clocks = Clocks()
    antennas: Antennas = Antennas()
    limits: Limits = Limits()

    def __post_init__(self) -> None:
        super().__post_init__()
        ids = [receiver.rx_id for receiver in self.receivers]
        twice = sorted({rx_id for rx_id in ids if ids.count(rx_id) > 1})
        if twice:
            raise ValueError(f"receivers: rx_id {', '.join(twice)} is duplicated")
        for one, other in combinations(self.receivers, 2):
            if (one.latitude, one.longitude) == (other.latitude, other.longitude):
                require_one_ground(one, other)
        self._require_slow_clocks()
        if self.limits.min_receivers > len(ids):
            raise ValueError(f"limits.min_receivers: {self.limits.min_receivers} of {len(ids)} receivers")

    def _require_slow_clocks(self) -> None:
        """Raises ValueError where a clock errs by more within a recording than the channel's model bears."""
        if self.clocks.kind != "free":
            return
        drift_us = self.scenario.oscillator_ppm * self.capture.capture_ms / 1000
        if drift_us > MAX_CLOCK_DRIFT_US:
            raise ValueError(
                f"clocks.kind: a free clock of {self.scenario.oscillator_ppm:g} ppm (scenario.oscillator_ppm) errs by "
                f"{drift_us:g} us within {self.capture.capture_ms} ms, at most {MAX_CLOCK_DRIFT_US:g}: take shorter "
                "recordings or a better oscillator"
            )

    @property
    def duration_ms(self) -> int:
        """How long every recording is."""
        return self.capture.capture_ms

    def content_sha256(self) -> str:
        """Returns the hex digest of everything that determines the result for sample i (not identity and size)."""
        return sha256_of(self._content())

    def recordings_sha256(self) -> str:
        """Returns the hex digest of everything that determines the recordings of sample i: equal digests, equal IQ.

        How a recording is cut and judged, and what only its truth tells, is left out; so is what this spec does not
        use, such as the sideband of FM.
        """
        content = self._content()
        del content["limits"]
        del content["capture"]["chunk_ms"], content["scenario"]["tx_antenna_gain_dbi"]
        if self.scenario.modulation not in {"ssb", "mixed"}:
            del content["scenario"]["sideband"]
        if self.terrain.source != "procedural":
            for name in ("seed", "hurst", "detail"):
                del content["terrain"][name]
        if self.terrain.source == "none":
            del content["terrain"]["profile_step_m"]
        if self.clocks.kind == "free":
            del content["clocks"]["rate_ppm"]
        if self.antennas.receiver != "constant":
            del content["propagation"]["rx_antenna_gain_dbi"]
        content["terrain"]["tiles"] = sorted(content["terrain"]["tiles"], key=itemgetter("name"))
        return sha256_of(content)

    def _content(self) -> dict[str, Any]:
        """All fields but those of identity, and those that came later as long as they change nothing."""
        content = {name: value for name, value in msgspec.to_builtins(self).items() if name not in _IDENTITY}
        if self.clocks.kind == "ideal":
            del content["clocks"]
        if self.antennas == Antennas():
            del content["antennas"]
        return content

    def split_salt(self) -> str:
        """Returns the UUID that determines the random split of a new dataset, the same for equal recordings."""
        return str(UUID(self.recordings_sha256()[:32]))

    def recording_session_id(self, sample_idx: int) -> UUID:
        """Returns the row id of a sample: UUIDv5 of (dataset, version, index)."""
        return uuid5(UUID(self.dataset_id), f"{self.dataset_version}:{sample_idx}")


def sha256_of(content: object) -> str:
    """Returns the hex digest of a spec's content, as JSON with sorted names."""
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()


class GenerationShard(Checked, frozen=True, kw_only=True):
    """A few consecutive samples to generate: the unit of work on `iq.jobs`."""

    spec: DatasetSpec
    first_idx: SampleIndex
    count: Annotated[int, Meta(ge=1, le=MAX_SHARD_SAMPLES)]
    generation: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.first_idx + self.count > self.spec.samples:
            raise ValueError(
                f"first_idx, count: {self.first_idx} + {self.count} is past the dataset's {self.spec.samples}"
            )

    @property
    def sample_indices(self) -> range:
        """The indices of the shard's samples."""
        return range(self.first_idx, self.first_idx + self.count)
