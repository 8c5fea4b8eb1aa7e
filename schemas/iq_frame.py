"""One receiver's recording of a sample, with the generator's truth."""

import struct
from typing import Annotated, Literal

import msgspec
import numpy as np
import numpy.typing as npt
from fastcrc.crc32 import iso_hdlc as crc32
from msgspec import Meta

from schemas.dataset import (
    MAX_CAPTURE_SAMPLES,
    MAX_CHUNKS,
    MAX_RECEIVERS,
    TEXT,
    DatasetId,
    Finite,
    Latitude,
    Longitude,
    NonNegative,
    Positive,
    SampleIndex,
    Station,
)
from schemas.errors import Malformed
from schemas.recorded import RecordedWindow, TransmitterPosition

MAX_IQ_BYTES = 8 * MAX_CAPTURE_SAMPLES
MAX_TAPS = 64

Datatype = Literal["ci8", "ci16_le", "cf32_le"]
"""SigMF's names: interleaved I and Q, little-endian."""

_COMPONENT: dict[str, str] = {"ci8": "<i1", "ci16_le": "<i2", "cf32_le": "<f4"}
SampleRateHz = Annotated[float, Meta(ge=1, le=1e9)]
Antenna = Annotated[str, Meta(max_length=32, pattern=TEXT)]
PerTap = Annotated[tuple[Finite, ...], Meta(max_length=MAX_TAPS)]
PerChunk = Annotated[tuple[Finite, ...], Meta(max_length=MAX_CHUNKS)]


class TransmitterTruth(msgspec.Struct, frozen=True, kw_only=True):
    """The transmitter of a sample, the same for all its receivers."""

    latitude: Latitude
    longitude: Longitude
    altitude_m: Finite
    """Ground level."""
    antenna_height_m: Finite
    power_dbm: Finite
    """Into the antenna: EIRP less the antenna's gain."""
    eirp_dbm: Finite
    inside_network: bool
    modulation: Annotated[str, Meta(max_length=32, pattern=TEXT)]
    peak_deviation_hz: NonNegative
    """Of 4FSK that of the outer symbols; 0 where the modulation has none."""
    frequency_offset_hz: Finite
    """Of the carrier (suppressed or not) from the centre of the recorded window, oscillator error left out."""
    modulation_depth: NonNegative = 0.0
    """Of AM."""
    sideband: Literal["upper", "lower"] | None = None
    """Of SSB."""
    mean_power_db: Finite = 0.0
    """Realised over the recording, over the rated power: the carrier's, for SSB the peak envelope power."""
    occupied_bandwidth_hz: NonNegative | None = None
    """Realised over the recording: 99 % of the power, 0.5 % on either side (ITU-R SM.328)."""


