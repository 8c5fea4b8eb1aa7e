"""Samples as frames carry them: ci8, ci16_le or cf32_le, with the scale that makes |x|^2 power in mW."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from iqstream.recordings.levels import level_of
from iqstream.recordings.recording import Recording
from iqstream.recordings.windows import Window
from schemas.iq_frame import Datatype


@dataclass(frozen=True, slots=True, kw_only=True)
class WireSamples:
    """`datatype`, `scale` and `iq` of an IQFrame."""

    datatype: Datatype
    scale: float
    """sqrt(mW) per unit of the integers; 1 for cf32_le."""
    iq: bytes


def as_recorded(window: Window) -> WireSamples:
    """A window at its own rate, without loss where a frame can carry its datatype.

    cu8 goes as v - 128 in ci8; its DC of about half a step stays in. Wider integers and doubles go as cf32_le.

    Raises:
        BadRecording: see `Storage.read`.
    """
    recording = window.recording
    kind = recording.storage.datatype
    scale = recording.scale or _amplitude(recording) / kind.full_scale
    if kind.name in ("cu8", "ci8"):
        raw = window.read_raw().view(np.uint8) ^ (0x80 if kind.name == "cu8" else 0)
        return WireSamples(datatype="ci8", scale=scale, iq=raw.tobytes())
    if kind.name in ("ci16_le", "ci16_be"):
        return WireSamples(datatype="ci16_le", scale=scale, iq=window.read_raw().astype("<i2").tobytes())
    iq = window.read()
    if recording.dbm_at_full_scale is not None:
        iq = (iq * (scale * kind.full_scale)).astype(np.complex64)
    return WireSamples(datatype="cf32_le", scale=1.0, iq=iq.astype("<c8").tobytes())


def as_ci16(recording: Recording, iq: npt.NDArray[np.complex64]) -> WireSamples:
    """Samples (n,) of a recording after resampling. Full scale is 32767 steps; what rings above it is not cut off."""
    components = iq.view(np.float32).astype(np.float64)
    full_scale = max(1.0, float(np.abs(components).max(initial=0.0)))
    steps = np.rint(components * (32767 / full_scale)).astype("<i2")
    return WireSamples(datatype="ci16_le", scale=_amplitude(recording) * full_scale / 32767, iq=steps.tobytes())


def _amplitude(recording: Recording) -> float:
    """sqrt(mW) of amplitude 1.0."""
    dbm, _ = level_of(recording)
    return float(10 ** (dbm / 20))
