"""The recordings of one decided sample, wherever they are to be had."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from iqstream.catalogue.datasets import Dataset
from iqstream.catalogue.postgres import Pool
from iqstream.catalogue.stored import StoredOutcome, StoredRow, stored_sample
from iqstream.dataset.iq_source import IQSource
from iqstream.runtime.errors import NotFound
from iqstream.runtime.readable import Readable
from schemas import IQFrame, SampleKey
from sink.recordings import RecordedSample


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SampleIQ(Readable):
    """A sample as its receivers recorded it."""

    SHOWN: ClassVar = ("sample_idx", "outcome", "reason", "rx_ids")

    dataset: Dataset
    sample_idx: int
    outcome: str
    reason: str | None
    """Why it was rejected."""
    frames: Mapping[str, IQFrame]
    """By rx_id, in alphabetical order: `frame.samples()` are complex64 (n,), `frame.truth` is what was put in."""
    crc32: Mapping[str, int]
    """By rx_id, of the frame."""
    synthesized: frozenset[str]
    """Receivers whose frame had left Kafka and was made again, bit for bit."""
    snr_db: Mapping[str, float]
    """By rx_id, the mean that was measured; empty for a sample that was not accepted: its features are not stored."""

    @property
    def rx_ids(self) -> tuple[str, ...]:
        """In alphabetical order."""
        return tuple(self.frames)


async def decided_sample(pool: Pool, dataset: Dataset, sample_idx: int) -> tuple[StoredOutcome, StoredRow | None]:
    """Returns a sample's line in the ledger and its row.

    Raises:
        UserError: the dataset has no such sample, or it is not decided yet.
    """
    stored = await stored_sample(pool, dataset.id, dataset.version, sample_idx)
    if stored is None:
        there = f"it has the samples {dataset.samples}" if len(dataset.samples) else "it has none yet"
        why = "is not decided yet" if sample_idx in dataset.samples else f"is not one of its samples: {there}"
        raise NotFound(f"sample {sample_idx} of dataset {dataset.name!r} version {dataset.version} {why}")
    return stored


async def sample_iq(pool: Pool, source: IQSource, dataset: Dataset, sample_idx: int) -> SampleIQ:
    """Returns the recordings of a sample, each proved by the CRC-32 that its lineage names.

    Raises:
        UserError: the dataset has no such sample, or nothing is known of its recordings.
        Failed: a recording can be had neither from Kafka nor by synthesis.
    """
    outcome, row = await decided_sample(pool, dataset, sample_idx)
    if not outcome.lineage or outcome.outcome == "failed":
        raise NotFound(
            f"sample {sample_idx} of dataset {dataset.name!r} failed, so it has no recordings; "
            f"`iqstream datasets show {dataset.id}` tells why"
        )
    found = await source.recordings(
        RecordedSample(
            key=SampleKey(dataset.id, dataset.version, sample_idx),
            spec=dataset.spec,
            lineage=outcome.lineage,
        )
    )
    rx_ids = sorted(found.frames)
    features = [] if row is None else row.columns["receiver_features"]
    return SampleIQ(
        dataset=dataset,
        sample_idx=sample_idx,
        outcome=outcome.outcome,
        reason=outcome.reason,
        frames={rx_id: found.frames[rx_id] for rx_id in rx_ids},
        crc32={rx_id: outcome.lineage[rx_id]["crc32"] for rx_id in rx_ids},
        synthesized=found.synthesized,
        snr_db={one["rx_id"]: one["snr_db"]["mean"] for one in features},
    )
