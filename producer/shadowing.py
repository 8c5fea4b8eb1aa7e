"""Shadowing: slow, log-normal loss that near receivers share."""

import math
from functools import lru_cache

import numpy as np

from producer.geometry import ground_distance_m
from producer.reproducible import reproducible
from schemas import Receiver


def draw_shadowing_db(
    receivers: tuple[Receiver, ...],
    *,
    sigma_db: float,
    decorrelation_km: float,
    stream: np.random.Generator,
) -> tuple[float, ...]:
    """One loss per receiver, in dB: zero mean, sigma_db, correlation exp(-distance / decorrelation).

    The exponential correlation is Gudmundson's (Electronics Letters 27, 1991), between receivers of one
    transmitter instead of along its way.
    """
    normals = stream.standard_normal(len(receivers))
    rows = _correlation_root(receivers, decorrelation_km)
    return tuple(
        reproducible(sigma_db * sum(weight * float(normal) for weight, normal in zip(row, normals, strict=False)))
        for row in rows
    )


@lru_cache(maxsize=8)
def _correlation_root(receivers: tuple[Receiver, ...], decorrelation_km: float) -> tuple[tuple[float, ...], ...]:
    """Lower triangle L with L L^T = correlation (Cholesky), row i of length i + 1.

    Receivers on the same spot make the matrix singular; their pivot is 0, and they share their loss.
    """
    rows: list[tuple[float, ...]] = []
    for i, here in enumerate(receivers):
        row: list[float] = []
        for j, there in enumerate(receivers[:i]):
            metres = ground_distance_m(here.latitude, here.longitude, there.latitude, there.longitude)
            shared = math.exp(-metres / 1000 / decorrelation_km) - sum(
                a * b for a, b in zip(row, rows[j], strict=False)
            )
            row.append(shared / rows[j][j] if rows[j][j] > 0 else 0.0)
        pivot = 1.0 - sum(value * value for value in row)
        row.append(math.sqrt(pivot) if pivot > 1e-12 else 0.0)
        rows.append(tuple(row))
    return tuple(rows)
