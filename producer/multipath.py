"""The echoes of a path: their number, delays and powers."""

import math
from dataclasses import dataclass

import numpy as np

from producer.reproducible import reproducible
from schemas import Channel

DECAY_SHARE = (0.1, 0.5)
"""Decay constant of the power-delay profile over the longest allowed delay: 0.5-2.5 us of 5 us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Multipath:
    """Taps in order of delay; the first is the first arrival (delay 0). Mean powers sum to 1."""

    delays_us: tuple[float, ...]
    powers: tuple[float, ...]
    rician_k_db: float | None
    arrivals: tuple[float, ...]
    """Where the even ring of directions begins from which a tap's waves come, in [0, 1) of its spacing."""
    direct_turns: float
    """Phase of the direct wave when recording begins."""

    @property
    def direct_power(self) -> float:
        """Steady part of the first tap's power: K / (K + 1) of it, 0 where it is Rayleigh."""
        if self.rician_k_db is None:
            return 0.0
        return reproducible(self.powers[0] / (1 + 10 ** (-min(max(self.rician_k_db, -300.0), 300.0) / 10)))

    @property
    def rms_delay_spread_us(self) -> float:
        """Standard deviation of the delay under the mean powers."""
        mean = self.mean_delay_us
        spread = sum(p * (d - mean) ** 2 for p, d in zip(self.powers, self.delays_us, strict=True))
        return math.sqrt(spread)

    @property
    def mean_delay_us(self) -> float:
        """Mean delay under the mean powers."""
        return sum(p * d for p, d in zip(self.powers, self.delays_us, strict=True))


def draw_multipath(channel: Channel, stream: np.random.Generator) -> Multipath:
    """Draw the taps of one path: exponential power-delay profile, echoes anywhere in the allowed delays."""
    count = int(stream.integers(channel.taps_min, channel.taps_max, endpoint=True))
    *echoes, decay, rician, k = stream.random(count + 2).tolist()
    delays_us = (0.0, *sorted(_between(channel.delay_min_us, channel.delay_max_us, echo) for echo in echoes))
    decay_us = channel.delay_max_us * _between(*DECAY_SHARE, decay)
    weights = [math.exp(-delay / decay_us) if decay_us > 0 else 1.0 for delay in delays_us]
    total = sum(weights)
    return Multipath(
        delays_us=delays_us,
        powers=tuple(reproducible(weight / total) for weight in weights),
        rician_k_db=_between(channel.rician_k_min_db, channel.rician_k_max_db, k)
        if rician < channel.rician_share
        else None,
        arrivals=tuple(stream.random(count).tolist()),
        direct_turns=stream.random(),
    )


def _between(low: float, high: float, share: float) -> float:
    return low + (high - low) * share
