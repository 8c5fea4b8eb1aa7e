"""The wire bytes of every version of every message, kept for good in tests/golden/.

A file is written once, when its version is new, and never changed: bytes like these are in topics.
To add one, put it in the table below and run `python -m tests.golden_wire --write`, which writes what
is missing and leaves alone what is there.
"""

import argparse
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgpack
import msgspec

from schemas import (
    Capture,
    DatasetSpec,
    FailureRecord,
    FeatureRecord,
    FrequencyClasses,
    GenerationShard,
    IQFrame,
    Limits,
    Lineage,
    LinkTruth,
    PairMeasurement,
    PairRecord,
    Propagation,
    Receiver,
    RecordedWindow,
    Scenario,
    Station,
    Terrain,
    TerrainTile,
    TransmitterPosition,
    TransmitterTruth,
    Truth,
    encode,
)
from schemas.envelope import Message

DIRECTORY = Path(__file__).parent / "golden"

DATASET_ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
TORINO = Receiver(rx_id="torino", latitude=45.044, longitude=7.672, altitude_m=250.0, antenna_height_m=15.0)
SPEC = DatasetSpec(
    dataset_id=DATASET_ID,
    name="Città di prova",
    samples=1000,
    generator_version="1.0.0",
    dataset_version=2,
    seed=42,
    frequency_hz=145.5e6,
    capture=Capture(sample_rate_hz=48_000.0, capture_ms=500, chunk_ms=100),
    scenario=Scenario(modulation="carrier"),
    propagation=Propagation(clutter="suburban"),
    terrain=Terrain(source="tiles", tiles=(TerrainTile(name="N45E007", sha256="5a" * 32),)),
    limits=Limits(min_snr_db=6.0, min_receivers=4, max_gdop=8.0),
)
TRUTH = Truth(
    transmitter=TransmitterTruth(
        latitude=45.07,
        longitude=7.69,
        altitude_m=239.0,
        antenna_height_m=10.0,
        power_dbm=41.0,
        eirp_dbm=43.0,
        inside_network=True,
        modulation="nbfm",
        peak_deviation_hz=2500.0,
        frequency_offset_hz=-120.5,
    ),
    link=LinkTruth(
        distance_km=3.25,
        path_loss_db=117.0,
        free_space_loss_db=86.0,
        diffraction_loss_db=20.0,
        clutter_loss_db=8.0,
        shadowing_db=3.0,
        clearance_m=-12.5,
        terrain_max_m=715.0,
        mean_signal_dbm=-69.0,
        noise_dbm=-115.0,
        mean_snr_db=46.0,
        arrival_delay_us=10.84,
        frequency_offset_hz=-119.25,
        doppler_max_hz=4.8,
        rician_k_db=None,
        tap_delays_us=(0.0, 0.75, 2.5),
        tap_powers=(0.5, 0.375, 0.125),
        rms_delay_spread_us=0.84,
        signal_dbm=(-70.5, -68.25),
        noise_realised_dbm=(-115.125, -114.875),
        snr_db=(44.625, 46.625),
        quantisation_noise_dbm=-150.0,
    ),
)
FRAME_CI8 = IQFrame(
    dataset_id=DATASET_ID,
    dataset_version=2,
    sample_idx=17,
    generation=1,
    receivers_expected=7,
    receiver=TORINO,
    captured_at_ns=1_767_225_600_000_000_000,
    center_frequency_hz=145.5e6,
    sample_rate_hz=48_000.0,
    chunk_ms=100,
    datatype="ci8",
    scale=0.5,
    truth=TRUTH,
    iq=memoryview(struct.pack("<6b", 1, -2, 127, -128, 0, -1)),
)
FRAME_CI16 = msgspec.structs.replace(
    FRAME_CI8,
    datatype="ci16_le",
    scale=2.0**-20,
    iq=memoryview(struct.pack("<6h", 1, -2, 32767, -32768, 0, 256)),
)
RECORDING_CF32 = msgspec.structs.replace(
    FRAME_CI8,
    datatype="cf32_le",
    scale=1.0,
    truth=None,
    iq=memoryview(struct.pack("<4f", 1.0, -0.5, 0.25, 1024.0)),
)
LINEAGE = Lineage(topic="iq.frames", partition=11, offset=2**40 + 3, crc32=0xDEADBEEF)
FEATURES = FeatureRecord(
    dataset_id=DATASET_ID,
    dataset_version=2,
    sample_idx=17,
    generation=1,
    receivers_expected=7,
    receiver=TORINO,
    captured_at_ns=1_767_225_600_000_000_000,
    center_frequency_hz=145.5e6,
    sample_rate_hz=48_000.0,
    duration_ms=500.0,
    chunk_ms=100,
    chunks=5,
    datatype="ci16_le",
    values=tuple(position / 8 - 4 for position in range(72)),
    frequency_classes=FrequencyClasses(tone=1, fm=3),
    truth=TRUTH,
    extractor_version="1.0.0",
    lineage=LINEAGE,
)
POSITION = TransmitterPosition(latitude=50.0, longitude=9.0, altitude_m=None)
RECORDED = RecordedWindow(
    file="20171127T104156Z_77500_rxa_iq.wav",
    first_sample=513,
    identity="0123456789abcdef" * 4,
    time_source="gnss",
    late_samples=0.375,
    level_reference="dbfs",
    clipped_share=0.0,
    clipped=False,
    dc_dominates=True,
    agc_suspected=False,
    dc_of_device=False,
    unaligned="",
)
FAILURE = FailureRecord(
    dataset_id=DATASET_ID,
    dataset_version=2,
    sample_idx=17,
    rx_id=None,
    stage="producer",
    error="Malformed",
    message="generation_shard: Expected `int` >= 1 - at `$.count`",
    lineage=Lineage(topic="iq.jobs", partition=0, offset=0, crc32=None),
)
PAIRS = PairRecord(
    dataset_id=DATASET_ID,
    dataset_version=2,
    sample_idx=17,
    generation=1,
    pairs=(
        PairMeasurement(
            receiver_a="milano-baggio",
            receiver_b="torino",
            time_difference_us=-312.25,
            standard_deviation_us=0.5,
            coherence=0.875,
            peak_to_sidelobe_db=2.5,
            frequency_difference_hz=-41.5,
            bandwidth_hz=12_500.0,
            found=True,
        ),
    ),
    extractor_version="1.0.0",
    lineage=LINEAGE,
)

