"""A sample's outcome and row once more, from its frames alone, and where they differ from what is stored. Pure."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from extractor.pairs.record import pair_record
from extractor.record import feature_record
from iqstream.catalogue.stored import COLUMNS, StoredOutcome, StoredRow
from schemas import IQFrame, Lineage, PairRecord, SampleKey, Spec
from sink.join import JoinedSample
from sink.rows import measurement_row, pair_row
from sink.verdict import Outcome, figures, judge


def recomputed(spec: Spec, stored: StoredOutcome, frames: Mapping[str, IQFrame]) -> Outcome:
    """Extraction and verdict of a sample whose every frame is there."""
    key = SampleKey(spec.dataset_id, spec.dataset_version, stored.sample_idx)
    records = tuple(feature_record(frames[rx_id], Lineage(**stored.lineage[rx_id])) for rx_id in sorted(stored.lineage))
    return judge(
        JoinedSample(
            key=key,
            generation=stored.generation,
            records=records,
            failures=(),
            missing=int(stored.figures.get("missing_receivers", 0)),
            pairs=_pairs(stored, frames) if spec.pairs else None,
        ),
        spec.limits,
    )


def _pairs(stored: StoredOutcome, frames: Mapping[str, IQFrame]) -> PairRecord:
    """The time differences of recordings of which some may be of an earlier generation."""
    lineage = Lineage(**stored.lineage[max(frames)])
    return pair_record(
        [msgspec.structs.replace(frame, generation=stored.generation) for frame in frames.values()], lineage
    )


def differences(
    spec: Spec, content_sha256: str, stored: StoredOutcome, row: StoredRow | None, made: Outcome
) -> Iterator[str]:
    """A sentence for everything in which the stored outcome or row is not what was made again."""
    if (stored.outcome, stored.reason) != (made.verdict, made.reason):
        yield f"is {_verdict(stored.outcome, stored.reason)}, made again {_verdict(made.verdict, made.reason)}"
        return
    for name, value in _plain(figures(made)).items():
        if stored.figures.get(name) != value:
            yield f"figure {name} is {stored.figures.get(name)}, made again {value}"
    if made.verdict != "accepted" or row is None:
        return
    again = measurement_row(spec, content_sha256, made)
    expected = {name: getattr(again, name) for name in COLUMNS}
    expected["receiver_features"] = [json.loads(text) for text in again.receiver_features]
    expected["extraction_metadata"] = json.loads(again.extraction_metadata)
    for name in COLUMNS:
        yield from _differing(name, row.columns[name], expected[name])
    pairs = pair_row(made)
    if pairs is not None:
        yield from _differing("pairs", row.pairs, [json.loads(text) for text in pairs.pairs])


def _differing(name: str, stored: Any, made: Any) -> Iterator[str]:  # noqa: ANN401  # JSON values
    """The leaves of two JSON values that differ, by their path."""
    if isinstance(stored, dict) and isinstance(made, dict):
        for key in sorted(stored.keys() | made.keys()):
            yield from _differing(f"{name}.{key}", stored.get(key), made.get(key))
    elif isinstance(stored, list) and isinstance(made, list) and len(stored) == len(made):
        for index, (one, other) in enumerate(zip(stored, made, strict=True)):
            label = _label(other, index)
            yield from _differing(f"{name}[{label}]", one, other)
    elif stored != made:
        yield f"{name} is {stored}, made again {made}"


def _label(entry: Any, index: int) -> str | int:  # noqa: ANN401  # a JSON value
    """What people call an entry of a list: a receiver, a pair of them, or its place."""
    if isinstance(entry, dict) and "receiver_a" in entry:
        return f"{entry['receiver_a']}, {entry['receiver_b']}"
    return entry.get("rx_id", index) if isinstance(entry, dict) else index


def _verdict(outcome: str, reason: str | None) -> str:
    return outcome if reason is None else f"{outcome} ({reason})"


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """As it comes back from JSON."""
    result: dict[str, Any] = json.loads(json.dumps(values))
    return result
