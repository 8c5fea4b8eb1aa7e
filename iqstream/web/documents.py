"""What the HTTP API sends and takes: the types that its OpenAPI document is made of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from iqstream.catalogue.datasets import Dataset, Status
from iqstream.catalogue.failures import FailureCount
from iqstream.catalogue.measured import Link
from iqstream.catalogue.outcomes import OutcomeCount, Place, SampleOutcome
from iqstream.client.results import (
    DatasetReport,
    DatasetVersions,
    DeadLetterReport,
    LetterRetryPlan,
    SamplePage,
    SampleReport,
    SampleTruth,
)
from iqstream.dataset_distributions import DistanceBand, Distribution
from iqstream.dataset_figures import DatasetFigures
from iqstream.dead_letters.listing import Line
from iqstream.dead_letters.purge import Removal
from iqstream.plot.truth import QuantityAccuracy
from iqstream.replay.results import ReplayPlan
from iqstream.watch.event import WatchEvent
from iqstream.watch.health import health
from iqstream.watch.speed import Speed
from schemas import FEATURE_NAMES, STATISTICS, DatasetSpec, RecordedSpec, Verdict
from schemas.dataset import MAX_SAMPLES

MAX_PAGE = 500
PageSize = Annotated[int, Meta(ge=1, le=MAX_PAGE)]
Version = Annotated[int, Meta(ge=1, le=2**31 - 1)]
SHOWN_BYTES = 1024
"""Of a dead letter."""
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


class ListedDocument(DatasetDocument, frozen=True, kw_only=True):
    """A dataset in the list, and how it fares."""

    samples_per_second: float | None
    """Decided of late; null: it is not under way, or not known yet."""
    seconds_left: float | None
    """Until all are decided; null: not known, or it grows."""
    health: str
    """In words: `good`, or what is wrong."""


class DatasetPage(Document, frozen=True, kw_only=True):
    """Datasets, some at a time."""

    datasets: list[ListedDocument]
    total: int
    """How many match, on all pages."""


class DatasetDetail(Document, frozen=True, kw_only=True):
    """A dataset with its settings, why its samples were rejected or failed, and its figures."""

    dataset: DatasetDocument
    spec: DatasetSpec | None
    """How its samples are generated; null for real recordings."""
    recorded_spec: RecordedSpec | None
    """How real recordings become its samples; null for generated ones."""
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
    """A decided sample with its lineage and, where it was accepted, its features and time differences."""

    dataset_id: str
    dataset_version: int
    sample_idx: int
    outcome: str
    reason: str | None
    generation: int
    figures: dict[str, Any]
    lineage: dict[str, Any]
    row: dict[str, Any] | None
    pairs: list[dict[str, Any]] | None
    """Its time differences; null where it has none."""


class PathDocument(Document, frozen=True, kw_only=True):
    """The path to one receiver: powers, losses, and the ground below it."""

    rx_id: str
    eirp_dbm: float
    rx_antenna_gain_dbi: float
    link: dict[str, Any]
    """As the truth of a frame has it, before anything is heard."""
    distances_km: list[float]
    """Empty where the dataset has no terrain."""
    ground_m: list[float]
    """Above the chord, with the earth's bulge: the ray is a straight line."""
    ray_m: tuple[float, float]
    """Heights of both antennas above sea level."""


class SampleTruthDocument(Document, frozen=True, kw_only=True):
    """What the generator put into a sample."""

    dataset_id: str
    dataset_version: int
    sample_idx: int
    transmitter: dict[str, Any]
    paths: list[PathDocument]


class AccuracyDocument(Document, frozen=True, kw_only=True):
    """How far a feature is from what was put in, over recordings of similar SNR."""

    feature: str
    unit: str
    """Of an error."""
    snr_db: str
    """The band, by the realised SNR in the full bandwidth: `0..10`."""
    recordings: int
    bias: float
    rms: float
    goal: float | None
    """For the RMS error; null: there is none."""
    met: bool | None


class DistanceBandDocument(Document, frozen=True, kw_only=True):
    """Samples whose transmitter stood so far from its nearest receiver."""

    low_km: float
    high_km: float
    accepted: int
    rejected: int
    failed: int


class ReceiverValuesDocument(Document, frozen=True, kw_only=True):
    """A feature's values at one receiver."""

    rx_id: str
    samples: int
    mean: float
    percentile_10: float
    median: float
    percentile_90: float
    counts: list[int]
    """In bins of equal width from `low` to `high`."""


class DistributionDocument(Document, frozen=True, kw_only=True):
    """A feature's values by receiver, of the first 2,000 accepted samples."""

    feature: str
    statistic: str
    low: float
    high: float
    receivers: list[ReceiverValuesDocument]


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


