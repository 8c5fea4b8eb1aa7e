"""Specs of short captures for the producer's tests."""

import msgspec

from producer.version import GENERATOR_VERSION
from schemas import Capture, Channel, DatasetSpec, Limits, Receiver, Terrain

SHORT = DatasetSpec(
    dataset_id="00000000-0000-4000-8000-000000000001",
    name="short",
    samples=100,
    generator_version=GENERATOR_VERSION,
    capture=Capture(capture_ms=20, chunk_ms=10),
    limits=Limits(min_receivers=2),
)
ONE_TAP = Channel(
    taps_min=1,
    taps_max=1,
    rician_share=1.0,
    rician_k_min_db=300.0,
    rician_k_max_db=300.0,
    speed_min_m_s=0.0,
    speed_max_m_s=0.0,
)
"""No fading, no echoes."""
FREE_SPACE = Terrain(source="none")
"""Nothing but distance and shadowing weakens the signal."""


def ring_of(count: int) -> tuple[Receiver, ...]:
    """Receivers of a made-up network."""
    return tuple(
        Receiver(rx_id=f"rx-{i}", latitude=45 + 0.1 * i, longitude=8 + 0.07 * (i * i % 11), altitude_m=20.0 * i)
        for i in range(count)
    )


def variant(**fields: object) -> DatasetSpec:
    """SHORT with other fields."""
    return msgspec.structs.replace(SHORT, **fields)
