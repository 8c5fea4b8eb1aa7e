"""A receiver's clock: what time it is for the receiver, and how long its second is."""

from dataclasses import dataclass
from typing import assert_never

from producer.reproducible import reproducible
from producer.scenario import oscillator_offset_hz
from producer.streams import Purpose, scalar_stream
from schemas import DatasetSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """What is stamped t was taken at t - offset - rate t."""

    offset_us: float
    rate_ppm: float
    carrier_hz: float
    """Error of the frequency that the receiver mixes with."""


def draw_clock(spec: DatasetSpec, sample_idx: int, number: int) -> Clock:
    """Returns the clock of a receiver for a sample.

    A free oscillator drives the sampling and the mixer, so both err alike. The ideal one mixes with the error of a free
    oscillator all the same.
    """
    carrier_hz = oscillator_offset_hz(spec, scalar_stream(spec.seed, sample_idx, Purpose.OSCILLATOR, number))
    if spec.clocks.kind == "ideal":
        return Clock(offset_us=0.0, rate_ppm=0.0, carrier_hz=carrier_hz)
    stream = scalar_stream(spec.seed, sample_idx, Purpose.CLOCK, number)
    offset_us = reproducible(spec.clocks.offset_us * stream.standard_normal())
    match spec.clocks.kind:
        case "gnss":
            rate_ppm = reproducible(spec.clocks.rate_ppm * stream.standard_normal())
            carrier_hz = reproducible(spec.frequency_hz * rate_ppm * 1e-6)
        case "free":
            rate_ppm = reproducible(carrier_hz / spec.frequency_hz * 1e6)
        case _:
            assert_never(spec.clocks.kind)
    return Clock(offset_us=offset_us, rate_ppm=rate_ppm, carrier_hz=carrier_hz)
