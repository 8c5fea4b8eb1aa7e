"""Levels of windows, and what makes them doubtful: clipping, the device's DC, automatic gain control."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.fft import fft

from iqstream.recordings.datatype import Datatype
from iqstream.recordings.recording import Recording
from schemas.recorded import LevelReference

CLIPPED_SHARE = 1e-4
"""From this share of components at the converter's limits on, a window counts as clipped."""
DC_SHARE = 0.5
"""A mean that holds more than this share of a window's power."""
AGC_FLOOR_DB = 3.0
"""A noise floor that moves by more than this while the strongest signal moves the other way."""
_AGC_BLOCKS, _AGC_BINS = 16, 64
_TINY = 1e-30


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubts:
    """What was found in a window, and whether levels of it are to be trusted."""

    clipped_share: float
    """Of the components that stand at a limit of the converter."""
    clipped: bool
    dc: complex
    """Mean of the samples, in units of full scale."""
    dc_dominates: bool
    """The mean holds more than half of the power. A carrier in the centre does that too."""
    agc_suspected: bool
    """The noise floor falls when a signal rises, as automatic gain control does it. One that is slower than the window
    is not seen."""


def level_of(recording: Recording) -> tuple[float, LevelReference]:
    """The power of 0 dBFS (a complex tone of amplitude 1.0) in dBm, and what levels are referred to.

    Without a calibration 0 dBFS stands as 0 dBm, marked `dbfs`.
    """
    if recording.dbm_at_full_scale is None:
        return 0.0, "dbfs"
    return recording.dbm_at_full_scale, "dbm"


def power_dbfs(iq: npt.NDArray[np.complex64]) -> float:
    """10 log10(mean |x|^2) of samples (n,), n > 0; -300 for zeros."""
    squares = np.square(np.ascontiguousarray(iq).view(np.float32), dtype=np.float64)
    return 10 * math.log10(max(2 * float(squares.mean()), _TINY))


def mean_of(iq: npt.NDArray[np.complex64]) -> complex:
    """The mean of samples (n,), in double precision."""
    return complex(iq.mean(dtype=np.complex128))


def without_dc(recording: Recording, iq: npt.NDArray[np.complex64]) -> npt.NDArray[np.complex64]:
    """Samples (n,) for detection: less their mean where that is the device's, else as they are.

    A carrier in the centre of a recording whose receiver has no DC of its own would go with it.
    """
    return (iq - mean_of(iq)).astype(np.complex64) if recording.dc_of_device else iq


def find_doubts(raw: npt.NDArray[np.generic], datatype: Datatype) -> Doubts:
    """What is doubtful in the components (n, 2) of a window, as they stand in the file."""
    iq = datatype.to_complex(raw)
    if datatype.component.kind == "f":
        at_limit = np.abs(raw) >= 1.0
    else:
        lowest = datatype.zero - datatype.full_scale
        at_limit = (raw == lowest) | (raw == lowest + 2 * datatype.full_scale - 1)
    clipped_share = float(at_limit.mean())
    dc = mean_of(iq)
    power = 10 ** (power_dbfs(iq) / 10)
    return Doubts(
        clipped_share=clipped_share,
        clipped=clipped_share >= CLIPPED_SHARE,
        dc=dc,
        dc_dominates=abs(dc) ** 2 > DC_SHARE * power > _TINY,
        agc_suspected=_agc_suspected(iq - np.complex64(dc)),
    )


def _agc_suspected(iq: npt.NDArray[np.complex64]) -> bool:
    """Floor: median over the bins of a block's averaged spectrum. Peak: its strongest bin. In dB, one per block."""
    rows = len(iq) // (_AGC_BLOCKS * _AGC_BINS)
    if rows < 2:
        return False
    blocks = iq[: _AGC_BLOCKS * rows * _AGC_BINS].reshape(_AGC_BLOCKS, rows, _AGC_BINS)
    spectrum = (np.abs(fft(blocks * np.hanning(_AGC_BINS).astype(np.float32), axis=2)) ** 2).mean(axis=1)
    floor_db = 10 * np.log10(np.median(spectrum, axis=1) + _TINY)
    over_floor_db = 10 * np.log10(spectrum.max(axis=1) + _TINY) - floor_db
    if np.ptp(floor_db) <= AGC_FLOOR_DB or np.ptp(over_floor_db) <= AGC_FLOOR_DB:
        return False
    return bool(np.corrcoef(floor_db, over_floor_db)[0, 1] < -0.7)
