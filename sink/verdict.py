"""What becomes of a joined sample: accepted, rejected or failed, with the reason and what was measured."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from schemas import FailureRecord, Lineage, SampleKey, Verdict
from sink.join import JoinedSample, Observation
from sink.quality import Accepted, Figures, QualityLimits, assess

INCOMPLETE = "Incomplete"
"""Reason of a sample whose records never came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A decision. `reason` is None for accepted, a quality reason for rejected, an error's class for failed."""

    joined: JoinedSample
    verdict: Verdict
    reason: str | None
    quality: Figures | None
    """None where the sample failed."""

    @property
    def sample(self) -> SampleKey:
        """The sample decided."""
        return self.joined.key

    @property
    def generation(self) -> int:
        """The replay generation of the records it rests on."""
        return self.joined.generation


def judge(joined: JoinedSample, limits: QualityLimits) -> Outcome:
    """The outcome of a sample that waits for nothing more.

    With a failed or missing receiver, or without the time differences that it was to have, it is failed.
    """
    if not joined.records or joined.failures or joined.missing or joined.pairs_missing:
        reason = joined.failures[0].error if joined.failures else INCOMPLETE
        return Outcome(joined=joined, verdict="failed", reason=reason, quality=None)
    result = assess(joined.records, limits)
    if isinstance(result, Accepted):
        return Outcome(joined=joined, verdict="accepted", reason=None, quality=result.figures)
    return Outcome(joined=joined, verdict="rejected", reason=result.reason, quality=result.figures)


def refusals(joined: JoinedSample, error: Exception, *, stage: str) -> Iterator[Outcome]:
    """The outcomes of a sample that cannot be judged or stored, to be tried in turn: the last says nothing else of it.

    Args:
        joined: the sample.
        error: why not.
        stage: which says so.
    """
    pairs = () if joined.pairs is None else (joined.pairs,)
    observed: tuple[Observation, ...] = (*joined.records, *joined.failures, *pairs)
    failure = FailureRecord(
        dataset_id=joined.key.dataset_id,
        dataset_version=joined.key.dataset_version,
        sample_idx=joined.key.sample_idx,
        generation=joined.generation,
        rx_id=None,
        stage=stage,
        error=type(error).__name__,
        message=storable(str(error))[:2000],
        lineage=observed[0].lineage,
    )
    for known in (
        replace(joined, failures=(*joined.failures, failure)),
        replace(joined, records=(), failures=(failure,), missing=0, pairs=None),
    ):
        yield Outcome(joined=known, verdict="failed", reason=failure.error, quality=None)


def storable(text: str) -> str:
    """The text without what PostgreSQL does not take: NUL, and halves of surrogate pairs."""
    return text.encode(errors="replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def figures(outcome: Outcome) -> dict[str, Any]:
    """Everything measured of the sample, for the ledger: quality, transmitter, and what failed or is missing."""
    joined = outcome.joined
    measured: dict[str, Any] = {}
    if outcome.quality is not None:
        measured |= {
            "num_receivers_detected": len(outcome.quality.detected),
            "detected": list(outcome.quality.detected),
            "mean_snr_db": outcome.quality.mean_snr_db,
            "overall_confidence": outcome.quality.overall_confidence,
            "gdop": outcome.quality.gdop,
        }
    first = joined.records[0] if joined.records else None
    if first is not None and first.transmitter is not None:
        measured |= {
            "tx_latitude": first.transmitter.latitude,
            "tx_longitude": first.transmitter.longitude,
            "inside_network": None if first.truth is None else first.truth.transmitter.inside_network,
        }
    if joined.missing:
        measured["missing_receivers"] = joined.missing
    if joined.pairs_missing:
        measured["missing_pairs"] = True
    if joined.failures:
        measured["failures"] = [
            {
                "rx_id": failure.rx_id,
                "stage": failure.stage,
                "error": failure.error,
                "message": failure.message,
            }
            for failure in joined.failures
        ]
    return measured


def lineage(joined: JoinedSample) -> dict[str, Mapping[str, Any]]:
    """By rx_id, where the frame of each recording stood and its crc32; failures of a receiver included."""
    places: dict[str, Mapping[str, Any]] = {
        failure.rx_id: _place(failure.lineage) for failure in joined.failures if failure.rx_id is not None
    }
    places |= {record.receiver.rx_id: _place(record.lineage) for record in joined.records}
    return places


def _place(source: Lineage) -> dict[str, Any]:
    return {
        "topic": source.topic,
        "partition": source.partition,
        "offset": source.offset,
        "crc32": source.crc32,
    }
