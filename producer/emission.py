"""What the transmitter of a sample sends, and where in the recorded window.

The functions that `match` on the modulation are the whole of what has to be said of one: the type checker names those
that leave one out.
"""

import math
from dataclasses import dataclass
from typing import assert_never

import numpy as np

from producer import am, four_fsk, nbfm, ssb
from producer.angle import carrier
from producer.streams import Purpose, normal_stream, scalar_stream
from producer.waveform import Waveform
from schemas import DatasetSpec, Scenario
from schemas.dataset import Modulation

EDGE_SHARE = 0.01
"""Part of the recorded bandwidth that stays free of the signal at either edge."""
MIXED: tuple[Modulation, ...] = ("nbfm", "carrier", "am", "ssb", "4fsk")
"""What a mixed dataset draws from. Another member changes the bytes of mixed datasets, and so GENERATOR_VERSION."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Emission:
    """A modulation with its parameters; 0 or None where it has none."""

    modulation: Modulation
    peak_deviation_hz: float = 0.0
    modulation_depth: float = 0.0
    sideband: ssb.Sideband | None = None


def emissions(modulation: Modulation, scenario: Scenario) -> tuple[Emission, ...]:
    """As what a modulation may be sent, each as often as the others."""
    match modulation:
        case "nbfm":
            return tuple(Emission(modulation="nbfm", peak_deviation_hz=hz) for hz in nbfm.DEVIATIONS_HZ)
        case "carrier":
            return (Emission(modulation="carrier"),)
        case "am":
            return (Emission(modulation="am", modulation_depth=am.MODULATION_DEPTH),)
        case "ssb":
            sidebands: tuple[ssb.Sideband, ...] = ("lower", "upper")
            return tuple(
                Emission(modulation="ssb", sideband=s) for s in sidebands if scenario.sideband in {s, "either"}
            )
        case "4fsk":
            return (Emission(modulation="4fsk", peak_deviation_hz=four_fsk.OUTER_DEVIATION_HZ),)
    assert_never(modulation)


def half_bandwidth_hz(emission: Emission) -> float:
    """Returns how far the emission reaches from its carrier frequency, Hz."""
    match emission.modulation:
        case "nbfm":
            return nbfm.half_bandwidth_hz(emission.peak_deviation_hz)
        case "carrier":
            return 0.0
        case "am":
            return am.HALF_BANDWIDTH_HZ
        case "ssb":
            return ssb.HALF_BANDWIDTH_HZ
        case "4fsk":
            return four_fsk.HALF_BANDWIDTH_HZ
    assert_never(emission.modulation)


def emit(emission: Emission, count: int, *, sample_rate_hz: float, seed: int, sample_idx: int) -> Waveform:
    """Returns `count` samples of the emission; power 1 is its rated power, the EIRP.

    That is the power of the carrier, or for single sideband the peak envelope power (ITU Radio Regulations 1.156-161).
    """
    pace = scalar_stream(seed, sample_idx, Purpose.AUDIO)
    noise = normal_stream(seed, sample_idx, Purpose.AUDIO, 0)
    match emission.modulation:
        case "nbfm":
            deviation_hz = emission.peak_deviation_hz
            return nbfm.nbfm(
                count, sample_rate_hz=sample_rate_hz, peak_deviation_hz=deviation_hz, pace=pace, noise=noise
            )
        case "carrier":
            return carrier(count)
        case "am":
            depth = emission.modulation_depth
            return am.am(count, sample_rate_hz=sample_rate_hz, modulation_depth=depth, pace=pace, noise=noise)
        case "ssb":
            if emission.sideband is None:
                raise ValueError("ssb: the emission names no sideband")
            sideband = emission.sideband
            return ssb.ssb(count, sample_rate_hz=sample_rate_hz, sideband=sideband, pace=pace, noise=noise)
        case "4fsk":
            return four_fsk.four_fsk(count, sample_rate_hz=sample_rate_hz, data=pace)
    assert_never(emission.modulation)


def draw_emission(scenario: Scenario, stream: np.random.Generator) -> Emission:
    """Draw the modulation where it is mixed, each as often as the others, and its parameters.

    Takes as many numbers from the stream whatever comes out.
    """
    kind, parameter = stream.random(2)
    modulations = _modulations(scenario)
    possible = emissions(modulations[int(kind * len(modulations))], scenario)
    return possible[int(parameter * len(possible))]


def placement_reach_hz(spec: DatasetSpec, emission: Emission) -> float:
    """Returns how far from the window's centre the carrier may be, Hz, so that all of the emission is recorded.

    Raises:
        ValueError: as `require_bandwidth`.
    """
    require_bandwidth(spec)
    return spec.capture.sample_rate_hz * (0.5 - EDGE_SHARE) - half_bandwidth_hz(emission) - _drift_hz(spec)


def require_bandwidth(spec: DatasetSpec) -> None:
    """Raises ValueError unless the widest emission of the dataset fits into the recorded bandwidth."""
    rate_hz = spec.capture.sample_rate_hz
    modulations = _modulations(spec.scenario)
    widest = max((e for one in modulations for e in emissions(one, spec.scenario)), key=half_bandwidth_hz)
    needed_hz = (half_bandwidth_hz(widest) + _drift_hz(spec)) / (0.5 - EDGE_SHARE)
    if rate_hz < needed_hz:
        named = f"{widest.modulation} of a mixed dataset" if spec.scenario.modulation == "mixed" else widest.modulation
        raise ValueError(
            f"capture.sample_rate_hz: {rate_hz:g} Hz is too narrow for {named} with its "
            f"oscillator errors; use at least {math.ceil(needed_hz):d} Hz"
        )


def _drift_hz(spec: DatasetSpec) -> float:
    return 2 * spec.frequency_hz * spec.scenario.oscillator_ppm * 1e-6


def _modulations(scenario: Scenario) -> tuple[Modulation, ...]:
    return MIXED if scenario.modulation == "mixed" else (scenario.modulation,)