class DeadLetterDetail(Document, frozen=True, kw_only=True):
    """A dead letter with its headers, its fields where it is a message of ours, and what was retried of it."""

    origin: str
    stage: str
    error: str
    message: str
    kept_at: datetime
    headers: list[tuple[str, str | None]]
    size_bytes: int
    kind: str | None
    """Which of our messages it is; null: none."""
    fields: Any
    """Of the message, its IQ as a number of bytes."""
    first_bytes: str
    """Hexadecimal."""
    samples: list[str]
    """dataset:version:sample."""
    retries: list[RetryDocument]


class RetryDocument(Document, frozen=True, kw_only=True):
    """A sample of a dead letter that was processed again."""

    sample: str
    """dataset:version:sample."""
    retried_at: datetime
    outcome: str | None
    """null: not decided yet."""


class RetryPlanDocument(Document, frozen=True, kw_only=True):
    """What a retry would process again."""

    retries: list[DatasetRetry]
    refused: list[RefusedLetters]


class DatasetRetry(Document, frozen=True, kw_only=True):
    """Samples of one dataset."""

    dataset: DatasetDocument
    samples: str
    """Ranges of indices, the last included."""
    letters: int


class RefusedLetters(Document, frozen=True, kw_only=True):
    """Letters that cannot be retried."""

    letters: int
    reason: str


class RetryOrder(Document, frozen=True, kw_only=True):
    """Which dead letters to retry; without origins all that match and were not retried yet."""

    stage: Annotated[str, Meta(max_length=200)] = ""
    error: Annotated[str, Meta(max_length=200)] = ""
    origins: Annotated[list[Annotated[str, Meta(max_length=400)]], Meta(max_length=MAX_PAGE)] = []


class PurgeOrder(RetryOrder, frozen=True, kw_only=True):
    """Which dead letters to remove; without origins all that match."""

    retried: bool = False
    """Only those whose samples were decided by a retry."""


class PurgeQuery(Document, frozen=True, kw_only=True):
    """Which dead letters are asked about."""

    stage: Annotated[str, Meta(max_length=200)] = ""
    error: Annotated[str, Meta(max_length=200)] = ""
    retried: bool = False
    """Only those whose samples were decided by a retry."""


class RemovalDocument(Document, frozen=True, kw_only=True):
    """What removing dead letters means."""

    letters: int
    decided: int
    """Letters whose samples were decided by a retry."""
    under_way: int
    """Letters that are being retried."""
    never_retried: int
    """Letters whose samples nobody has tried again."""
    hidden: int
    """Letters that stay in Kafka behind others that are kept, and are listed no more."""


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


class LinkQuery(VersionQuery, frozen=True, kw_only=True):
    """Of which accepted samples."""

    after: Annotated[int, Meta(ge=-1, le=MAX_SAMPLES)] = -1
    limit: PageSize = 100


class PartQuery(VersionQuery, frozen=True, kw_only=True):
    """Which part of a recording."""

    start_ms: Annotated[float, Meta(ge=0, le=60_000)] = 0.0
    stop_ms: Annotated[float, Meta(ge=0, le=60_000)] | None = None
    """If not given, the end."""
    low_khz: Annotated[float, Meta(ge=-1e6, le=1e6)] | None = None
    """Lower edge of a band, from the centre frequency; if not given, that of the recording."""
    high_khz: Annotated[float, Meta(ge=-1e6, le=1e6)] | None = None
    """Upper edge."""


class WaterfallQuery(PartQuery, frozen=True, kw_only=True):
    """Which part of a recording, and how it is drawn."""

    fft: Literal[256, 512, 1024, 2048] = 512


class LinkDocument(Document, frozen=True, kw_only=True):
    """From a sample's transmitter to a receiver that measured it."""

    sample_idx: int
    latitude: float
    """Of the transmitter."""
    longitude: float
    rx_id: str
    snr_db: float


class DistributionQuery(VersionQuery, frozen=True, kw_only=True):
    """Of what."""

    feature: Literal[FEATURE_NAMES] = "snr_db"  # type: ignore[valid-type]
    statistic: Literal[STATISTICS] = "mean"  # type: ignore[valid-type]
    """Of its values over the chunks of a recording."""


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


def listed_document(dataset: Dataset, speed: Speed | None) -> ListedDocument:
    """Returns a dataset as the list shows it."""
    return ListedDocument(
        **msgspec.structs.asdict(dataset_document(dataset)),
        samples_per_second=None if speed is None else speed.per_second,
        seconds_left=_seconds_left(dataset, speed),
        health=health(dataset, speed),
    )


