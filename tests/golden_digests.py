"""Digests that 26 samples must have, covering every modulation, impairment, clock, antenna and datatype.

`python -m tests.golden_digests --write` renews tests/golden/producer_digests.json; without `--write` it prints them.
The IQ of a published version of the generator never changes: raise `GENERATOR_VERSION` first.
"""

import argparse
import hashlib
import json
from pathlib import Path

from producer.synthesize import synthesize_sample
from producer.version import GENERATOR_VERSION
from schemas import Antennas, Capture, Channel, Clocks, DatasetSpec, Impairments, Propagation, Scenario
from schemas.iq_frame import frame_crc32
from tests.producer_specs import ONE_TAP, SHORT, ring_of, variant

DIGESTS = Path(__file__).parent / "golden" / "producer_digests.json"

FAINT = {"eirp_min_w": 1e-7, "eirp_max_w": 1e-3}
ALL_IMPAIRMENTS = Impairments(
    phase_noise_linewidth_hz=20.0, iq_gain_error_db=0.7, iq_phase_error_deg=3.0, dc_offset_db=2.0, clip_level_db=3.0
)
GOLDEN_SPECS: dict[str, DatasetSpec] = {
    "default": SHORT,
    "carrier, faint": variant(
        seed=1, scenario=Scenario(modulation="carrier", **FAINT), propagation=Propagation(environment="city")
    ),
    "am": variant(seed=5, scenario=Scenario(modulation="am")),
    "ssb, faint": variant(seed=6, scenario=Scenario(modulation="ssb", **FAINT)),
    "4fsk, steady": variant(seed=7, scenario=Scenario(modulation="4fsk"), channel=ONE_TAP),
    "mixed, floats": variant(seed=8, scenario=Scenario(modulation="mixed"), datatype="cf32_le"),
    "impaired": variant(seed=9, impairments=ALL_IMPAIRMENTS, scenario=Scenario(modulation="mixed")),
    "mixed antennas": variant(seed=12, receivers=ring_of(12), antennas=Antennas(transmitter="mixed", receiver="mixed")),
    "gnss clocks": variant(seed=10, clocks=Clocks(kind="gnss", offset_us=30.0)),
    "free clocks, ssb": variant(
        seed=11, clocks=Clocks(kind="free", offset_us=300.0), scenario=Scenario(modulation="ssb", oscillator_ppm=100.0)
    ),
    "slow, floats": variant(
        seed=2**63 - 1, capture=Capture(sample_rate_hz=48_000.0, capture_ms=25, chunk_ms=10), datatype="cf32_le"
    ),
    "two receivers, fast, 4fsk": variant(
        seed=3,
        receivers=ring_of(2),
        capture=Capture(sample_rate_hz=1e6, capture_ms=5, chunk_ms=5),
        scenario=Scenario(modulation="4fsk"),
    ),
    "long echoes, fast motion, ssb": variant(
        seed=4,
        frequency_hz=500e6,
        receivers=ring_of(12),
        scenario=Scenario(modulation="ssb"),
        channel=Channel(taps_max=32, delay_max_us=40.0, speed_max_m_s=1000.0, rician_share=0.5),
    ),
}
GOLDEN_INDICES = (0, 9_999_999)


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
