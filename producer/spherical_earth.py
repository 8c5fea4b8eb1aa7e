"""Diffraction over a smooth spherical earth (ITU-R P.526, section 3)."""

import math

GROUND_PERMITTIVITY = 22.0
"""Relative, of medium dry ground (ITU-R P.527)."""
GROUND_CONDUCTIVITY_S_M = 0.003


def spherical_earth_loss_db(
    distance_km: float,
    tx_height_m: float,
    rx_height_m: float,
    frequency_hz: float,
    effective_radius_km: float,
) -> float:
    """Loss beyond free space between vertically polarised antennas over smooth land; never negative.

    Beyond the horizon the first term of the residue series (section 3.1); within it that value on an earth
    whose horizon lies at the receiver, in proportion to the clearance that is missing (section 3.2).

    Args:
        distance_km: along the ground.
        tx_height_m: of the antenna above the sphere.
        rx_height_m: of the antenna above the sphere.
        frequency_hz: of the wave.
        effective_radius_km: of the sphere.
    """
    roots = math.sqrt(tx_height_m) + math.sqrt(rx_height_m)
    horizon_km = math.sqrt(0.002 * effective_radius_km) * roots
    if distance_km >= horizon_km:
        return max(_first_term_db(distance_km, tx_height_m, rx_height_m, frequency_hz, effective_radius_km), 0.0)
    missing = _missing_clearance(distance_km, tx_height_m, rx_height_m, frequency_hz, effective_radius_km)
    if missing <= 0:
        return 0.0
    grazing_radius_km = 500 * (distance_km / roots) ** 2
    grazing_db = _first_term_db(distance_km, tx_height_m, rx_height_m, frequency_hz, grazing_radius_km)
    return missing * max(grazing_db, 0.0)


def _missing_clearance(
    distance_km: float, tx_height_m: float, rx_height_m: float, frequency_hz: float, effective_radius_km: float
) -> float:
    """1 - h / h_req: share of the clearance that leaves free space undisturbed which the sphere takes away."""
    total_m = tx_height_m + rx_height_m
    c = (tx_height_m - rx_height_m) / total_m
    m = 250 * distance_km**2 / (effective_radius_km * total_m)
    cosine = 1.5 * c * math.sqrt(3 * m / (m + 1) ** 3)
    angle = math.pi / 3 + math.acos(min(max(cosine, -1.0), 1.0)) / 3
    b = 2 * math.sqrt((m + 1) / (3 * m)) * math.cos(angle)
    tx_part_km = distance_km / 2 * (1 + b)
    rx_part_km = distance_km - tx_part_km
    tx_above_m = tx_height_m - 500 * tx_part_km**2 / effective_radius_km
    rx_above_m = rx_height_m - 500 * rx_part_km**2 / effective_radius_km
    clearance_m = (tx_above_m * rx_part_km + rx_above_m * tx_part_km) / distance_km
    wavelength_m = 299.792458 / (frequency_hz / 1e6)
    required_m = 17.456 * math.sqrt(tx_part_km * rx_part_km * wavelength_m / distance_km)
    return 1 - clearance_m / required_m if required_m > 0 else 1.0


def _first_term_db(
    distance_km: float, tx_height_m: float, rx_height_m: float, frequency_hz: float, radius_km: float
) -> float:
    """-(F(X) + G(Y1) + G(Y2)), eq. 13 to 18."""
    mhz = frequency_hz / 1e6
    loss_term = 18_000 * GROUND_CONDUCTIVITY_S_M / mhz
    admittance = 0.36 * (radius_km * mhz) ** (-1 / 3) * ((GROUND_PERMITTIVITY - 1) ** 2 + loss_term**2) ** -0.25
    admittance *= math.sqrt(GROUND_PERMITTIVITY**2 + loss_term**2)  # vertical polarisation
    k2 = admittance**2
    beta = (1 + 1.6 * k2 + 0.67 * k2**2) / (1 + 4.5 * k2 + 1.53 * k2**2)
    x = 2.188 * beta * mhz ** (1 / 3) * radius_km ** (-2 / 3) * distance_km
    per_metre = 9.575e-3 * beta * mhz ** (2 / 3) * radius_km ** (-1 / 3)
    distance_db = 11 + 10 * math.log10(x) - 17.6 * x if x >= 1.6 else -20 * math.log10(x) - 5.6488 * x**1.425
    lowest_db = 2 + 20 * math.log10(admittance)
    tx_db, rx_db = (
        max(_height_gain_db(beta * per_metre * height_m), lowest_db) for height_m in (tx_height_m, rx_height_m)
    )
    return -float(distance_db + tx_db + rx_db)


def _height_gain_db(b: float) -> float:
    if b > 2:
        return 17.6 * math.sqrt(b - 1.1) - 5 * math.log10(b - 1.1) - 8
    return 20 * math.log10(b + 0.1 * b**3) if b > 0 else -math.inf
