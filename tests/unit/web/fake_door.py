"""A front door without servers: the calls that the dashboard makes, over datasets in memory."""

import asyncio
import math
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
from aiokafka import TopicPartition

from iqstream.catalogue.datasets import Dataset
from iqstream.catalogue.measured import Link
from iqstream.catalogue.outcomes import OutcomeCount, SampleOutcome
from iqstream.catalogue.replays import Replay
from iqstream.catalogue.sample_ranges import SampleRanges
from iqstream.catalogue.stored import StoredOutcome
from iqstream.client.dead_letters import EVERY_LETTER
from iqstream.client.results import (
    DatasetReport,
    DatasetVersions,
    DeadLetterReport,
    LetterRetryPlan,
    Resumed,
    RetriedLetters,
    SamplePage,
    SampleReport,
    Submission,
)
from iqstream.client.truth import relief_of_dataset, truth_of_sample
from iqstream.dataset.sample_iq import SampleIQ
from iqstream.dataset_distributions import by_distance, distribution
from iqstream.dataset_figures import DatasetFigures
from iqstream.dead_letters.letter import DeadLetter
from iqstream.dead_letters.listing import Listing, line_of
from iqstream.dead_letters.purge import Removal
from iqstream.dead_letters.retry import Refused
from iqstream.export.run import Exported
from iqstream.lag.figures import ClusterLag, GroupLag
from iqstream.plot.truth import RecordingErrors, accuracy_by_band
from iqstream.positions.move import refuse_active
from iqstream.positions.plan import MovePlan, PartitionMove, TouchedDataset
from iqstream.positions.spans import SpanContents
from iqstream.positions.target import ToOffsets, wanted_offset
from iqstream.replay.results import Replayed, ReplayPlan, ReplayProgress
from iqstream.runtime.errors import Conflict, Failed, NotFound, Unreachable, UserError
from iqstream.runtime.offsets import Ends
from iqstream.runtime.readable import Rows
from iqstream.runtime.stages import STAGES
from iqstream.stage_position import StagePosition
from iqstream.submit.estimate import Estimate, interval
from iqstream.submit.extend import Extended
from iqstream.upkeep.remove import Removed
from iqstream.watch.event import Progress, WatchEvent
from iqstream.watch.speed import Speed
from producer.tiles import tile_name
from schemas import IQFrame
from schemas.terrain import Terrain, TerrainTile

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FIGURES = DatasetFigures(mean_snr_db=None, distance_km=None, nearest_receiver_km=None, rows_bytes=0, iq_bytes=0)


