"""Coordinates, distances and times of flight on a spherical earth."""

import math

EARTH_RADIUS_M = 6_371_000.0
SPEED_OF_LIGHT_M_S = 299_792_458.0


def ground_distance_m(lat_1: float, lon_1: float, lat_2: float, lon_2: float) -> float:
    """Returns the great-circle distance in metres of two places given in degrees (haversine formula)."""
    phi_1, phi_2 = math.radians(lat_1), math.radians(lat_2)
    half_height = math.sin((phi_2 - phi_1) / 2)
    half_width = math.sin(math.radians(lon_2 - lon_1) / 2)
    chord = half_height**2 + math.cos(phi_1) * math.cos(phi_2) * half_width**2
    return 2 * EARTH_RADIUS_M * math.asin(min(1.0, math.sqrt(chord)))


def slant_distance_m(ground_m: float, height_difference_m: float) -> float:
    """Length of the straight path between antennas at different heights above sea level."""
    return math.hypot(ground_m, height_difference_m)


def bearing_rad(lat_1: float, lon_1: float, lat_2: float, lon_2: float) -> float:
    """Initial direction from place 1 to place 2, clockwise from north, in (-pi, pi]."""
    phi_1, phi_2 = math.radians(lat_1), math.radians(lat_2)
    delta = math.radians(lon_2 - lon_1)
    east = math.sin(delta) * math.cos(phi_2)
    north = math.cos(phi_1) * math.sin(phi_2) - math.sin(phi_1) * math.cos(phi_2) * math.cos(delta)
    return math.atan2(east, north)


def midpoint(lat_1: float, lon_1: float, lat_2: float, lon_2: float) -> tuple[float, float]:
    """Latitude and longitude half-way along the great circle."""
    phi_1, phi_2 = math.radians(lat_1), math.radians(lat_2)
    delta = math.radians(lon_2 - lon_1)
    east, north = math.cos(phi_2) * math.sin(delta), math.cos(phi_2) * math.cos(delta)
    latitude = math.atan2(math.sin(phi_1) + math.sin(phi_2), math.hypot(math.cos(phi_1) + north, east))
    longitude = lon_1 + math.degrees(math.atan2(east, math.cos(phi_1) + north))
    return math.degrees(latitude), (longitude + 180) % 360 - 180


def time_of_flight_us(distance_m: float) -> float:
    """Returns the time that a wave takes to travel the distance, microseconds."""
    return distance_m / SPEED_OF_LIGHT_M_S * 1e6
