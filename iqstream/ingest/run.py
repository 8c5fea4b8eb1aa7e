"""Ingesting from files to published samples: open, cut, find out what is new, note it, publish it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from iqstream.catalogue.dataset_status import set_status
from iqstream.catalogue.datasets import Dataset
from iqstream.catalogue.outcomes import decided_up_to
from iqstream.catalogue.postgres import Pool
from iqstream.catalogue.recorded import create_recorded, extend_recorded, recorded_windows
from iqstream.ingest.given import Asked, Ingested
from iqstream.ingest.network import named
from iqstream.ingest.publish import Progress, Publisher, check_frames
from iqstream.ingest.samples import Cutter, RecordedSample
from iqstream.ingest.spec import agreed_spec, find_recorded, new_spec
from iqstream.ingest.version import INGEST_VERSION
from iqstream.recordings import BadRecording, open_recordings
from iqstream.runtime.errors import Conflict, UserError
from iqstream.runtime.readable import Rows
from iqstream.runtime.settings import Settings
from iqstream.shards import SUBMITTED_VERSION, published_samples
from schemas import IQFrame
from schemas.dataset import MAX_SAMPLES


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
    dataset = await find_recorded(pool, asked.name)
    opened = await asyncio.to_thread(open_recordings, asked.paths, asked.given)
    recordings = named(opened.recordings, asked.calibration_dbm)
    failures = list(opened.failures)
    if not recordings:
        return _nothing(asked, failures)
    spec = (
        new_spec(asked, recordings, INGEST_VERSION)
        if dataset is None
        else agreed_spec(dataset, asked, recordings, INGEST_VERSION)
    )
    cutter = Cutter(spec.window_ms, spec.sample_rate_hz)
    cut = await asyncio.to_thread(lambda: cutter.of_whole_files(list(cutter.samples(recordings))))
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
        pairs=spec.pairs,
        comparable=sum(sample.comparable for sample in wanted.values()),
        unplaced=spec.unplaced,
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
        pairs=False,
        comparable=0,
        unplaced=(),
        recorded_s=0.0,
        failures=Rows(failures),
    )