class LinkTruth(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The path to one receiver. The loss is the sum of its parts; powers are at the receiver's input."""

    distance_km: NonNegative
    path_loss_db: Finite
    free_space_loss_db: Finite
    diffraction_loss_db: Finite
    clutter_loss_db: Finite
    """At both ends."""
    shadowing_db: Finite
    clearance_m: Finite | None
    """Lowest height of the ray, bent by the air, above the ground between the antennas; negative where it is
    blocked. None, like the next, where the dataset has no terrain."""
    terrain_max_m: Finite | None
    """Highest ground of the profile, above sea level."""
    mean_signal_dbm: Finite
    """Link budget of the rated power: mean over fading."""
    noise_dbm: Finite
    """In the whole recorded bandwidth."""
    mean_snr_db: Finite
    arrival_delay_us: NonNegative
    """Time of flight of the first tap."""
    frequency_offset_hz: Finite
    """Of the received signal from the window's centre: emission and both oscillators."""
    doppler_max_hz: NonNegative
    rician_k_db: Finite | None
    """Of the first tap; None where it is Rayleigh."""
    tap_delays_us: PerTap
    """After the first arrival."""
    tap_powers: PerTap
    """Mean powers; they sum to 1."""
    rms_delay_spread_us: NonNegative
    signal_dbm: PerChunk
    """Realised mean power per chunk, like the two that follow."""
    noise_realised_dbm: PerChunk
    snr_db: PerChunk
    quantisation_noise_dbm: Finite
    """Of the integers on the wire, scale^2/6; -300 where there are none."""
    tx_antenna: Antenna | None = None
    """None, like the next three, where the gain is the same in every direction."""
    tx_gain_dbi: Finite | None = None
    """Of the transmitter's antenna towards the receiver."""
    rx_antenna: Antenna | None = None
    rx_gain_dbi: Finite | None = None
    """Of the receiver's antenna towards the transmitter."""


class ReceiverTruth(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A receiver's impairments, applied to signal and noise after the link's powers are taken, and its clock."""

    phase_noise_linewidth_hz: NonNegative
    iq_gain_error_db: Finite
    iq_phase_error_deg: Finite
    image_rejection_db: Finite | None
    """Power of a tone over that of its image; None where I and Q are balanced."""
    dc_offset_dbm: Finite | None
    dc_phase_deg: Finite | None
    clip_level_dbm: Finite | None
    """Power of a tone whose I and Q just reach the limit."""
    clipped_share: Annotated[float, Meta(ge=0, le=1)]
    """Part of the components (I and Q) that stand at the limit."""
    clock_offset_us: Finite = 0.0
    """By how much its clock is ahead of the true time at the first sample: signals seem to arrive that much later."""
    clock_rate_ppm: Finite = 0.0
    """By how much its clock is fast: what it stamps t after the first sample seems later by this times t."""


class Truth(msgspec.Struct, frozen=True, kw_only=True):
    """What the generator put in; a real recording has none."""

    transmitter: TransmitterTruth
    link: LinkTruth
    receiver: ReceiverTruth | None = None
    """None where the receiver has no impairments and an ideal clock."""


class IQFrame(msgspec.Struct, frozen=True, kw_only=True):
    """One recording. |x|^2 of a sample x is power in mW."""

    dataset_id: DatasetId
    dataset_version: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    sample_idx: SampleIndex
    generation: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0
    receivers_expected: Annotated[int, Meta(ge=1, le=MAX_RECEIVERS)]
    pairs_expected: bool = False
    """The sample's time differences are measured, too."""
    clock_error_us: NonNegative = 0.0
    """Standard deviation of the time that the receiver stamps; 0 where it is not known to err."""
    receiver: Station
    captured_at_ns: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    center_frequency_hz: Positive
    sample_rate_hz: SampleRateHz
    chunk_ms: Annotated[int, Meta(ge=1, le=60_000)]
    datatype: Datatype
    scale: Annotated[float, Meta(ge=1e-30, le=1e30)]
    """sqrt(mW) per unit of the integers; 1 for cf32_le."""
    truth: Truth | None
    position: TransmitterPosition | None = None
    """Of the transmitter, where there is no truth and yet it is known."""
    recorded: RecordedWindow | None = None
    """Of a real recording."""
    iq: memoryview
    """One-dimensional, of bytes."""

    def __post_init__(self) -> None:
        if self.iq.format != "B" or self.iq.ndim != 1:
            raise ValueError(f"iq: a memoryview of format {self.iq.format!r}, not of bytes: cast it to 'B'")
        size = component_dtype(self.datatype).itemsize * 2
        if len(self.iq) > MAX_IQ_BYTES:
            raise ValueError(f"iq: {len(self.iq)} bytes, at most {MAX_IQ_BYTES}")
        if len(self.iq) == 0 or len(self.iq) % size:
            raise ValueError(f"iq: {len(self.iq)} bytes are not whole {self.datatype} samples of {size}")

    def samples(self) -> npt.NDArray[np.complex64]:
        """Returns the recording as complex64, shape (n,), in sqrt(mW): a new array, aligned whatever `iq` is."""
        components = np.frombuffer(self.iq, dtype=component_dtype(self.datatype))
        amplitudes = components.astype(np.float32)
        amplitudes *= np.float32(self.scale)  # in place: NumPy converts in small buffers where it does both at once
        return amplitudes.view(np.complex64)

    @property
    def duration_ms(self) -> float:
        """Length of the recording in milliseconds."""
        size = component_dtype(self.datatype).itemsize * 2
        return len(self.iq) // size / self.sample_rate_hz * 1000


def component_dtype(datatype: str) -> np.dtype[np.generic]:
    """The NumPy type of one component (I or Q).

    Raises:
        Malformed: not a datatype of ours.
    """
    try:
        return np.dtype(_COMPONENT[datatype])
    except KeyError:
        raise Malformed(f"datatype {datatype!r} is not one of {', '.join(_COMPONENT)}") from None


def frame_crc32(frame: IQFrame) -> int:
    """Returns the CRC-32 (of zlib) over datatype, scale and IQ, by which two recordings are compared."""
    return crc32(frame.iq, crc32(frame.datatype.encode() + struct.pack("<d", frame.scale)))
