"""Two specs of one recordings digest give the same IQ, sample by sample."""

import msgspec
import pytest

from producer.synthesize import synthesize_sample
from schemas import Capture
from tests.producer_specs import SHORT

SPEC = msgspec.structs.replace(SHORT, capture=Capture(capture_ms=10, chunk_ms=10))
PARTS = ("capture", "scenario", "propagation", "terrain", "channel", "impairments", "clocks", "antennas")
FIELDS = [(part, name) for part in PARTS for name in getattr(SPEC, part).__struct_fields__]


def changed(spec, part, name):
    """The spec with another value in one field."""
    old = getattr(spec, part)
    value = getattr(old, name)
    another = {
        "modulation": "am", "sideband": "upper", "environment": "city", "clutter": "urban", "source": "none",
        "tiles": (), "taps_max": 7, "taps_min": 4, "transmitters_at_sea": True, "chunk_ms": 5, "capture_ms": 12,
        "hurst": 0.75, "inside_share": 0.0, "dc_offset_db": 3.0, "clip_level_db": 3.0, "rician_share": 1.0,
        "kind": "gnss", "transmitter": "rubber_duck", "receiver": "dipole",
    }  # fmt: skip
    new = another[name] if name in another else value * 0.9 + 0.7 if isinstance(value, float) else value + 1
    return msgspec.structs.replace(spec, **{part: msgspec.structs.replace(old, **{name: new})})


NOT_HEARD = {
    ("capture", "chunk_ms"),
    ("scenario", "tx_antenna_gain_dbi"),
    ("scenario", "sideband"),
    ("scenario", "transmitters_at_sea"),
    ("terrain", "tiles"),
    ("clocks", "offset_us"),
    ("clocks", "rate_ppm"),
}
"""Of FM and ideal clocks on procedural ground. A transmitter at sea is drawn by some samples alone."""


def iq_of(spec, samples=range(6)):
    """The bytes of some samples."""
    return [
        (frame.datatype, frame.scale, bytes(frame.iq)) for i in samples for frame in synthesize_sample(spec, i).frames
    ]


@pytest.mark.parametrize(("part", "name"), FIELDS, ids=str)
def test_equal_digests_of_recordings_are_equal_recordings(part, name):
    other = changed(SPEC, part, name)
    heard = iq_of(other) != iq_of(SPEC)
    assert heard == ((part, name) not in NOT_HEARD)
    if heard:
        assert other.recordings_sha256() != SPEC.recordings_sha256()
    elif name != "transmitters_at_sea":
        assert other.recordings_sha256() == SPEC.recordings_sha256()
