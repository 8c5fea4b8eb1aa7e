"""Antennas: how much they gain in a direction.

Whip, dipole and rubber duck stand upright and are alike all around; their vertical pattern is that of a half-wave
dipole, cos(pi/2 sin e) / cos e. A collinear is four such dipoles in phase, one above the other: times the factor of a
linear array, sin(4 u) / (4 sin u) with u = pi 0.75 sin e (both: C. A. Balanis, Antenna Theory). A yagi has the pattern
of a sector antenna, -min(12 (a/60)^2 + 12 (e/70)^2, 18) dB (3GPP TR 36.814, table A.2.1.1-2).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from producer.geometry import bearing_rad
from producer.reproducible import reproducible
from producer.streams import Purpose, scalar_stream
from schemas import DatasetSpec
from schemas.dataset import ReceivingAntenna, TransmittingAntenna

Kind = TypeVar("Kind", TransmittingAntenna, ReceivingAntenna)

GAINS_DBI = {"whip": 2.15, "rubber_duck": -3.0, "dipole": 2.15, "collinear": 7.9, "yagi": 9.0}
"""In the strongest direction. A rubber duck is a shortened whip with its losses."""
TRANSMITTING_SHARES: dict[TransmittingAntenna, float] = {"whip": 0.6, "rubber_duck": 0.38, "yagi": 0.02}
"""Of mixed transmitters: vehicles, hand-held radios, a few that aim."""
RECEIVING_SHARES: dict[ReceivingAntenna, float] = {"dipole": 0.8, "yagi": 0.15, "collinear": 0.05}
"""Of mixed receivers."""
COLLINEAR_DIPOLES = 4
COLLINEAR_SPACING = 0.75
"""In wavelengths, from centre to centre."""
YAGI_AZIMUTH_DEG, YAGI_ELEVATION_DEG = 60.0, 70.0
"""Between the directions of half the power."""
FRONT_TO_BACK_DB = 18.0
LEAST_DB = -30.0
"""No pattern has a deeper null: something always reflects."""
_OF_THE_DATASET = 2**32 - 1
"""Instead of a sample's index: what all samples share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Antenna:
    """An antenna; a yagi points to `azimuth_rad`, clockwise from north."""

    kind: TransmittingAntenna | ReceivingAntenna
    strongest_dbi: float
    azimuth_rad: float = 0.0

    @property
    def is_constant(self) -> bool:
        """Whether it gains the same in every direction."""
        return self.kind == "constant"

    def gain_dbi(self, azimuth_rad: float, elevation_rad: float) -> float:
        """Returns the gain in a direction."""
        match self.kind:
            case "whip" | "rubber_duck" | "dipole":
                pattern_db = dipole_db(elevation_rad)
            case "collinear":
                pattern_db = collinear_db(elevation_rad)
            case "yagi":
                pattern_db = yagi_db(azimuth_rad - self.azimuth_rad, elevation_rad)
            case _:
                return self.strongest_dbi
        return reproducible(self.strongest_dbi + pattern_db)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gains:
    """The antennas of a path, and what they gain towards each other."""

    tx: Antenna
    tx_dbi: float
    rx: Antenna
    rx_dbi: float

    @property
    def tx_pattern_db(self) -> float:
        """Towards the receiver over the strongest direction, to which the EIRP belongs."""
        return self.tx_dbi - self.tx.strongest_dbi


def gains_along(
    tx: Antenna,
    rx: Antenna,
    place: tuple[float, float, float, float],
    *,
    distance_m: float,
    rise_m: float,
    earth_radius_m: float,
) -> Gains:
    """Returns the gains along a path.

    Args:
        tx: transmitting antenna.
        rx: receiving antenna.
        place: latitude and longitude of the transmitter, then of the receiver, degrees.
        distance_m: between the antennas.
        rise_m: of the receiver's antenna over the transmitter's.
        earth_radius_m: in which rays run straight: either end sinks behind the bulge.
    """
    sinks_rad = distance_m / (2 * earth_radius_m)
    rises_rad = math.atan2(rise_m, distance_m)
    return Gains(
        tx=tx,
        tx_dbi=tx.gain_dbi(bearing_rad(*place), rises_rad - sinks_rad),
        rx=rx,
        rx_dbi=rx.gain_dbi(bearing_rad(*place[2:], *place[:2]), -rises_rad - sinks_rad),
    )


