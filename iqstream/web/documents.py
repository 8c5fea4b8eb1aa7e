"""What the HTTP API sends and takes: the types that its OpenAPI document is made of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from iqstream.catalogue.datasets import Dataset, Status
from iqstream.catalogue.failures import FailureCount
from iqstream.catalogue.outcomes import OutcomeCount, Place, SampleOutcome
from iqstream.client.results import DatasetReport, SamplePage, SampleReport
from iqstream.dataset_figures import DatasetFigures
from iqstream.dead_letters.listing import Line
from iqstream.replay.results import ReplayPlan
from iqstream.watch.event import WatchEvent
from schemas import DatasetSpec, Verdict
from schemas.dataset import MAX_SAMPLES

MAX_PAGE = 500
PageSize = Annotated[int, Meta(ge=1, le=MAX_PAGE)]
Version = Annotated[int, Meta(ge=1, le=2**31 - 1)]
SORTS = ("newest", "oldest", "name", "accepted")
Sort = Literal["newest", "oldest", "name", "accepted"]


class Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Frozen, with named fields; a field that is not known is an error."""


class Problem(Document, frozen=True, kw_only=True):
    """What went wrong (RFC 9457)."""

    title: str
    status: int
    detail: str
    """What, where, and what to do."""
    type: str = "about:blank"


class DatasetDocument(Document, frozen=True, kw_only=True):
    """A version of a dataset and how far it has got."""

    id: str
    version: int
    name: str
    description: str
    status: Status
    grows: bool
    recorded: bool
    samples: str
    """Ranges of indices, the last included: `0-99`."""
    requested: int
    decided: int
    accepted: int
    rejected: int
    failed: int
    iq_samples: int
    iq_samples_saved: int
    created_at: datetime
    completed_at: datetime | None


class DatasetPage(Document, frozen=True, kw_only=True):
    """Datasets, some at a time."""

    datasets: list[DatasetDocument]
    total: int
    """How many match, on all pages."""


class DatasetDetail(Document, frozen=True, kw_only=True):
    """A dataset with its settings, why its samples were rejected or failed, and its figures."""

    dataset: DatasetDocument
    spec: DatasetSpec
    versions: list[int]
    outcomes: list[OutcomeCount]
    failures: list[dict[str, Any]]
    figures: dict[str, Any]


class ProgressDocument(Document, frozen=True, kw_only=True):
    """A reading of a dataset under way."""

    dataset: DatasetDocument
    submitted: int
    generated: int
    extracted: int | None
    """null: nothing is extracted on its own; the producers do it."""
    samples_per_second: float | None
    seconds_left: float | None
    obstacles: list[str]


class SampleDocument(Document, frozen=True, kw_only=True):
    """How a sample ended."""

    sample_idx: int
    outcome: Verdict
    reason: str | None
    place: Place
    latitude: float | None
    longitude: float | None
    decided_at: datetime


class SamplePageDocument(Document, frozen=True, kw_only=True):
    """Decided samples by index, some at a time."""

    samples: list[SampleDocument]
    next_after: int | None
    """`after` of the page that follows; null on the last one."""


class SampleDetail(Document, frozen=True, kw_only=True):
    """A decided sample with its lineage and, where it was accepted, its features."""

    dataset_id: str
    dataset_version: int
    sample_idx: int
    outcome: str
    reason: str | None
    generation: int
    figures: dict[str, Any]
    lineage: dict[str, Any]
    row: dict[str, Any] | None


class ReplayPlanDocument(Document, frozen=True, kw_only=True):
    """What a replay would do."""

    dataset: DatasetDocument
    samples: str
    as_version: int | None
    frames_kept: int
    frames_to_synthesize: int
    samples_to_generate_again: int
    missing: list[tuple[int, str]]


class DeadLetterDocument(Document, frozen=True, kw_only=True):
    """A record that could not be processed, without its bytes."""

    origin: str
    stage: str
    error: str
    message: str
    size_bytes: int
    kept_at: datetime
    samples: list[str]
    """dataset:version:sample."""
    retried: int


class DeadLetterPage(Document, frozen=True, kw_only=True):
    """Dead letters, the latest first, some at a time."""

    dead_letters: list[DeadLetterDocument]
    total: int


class DatasetQuery(Document, frozen=True, kw_only=True):
    """Which datasets, in which order."""

    q: Annotated[str, Meta(max_length=200)] = ""
    """Part of the name, the description or the id."""
    status: Status | Literal[""] = ""
    sort: Sort = "newest"
    limit: PageSize = 50
    offset: Annotated[int, Meta(ge=0, le=MAX_SAMPLES)] = 0


class VersionQuery(Document, frozen=True, kw_only=True):
    """Which version of a dataset."""

    version: Version | None = None
    """If not given, the newest that is whole."""


