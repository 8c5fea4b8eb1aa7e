"""The sink's verdict over many samples at once.

`sink.quality.assess` is the authority. Here its figures come from arrays, which is fifty times faster; they agree to
rounding, so a sample of which a figure lies as close to its limit as rounding may reach is given to `assess` itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from iqstream.dataset.columns import Columns
from iqstream.dataset.recording import NOTHING, recorded_rate_hz
from schemas import FEATURE_NAMES, STATISTICS, FeatureRecord, Limits, decode
from sink.quality import REASONS, Accepted, assess, detection_snr_db

ACCEPTED = -1
CLOSE = 1e-9
"""Relative distance to a limit within which `assess` decides; the figures agree to about 1e-13."""
_ILL_CONDITIONED = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """Of n samples; figures are NaN where `assess` says None."""

    reason: npt.NDArray[np.int8]
    """(n,): index into `sink.quality.REASONS`, or ACCEPTED."""
    detected: npt.NDArray[np.bool_]
    """(n, r): the receiver heard the transmission."""
    mean_snr_db: npt.NDArray[np.float64]
    overall_confidence: npt.NDArray[np.float64]
    gdop: npt.NDArray[np.float64]


def judge(columns: Columns, limits: Sequence[Limits]) -> Verdicts:
    """The verdicts over samples, each by the limits of its dataset."""
    asked = {name: np.array([getattr(limit, name) for limit in limits], float) for name in Limits.__struct_fields__}
    snr_db = _mean_of(columns, "snr_db")
    signal_present = _mean_of(columns, "signal_present")
    least_snr_db = _least_snr_db(columns, asked["detection_snr_db"])
    with np.errstate(invalid="ignore"):
        detected = columns.present & (signal_present > 0.5) & (snr_db >= least_snr_db)
    count = detected.sum(axis=1)
    mean_snr_db = _mean_over(snr_db, detected)
    gdop, doubtful = _gdop(columns, detected)
    located = np.isfinite(columns.position[:, 0]) & (count > 0)
    reason = np.full(len(columns), ACCEPTED, np.int8)
    with np.errstate(invalid="ignore"):
        poor = located & np.where(np.isnan(gdop), asked["min_receivers"] > 2, gdop > asked["max_gdop"])
        reason[poor] = REASONS.index("poor_geometry")
        reason[mean_snr_db < asked["min_snr_db"]] = REASONS.index("low_snr")
        reason[(count == 0) | (count < asked["min_receivers"])] = REASONS.index("too_few_receivers")
        close = (located & (doubtful | _close(gdop, asked["max_gdop"]))) | _close(mean_snr_db, asked["min_snr_db"])
    verdicts = Verdicts(
        reason=reason,
        detected=detected,
        mean_snr_db=mean_snr_db,
        overall_confidence=_mean_over(np.clip(_mean_of(columns, "confidence_score"), 0.0, 1.0), detected),
        gdop=np.where(located, gdop, np.nan),
    )
    for row in np.flatnonzero(close & columns.readable).tolist():
        _ask_authority(columns, row, limits[row], verdicts)
    return verdicts


def _least_snr_db(columns: Columns, limit_db: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """What each recording has to reach, (n, r), or (n, 1) where it is the same for all; limits (n,) of the datasets."""
    recorded = [row for row, sample in enumerate(columns.samples) if bytes(sample.recordings[0].recorded) != NOTHING]
    if not recorded:
        return limit_db[:, None]
    least_db = np.repeat(limit_db[:, None], columns.present.shape[1], axis=1)
    for row in recorded:
        sample = columns.samples[row]
        for at, (recording, value) in enumerate(zip(sample.recordings, sample.values, strict=True)):
            least_db[row, at] = detection_snr_db(float(limit_db[row]), recorded_rate_hz(recording, value))
    return least_db


def _ask_authority(columns: Columns, row: int, limits: Limits, verdicts: Verdicts) -> None:
    """Writes what `assess` says of one sample into `verdicts`."""
    records = [_record(recording) for recording in columns.samples[row].values]
    verdict = assess(records, limits)
    verdicts.reason[row] = ACCEPTED if isinstance(verdict, Accepted) else REASONS.index(verdict.reason)
    for name in ("mean_snr_db", "overall_confidence", "gdop"):
        figure = getattr(verdict.figures, name)
        getattr(verdicts, name)[row] = np.nan if figure is None else figure


def _record(value: bytes) -> FeatureRecord:
    return decode(value, FeatureRecord)


def _mean_of(columns: Columns, feature: str) -> npt.NDArray[np.float64]:
    values: npt.NDArray[np.float64] = columns.features[:, :, FEATURE_NAMES.index(feature) * len(STATISTICS)]
    return values


def _mean_over(values: npt.NDArray[np.float64], mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    total = np.where(mask, values, 0.0).sum(axis=1)
    count = mask.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: npt.NDArray[np.float64] = total / np.where(count == 0, np.nan, count)
    return mean


def _close(figure: npt.NDArray[np.float64], limit: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    return np.abs(figure - limit) <= CLOSE * np.maximum(np.abs(limit), 1.0)


def _gdop(columns: Columns, detected: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """`sink.quality.hdop` of each sample's detected receivers (NaN: none), and whether rounding leaves it in doubt.

    The centred unit vectors' scatter matrix [[a, b], [b, d]] has the eigenvalues s^2: sum 1/s^2 = (a + d) / (ad - b^2).
    """
    detected = detected & ~np.isnan(columns.receivers[:, :, 0])  # those of unknown place have no direction
    latitude, longitude = np.radians(columns.position[:, :1]), np.radians(columns.position[:, 1:2])
    other, other_longitude = np.radians(columns.receivers[:, :, 0]), np.radians(columns.receivers[:, :, 1])
    with np.errstate(invalid="ignore", divide="ignore"):
        east = np.sin(other_longitude - longitude) * np.cos(other)
        north = np.cos(latitude) * np.sin(other) - np.sin(latitude) * np.cos(other) * np.cos(
            other_longitude - longitude
        )
        length = np.hypot(east, north)
        near = np.any(detected & (length < 1e-9), axis=1)  # a direction that rounding may turn
        east, north = east / length, north / length
        count = detected.sum(axis=1, keepdims=True)
        east, north = (
            np.where(detected, axis - np.where(detected, axis, 0.0).sum(axis=1, keepdims=True) / count, 0.0)
            for axis in (east, north)
        )
        a, b, d = (east * east).sum(axis=1), (east * north).sum(axis=1), (north * north).sum(axis=1)
        determinant = a * d - b * b
        gdop = np.sqrt((a + d) / determinant)
    few = count[:, 0] < 3
    doubtful = ~few & (near | ~(determinant > _ILL_CONDITIONED * (a + d) ** 2))
    return np.where(few | doubtful, np.nan, gdop), doubtful
