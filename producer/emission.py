"""What the transmitter of a sample sends, and where in the recorded window."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from producer import am, four_fsk, nbfm, ssb
from schemas import DatasetSpec, Scenario

Modulation = Literal["nbfm", "carrier", "am", "ssb", "4fsk"]
EDGE_SHARE = 0.01
"""Part of the recorded bandwidth that stays free of the signal at either edge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Emission:
    """A modulation with its parameters; 0 or None where it has none."""

    modulation: Modulation
    peak_deviation_hz: float = 0.0
    modulation_depth: float = 0.0
    sideband: ssb.Sideband | None = None


def draw_emission(scenario: Scenario, stream: np.random.Generator) -> Emission:
    """Draw the modulation where it is mixed, each as often as the others, and its parameters.

    Takes as many numbers from the stream whatever comes out.
    """
    kind, parameter = stream.random(2)
    modulations: tuple[Modulation, ...] = get_args(Modulation)
    modulation = scenario.modulation
    if modulation == "mixed":
        modulation = modulations[int(kind * len(modulations))]
    if modulation == "nbfm":
        return Emission(modulation="nbfm", peak_deviation_hz=nbfm.DEVIATIONS_HZ[int(2 * parameter)])
    if modulation == "am":
        return Emission(modulation="am", modulation_depth=am.MODULATION_DEPTH)
    if modulation == "ssb":
        sideband = scenario.sideband
        if sideband == "either":
            sideband = "lower" if parameter < 0.5 else "upper"
        return Emission(modulation="ssb", sideband=sideband)
    if modulation == "4fsk":
        return Emission(modulation="4fsk", peak_deviation_hz=four_fsk.OUTER_DEVIATION_HZ)
    return Emission(modulation="carrier")


def half_bandwidth_hz(emission: Emission) -> float:
    """How far the emission reaches from its carrier frequency."""
    return {
        "nbfm": nbfm.half_bandwidth_hz(emission.peak_deviation_hz),
        "carrier": 0.0,
        "am": am.HALF_BANDWIDTH_HZ,
        "ssb": ssb.HALF_BANDWIDTH_HZ,
        "4fsk": four_fsk.HALF_BANDWIDTH_HZ,
    }[emission.modulation]


def placement_reach_hz(spec: DatasetSpec, emission: Emission) -> float:
    """How far from the window's centre the emission may stand so that all of it is recorded.

    Raises:
        ValueError: the widest emission of the dataset does not fit into the recorded bandwidth, whatever this one is.
    """
    rate_hz = spec.capture.sample_rate_hz
    drift_hz = 2 * spec.frequency_hz * spec.scenario.oscillator_ppm * 1e-6
    widest = _widest(spec.scenario)
    needed_hz = (half_bandwidth_hz(widest) + drift_hz) / (0.5 - EDGE_SHARE)
    if rate_hz < needed_hz:
        named = f"{widest.modulation} of a mixed dataset" if spec.scenario.modulation == "mixed" else widest.modulation
        raise ValueError(
            f"capture.sample_rate_hz: {rate_hz:g} Hz is too narrow for {named} with its "
            f"oscillator errors; use at least {math.ceil(needed_hz):d} Hz"
        )
    return rate_hz * (0.5 - EDGE_SHARE) - half_bandwidth_hz(emission) - drift_hz


def _widest(scenario: Scenario) -> Emission:
    modulation = scenario.modulation
    if modulation == "mixed":
        modulation = "nbfm"
    deviation_hz = max(nbfm.DEVIATIONS_HZ) if modulation == "nbfm" else 0.0
    return Emission(modulation=modulation, peak_deviation_hz=deviation_hz)
