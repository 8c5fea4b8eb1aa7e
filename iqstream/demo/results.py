"""What a finished demo has to show: counts, rates, checks, errors against truth, rows, objects, a picture."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from iqstream.catalogue.counts import row_count
from iqstream.catalogue.datasets import Dataset, generated_spec
from iqstream.catalogue.examples import example_answers
from iqstream.catalogue.outcomes import Place, SampleOutcome, count_by_place, sample_outcomes
from iqstream.dataset.feature_records import feature_records
from iqstream.demo.kill_worker import Kill
from iqstream.lag.read import read_lag
from iqstream.plot.page import Drawn, page_of, recording_to_draw
from iqstream.plot.picture import save_picture
from iqstream.plot.truth import RecordingErrors
from iqstream.reach import object_store, postgres_pool
from iqstream.runtime.disk import used_bytes
from iqstream.runtime.settings import DEFAULT_BUCKET, Settings
from iqstream.verify.completeness import Completeness, RecordingCount
from schemas import DatasetKey, FeatureRecord, Verdict


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
        iq_seconds_per_sample=len(spec.receivers) * spec.duration_ms / 1000,
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


async def demo_results(
    settings: Settings, dataset: Dataset, kill: Kill | None, *, state_dir: Path, picture: Path
) -> DemoResults:
    """Reads everything back from where it is stored, and draws the picture.

    `dataset` is complete and the stages have stopped.
    """
    count, drawn = RecordingCount(generated_spec(dataset)), Drawn(dataset=dataset)
    async for record in feature_records(settings, dataset.id, dataset.version):
        count.add(record)
        if isinstance(record, FeatureRecord):
            drawn.add(record)
    async with postgres_pool(settings) as pool:
        outcomes = await sample_outcomes(pool, dataset.id, dataset.version)
        rows = await row_count(pool, DatasetKey(dataset.id, dataset.version))
        answers = await example_answers(pool)
        recording = await recording_to_draw(settings, pool, dataset, outcomes)
    backlogs = [group.total.backlog for group in (await read_lag(settings)).groups]
    store = object_store(settings)
    try:
        objects = await store.list_samples(dataset.id)
    finally:
        store.close()
    await asyncio.to_thread(save_picture, page_of(drawn, outcomes, recording), picture)
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
            recordings_lost=count.lost,
            recordings_doubled=count.doubled,
        ),
        errors=drawn.errors,
        answers=answers,
        objects=objects,
        bucket=settings.s3_bucket,
        disk_bytes=used_bytes(state_dir),
        picture=picture,
    )
