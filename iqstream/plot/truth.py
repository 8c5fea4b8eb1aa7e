"""How far measured features are from what the generator put in, by band of SNR, and whether that meets the goals.

What is compared: a recording's mean feature (over its chunks) with the mean over the same chunks of the realised
truth, both in the feature's own unit. Noise is the receiver's with that of the integers on the wire. The beat between
signal and noise, which is in every |x|^2 and in neither power of the truth, counts as an error.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from iqstream.runtime.readable import Readable
from schemas import FEATURE_TABLE, FeatureRecord, LinkTruth
from schemas.features import BESIDE_NOISE, FADING_ALLOWANCE, GOAL_CHUNK_SAMPLES, NBFM


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Recordings with a realised SNR, in the full bandwidth, of `low_db` up to but without `high_db`."""

    low_db: float
    high_db: float

    @property
    def label(self) -> str:
        """`< -5`, `-5..0` or `>= 40`."""
        if math.isinf(self.low_db):
            return f"< {self.high_db:g}"
        return f">= {self.low_db:g}" if math.isinf(self.high_db) else f"{self.low_db:g}..{self.high_db:g}"


_EDGES_DB = (-math.inf, -5.0, 0.0, 10.0, 20.0, 40.0, math.inf)
BANDS: tuple[Band, ...] = tuple(Band(low_db=low, high_db=high) for low, high in pairwise(_EDGES_DB))


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """A feature with a truth."""

    feature: str
    name: str
    """As short as a column needs it."""
    long_name: str
    goal_of: str = ""
    """The signals of the feature's goal that holds for narrow-band FM."""

    @property
    def unit(self) -> str:
        """Of an error."""
        return FEATURE_TABLE[self.feature].difference_unit

    @property
    def goals(self) -> tuple[float | None, ...]:
        """Largest RMS error by band, as at the band's lower end; None: there is none.

        They are for errors of single chunks: random errors are smaller in a mean over chunks.
        """
        goal = FEATURE_TABLE[self.feature].goal(self.goal_of)
        return tuple(goal.at(band.low_db) for band in BANDS)


QUANTITIES: tuple[Quantity, ...] = (
    Quantity(feature="rssi_dbm", name="RSSI", long_name="RSSI"),
    Quantity(feature="snr_db", name="SNR", long_name="SNR"),
    Quantity(feature="noise_floor_dbm", name="noise", long_name="Noise floor", goal_of=BESIDE_NOISE),
    Quantity(feature="frequency_offset_hz", name="offset", long_name="Frequency offset", goal_of=NBFM),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingErrors:
    """Measured minus true of one recording."""

    true_snr_db: float
    errors: tuple[float, ...]
    """In the order and units of QUANTITIES."""
    doppler_max_hz: float
    has_goals: bool
    """Whether the goals are meant for such a recording: narrow-band FM in long enough chunks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """One quantity in one band, in the quantity's unit."""

    recordings: int
    bias: float
    rms: float
    goal: float | None
    """For the RMS error, the allowance for fading included."""

    @property
    def met(self) -> bool | None:
        """None where there is no goal."""
        return None if self.goal is None else self.rms <= self.goal


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class QuantityAccuracy(Readable):
    """One quantity in one band."""

    quantity: Quantity
    band: Band
    accuracy: Accuracy


def recording_errors(record: FeatureRecord) -> RecordingErrors | None:
    """Returns the errors of a recording; None if it has no truth."""
    if record.truth is None or not record.truth.link.snr_db:
        return None
    link = record.truth.link
    measured = [record.value(quantity.feature) for quantity in QUANTITIES]
    truth = true_values(link)
    return RecordingErrors(
        true_snr_db=truth[1],
        errors=tuple(value - true for value, true in zip(measured, truth, strict=True)),
        doppler_max_hz=link.doppler_max_hz,
        has_goals=(
            record.truth.transmitter.modulation == "nbfm"
            and record.chunk_ms * record.sample_rate_hz / 1000 >= GOAL_CHUNK_SAMPLES
        ),
    )


def true_values(link: LinkTruth) -> tuple[float, float, float, float]:
    """What each of QUANTITIES would read without error: means over the chunks of the realised dBm and dB, and hertz."""
    quantisation_mw = _mw(link.quantisation_noise_dbm)
    signal_mw = [_mw(dbm) for dbm in link.signal_dbm]
    noise_mw = [_mw(dbm) + quantisation_mw for dbm in link.noise_realised_dbm]
    rssi_dbm = _mean(_dbm(s + n) for s, n in zip(signal_mw, noise_mw, strict=True))
    snr_db = _mean(_dbm(s) - _dbm(n) for s, n in zip(signal_mw, noise_mw, strict=True))
    return rssi_dbm, snr_db, _mean(_dbm(n) for n in noise_mw), link.frequency_offset_hz


def accuracy(recordings: Iterable[RecordingErrors]) -> tuple[tuple[Accuracy | None, ...], ...]:
    """By quantity and band, in the order of QUANTITIES and BANDS; None for a band without recordings."""
    by_band: list[list[RecordingErrors]] = [[] for _ in BANDS]
    for recording in recordings:
        by_band[band_of(recording.true_snr_db)].append(recording)
    return tuple(
        tuple(_accuracy(index, band, members) if members else None for band, members in enumerate(by_band))
        for index in range(len(QUANTITIES))
    )


def accuracy_by_band(recordings: Iterable[RecordingErrors]) -> list[QuantityAccuracy]:
    """The same as a list, quantity by quantity, without the bands that have no recordings."""
    return [
        QuantityAccuracy(quantity=quantity, band=band, accuracy=cell)
        for quantity, cells in zip(QUANTITIES, accuracy(recordings), strict=True)
        for band, cell in zip(BANDS, cells, strict=True)
        if cell is not None
    ]


def band_of(snr_db: float) -> int:
    """Returns the index in BANDS."""
    return next(index for index, band in enumerate(BANDS) if band.low_db <= snr_db < band.high_db)


def _accuracy(quantity: int, band: int, members: Sequence[RecordingErrors]) -> Accuracy:
    errors = [member.errors[quantity] for member in members]
    goal = QUANTITIES[quantity].goals[band] if all(member.has_goals for member in members) else None
    if goal is not None and QUANTITIES[quantity].feature == "frequency_offset_hz":
        goal = _rms([goal + FADING_ALLOWANCE * member.doppler_max_hz for member in members])
    return Accuracy(recordings=len(members), bias=_mean(errors), rms=_rms(errors), goal=goal)


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return math.fsum(listed) / len(listed)


def _rms(values: Sequence[float]) -> float:
    return math.sqrt(_mean(value * value for value in values))


def _mw(dbm: float) -> float:
    return math.pow(10.0, dbm / 10.0)


def _dbm(power_mw: float) -> float:
    return 10.0 * math.log10(power_mw)