def _seconds_left(dataset: Dataset, speed: Speed | None) -> float | None:
    return None if speed is None or dataset.grows else speed.eta_s(dataset.requested - dataset.decided)


def detail_document(found: DatasetVersions, report: DatasetReport) -> DatasetDetail:
    """Returns a dataset as it is now with what was counted of it last."""
    spec = found.dataset.spec
    return DatasetDetail(
        dataset=dataset_document(found.dataset),
        spec=spec if isinstance(spec, DatasetSpec) else None,
        recorded_spec=spec if isinstance(spec, RecordedSpec) else None,
        versions=[one.version for one in found.versions],
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
        seconds_left=_seconds_left(dataset, event.speed),
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
        pairs=None if report.row is None or report.row.pairs is None else [dict(one) for one in report.row.pairs],
    )


def truth_document(truth: SampleTruth) -> SampleTruthDocument:
    """Returns what the generator put into a sample."""
    return SampleTruthDocument(
        dataset_id=truth.dataset.id,
        dataset_version=truth.dataset.version,
        sample_idx=truth.sample_idx,
        transmitter=dict(truth.transmitter),
        paths=[
            PathDocument(
                rx_id=one.rx_id,
                eirp_dbm=one.eirp_dbm,
                rx_antenna_gain_dbi=one.rx_antenna_gain_dbi,
                link=dict(one.link),
                distances_km=list(one.distances_km),
                ground_m=list(one.ground_m),
                ray_m=one.ray_m,
            )
            for one in truth.paths
        ],
    )


def link_document(link: Link) -> LinkDocument:
    """Returns a link."""
    return LinkDocument(**{name: getattr(link, name) for name in LinkDocument.__struct_fields__})


def accuracy_document(found: QuantityAccuracy) -> AccuracyDocument:
    """Returns how far a feature is from its truth in a band."""
    cell = found.accuracy
    return AccuracyDocument(
        feature=found.quantity.feature,
        unit=found.quantity.unit,
        snr_db=found.band.label,
        recordings=cell.recordings,
        bias=cell.bias,
        rms=cell.rms,
        goal=cell.goal,
        met=cell.met,
    )


def band_document(band: DistanceBand) -> DistanceBandDocument:
    """Returns a band of distances."""
    return DistanceBandDocument(**{name: getattr(band, name) for name in DistanceBandDocument.__struct_fields__})


def distribution_document(found: Distribution) -> DistributionDocument:
    """Returns how a feature is distributed."""
    return DistributionDocument(
        feature=found.feature,
        statistic=found.statistic,
        low=found.low,
        high=found.high,
        receivers=[
            ReceiverValuesDocument(
                rx_id=one.rx_id,
                samples=one.samples,
                mean=one.spread.mean,
                percentile_10=one.spread.percentile_10,
                median=one.spread.median,
                percentile_90=one.spread.percentile_90,
                counts=list(one.counts),
            )
            for one in found.receivers
        ],
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


def letter_detail(report: DeadLetterReport) -> DeadLetterDetail:
    """Returns a dead letter with what is in it."""
    letter, found = report.letter, report.letter.fields()
    return DeadLetterDetail(
        origin=str(letter.origin),
        stage=letter.stage,
        error=letter.error,
        message=letter.message,
        kept_at=letter.kept_at,
        headers=[(name, None if value is None else value.decode("utf-8", "replace")) for name, value in letter.headers],
        size_bytes=len(letter.value),
        kind=None if found is None else found[0],
        fields=None if found is None else found[1],
        first_bytes=letter.value[:SHOWN_BYTES].hex(),
        samples=[":".join(map(str, key)) for key in letter.samples()],
        retries=[
            RetryDocument(sample=":".join(map(str, one.sample)), retried_at=one.retried_at, outcome=one.outcome)
            for one in report.retries
        ],
    )


def retry_plan_document(plan: LetterRetryPlan) -> RetryPlanDocument:
    """Returns what a retry would process again."""
    return RetryPlanDocument(
        retries=[
            DatasetRetry(dataset=dataset_document(one.source), samples=str(one.samples), letters=one.letters)
            for one in plan.retries
        ],
        refused=[RefusedLetters(letters=one.letters, reason=one.reason) for one in plan.refused],
    )


def removal_document(removal: Removal) -> RemovalDocument:
    """Returns what removing dead letters means."""
    return RemovalDocument(letters=len(removal.lines), hidden=len(removal.hidden), **removal.states)


def _plain(value: Sequence[FailureCount] | DatasetFigures) -> Any:  # noqa: ANN401  # JSON values
    return msgspec.to_builtins(value)
