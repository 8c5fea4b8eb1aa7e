"""Ingesting from files to published samples: open, cut, find out what is new, note it, publish it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import uuid4

import msgspec

from iqstream.catalogue.dataset_status import set_status
from iqstream.catalogue.datasets import Dataset, find_dataset
from iqstream.catalogue.new_datasets import check_words
from iqstream.catalogue.outcomes import decided_up_to
from iqstream.catalogue.postgres import Pool
from iqstream.catalogue.recorded import create_recorded, extend_recorded, recorded_windows
from iqstream.ingest.given import Asked, Ingested
from iqstream.ingest.network import named, network_of, require_same
from iqstream.ingest.publish import Progress, Publisher, check_frames
from iqstream.ingest.samples import Cutter, RecordedSample
from iqstream.ingest.version import INGEST_VERSION
from iqstream.recordings import BadRecording, Recording, open_recordings
from iqstream.runtime.errors import Conflict, NotFound, UserError
from iqstream.runtime.readable import Rows
from iqstream.runtime.settings import Settings
from iqstream.shards import SUBMITTED_VERSION, published_samples
from schemas import IQFrame, RecordedLimits, RecordedSpec
from schemas.dataset import MAX_SAMPLES

_OF_SPEC = ("window_ms", "chunk_ms", "sample_rate_hz", "iq_samples")
_OF_LIMITS = ("min_snr_db", "min_receivers")


async def ingest(
    settings: Settings,
    pool: Pool,
    asked: Asked,
    *,
    on_dataset: Callable[[str], None],
    on_progress: Progress,
) -> Ingested:
    """Makes samples of recordings, in a new dataset or in one of recordings.

    Interrupted at any moment it goes on when it is called again; a window that the dataset holds is not taken twice.

    Raises:
        UserError: the dataset cannot take them, or something that they need is not known; nothing is published.
        Unreachable: a server does not answer.
    """
    dataset = await _existing(pool, asked.name)
    opened = await asyncio.to_thread(open_recordings, asked.paths, asked.given)
    recordings = named(opened.recordings, asked.calibration_dbm)
    failures = list(opened.failures)
    if not recordings:
        return _nothing(asked, failures)
    spec = _spec(asked, recordings) if dataset is None else _agreed(dataset, asked, recordings)
    cutter = Cutter(spec.window_ms, spec.sample_rate_hz)
    cut = await asyncio.to_thread(lambda: list(cutter.samples(recordings)))
    failures += cutter.failures
    known: Mapping[str, int] = {} if dataset is None else await recorded_windows(pool, dataset.id)
    held = 0 if dataset is None else dataset.requested
    plan = _Plan.of(cut, known, held)
    if not plan.samples and dataset is None:
        return _nothing(asked, failures, recordings=len(recordings))
    if held + len(plan.new) > MAX_SAMPLES:
        raise UserError(f"{held + len(plan.new)} samples: a dataset has at most {MAX_SAMPLES}: a longer --window-ms")
    spec = msgspec.structs.replace(spec, samples=max(held + len(plan.new), 1))
    publisher = Publisher(settings, spec, cutter, asked.track, failures)
    await check_frames(settings, await asyncio.to_thread(_largest, publisher, plan))
    position = held
    if dataset is not None and dataset.status == "submitting":
        decided = await decided_up_to(pool, dataset.id, dataset.version)  # should the broker have forgotten
        position = max(decided, await published_samples(settings, spec))
    _require_pending(dataset, known, plan, position)
    if dataset is None:
        await create_recorded(pool, spec, plan.new_windows, reuse_name=False, description=asked.description)
        wanted = plan.new
    else:
        wanted = {index: sample for index, sample in plan.old.items() if index >= position}
        if dataset.status == "submitting":
            await publisher.publish(wanted, lambda _done, _all: None)
            await set_status(pool, dataset.id, SUBMITTED_VERSION, "running")
        if plan.new:
            await extend_recorded(pool, dataset, spec.samples, plan.new_windows)
        wanted |= plan.new
    on_dataset(spec.dataset_id)
    await publisher.publish(wanted, on_progress)
    await set_status(pool, spec.dataset_id, SUBMITTED_VERSION, "running")
    return Ingested(
        dataset_id=spec.dataset_id,
        name=spec.name,
        recordings=len(recordings),
        samples=len(wanted),
        windows=sum(len(sample.windows) for sample in wanted.values()),
        known_windows=plan.known_windows - sum(len(plan.old[i].windows) for i in wanted if i in plan.old),
        unaligned=sum(bool(sample.unaligned) for sample in wanted.values()),
        recorded_s=sum(len(sample.windows) for sample in wanted.values()) * spec.window_ms / 1000,
        failures=Rows(failures),
    )


@dataclass(slots=True, kw_only=True)
class _Plan:
    """Samples by index: those whose windows the dataset holds, and those that are to follow."""

    old: dict[int, RecordedSample] = field(default_factory=dict)
    new: dict[int, RecordedSample] = field(default_factory=dict)
    new_windows: dict[str, int] = field(default_factory=dict)
    known_windows: int = 0
    """Windows of these recordings that the dataset holds, or that come twice among them."""

    @property
    def samples(self) -> int:
        return len(self.old) + len(self.new)

    @classmethod
    def of(cls, cut: Sequence[RecordedSample], known: Mapping[str, int], first_new: int) -> _Plan:
        plan = cls()
        old: dict[int, list[RecordedSample]] = {}
        for sample in cut:
            new = tuple(w for w in sample.windows if w.identity not in known and w.identity not in plan.new_windows)
            plan.known_windows += len(sample.windows) - len(new)
            for one in sample.windows:
                if one.identity in known:
                    part = RecordedSample(windows=(one,), unaligned=sample.unaligned)
                    old.setdefault(known[one.identity], []).append(part)
            if not new:
                continue
            late = "" if len(new) == len(sample.windows) else "the others of its time were ingested before"
            index = first_new + len(plan.new)
            plan.new[index] = RecordedSample(windows=new, unaligned=sample.unaligned or late)
            plan.new_windows |= {one.identity: index for one in new}
        for index, parts in old.items():
            windows = {part.windows[0].identity: part.windows[0] for part in parts}
            plan.old[index] = RecordedSample(
                windows=tuple(sorted(windows.values(), key=lambda one: one.window.recording.rx_name)),
                unaligned=parts[0].unaligned,
            )
        return plan


def _require_pending(dataset: Dataset | None, known: Mapping[str, int], plan: _Plan, position: int) -> None:
    """Raises UserError unless what an interrupted ingest has not published is whole among these recordings."""
    if dataset is None or dataset.status != "submitting":
        return
    wanted: dict[int, int] = {}
    for index in known.values():
        if index >= position:
            wanted[index] = wanted.get(index, 0) + 1
    missing = [
        index for index, count in wanted.items() if index not in plan.old or len(plan.old[index].windows) != count
    ]
    if missing:
        raise Conflict(
            f"an earlier ingest into {dataset.name!r} was interrupted, and {len(missing)} of its samples are not "
            f"published (the first is {min(missing)}). Their recordings are not among these: ingest those first, as "
            f"they were, or give the dataset up: `iqstream datasets cancel {dataset.id}`"
        )


async def _existing(pool: Pool, name: str) -> Dataset | None:
    """The dataset of real recordings of a name or id; None where there is none."""
    try:
        found = await find_dataset(pool, name, version=SUBMITTED_VERSION)
    except NotFound:
        return None
    if not isinstance(found.spec, RecordedSpec):
        raise Conflict(f"dataset {found.name!r} is a generated one: choose another --name for recordings")
    if found.status in {"cancelled", "deleted"}:
        raise Conflict(f"dataset {found.name!r} is {found.status}: choose another --name")
    return found


def _spec(asked: Asked, recordings: Sequence[Recording]) -> RecordedSpec:
    said = {name: value for name in _OF_SPEC if (value := getattr(asked, name)) is not None}
    if asked.chunk_ms is None and asked.window_ms is not None:
        said["chunk_ms"] = min(200, asked.window_ms)
    limits = {name: value for name in _OF_LIMITS if (value := getattr(asked, name)) is not None}
    network = network_of(recordings, asked.receivers)
    try:
        spec = RecordedSpec(
            dataset_id=str(uuid4()),
            name=asked.name,
            samples=1,
            ingest_version=INGEST_VERSION,
            receivers=network,
            limits=RecordedLimits(**limits),
            **said,
        )
    except ValueError as error:
        raise UserError(f"dataset: {error}") from None
    check_words(spec, asked.description)
    return spec


def _agreed(dataset: Dataset, asked: Asked, recordings: Sequence[Recording]) -> RecordedSpec:
    """The dataset's spec, which is not changed any more."""
    spec = dataset.spec
    assert isinstance(spec, RecordedSpec)  # noqa: S101  # `_existing` has looked
    stands = {name: getattr(spec, name) for name in _OF_SPEC} | {
        name: getattr(spec.limits, name) for name in _OF_LIMITS
    }
    for name, value in stands.items():
        if getattr(asked, name) not in {None, value}:
            raise Conflict(
                f"--{name.removesuffix('_db').replace('_', '-')}: dataset {dataset.name!r} was begun with {value}, and "
                "all of its samples are made in one way: leave it out, or begin another dataset"
            )
    if spec.ingest_version != INGEST_VERSION:
        raise Conflict(
            f"dataset {dataset.name!r} was begun by ingest {spec.ingest_version!r}, and this is {INGEST_VERSION!r}: "
            "begin another dataset"
        )
    require_same(spec.receivers, recordings, asked.receivers)
    return spec


def _largest(publisher: Publisher, plan: _Plan) -> list[IQFrame]:
    """The largest frame of the samples, of every sample rate one."""
    found: dict[tuple[float, str], tuple[int, RecordedSample, int]] = {}
    for index, sample in (plan.old | plan.new).items():
        for at, one in enumerate(sample.windows):
            recording = one.window.recording
            found.setdefault((recording.sample_rate_hz, recording.datatype), (index, sample, at))
    frames = []
    for index, sample, at in found.values():
        try:
            frames.append(publisher.frame(index, sample, at))
        except BadRecording:
            continue  # it is told when it is published
    return frames


def _nothing(asked: Asked, failures: Sequence[BadRecording], *, recordings: int = 0) -> Ingested:
    return Ingested(
        dataset_id="",
        name=asked.name,
        recordings=recordings,
        samples=0,
        windows=0,
        known_windows=0,
        unaligned=0,
        recorded_s=0.0,
        failures=Rows(failures),
    )