class FakeDoor:
    """As `AsyncClient`; its calls have the same arguments, which `test_fake_door` holds it to."""

    def __init__(self):
        self.made: dict[str, Dataset] = {}
        self.outcomes: dict[str, list[SampleOutcome]] = {}
        self.submissions = 0
        self.fetched = 0
        self.away = False
        self.lingers = False
        self.members = ()
        """Workers of every stage."""
        self.counts_whole = True
        self.move_fails = self.export_fails = False
        """Whether a move, or an export, fails half way."""
        self.moved = []
        """Offsets by partition, a move each."""
        self.letters: list[DeadLetter] = []
        self.goes_on = asyncio.Event()
        """A replay ends when it is set."""
        self.terrain_dir = ""
        self.reliefs = 0
        self.counted = 0
        self.may_count = asyncio.Event()
        """What is counted over all samples comes when it is set."""
        self.may_count.set()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        return None

    def _answer(self):
        if self.away:
            raise Unreachable("PostgreSQL at 127.0.0.1:5432 does not answer; start the embedded servers: `iqstream up`")

    def _find(self, name_or_id):
        self._answer()
        for one in self.made.values():
            if name_or_id in {one.id, one.name}:
                return one
        raise NotFound(f"there is no dataset {name_or_id!r}; `iqstream datasets list` shows what there is")

    def decide(self, dataset_id, samples):
        """Decides samples, every third accepted, and completes the dataset with its last one."""
        found = self.made[dataset_id]
        self.outcomes[dataset_id] = [
            SampleOutcome(
                sample_idx=idx, verdict="rejected" if idx % 3 else "accepted", reason="low_snr" if idx % 3 else None,
                place="inside", latitude=45.0 + idx / 1000, longitude=8.0, decided_at=NOW,
            )
            for idx in range(samples)
        ]  # fmt: skip
        accepted = -(-samples // 3)
        status = "complete" if samples == found.requested else found.status
        self.made[dataset_id] = replace(found, accepted=accepted, rejected=samples - accepted, status=status)

    async def datasets(self, *, include_deleted=False):
        self._answer()
        return Rows(reversed(self.made.values()))

    async def datasets_mark(self):
        self._answer()
        return str(list(self.made.values()))

    async def versions(self, name_or_id, *, version=None):
        found = self._find(name_or_id)
        return DatasetVersions(dataset=found, versions=Rows([found]))

    async def dataset(self, name_or_id, *, version=None):
        self.counted += 1
        await self.may_count.wait()
        found = self._find(name_or_id)
        counts = Counter((one.verdict, one.reason) for one in self.outcomes.get(found.id, ()))
        return DatasetReport(
            dataset=found,
            versions=Rows([found]),
            outcomes=Rows(OutcomeCount(outcome=how, reason=why, samples=n) for (how, why), n in counts.items()),
            failures=Rows(),
            figures=FIGURES,
        )

    async def submit(self, spec, *, reuse_name=False, description=""):
        self._answer()
        if not reuse_name and spec.name in {one.name for one in self.made.values()}:
            raise Conflict(f"the name {spec.name!r} is in use")
        self.submissions += 1
        self.made[spec.dataset_id] = Dataset(
            id=spec.dataset_id, version=1, name=spec.name, spec=spec, recorded=False, status="running",
            samples=SampleRanges.first(spec.samples), grows=False, requested=spec.samples, accepted=0, rejected=0,
            failed=0, iq_samples=spec.iq_samples, iq_samples_saved=0, created_at=NOW, status_changed_at=NOW,
            completed_at=None, description=description,
        )  # fmt: skip
        if self.lingers:
            await asyncio.Event().wait()
        return Submission(spec=spec, same_recordings=Rows())

    async def resume(self, name_or_id):
        return Resumed(dataset=self._find(name_or_id), shards=0)

    async def end(self, name_or_id):
        raise Conflict(f"dataset {self._find(name_or_id).name!r} was submitted whole: only one that grows is ended")

    async def cancel(self, name_or_id, *, version=None):
        found = self._find(name_or_id)
        if found.status != "running":
            raise Conflict(f"dataset {found.name!r} is {found.status} already: there is nothing to cancel")
        self.made[found.id] = replace(found, status="cancelled")
        return found

    async def extend(self, name_or_id, *, to=None, by=None):
        found = self._find(name_or_id)
        if to <= found.requested:
            raise Conflict(f"dataset {found.name!r} has {found.requested} samples already")
        self.made[found.id] = replace(found, requested=to)
        return Extended(dataset=self.made[found.id], samples_before=found.requested)

    async def rename(self, name_or_id, name, *, reuse_name=False):
        found = self._find(name_or_id)
        self.made[found.id] = replace(found, name=name)
        return found

    async def describe(self, name_or_id, description):
        found = self._find(name_or_id)
        self.made[found.id] = replace(found, description=description)
        return found

    async def plan_delete(self, name_or_id):
        return self._find(name_or_id)

    async def delete(self, name_or_id):
        del self.made[self._find(name_or_id).id]
        return Removed(rows=1, objects=7)

    async def samples(self, name_or_id, *, version=None, outcome=None, after=-1, limit=100):
        found = self._find(name_or_id)
        rows = [
            one for one in self.outcomes.get(found.id, ()) if one.sample_idx > after and outcome in {None, one.verdict}
        ]
        more = rows[limit - 1].sample_idx if len(rows) > limit else None
        return SamplePage(dataset=found, samples=Rows(rows[:limit]), next_after=more)

    async def sample(self, name_or_id, sample_idx, *, version=None):
        found = self._find(name_or_id)
        line = next((one for one in self.outcomes.get(found.id, ()) if one.sample_idx == sample_idx), None)
        if line is None:
            raise NotFound(f"sample {sample_idx} of dataset {found.name!r} version 1 is not decided yet")
        outcome = StoredOutcome(
            sample_idx=sample_idx, outcome=line.verdict, reason=line.reason, generation=0,
            figures={"tx_latitude": line.latitude, "tx_longitude": line.longitude},
            lineage={one.rx_id: {"crc32": idx} for idx, one in enumerate(found.spec.receivers)},
        )  # fmt: skip
        return SampleReport(dataset=found, outcome=outcome, row=None)

    async def truth(self, name_or_id, sample_idx, *, version=None):
        return truth_of_sample(self._find(name_or_id), sample_idx, self.terrain_dir)

    async def links(self, name_or_id, samples, *, version=None):
        found = self._find(name_or_id)
        return Rows(
            Link(sample_idx=idx, latitude=45.0 + idx / 1000, longitude=8.0, rx_id=one.rx_id, snr_db=12.0 - 5 * at)
            for idx in samples
            for at, one in enumerate(found.spec.receivers)
        )

    async def accuracy(self, name_or_id, *, version=None, within_s=20.0):
        self._find(name_or_id)
        errors = [
            RecordingErrors(true_snr_db=15.0, errors=(0.5, -0.5, 0.1, 30.0), doppler_max_hz=0.0, has_goals=True),
            RecordingErrors(true_snr_db=-7.0, errors=(0.5, -0.5, 0.1, 30.0), doppler_max_hz=0.0, has_goals=False),
        ]
        return Rows(accuracy_by_band(errors))

    async def relief(self, name_or_id, *, version=None):
        self.reliefs += 1
        return relief_of_dataset(self._find(name_or_id), self.terrain_dir)

    async def load_generator(self):
        return None

    async def outcomes_by_distance(self, name_or_id, *, version=None):
        found = self._find(name_or_id)
        return Rows(by_distance(found.spec, self.outcomes.get(found.id, ())))

    async def distribution(self, name_or_id, feature, statistic="mean", *, version=None):
        found = self._find(name_or_id)
        accepted = [one.sample_idx for one in self.outcomes.get(found.id, ()) if one.verdict == "accepted"]
        return distribution(feature, statistic, {"torino": accepted} if accepted else {})

    async def estimate(self, spec):
        self._answer()
        return Estimate(
            samples=spec.samples, acceptance=interval(30, 100, spec.samples), frames_bytes=10**9, iq_bytes=0,
            rows_bytes=10**6, seconds=90.0,
        )  # fmt: skip

    async def terrain(self, receivers, margin_deg):
        if not self.terrain_dir:
            raise UserError("terrain: there are no tiles here")
        assert margin_deg <= 10
        names = {tile_name(math.floor(one.latitude), math.floor(one.longitude)) for one in receivers}
        return Terrain(source="tiles", tiles=tuple(TerrainTile(name=one, sha256="a" * 64) for one in sorted(names)))

    async def export(
        self, name_or_id, path=None, *, file_format="parquet", version=None, include_rejected=False, truth=False,
        force=False, on_progress=lambda done, total: None,
    ):  # fmt: skip
        found = self._find(name_or_id)
        on_progress(5, 10)
        if self.export_fails:
            path.write_bytes(b"half")
            raise Failed("the disk is full")
        path.write_bytes(b"rows")
        card = path.with_name(f"{path.name}.md")
        card.write_text(f"{file_format} {include_rejected} {truth}")
        return Exported(file=path, card=card, pairs=None, rows=70, accepted=found.accepted, rejected=0)

    async def iq(self, name_or_id, sample_idx, *, version=None):
        found = self._find(name_or_id)
        self.fetched += 1
        tone = np.exp(2j * np.pi * 0.1 * np.arange(found.spec.capture.samples)).astype(np.complex64)
        frames = {
            one.rx_id: IQFrame(
                dataset_id=found.id, dataset_version=1, sample_idx=sample_idx, receivers_expected=7, receiver=one,
                captured_at_ns=0, center_frequency_hz=144e6, sample_rate_hz=found.spec.capture.sample_rate_hz,
                chunk_ms=200, datatype="cf32_le", scale=1.0, truth=None, iq=memoryview(tone.tobytes()),
            )
            for one in found.spec.receivers
        }  # fmt: skip
        return SampleIQ(
            dataset=found, sample_idx=sample_idx, outcome="accepted", reason=None, frames=frames,
            crc32=dict.fromkeys(frames, 7), synthesized=frozenset(), snr_db={},
        )  # fmt: skip

    async def watch(self, name_or_id, *, version=None):
        found = self._find(name_or_id)
        progress = Progress(dataset=found, submitted=found.requested, generated=found.decided, extracted=found.decided)
        yield WatchEvent(progress=progress, speed=Speed(per_second=None, overall_per_second=None))

    async def plan_replay(self, name_or_id, *, version=None, samples=None, as_version=None):
        found = self._find(name_or_id)
        return ReplayPlan(
            source=found, samples=found.samples, as_version=as_version, frames_kept=7, frames_to_synthesize=0,
            samples_to_generate_again=0, missing=(),
        )  # fmt: skip

    async def replay(
        self, name_or_id, *, version=None, samples=None, as_version=None, workers=None,
        on_begin=lambda begun: None, on_progress=lambda progress: None,
    ):  # fmt: skip
        found = self._find(name_or_id)
        on_progress(ReplayProgress(samples=30, published=20, stored=10))
        await self.goes_on.wait()
        replay = Replay(
            dataset_id=found.id, dataset_version=1, generation=1, source_version=1, samples=found.samples, lanes=1,
            started_at=NOW, finished_at=NOW,
        )  # fmt: skip
        return Replayed(
            source=found, replay=replay, frames_read=7, frames_synthesized=0, samples_generated_again=0,
            frames_failed=0, missing=(), outcomes={"accepted": 10, "rejected": 20, "failed": 0},
        )  # fmt: skip

    def _planned(self, stage, target, partitions):
        self._answer()
        ends = Ends(log_start=4, end=40, high_watermark=40)
        topic, current = STAGES[stage].topic, {0: 20, 1: 30, 2: None}
        moves = []
        for number in current if partitions is None else sorted(partitions):
            if number not in current:
                raise UserError(f"{topic} has no partition {number}; it has 3")
            place, at = TopicPartition(topic, number), current[number]
            if isinstance(target, ToOffsets) and place not in target.offsets:
                continue
            wanted = wanted_offset(target, place, at, ends, 10)
            contents = SpanContents(records=abs(wanted.offset - at) if at else 0, read_whole=self.counts_whole)
            moves.append(
                PartitionMove(
                    partition=place, current=at, target=wanted.offset, ends=ends, contents=contents,
                    warnings=(wanted.warning,) if wanted.warning else (),
                )
            )  # fmt: skip
        position = StagePosition(stage=STAGES[stage], current={}, ends={}, members=tuple(self.members))
        touched = [
            TouchedDataset(dataset_id=one.id, version=1, name=one.name, status=one.status, samples=3)
            for one in self.made.values()
        ]
        return MovePlan(position=position, moves=tuple(moves), datasets=tuple(touched), samples_per_second=None)

    async def plan_move(self, stage, target, *, partitions=None, way_back=None):
        return self._planned(stage, target, partitions)

    async def move(
        self, stage, target, *, partitions=None, way_back=None, force=False, on_plan=lambda plan: None
    ):  # fmt: skip
        plan = self._planned(stage, target, partitions)
        refuse_active(plan, force=force)
        on_plan(plan)
        if self.move_fails:
            raise Failed("partition 1 of iq.frames could not be moved")
        self.moved.append({one.partition.partition: one.target for one in plan.moves})
        return plan

    async def dead_letters(self, wanted=EVERY_LETTER):
        self._answer()
        return Listing(lines=Rows(line_of(one, ()) for one in self.letters if wanted.takes(one)))

    async def dead_letter(self, origin):
        for one in self.letters:
            if str(one.origin) == origin:
                return DeadLetterReport(letter=one, retries=Rows())
        raise NotFound(f"there is no dead letter {origin}")

    async def plan_dead_letter_retry(self, wanted=EVERY_LETTER, *, origins=None):
        self._answer()
        strangers = sum(wanted.takes(one) for one in self.letters)
        return LetterRetryPlan(retries=Rows(), refused=Rows([Refused(letters=strangers, reason="no sample")]))

    async def plan_dead_letter_purge(self, wanted=EVERY_LETTER, *, origins=None, retried=False):
        self._answer()
        lines = Rows(line_of(one, ()) for one in self.letters if wanted.takes(one) and not retried)
        return Removal(lines=lines, before={}, dropped=frozenset(), hidden=frozenset())

    async def purge_dead_letters(self, wanted=EVERY_LETTER, *, origins=None, retried=False):
        removal = await self.plan_dead_letter_purge(wanted, origins=origins, retried=retried)
        self.letters = [one for one in self.letters if not wanted.takes(one) or retried]
        return removal

    async def retry_dead_letters(
        self, wanted=EVERY_LETTER, *, origins=None, workers=None, on_begin=lambda begun: None,
        on_progress=lambda progress: None,
    ):  # fmt: skip
        return RetriedLetters(replays=Rows(), refused=Rows([Refused(letters=1, reason="no sample")]))

    async def follow_lag(
        self, *, groups=(), topics=(), allowed_backlog=0, interval_s=2.0, on_outage=lambda problem: None
    ):
        self._answer()
        yield ClusterLag(read_at_s=NOW.timestamp(), groups=(GroupLag(group="iqstream-sink", exists=True, topics=()),))
        on_outage("Kafka does not answer.")
        yield ClusterLag(
            read_at_s=NOW.timestamp() + 5, groups=(GroupLag(group="iqstream-sink", exists=True, topics=()),)
        )
