"""Where the transmitter of a sample stands, what it sends and how it moves."""

import math
from dataclasses import dataclass

import numpy as np

from producer.emission import Emission, draw_emission, placement_reach_hz
from producer.reproducible import reproducible
from producer.terrain import Ground, height_m
from schemas import DatasetSpec, Receiver

MAX_PLACES = 1000
"""Places tried for a transmitter on land."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A transmitter and its emission. Angles clockwise from north; ground altitude above sea level.

    `frequency_offset_hz` is from the window's centre to the carrier, for single sideband the suppressed one.
    """

    latitude: float
    longitude: float
    altitude_m: float
    antenna_height_m: float
    inside_network: bool
    eirp_dbm: float
    speed_m_s: float
    heading_rad: float
    emission: Emission
    frequency_offset_hz: float
    oscillator_offset_hz: float


def draw_scene(spec: DatasetSpec, stream: np.random.Generator, ground: Ground) -> Scene:
    """Draw a transmitter.

    Raises:
        ValueError: the emission does not fit into the recorded bandwidth, or there is no land to stand on.
    """
    scenario = spec.scenario
    inside = stream.random() < scenario.inside_share
    latitude, longitude = _draw_dry_place(spec, inside=inside, stream=stream, ground=ground)
    eirp_dbm = stream.uniform(_dbm(scenario.eirp_min_w), _dbm(scenario.eirp_max_w))
    emission = draw_emission(scenario, stream)
    reach_hz = placement_reach_hz(spec, emission)
    return Scene(
        latitude=latitude,
        longitude=longitude,
        altitude_m=height_m(ground, latitude, longitude),
        antenna_height_m=stream.uniform(scenario.tx_height_min_m, scenario.tx_height_max_m),
        inside_network=inside,
        eirp_dbm=eirp_dbm,
        speed_m_s=stream.uniform(spec.channel.speed_min_m_s, spec.channel.speed_max_m_s),
        heading_rad=stream.uniform(-math.pi, math.pi),
        emission=emission,
        frequency_offset_hz=stream.uniform(-reach_hz, reach_hz),
        oscillator_offset_hz=oscillator_offset_hz(spec, stream),
    )


def oscillator_offset_hz(spec: DatasetSpec, stream: np.random.Generator) -> float:
    """Error of one oscillator at the dataset's frequency, uniform within the allowed ppm."""
    limit_hz = spec.frequency_hz * spec.scenario.oscillator_ppm * 1e-6
    return float(stream.uniform(-limit_hz, limit_hz))


def _dbm(power_w: float) -> float:
    return reproducible(30 + 10 * math.log10(power_w))


def _draw_dry_place(
    spec: DatasetSpec, *, inside: bool, stream: np.random.Generator, ground: Ground
) -> tuple[float, float]:
    """A place on land, or anywhere where the dataset allows the sea."""
    for _ in range(MAX_PLACES):
        place = _draw_place(spec.receivers, spec.scenario.margin_deg, inside=inside, stream=stream)
        if spec.scenario.transmitters_at_sea or not ground.is_sea(*place):
            return place
    raise ValueError(
        f"scenario.transmitters_at_sea: {MAX_PLACES} places {'within' if inside else 'around'} the receivers' box are "
        "all sea; allow it, or choose other receivers or terrain"
    )


def _draw_place(
    receivers: tuple[Receiver, ...], margin_deg: float, *, inside: bool, stream: np.random.Generator
) -> tuple[float, float]:
    """Uniform in degrees over the receivers' bounding box, or over the frame of `margin_deg` around it."""
    south, north = min(r.latitude for r in receivers), max(r.latitude for r in receivers)
    west, east = min(r.longitude for r in receivers), max(r.longitude for r in receivers)
    if inside:
        return stream.uniform(south, north), stream.uniform(west, east)
    # The frame as two strips over its whole width (south, north) and two beside the box (west, east).
    strip_area = margin_deg * (east - west + 2 * margin_deg)
    side_area = margin_deg * (north - south)
    low_side = stream.random() < 0.5
    if stream.random() * (strip_area + side_area) < strip_area:
        start = south - margin_deg if low_side else north
        latitude = stream.uniform(start, start + margin_deg)
        longitude = stream.uniform(west - margin_deg, east + margin_deg)
    else:
        start = west - margin_deg if low_side else east
        latitude = stream.uniform(south, north)
        longitude = stream.uniform(start, start + margin_deg)
    return min(max(latitude, -90.0), 90.0), min(max(longitude, -180.0), 180.0)