class SampleQuery(VersionQuery, frozen=True, kw_only=True):
    """Which samples."""

    outcome: Verdict | Literal[""] = ""
    after: Annotated[int, Meta(ge=-1, le=MAX_SAMPLES)] = -1
    limit: PageSize = 100


class WaterfallQuery(VersionQuery, frozen=True, kw_only=True):
    """Which part of a recording."""

    start_ms: Annotated[float, Meta(ge=0, le=60_000)] = 0.0
    stop_ms: Annotated[float, Meta(ge=0, le=60_000)] | None = None
    """If not given, the end."""
    fft: Literal[256, 512, 1024, 2048] = 512


class ReplayQuery(VersionQuery, frozen=True, kw_only=True):
    """Which samples to process again."""

    samples: Annotated[str, Meta(max_length=1000)] | None = None
    """Ranges of indices, the last included: `0-99,120`; if not given, all."""
    as_version: Version | None = None


class LetterQuery(Document, frozen=True, kw_only=True):
    """Which dead letters."""

    stage: Annotated[str, Meta(max_length=200)] = ""
    error: Annotated[str, Meta(max_length=200)] = ""
    limit: PageSize = 50
    offset: Annotated[int, Meta(ge=0, le=MAX_SAMPLES)] = 0


class NoQuery(Document, frozen=True, kw_only=True):
    """Nothing can be said."""


class Change(Document, frozen=True, kw_only=True):
    """Another name, another description, or both."""

    name: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    description: Annotated[str, Meta(max_length=2000)] | None = None


class Extension(Document, frozen=True, kw_only=True):
    """How many samples a dataset shall have in all."""

    samples: Annotated[int, Meta(ge=1, le=MAX_SAMPLES)]


class Deleted(Document, frozen=True, kw_only=True):
    """What was deleted."""

    rows: int
    objects: int


def dataset_document(dataset: Dataset) -> DatasetDocument:
    """Returns a dataset as the API shows it."""
    names = [name for name in DatasetDocument.__struct_fields__ if name != "samples"]
    return DatasetDocument(samples=str(dataset.samples), **{name: getattr(dataset, name) for name in names})


def detail_document(report: DatasetReport) -> DatasetDetail:
    """Returns a dataset with what is known of it."""
    return DatasetDetail(
        dataset=dataset_document(report.dataset),
        spec=report.dataset.spec,
        versions=[one.version for one in report.versions],
        outcomes=list(report.outcomes),
        failures=_plain(list(report.failures)),
        figures=_plain(report.figures),
    )


def progress_document(event: WatchEvent) -> ProgressDocument:
    """Returns a reading of a dataset under way."""
    progress, dataset = event.progress, event.dataset
    return ProgressDocument(
        dataset=dataset_document(dataset),
        submitted=progress.submitted,
        generated=progress.generated,
        extracted=progress.extracted,
        samples_per_second=event.speed.per_second,
        seconds_left=event.speed.eta_s(dataset.requested - dataset.decided),
        obstacles=list(progress.obstacles),
    )


def sample_document(sample: SampleOutcome) -> SampleDocument:
    """Returns how a sample ended."""
    return SampleDocument(
        outcome=sample.verdict,
        **{name: getattr(sample, name) for name in SampleDocument.__struct_fields__ if name != "outcome"},
    )


def sample_page_document(page: SamplePage) -> SamplePageDocument:
    """Returns a page of samples."""
    return SamplePageDocument(samples=[sample_document(one) for one in page.samples], next_after=page.next_after)


def sample_detail(report: SampleReport) -> SampleDetail:
    """Returns a sample with its features."""
    outcome = report.outcome
    return SampleDetail(
        dataset_id=report.dataset.id,
        dataset_version=report.dataset.version,
        sample_idx=outcome.sample_idx,
        outcome=outcome.outcome,
        reason=outcome.reason,
        generation=outcome.generation,
        figures=dict(outcome.figures),
        lineage=dict(outcome.lineage),
        row=None if report.row is None else dict(report.row.columns),
    )


def plan_document(plan: ReplayPlan) -> ReplayPlanDocument:
    """Returns what a replay would do."""
    return ReplayPlanDocument(
        dataset=dataset_document(plan.source),
        samples=str(plan.samples),
        as_version=plan.as_version,
        frames_kept=plan.frames_kept,
        frames_to_synthesize=plan.frames_to_synthesize,
        samples_to_generate_again=plan.samples_to_generate_again,
        missing=list(plan.missing),
    )


def letter_document(line: Line) -> DeadLetterDocument:
    """Returns a dead letter without its bytes."""
    return DeadLetterDocument(
        origin=str(line.origin),
        stage=line.stage,
        error=line.error,
        message=line.message,
        size_bytes=line.size,
        kept_at=line.kept_at,
        samples=[":".join(map(str, key)) for key in line.samples],
        retried=len(line.retries),
    )


def _plain(value: Sequence[FailureCount] | DatasetFigures) -> Any:  # noqa: ANN401  # JSON values
    return msgspec.to_builtins(value)
