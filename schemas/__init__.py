"""What stages exchange and store, and nothing else: no I/O, no clock, no randomness."""

from schemas.dataset import (
    SPEC_VERSION,
    Antennas,
    Capture,
    Channel,
    Clocks,
    DatasetSpec,
    GenerationShard,
    Impairments,
    Limits,
    Propagation,
    Receiver,
    Scenario,
    Station,
)
from schemas.envelope import decode, encode, headers, sample_key
from schemas.errors import Malformed, SchemaError, TooLarge, UnknownSchema
from schemas.failures import failure_of_frame, failure_of_sample, failures_of_shard
from schemas.feature_record import Extract, FailureRecord, FeatureRecord, FrequencyClasses, Lineage
from schemas.features import FEATURE_NAMES, FEATURE_TABLE, STATISTICS, Feature
from schemas.iq_frame import IQFrame, LinkTruth, ReceiverTruth, TransmitterTruth, Truth, frame_crc32
from schemas.measurement_row import MeasurementRow, PairRow
from schemas.pair_measurement import PAIR_QUANTITIES, MeasurePairs, PairMeasurement, PairRecord, pair_count
from schemas.recorded import RecordedLimits, RecordedSpec, RecordedWindow, Spec, TransmitterPosition, read_spec
from schemas.sample import VERDICTS, DatasetKey, SampleKey, Verdict
from schemas.subject import Subject, subject_of
from schemas.terrain import Terrain, TerrainTile

__all__ = [
    "FEATURE_NAMES",
    "FEATURE_TABLE",
    "PAIR_QUANTITIES",
    "SPEC_VERSION",
    "STATISTICS",
    "VERDICTS",
    "Antennas",
    "Capture",
    "Channel",
    "Clocks",
    "DatasetKey",
    "DatasetSpec",
    "Extract",
    "FailureRecord",
    "Feature",
    "FeatureRecord",
    "FrequencyClasses",
    "GenerationShard",
    "IQFrame",
    "Impairments",
    "Limits",
    "Lineage",
    "LinkTruth",
    "Malformed",
    "MeasurePairs",
    "MeasurementRow",
    "PairMeasurement",
    "PairRecord",
    "PairRow",
    "Propagation",
    "Receiver",
    "ReceiverTruth",
    "RecordedLimits",
    "RecordedSpec",
    "RecordedWindow",
    "SampleKey",
    "Scenario",
    "SchemaError",
    "Spec",
    "Station",
    "Subject",
    "Terrain",
    "TerrainTile",
    "TooLarge",
    "TransmitterPosition",
    "TransmitterTruth",
    "Truth",
    "UnknownSchema",
    "Verdict",
    "decode",
    "encode",
    "failure_of_frame",
    "failure_of_sample",
    "failures_of_shard",
    "frame_crc32",
    "headers",
    "pair_count",
    "read_spec",
    "sample_key",
    "subject_of",
]