GOLDEN: Mapping[str, Message] = {
    "dataset_spec-1": SPEC,
    "generation_shard-1": GenerationShard(spec=SPEC, first_idx=16, count=2, generation=3),
    "iq_frame-1-ci8": FRAME_CI8,
    "iq_frame-1-ci16_le": FRAME_CI16,
    "iq_frame-1-cf32_le-recording": RECORDING_CF32,
    "iq_frame-1-pairs-expected": msgspec.structs.replace(FRAME_CI8, pairs_expected=True),
    "iq_frame-1-clock-error": msgspec.structs.replace(FRAME_CI8, clock_error_us=0.05),
    "feature_record-1": FEATURES,
    "feature_record-1-pairs-expected": msgspec.structs.replace(FEATURES, pairs_expected=True),
    "feature_record-1-recording": msgspec.structs.replace(FEATURES, truth=None),
    "iq_frame-1-recorded": msgspec.structs.replace(FRAME_CI8, truth=None, position=POSITION, recorded=RECORDED),
    "feature_record-1-recorded": msgspec.structs.replace(FEATURES, truth=None, position=POSITION, recorded=RECORDED),
    "feature_record-1-unplaced": msgspec.structs.replace(
        FEATURES,
        truth=None,
        receiver=Station(rx_id="roof", latitude=None, longitude=None, altitude_m=None),
        recorded=msgspec.structs.replace(RECORDED, time_source="arrival", lost_before_s=2.5),
    ),
    "failure_record-1-sample": FAILURE,
    "failure_record-1-receiver": msgspec.structs.replace(FAILURE, rx_id="torino", lineage=LINEAGE),
    "pair_record-1": PAIRS,
}
"""What this code writes and reads, by file name."""

FROM_NEWER_WRITERS: Mapping[str, Message] = {
    "iq_frame-1-newer-writer": FRAME_CI16,
    "feature_record-1-newer-writer": FEATURES,
}
"""What it reads, though there are fields in it that only a later writer knows."""

FROM_NEWER_VERSIONS = ("iq_frame-9", "feature_record-9")
"""What it must refuse by name."""


def golden_bytes(name: str) -> bytes:
    """The committed bytes."""
    return (DIRECTORY / f"{name}.msgpack").read_bytes()


def with_fields(message: Message, /, **fields: object) -> bytes:
    """The wire bytes of a message with fields added or replaced, unchecked; iq stays last."""
    entries: dict[str, Any] = msgpack.unpackb(encode(message)) | fields
    if "iq" in entries:
        entries["iq"] = entries.pop("iq")
    return bytes(msgpack.packb(entries))


def bytes_to_write() -> dict[str, bytes]:
    """The bytes of every golden file, as this code makes them."""
    later = {"gain_db": 12.5, "tags": ["a", {"b": None}], "signature": b"\x00\x01"}
    return (
        {name: encode(message) for name, message in GOLDEN.items()}
        | {name: with_fields(message, **later) for name, message in FROM_NEWER_WRITERS.items()}
        | {
            "iq_frame-9": with_fields(FRAME_CI8, version=9),
            "feature_record-9": with_fields(FEATURES, version=9),
        }
    )


def write_missing(directory: Path) -> list[Path]:
    """Writes the files that are not there and returns their paths."""
    written = []
    for name, data in bytes_to_write().items():
        path = directory / f"{name}.msgpack"
        if not path.exists():
            path.write_bytes(data)
            written.append(path)
    return written


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write the golden wire bytes of new versions.")
    parser.add_argument("--write", action="store_true", required=True, help="write the files that are missing")
    parser.parse_args()
    for new in write_missing(DIRECTORY):
        print(f"written: {new}")