def draw_transmitting(spec: DatasetSpec, sample_idx: int) -> Antenna:
    """Returns a sample's antenna; a yagi points anywhere."""
    kind = spec.antennas.transmitter
    if kind == "constant":
        return Antenna(kind=kind, strongest_dbi=spec.scenario.tx_antenna_gain_dbi)
    stream = scalar_stream(spec.seed, sample_idx, Purpose.ANTENNA)
    drawn, azimuth_rad = _drawn(TRANSMITTING_SHARES, stream), stream.uniform(-math.pi, math.pi)
    chosen = drawn if kind == "mixed" else kind
    return Antenna(kind=chosen, strongest_dbi=GAINS_DBI[chosen], azimuth_rad=azimuth_rad)


def draw_receiving(spec: DatasetSpec, number: int) -> Antenna:
    """Returns a receiver's antenna, the same for all samples; a yagi points to the middle of the network."""
    kind = spec.antennas.receiver
    if kind == "constant":
        return Antenna(kind=kind, strongest_dbi=spec.propagation.rx_antenna_gain_dbi)
    drawn = _drawn(RECEIVING_SHARES, scalar_stream(spec.seed, _OF_THE_DATASET, Purpose.ANTENNA, number))
    chosen = drawn if kind == "mixed" else kind
    middle = [sum(getattr(r, name) for r in spec.receivers) / len(spec.receivers) for name in ("latitude", "longitude")]
    receiver = spec.receivers[number]
    azimuth_rad = reproducible(bearing_rad(receiver.latitude, receiver.longitude, *middle))
    return Antenna(kind=chosen, strongest_dbi=GAINS_DBI[chosen], azimuth_rad=azimuth_rad)


def dipole_db(elevation_rad: float) -> float:
    """Pattern of an upright half-wave dipole over its strongest direction, the horizon."""
    along = math.cos(elevation_rad)
    return _db(math.cos(math.pi / 2 * math.sin(elevation_rad)) / along) if along > 1e-9 else LEAST_DB


def collinear_db(elevation_rad: float) -> float:
    """Pattern of dipoles in phase, one above the other, over the horizon's."""
    u = math.pi * COLLINEAR_SPACING * math.sin(elevation_rad)
    array = math.sin(COLLINEAR_DIPOLES * u) / (COLLINEAR_DIPOLES * math.sin(u)) if abs(math.sin(u)) > 1e-9 else 1.0
    return max(dipole_db(elevation_rad) + _db(array), LEAST_DB)


def yagi_db(off_azimuth_rad: float, off_elevation_rad: float) -> float:
    """Pattern of a yagi over its strongest direction, by the angles from that."""
    azimuth_deg = math.degrees(math.remainder(off_azimuth_rad, 2 * math.pi))
    elevation_deg = math.degrees(off_elevation_rad)
    loss_db = 12 * (azimuth_deg / YAGI_AZIMUTH_DEG) ** 2 + 12 * (elevation_deg / YAGI_ELEVATION_DEG) ** 2
    return -min(loss_db, FRONT_TO_BACK_DB)


def _db(amplitude: float) -> float:
    return max(20 * math.log10(max(abs(amplitude), 1e-9)), LEAST_DB)


def _drawn(shares: Mapping[Kind, float], stream: np.random.Generator) -> Kind:
    kinds, above = list(shares), np.cumsum(list(shares.values()))
    return kinds[int(np.searchsorted(above, stream.random() * above[-1], side="right"))]
