"""What the caller says of a recording. It stands above what the file says."""

import math
from dataclasses import dataclass
from pathlib import Path

from iqstream.recordings.datatype import parse_datatype
from iqstream.recordings.errors import BadRecording
from iqstream.recordings.recording import (
    MAX_CENTER_FREQUENCY_HZ,
    MAX_SAMPLE_RATE_HZ,
    MIN_SAMPLE_RATE_HZ,
    Position,
)
from schemas.recorded import TimeSource

MIN_FULL_SCALE_DBM, MAX_FULL_SCALE_DBM = -200, 100
"""Of receivers: beyond that powers are no longer numbers that features can be measured of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """None stands for what the file says.

    Raises:
        ValueError: names the field and what is allowed.
    """

    rx_name: str | None = None
    sample_rate_hz: float | None = None
    center_frequency_hz: float | None = None
    started_at_ns: int | None = None
    """UTC of the first sample; times of later segments move with it."""
    time_source: TimeSource | None = None
    datatype: str | None = None
    """Of files of raw samples."""
    position: Position | None = None
    dbm_at_full_scale: float | None = None
    dc_of_device: bool | None = None

    def __post_init__(self) -> None:
        if self.sample_rate_hz is not None and not is_sample_rate(self.sample_rate_hz):
            raise ValueError(f"sample_rate_hz {self.sample_rate_hz}: allowed are 1 to 1e9")
        if self.center_frequency_hz is not None and not is_center_frequency(self.center_frequency_hz):
            raise ValueError(f"center_frequency_hz {self.center_frequency_hz}: allowed is more than 0, up to 1e12")
        if self.started_at_ns is not None and not 0 <= self.started_at_ns < 2**62:
            raise ValueError(f"started_at_ns {self.started_at_ns}: allowed are 0 to 2^62")
        if self.dbm_at_full_scale is not None and not is_calibration(self.dbm_at_full_scale):
            raise ValueError(
                f"dbm_at_full_scale {self.dbm_at_full_scale}: allowed are {MIN_FULL_SCALE_DBM} to {MAX_FULL_SCALE_DBM}"
            )
        if self.datatype is not None:
            parse_datatype(self.datatype)


def is_calibration(dbm_at_full_scale: float) -> bool:
    return MIN_FULL_SCALE_DBM <= dbm_at_full_scale <= MAX_FULL_SCALE_DBM


def choose_sample_rate(path: Path, place: str, given: Given, said: float | None) -> float:
    """The sample rate by the caller, else by the file. Raises BadRecording where there is none, or none that can be."""
    rate = said if given.sample_rate_hz is None else given.sample_rate_hz
    if rate is None:
        raise BadRecording(path, place, "no sample rate in the file or its name: give sample_rate_hz")
    if not is_sample_rate(rate):
        raise BadRecording(path, place, f"sample rate {rate:g} Hz: allowed are 1 to 1e9, give sample_rate_hz")
    return float(rate)


def choose_center_frequency(path: Path, place: str, given: Given, said: float | None) -> float:
    """The centre frequency by the caller, else by the file. Raises BadRecording as `choose_sample_rate` does."""
    frequency = said if given.center_frequency_hz is None else given.center_frequency_hz
    if frequency is None:
        raise BadRecording(path, place, "no centre frequency in the file or its name: give center_frequency_hz")
    if not is_center_frequency(frequency):
        raise BadRecording(
            path,
            place,
            f"centre frequency {frequency:g} Hz: allowed is more than 0, up to 1e12, give center_frequency_hz",
        )
    return float(frequency)


def is_sample_rate(rate_hz: float) -> bool:
    return math.isfinite(rate_hz) and MIN_SAMPLE_RATE_HZ <= rate_hz <= MAX_SAMPLE_RATE_HZ


def is_center_frequency(frequency_hz: float) -> bool:
    return math.isfinite(frequency_hz) and 0 < frequency_hz <= MAX_CENTER_FREQUENCY_HZ
