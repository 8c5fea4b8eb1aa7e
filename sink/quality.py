"""Is a sample good enough to train on: who heard it, how well, and from which directions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from schemas import FeatureRecord, Limits
from schemas.recorded import LIMITS_BANDWIDTH_HZ

QualityLimits = Limits
"""What a sample must reach; the part of a dataset's spec that `assess` judges by."""

Reason: TypeAlias = Literal["too_few_receivers", "low_snr", "poor_geometry"]
REASONS: tuple[Reason, ...] = ("too_few_receivers", "low_snr", "poor_geometry")
"""Every reason for a reject, in the order in which they are tried."""

_LEAST_SINGULAR_VALUE = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was measured of a sample, stored whatever the verdict. None: there is nothing to measure."""

    detected: tuple[str, ...]
    """rx_id of every receiver that heard the transmission, in alphabetical order."""
    mean_snr_db: float | None
    """Mean of the dB values over the detected receivers."""
    overall_confidence: float | None
    """Mean confidence score of the detected receivers, 0 to 1."""
    gdop: float | None
    """Horizontal dilution of precision; None also where the transmitter's place is unknown."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The sample meets every limit."""

    figures: Figures


@dataclass(frozen=True, slots=True)
class Rejected:
    """The sample misses a limit; `reason` is the first one missed."""

    reason: Reason
    figures: Figures


def assess(records: Sequence[FeatureRecord], limits: QualityLimits) -> Accepted | Rejected:
    """The verdict over all records of one sample.

    A receiver has detected the transmission if `signal_present` in more than half of its chunks and its mean
    SNR reaches `detection_snr_db`. The geometry is not judged where the transmitter's place is unknown (real
    recordings), nor is a missing GDOP where the dataset allows two receivers or one.

    Args:
        records: one per receiver, in any order: equal sets give equal figures, bit for bit.
        limits: the dataset's.
    """
    detected = sorted(
        (record for record in records if _detects(record, limits)), key=lambda record: record.receiver.rx_id
    )
    figures = Figures(
        detected=tuple(record.receiver.rx_id for record in detected),
        mean_snr_db=_mean([record.value("snr_db") for record in detected]),
        overall_confidence=_mean([_share(record.value("confidence_score")) for record in detected]),
        gdop=_gdop(detected),
    )
    if figures.mean_snr_db is None or len(detected) < limits.min_receivers:
        return Rejected("too_few_receivers", figures)
    if figures.mean_snr_db < limits.min_snr_db:
        return Rejected("low_snr", figures)
    if detected[0].transmitter is not None and not _geometry_suffices(figures.gdop, limits):
        return Rejected("poor_geometry", figures)
    return Accepted(figures)


def hdop(tx_lat: float, tx_lon: float, receivers: Sequence[tuple[float, float]]) -> float | None:
    """Horizontal dilution of precision of a transmitter's place seen from receivers, arrival times unknown.

    With G = [u_i, 1], u_i the unit vector (east, north) of the great circle from the transmitter to receiver
    i and a common column for the unknown time, C = (G^T G)^-1 and the result is sqrt(C11 + C22) (Kaplan and
    Hegarty, Understanding GPS/GNSS, 3rd ed., 11.2.1). Eliminating the common column leaves the centred u_i,
    whose singular values s give sqrt(sum 1/s^2); another receiver can only raise both s.

    Args:
        tx_lat: degrees.
        tx_lon: degrees.
        receivers: (latitude, longitude) in degrees. One at the transmitter itself has no direction: u = 0.

    Returns:
        None for fewer than 3 receivers, or where directions coincide (s below 1e-6: HDOP over a million).
    """
    if len(receivers) < 3:
        return None
    directions = np.array([_direction(tx_lat, tx_lon, lat, lon) for lat, lon in receivers])
    singular = np.linalg.svd(directions - directions.mean(axis=0), compute_uv=False)
    if singular.min() < _LEAST_SINGULAR_VALUE:
        return None
    return math.sqrt(float(np.sum(singular**-2.0)))


def _direction(from_lat: float, from_lon: float, to_lat: float, to_lon: float) -> tuple[float, float]:
    """Unit vector (east, north) of the great circle's initial bearing; (0, 0) if there is none."""
    lat, other, delta = math.radians(from_lat), math.radians(to_lat), math.radians(to_lon - from_lon)
    east = math.sin(delta) * math.cos(other)
    north = math.cos(lat) * math.sin(other) - math.sin(lat) * math.cos(other) * math.cos(delta)
    length = math.hypot(east, north)
    if length < 1e-12:  # 6 micrometres on the ground: rounding, not a direction
        return 0.0, 0.0
    return east / length, north / length


def detection_snr_db(limit_db: float, recorded_rate_hz: float | None) -> float:
    """The SNR from which on a receiver counts as having detected a transmission.

    SNR is over the whole bandwidth. In a real recording of another one the same signal has another SNR, and the limit
    is moved with it. Generated datasets have one bandwidth each, which their limit is of: None.
    """
    if recorded_rate_hz is None:
        return limit_db
    return limit_db + 10 * math.log10(LIMITS_BANDWIDTH_HZ / recorded_rate_hz)


def _detects(record: FeatureRecord, limits: QualityLimits) -> bool:
    rate_hz = None if record.recorded is None else record.sample_rate_hz
    least_db = detection_snr_db(limits.detection_snr_db, rate_hz)
    return record.value("signal_present") > 0.5 and record.value("snr_db") >= least_db


def _gdop(detected: Sequence[FeatureRecord]) -> float | None:
    transmitter = detected[0].transmitter if detected else None
    if transmitter is None:
        return None
    stations = [record.receiver for record in detected]
    places = [
        (one.latitude, one.longitude) for one in stations if one.latitude is not None and one.longitude is not None
    ]
    return hdop(transmitter.latitude, transmitter.longitude, places)


def _geometry_suffices(gdop: float | None, limits: QualityLimits) -> bool:
    if gdop is None:
        return limits.min_receivers <= 2
    return gdop <= limits.max_gdop


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _share(value: float) -> float:
    return min(max(value, 0.0), 1.0)
