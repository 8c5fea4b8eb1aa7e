"""Where the transmitter of a sample stands, what it sends and how it moves."""

import math
from dataclasses import dataclass

import numpy as np

from producer.emission import Emission, draw_emission, placement_reach_hz
from producer.geometry import ground_distance_m
from producer.reproducible import reproducible
from schemas import DatasetSpec, Receiver


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


def draw_scene(spec: DatasetSpec, stream: np.random.Generator) -> Scene:
    """Draw a transmitter.

    Raises:
        ValueError: the emission does not fit into the recorded bandwidth.
    """
    scenario = spec.scenario
    inside = stream.random() < scenario.inside_share
    latitude, longitude = _draw_place(spec.receivers, scenario.margin_deg, inside=inside, stream=stream)
    eirp_dbm = stream.uniform(_dbm(scenario.eirp_min_w), _dbm(scenario.eirp_max_w))
    emission = draw_emission(scenario, stream)
    reach_hz = placement_reach_hz(spec, emission)
    return Scene(
        latitude=latitude,
        longitude=longitude,
        altitude_m=ground_altitude_m(spec.receivers, latitude, longitude),
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


def ground_altitude_m(receivers: tuple[Receiver, ...], latitude: float, longitude: float) -> float:
    """Ground level between the receivers: mean of theirs, weighted by 1 / distance^2 (and theirs on the spot)."""
    total, weights = 0.0, 0.0
    for receiver in receivers:
        metres = ground_distance_m(latitude, longitude, receiver.latitude, receiver.longitude)
        weight = 1 / max(metres, 1.0) ** 2
        total += weight * receiver.altitude_m
        weights += weight
    return reproducible(total / weights)


def _dbm(power_w: float) -> float:
    return reproducible(30 + 10 * math.log10(power_w))


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
