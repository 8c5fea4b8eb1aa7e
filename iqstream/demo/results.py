"""What a finished demo has to show: counts, rates, checks, errors against truth, rows, objects, a picture."""

import asyncio
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from iqstream.catalogue.counts import row_count
from iqstream.catalogue.datasets import Dataset
from iqstream.catalogue.examples import example_answers
from iqstream.catalogue.outcomes import Place, SampleOutcome, count_by_place, sample_outcomes
from iqstream.demo.kill_worker import Kill
from iqstream.lag.read import read_lag
from iqstream.plot.picture import Link, Page, Recording, heard_link, save_picture
from iqstream.plot.truth import RecordingErrors, recording_errors
from iqstream.reach import object_store, postgres_pool
from iqstream.runtime.disk import used_bytes
from iqstream.runtime.settings import DEFAULT_BUCKET, Settings
from iqstream.verify.completeness import Completeness, RecordingCount
from iqstream.verify.feature_records import feature_records
from schemas import DatasetKey, DatasetSpec, FeatureRecord, Verdict
from sink.objects import ObjectStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long a dataset took, from its submission to its completion, and how fast its samples were decided."""

    seconds: float
    first_after_s: float
    """Until the first decision: the stages' start."""
    samples_per_s: float | None
    """After that, the kill included; None where all was decided at one moment."""
    iq_seconds_per_sample: float
    """Of all receivers together."""


def pace_of(dataset: Dataset, outcomes: Sequence[SampleOutcome]) -> Pace:
    """The pace of a complete dataset."""
    decided = sorted(outcome.decided_at for outcome in outcomes)
    completed_at = dataset.completed_at or dataset.status_changed_at
    later = sum(at > decided[0] for at in decided)
    spec = dataset.spec
    return Pace(
        seconds=(completed_at - dataset.created_at).total_seconds(),
        first_after_s=(decided[0] - dataset.created_at).total_seconds(),
        samples_per_s=later / (decided[-1] - decided[0]).total_seconds() if later else None,
        iq_seconds_per_sample=len(spec.receivers) * spec.capture.capture_ms / 1000,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResults:
    """Everything on the last screen."""

    dataset: Dataset
    counts: Counter[tuple[Verdict, str | None, Place]]
    pace: Pace
    backlog: int | None
    """Records that a stage has still to read, whatever their dataset."""
    kill: Kill | None
    completeness: Completeness
    errors: Sequence[RecordingErrors]
    answers: Sequence[tuple[str, Sequence[Mapping[str, object]]]]
    objects: Sequence[str]
    bucket: str = DEFAULT_BUCKET
    """Where they are."""
    disk_bytes: int
    picture: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class _Records:
    """What was kept of the dataset's records."""

    count: RecordingCount
    errors: Sequence[RecordingErrors]
    links: Sequence[Link]
    snr_db: Mapping[tuple[int, str], float]
    """Measured, by sample and receiver."""


async def demo_results(
    settings: Settings, dataset: Dataset, kill: Kill | None, *, state_dir: Path, picture: Path
) -> DemoResults:
    """Reads everything back from where it is stored, and draws the picture.

    `dataset` is complete and the stages have stopped.
    """
    records = await _read_records(settings, dataset.spec)
    async with postgres_pool(settings) as pool:
        outcomes = await sample_outcomes(pool, dataset.id, dataset.version)
        rows = await row_count(pool, DatasetKey(dataset.id, dataset.version))
        answers = await example_answers(pool)
    backlogs = [group.total.backlog for group in (await read_lag(settings)).groups]
    store = object_store(settings)
    try:
        objects = await store.list_samples(dataset.id)
        recording = await _strongest_recording(store, dataset, objects, records.snr_db)
    finally:
        store.close()
    page = Page(
        title=f"{dataset.name}: {dataset.accepted} of {dataset.requested} samples accepted",
        receivers=dataset.spec.receivers,
        outcomes=outcomes,
        links=records.links,
        recording=recording,
        errors=records.errors,
    )
    await asyncio.to_thread(save_picture, page, picture)
    return DemoResults(
        dataset=dataset,
        counts=count_by_place(outcomes),
        pace=pace_of(dataset, outcomes),
        backlog=None if None in backlogs else sum(backlog or 0 for backlog in backlogs),
        kill=kill,
        completeness=Completeness(
            requested=dataset.requested,
            outcomes=len(outcomes),
            accepted=dataset.accepted,
            rows=rows,
            recordings_lost=records.count.lost,
            recordings_doubled=records.count.doubled,
        ),
        errors=records.errors,
        answers=answers,
        objects=objects,
        bucket=settings.s3_bucket,
        disk_bytes=used_bytes(state_dir),
        picture=picture,
    )


async def _read_records(settings: Settings, spec: DatasetSpec) -> _Records:
    count = RecordingCount(spec)
    errors: list[RecordingErrors] = []
    links: list[Link] = []
    snr_db: dict[tuple[int, str], float] = {}
    async for record in feature_records(settings, spec.dataset_id, spec.dataset_version):
        count.add(record)
        if isinstance(record, FeatureRecord):
            snr_db[record.sample_idx, record.receiver.rx_id] = record.value("snr_db")
            if (found := recording_errors(record)) is not None:
                errors.append(found)
            if (link := heard_link(record, spec.limits.detection_snr_db)) is not None:
                links.append(link)
    return _Records(count=count, errors=errors, links=links, snr_db=snr_db)


async def _strongest_recording(
    store: ObjectStore, dataset: Dataset, objects: Sequence[str], snr_db: Mapping[tuple[int, str], float]
) -> Recording | None:
    """The best heard recording of the first sample that has objects; None where none has."""
    stored = [(int(index), file.removesuffix(".npy")) for *_, index, file in (name.split("/") for name in objects)]
    if not stored:
        return None
    first = min(index for index, _ in stored)
    sample_idx, rx_id = max(
        (place for place in stored if place[0] == first), key=lambda place: snr_db.get(place, -math.inf)
    )
    heard = snr_db.get((sample_idx, rx_id))
    return Recording(
        samples=await store.get_iq(dataset.id, sample_idx, rx_id),
        sample_rate_hz=dataset.spec.capture.sample_rate_hz,
        center_frequency_hz=dataset.spec.frequency_hz,
        title=f"Stored IQ of sample {sample_idx} at {rx_id}" + ("" if heard is None else f", SNR {heard:.0f} dB"),
    )
