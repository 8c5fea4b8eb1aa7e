"""Specs of short captures for the producer's tests, and the digests that their samples must have.

`python -m tests.producer_specs --write` renews tests/golden/producer_digests.json. The IQ of a version of the
generator never changes: raise `GENERATOR_VERSION` first, or the table of a published version is lost.
"""

import argparse
import hashlib
import json
from pathlib import Path

import msgspec

from producer.synthesize import synthesize_sample
from producer.version import GENERATOR_VERSION
from schemas import Capture, Channel, DatasetSpec, Limits, Propagation, Receiver, Scenario, Terrain
from schemas.iq_frame import frame_crc32

DIGESTS = Path(__file__).parent / "golden" / "producer_digests.json"

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


GOLDEN_SPECS = {
    "default": SHORT,
    "carrier, faint": variant(
        seed=1,
        scenario=Scenario(modulation="carrier", eirp_min_w=1e-7, eirp_max_w=1e-3),
        propagation=Propagation(environment="city"),
    ),
    "slow, floats": variant(
        seed=2**63 - 1, capture=Capture(sample_rate_hz=48_000.0, capture_ms=25, chunk_ms=10), datatype="cf32_le"
    ),
    "two receivers, fast": variant(
        seed=3, receivers=ring_of(2), capture=Capture(sample_rate_hz=1e6, capture_ms=5, chunk_ms=5)
    ),
    "long echoes, fast motion": variant(
        seed=4,
        frequency_hz=500e6,
        receivers=ring_of(12),
        channel=Channel(taps_max=32, delay_max_us=40.0, speed_max_m_s=1000.0, rician_share=0.5),
    ),
}
GOLDEN_INDICES = (0, 1, 17, 9_999_999)


def sample_digest(spec: DatasetSpec, sample_idx: int) -> str:
    """Hex digest of datatype, scale and IQ of all frames of a sample."""
    frames = synthesize_sample(spec, sample_idx).frames
    return hashlib.sha256(b"".join(frame_crc32(f).to_bytes(4, "big") + bytes(f.iq) for f in frames)).hexdigest()


def all_digests() -> dict[str, dict[str, str]]:
    """Digest of every golden (spec, index), by name and index."""
    return {
        name: {str(index): sample_digest(spec, index) for index in GOLDEN_INDICES}
        for name, spec in GOLDEN_SPECS.items()
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Print the digests of the producer's golden samples.")
    parser.add_argument("--write", action="store_true", help="renew the committed digests")
    text = json.dumps({"generator_version": GENERATOR_VERSION, "digests": all_digests()}, indent=2) + "\n"
    if parser.parse_args().write:
        DIGESTS.write_text(text)
    else:
        print(text)
