"""Diffraction losses of the generator beside Longley-Rice (package `itmlogic`) over many procedural paths.

Both see the same profile, antennas, frequency and effective radius. Longley-Rice gives its reference attenuation
(median beyond free space, without its statistics of time, place and situation).
"""

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from producer.diffraction import DEFAULT_EFFECTIVE_RADIUS_KM, delta_bullington_loss_db, obstruction
from producer.geometry import ground_distance_m
from producer.procedural import procedural_ground
from producer.terrain import Profile, height_m, profile
from schemas import Terrain
from schemas.dataset import ITALY_NORTH_WEST

Regime = Literal["line of sight", "diffraction", "beyond the horizon"]
REGIMES: tuple[Regime, ...] = ("line of sight", "diffraction", "beyond the horizon")
STEP_M = 200.0
MATCHING_REFRACTIVITY = 301.06
"""N-units at which Longley-Rice's earth has 4/3 of the radius."""
PERMITTIVITY, CONDUCTIVITY_S_M = 22.0, 0.003


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One path."""

    seed: int
    distance_km: float
    frequency_hz: float
    regime: Regime
    ours_db: float
    longley_rice_db: float
    clutter_factor_db: float
    """The part of Longley-Rice's diffraction that stands for clutter on rough ground, at most 15 dB."""

    @property
    def difference_db(self) -> float:
        """Ours less Longley-Rice's."""
        return self.ours_db - self.longley_rice_db


def compare(count: int, *, seed: int = 0) -> list[Comparison]:
    """`count` paths over the ground of as many seeds: 5-200 km, antennas of 1.5-30 and 20 m, 50-500 MHz."""
    return list(_comparisons(count, np.random.default_rng(seed)))


def _comparisons(count: int, rng: np.random.Generator) -> Iterator[Comparison]:
    made = 0
    while made < count:
        ground = procedural_ground(ITALY_NORTH_WEST, Terrain(seed=made))
        start, end = rng.uniform((43.9, 6.8), (46.0, 9.6)), rng.uniform((43.9, 6.8), (46.0, 9.6))
        tx_m, rx_m, hz = rng.uniform(1.5, 30.0), 20.0, math.exp(rng.uniform(math.log(50e6), math.log(500e6)))
        if ground.is_sea(*start) or ground.is_sea(*end) or not 5e3 < ground_distance_m(*start, *end) < 200e3:
            continue
        way = profile(ground, (*start, height_m(ground, *start)), (*end, height_m(ground, *end)), step_m=STEP_M)
        theirs = longley_rice(way, tx_m, rx_m, hz)
        yield Comparison(
            seed=made,
            distance_km=float(way.distances_km[-1]),
            frequency_hz=hz,
            regime=theirs.regime,
            ours_db=delta_bullington_loss_db(way.distances_km, way.heights_m, tx_m, rx_m, hz),
            longley_rice_db=theirs.attenuation_db,
            clutter_factor_db=theirs.clutter_factor_db,
        )
        made += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LongleyRice:
    """What the oracle says of a path."""

    attenuation_db: float
    """Reference attenuation: median beyond free space."""
    clutter_factor_db: float
    regime: Regime


def longley_rice(way: Profile, tx_m: float, rx_m: float, frequency_hz: float) -> LongleyRice:
    """Longley-Rice, point to point, vertical polarisation.

    The regime is line of sight where the profile's geometry has it, and beyond the horizon where Longley-Rice's
    scatter is stronger than its diffraction.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from itmlogic.preparatory_subroutines.qlrpfl import qlrpfl
        from itmlogic.preparatory_subroutines.qlrps import qlrps

    wave_number, curvature, refractivity, ground = qlrps(
        frequency_hz / 1e6, 0.0, MATCHING_REFRACTIVITY, 1, PERMITTIVITY, CONDUCTIVITY_S_M
    )
    steps = way.heights_m.size - 1
    found = qlrpfl(
        {
            "fmhz": frequency_hz / 1e6,
            "wn": wave_number,
            "gme": curvature,
            "ens": refractivity,
            "zgnd": ground,
            "hg": [tx_m, rx_m],
            "pfl": [steps, float(way.distances_km[-1]) * 1000 / steps, *way.heights_m.tolist()],
            "kwx": 0,
            "lvar": 5,
            "mdvar": 12,
            "mdvarx": 11,
            "klim": 5,
            "klimx": 0,
        }
    )
    seen = obstruction(
        way.distances_km, way.heights_m, way.heights_m[0] + tx_m, way.heights_m[-1] + rx_m, DEFAULT_EFFECTIVE_RADIUS_KM
    )
    regime: Regime = "line of sight" if seen.line_of_sight else "diffraction"
    if not seen.line_of_sight and found["dist"] > found.get("dx", math.inf):
        regime = "beyond the horizon"
    return LongleyRice(attenuation_db=float(found["aref"]), clutter_factor_db=float(found["afo"]), regime=regime)
