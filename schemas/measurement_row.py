"""An accepted sample as it is stored."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementRow:
    """The columns of `heimdall.measurement_features` by their names; JSON objects as text."""

    recording_session_id: UUID
    dataset_id: str
    dataset_version: int
    sample_idx: int
    receiver_features: tuple[str, ...]
    tx_latitude: float | None
    tx_longitude: float | None
    tx_altitude_m: float | None
    """Of the ground at the transmitter."""
    tx_known: bool
    extraction_metadata: str
    overall_confidence: float
    mean_snr_db: float
    num_receivers_detected: int
    gdop: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PairRow:
    """The columns of `heimdall.pair_measurements` by their names: the time differences of an accepted sample."""

    dataset_id: str
    dataset_version: int
    sample_idx: int
    pairs: tuple[str, ...]
    """A JSON object of each pair that was measured."""
    extractor_version: str
