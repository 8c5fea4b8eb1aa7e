"""What each sample of a replay is made of: frames by their lineage, the generator, or nothing any more."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeAlias

from aiokafka import TopicPartition

from iqstream.catalogue.datasets import Dataset
from iqstream.catalogue.outcomes import lineages
from iqstream.catalogue.postgres import Connection, Pool
from iqstream.catalogue.sample_ranges import SampleRanges
from iqstream.runtime.offsets import Ends
from schemas import DatasetKey, SampleKey
from sink.recordings import RecordedSample

PAGE_SAMPLES = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedAgain:
    """A synthetic sample whose frames nobody can prove: undecided, or failed before they could be read."""

    sample_idx: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """A sample of real recordings that are not to be had."""

    sample_idx: int
    reason: str


Source: TypeAlias = RecordedSample | GeneratedAgain | Gone


def source_of(dataset: Dataset, sample_idx: int, lineage: Mapping[str, Mapping[str, Any]] | None) -> Source:
    """What a sample can be made of.

    Args:
        dataset: the sample's.
        sample_idx: its index.
        lineage: the ledger's, by rx_id; None where the sample is not decided.
    """
    proved = {rx_id: place for rx_id, place in (lineage or {}).items() if place["crc32"] is not None}
    complete = proved.keys() == {receiver.rx_id for receiver in dataset.spec.receivers}
    if complete or (dataset.recorded and proved and len(proved) == len(lineage or {})):
        return RecordedSample(
            key=SampleKey(dataset.id, dataset.version, sample_idx),
            spec=dataset.spec,
            lineage=proved,
        )
    if dataset.recorded:
        return Gone(sample_idx=sample_idx, reason="not every frame of it could be read")
    return GeneratedAgain(sample_idx=sample_idx)


async def read_sources(connection: Pool | Connection, dataset: Dataset, indices: Sequence[int]) -> list[Source]:
    """What some samples can be made of, as the ledger stands, in the order of `indices`."""
    found = await lineages(connection, DatasetKey(dataset.id, dataset.version), indices)
    return [source_of(dataset, index, found.get(index)) for index in indices]


async def all_sources(pool: Pool, dataset: Dataset, samples: SampleRanges) -> AsyncIterator[Source]:
    """What all samples of a replay can be made of; a page of the ledger at a time."""
    indices = iter(samples)
    while page := list(islice(indices, PAGE_SAMPLES)):
        for source in await read_sources(pool, dataset, page):
            yield source


@dataclass(slots=True, kw_only=True)
class Plan:
    """What a replay will do, counted."""

    samples: int = 0
    frames_kept: int = 0
    """Frames that Kafka still has, as far as offsets tell."""
    frames_expired: int = 0
    """Frames of synthetic data that will be synthesised again and proved."""
    generated_again: int = 0
    """Samples that go through the producer and the extractor once more."""
    missing: list[tuple[int, str]] = field(default_factory=list)
    """Samples that cannot be processed again, with the reason."""


async def make_plan(pool: Pool, dataset: Dataset, samples: SampleRanges, ends: Mapping[TopicPartition, Ends]) -> Plan:
    """Counts what a replay will do. `ends` are those of the frames' topic."""
    plan = Plan(samples=len(samples))
    async for source in all_sources(pool, dataset, samples):
        if isinstance(source, GeneratedAgain):
            plan.generated_again += 1
        elif isinstance(source, Gone):
            plan.missing.append((source.sample_idx, source.reason))
        else:
            expired = sorted(rx_id for rx_id, place in source.lineage.items() if not _is_kept(place, ends))
            if expired and dataset.recorded:
                plan.missing.append((source.key.sample_idx, f"recordings have expired: {', '.join(expired)}"))
                continue
            plan.frames_expired += len(expired)
            plan.frames_kept += len(source.lineage) - len(expired)
    return plan


def _is_kept(place: Mapping[str, Any], ends: Mapping[TopicPartition, Ends]) -> bool:
    known = ends.get(TopicPartition(place["topic"], place["partition"]))
    return known is not None and known.log_start <= place["offset"] < known.end
