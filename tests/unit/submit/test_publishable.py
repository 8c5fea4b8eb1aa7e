"""What the topics take is accepted, to the last millisecond; what they do not is refused with what they would."""

import re

import msgspec
import pytest

from iqstream.runtime.errors import UserError
from iqstream.runtime.topics import FRAME_LIMIT_BYTES
from iqstream.submit.publishable import check_frames, check_memory, check_shards, frame_record_bytes
from producer.frame_size import largest_frame_bytes
from producer.synthesize import synthesize_sample
from schemas import Capture, Impairments, Propagation, Scenario, Terrain, TerrainTile, encode
from tests.producer_specs import SHORT, ring_of, variant

LOUD = msgspec.structs.replace(
    SHORT,
    terrain=Terrain(source="none"),
    propagation=Propagation(rx_antenna_gain_dbi=60.0),
    scenario=Scenario(modulation="carrier"),
)
"""16-bit integers at every receiver."""
SPECS = {
    "integers": LOUD,
    "floats": variant(datatype="cf32_le"),
    "chunks": msgspec.structs.replace(LOUD, capture=Capture(capture_ms=300, chunk_ms=1)),
    "impaired": msgspec.structs.replace(LOUD, impairments=Impairments(iq_gain_error_db=1.0, dc_offset_db=3.0)),
    "network": msgspec.structs.replace(LOUD, receivers=ring_of(12)),
    "odd rate": msgspec.structs.replace(LOUD, capture=Capture(sample_rate_hz=123_456.7, capture_ms=21, chunk_ms=4)),
}


@pytest.mark.parametrize("name", SPECS)
def test_no_frame_is_larger_than_was_reckoned_nor_much_smaller(name):
    spec = SPECS[name]
    frames = [frame for index in (0, 9) for frame in synthesize_sample(spec, index).frames]
    sizes = [len(encode(frame)) for frame in frames if frame.datatype != "ci8"]
    per_tap = 2 * 9 * (spec.channel.taps_max - spec.channel.taps_min)
    assert largest_frame_bytes(spec) - 160 - per_tap <= min(sizes)
    assert max(sizes) <= largest_frame_bytes(spec)


@pytest.mark.parametrize(
    ("capture", "datatype", "limit"),
    [
        ({"capture_ms": 1500}, "auto", FRAME_LIMIT_BYTES),
        ({"capture_ms": 41_000}, "auto", FRAME_LIMIT_BYTES),
        ({}, "cf32_le", FRAME_LIMIT_BYTES),
        ({"sample_rate_hz": 1e6}, "auto", FRAME_LIMIT_BYTES),
        ({"capture_ms": 1290, "chunk_ms": 1}, "auto", FRAME_LIMIT_BYTES),
        ({}, "auto", 300_000),
        ({"capture_ms": 2000}, "cf32_le", 4 * 1024 * 1024 // 2),
    ],
)
def test_the_largest_recording_that_is_named_fits_and_no_longer_one(capture, datatype, limit):
    spec = variant(capture=Capture(**capture), datatype=datatype)
    with pytest.raises(UserError, match=f"at most {limit:,}") as refused:
        check_frames(spec, limit)
    most_ms, most_hz = (
        int(re.search(rf"{name} of at most (\d+)", str(refused.value))[1]) for name in ("capture_ms", "sample_rate_hz")
    )
    for field, most in (("capture_ms", most_ms), ("sample_rate_hz", most_hz)):
        fits, too_large = (
            variant(capture=with_field(spec.capture, field, most + more), datatype=datatype) for more in (0, 1)
        )
        check_frames(fits, limit)
        assert frame_record_bytes(fits) <= limit < frame_record_bytes(too_large)


def with_field(capture, field, value):
    changed = {name: getattr(capture, name) for name in capture.__struct_fields__} | {field: value}
    changed["chunk_ms"] = min(changed["chunk_ms"], changed["capture_ms"])
    return Capture(**changed)


def test_the_defaults_fit():
    check_frames(variant(capture=Capture()), FRAME_LIMIT_BYTES)
    check_shards(SHORT, FRAME_LIMIT_BYTES)


def tiled(count):
    tiles = tuple(TerrainTile(name=f"N{at // 100:02}E{at % 100:03}", sha256="5a" * 32) for at in range(count))
    return variant(terrain=Terrain(source="tiles", tiles=tiles))


def test_a_terrain_of_more_tiles_than_a_shard_can_carry_is_refused_with_how_many_can():
    with pytest.raises(UserError, match=r"terrain\.tiles: with 4096 tiles .* at most \d+ fit") as refused:
        check_shards(tiled(4096), FRAME_LIMIT_BYTES)
    most = int(re.search(r"at most (\d+) fit", str(refused.value))[1])
    check_shards(tiled(most), FRAME_LIMIT_BYTES)
    with pytest.raises(UserError):
        check_shards(tiled(most + 1), FRAME_LIMIT_BYTES)


@pytest.mark.parametrize(("receivers", "rate_hz"), [(7, 200_000.0), (64, 200_000.0), (64, 123_456.7)])
def test_without_frames_the_longest_recordings_that_are_named_fit_a_worker_and_no_longer_ones(receivers, rate_hz):
    def long(capture_ms):
        capture = Capture(sample_rate_hz=rate_hz, capture_ms=capture_ms)
        return variant(publish="features", receivers=ring_of(receivers), capture=capture)

    with pytest.raises(UserError, match="a worker holds at most") as refused:
        check_memory(long(13_000))
    most_ms = int(re.search(r"capture_ms of at most (\d+)", str(refused.value))[1])
    check_memory(long(most_ms))
    with pytest.raises(UserError):
        check_memory(long(most_ms + 1))
