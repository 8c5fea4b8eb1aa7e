"""An accepted sample as a row of `heimdall.measurement_features`, and one of `heimdall.pair_measurements`."""

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from schemas import STATISTICS, FeatureRecord, MeasurementRow, PairRow, Spec, Truth
from sink.verdict import Outcome, lineage


def measurement_row(spec: Spec, content_sha256: str, outcome: Outcome) -> MeasurementRow:
    """The row of an accepted sample; equal samples give equal rows, byte for byte (lineage apart).

    Args:
        spec: the dataset's.
        content_sha256: `spec.content_sha256()`, which is the same for every sample of a dataset.
        outcome: an accepted one.

    Raises:
        ValueError: the outcome is not an accepted one, or a value is not finite.
    """
    quality, records = outcome.quality, outcome.joined.records
    if outcome.verdict != "accepted" or quality is None:
        raise ValueError(f"sample {outcome.sample.sample_idx} is {outcome.verdict}: only accepted ones have rows")
    if quality.mean_snr_db is None or quality.overall_confidence is None:
        raise ValueError(f"sample {outcome.sample.sample_idx}: accepted although nobody detected it")
    transmitter = records[0].transmitter
    return MeasurementRow(
        recording_session_id=spec.recording_session_id(outcome.sample.sample_idx),
        dataset_id=outcome.sample.dataset_id,
        dataset_version=outcome.sample.dataset_version,
        sample_idx=outcome.sample.sample_idx,
        receiver_features=tuple(json_text(receiver_object(record)) for record in _by_network(spec, records)),
        tx_latitude=None if transmitter is None else transmitter.latitude,
        tx_longitude=None if transmitter is None else transmitter.longitude,
        tx_altitude_m=None if transmitter is None else transmitter.altitude_m,
        tx_known=transmitter is not None,
        extraction_metadata=json_text(extraction_metadata(spec, content_sha256, outcome)),
        overall_confidence=quality.overall_confidence,
        mean_snr_db=quality.mean_snr_db,
        num_receivers_detected=len(quality.detected),
        gdop=quality.gdop,
    )


def pair_row(outcome: Outcome) -> PairRow | None:
    """The time differences of an accepted sample; None where its dataset asks for none."""
    record = outcome.joined.pairs
    if record is None:
        return None
    return PairRow(
        dataset_id=outcome.sample.dataset_id,
        dataset_version=outcome.sample.dataset_version,
        sample_idx=outcome.sample.sample_idx,
        pairs=tuple(json_text(msgspec.structs.asdict(pair)) for pair in record.pairs),
        extractor_version=record.extractor_version,
    )


def receiver_object(record: FeatureRecord) -> dict[str, Any]:
    """`{"rx_id": ..., "<feature>": {"mean", "std", "min", "max"}, ...}` for all features of the record."""
    width = len(STATISTICS)
    values = record.values
    return {"rx_id": record.receiver.rx_id} | {
        name: dict(zip(STATISTICS, values[start : start + width], strict=True))
        for name, start in zip(record.feature_names, range(0, len(values), width), strict=True)
    }


def extraction_metadata(spec: Spec, content_sha256: str, outcome: Outcome) -> dict[str, Any]:
    """How the features came about: five keys of the original system, then what proves and locates them."""
    first = outcome.joined.records[0]
    return {
        "extraction_method": "recorded" if first.recorded is not None else "synthetic",
        "iq_duration_ms": first.duration_ms,
        "sample_rate_hz": first.sample_rate_hz,
        "num_chunks": first.chunks,
        "chunk_duration_ms": first.chunk_ms,
        "center_frequency_hz": first.center_frequency_hz,
        "captured_at_ns": first.captured_at_ns,
        "inside_network": _inside_network(first.truth),
        "detected": list(outcome.quality.detected) if outcome.quality else [],
        "spec_sha256": content_sha256,
        "generator_version": spec.generator_version,
        "extractor_version": first.extractor_version,
        "frequency_classes": {
            r.receiver.rx_id: _frequency_classes(r) for r in _by_network(spec, outcome.joined.records)
        },
        "lineage": lineage(outcome.joined),
        **_recorded(spec, outcome.joined.records),
    }


def _recorded(spec: Spec, records: Sequence[FeatureRecord]) -> dict[str, Any]:
    """What only real recordings have: to what levels are referred, and where each window comes from."""
    windows = {record.receiver.rx_id: record.recorded for record in _by_network(spec, records) if record.recorded}
    if not windows:
        return {}
    references = {window.level_reference for window in windows.values()}
    return {
        "level_reference": "dbm" if references == {"dbm"} else "dbfs",
        "recordings": {rx_id: msgspec.to_builtins(window) for rx_id, window in windows.items()},
    }


def json_text(value: dict[str, Any]) -> str:
    """JSON text for PostgreSQL.

    Raises:
        ValueError: NaN or an infinity, which JSON does not have.
    """
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def _frequency_classes(record: FeatureRecord) -> dict[str, int]:
    """Chunks by how their frequency was measured, without those that never occur."""
    return {name: count for name, count in msgspec.structs.asdict(record.frequency_classes).items() if count}


def _inside_network(truth: Truth | None) -> bool | None:
    return None if truth is None else truth.transmitter.inside_network


def _by_network(spec: Spec, records: Sequence[FeatureRecord]) -> list[FeatureRecord]:
    """In the order of the dataset's receivers: the one that people know from the network's file."""
    order = {receiver.rx_id: position for position, receiver in enumerate(spec.receivers)}
    return sorted(records, key=lambda record: order[record.receiver.rx_id])
