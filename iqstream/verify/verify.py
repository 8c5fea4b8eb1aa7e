"""Proves a dataset against its lineage: counts, rows, objects, and a choice of samples made again from their frames."""

import random
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterator
from dataclasses import dataclass, field

import numpy as np

from extractor.version import EXTRACTOR_VERSION
from iqstream.catalogue.datasets import Dataset, find_dataset
from iqstream.catalogue.iq_saves import samples_with_iq
from iqstream.catalogue.postgres import Connection, Pool
from iqstream.catalogue.stored import (
    StoredLine,
    StoredOutcome,
    StoredRow,
    recomputable_samples,
    stored_lines,
    stored_sample,
)
from iqstream.runtime.errors import Failed
from iqstream.verify.check import Check
from iqstream.verify.recompute import differences, recomputed
from producer.version import GENERATOR_VERSION
from schemas import VERDICTS, SampleKey
from sink.frames import FrameReader
from sink.objects import ObjectStore, object_name
from sink.recordings import RecordedSample, Recordings, Synthesize, look_for_recordings


@dataclass(slots=True, kw_only=True)
class _Findings:
    """A check as it goes on."""

    name: str
    checked: int = 0
    note: str = ""
    problems: list[str] = field(default_factory=list)

    def check(self) -> Check:
        return Check(name=self.name, checked=self.checked, note=self.note, problems=tuple(self.problems))


class Verifier:
    """Runs the checks of one version of a dataset, each when it is asked for. Changes nothing."""

    def __init__(
        self, *, pool: Pool, store: ObjectStore, frames: FrameReader, synthesize: Synthesize, dataset: Dataset
    ) -> None:
        """`synthesize` makes a sample again whose frames have expired."""
        self._pool = pool
        self._store = store
        self._frames = frames
        self._synthesize = synthesize
        self._dataset = dataset
        self._spec = dataset.spec
        self._content_sha256 = dataset.spec.content_sha256()

    async def checks(self, recompute: int) -> AsyncIterator[Check]:
        """All checks in turn; `recompute` samples are made again.

        Raises:
            Failed: the dataset was deleted: there is nothing to prove.
            Unreachable: a server does not answer.
        """
        dataset = self._dataset
        if dataset.status == "deleted":
            raise Failed(f"dataset {dataset.id} version {dataset.version} was deleted: there is nothing to verify")
        async with (  # one view of counters, outcomes and rows: the dataset may still be growing
            self._pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            now = await find_dataset(connection, dataset.id, version=dataset.version)
            found = _Found(await self._choose(connection, recompute))
            async for line in stored_lines(connection, dataset.id, dataset.version):
                found.add(line, now)
                found.rows.problems += self._row_problems(line)
        yield found.counts_of(now)
        yield found.rows.check()
        yield await self._object_names(found)
        yield await self._object_contents(found)
        yield await self._recomputed(found)

    async def _choose(self, connection: Connection, wanted: int) -> frozenset[int]:
        """Which decided samples to make again, by their place among those that can be: the same ones each time."""
        possible = await recomputable_samples(connection, self._dataset.id, self._dataset.version)
        return frozenset(random.Random(self._dataset.id).sample(range(possible), min(wanted, possible)))  # noqa: S311  # no secret

    def _row_problems(self, line: StoredLine) -> Iterator[str]:
        index = line.sample_idx
        if line.row_id is None:
            if line.outcome == "accepted":
                yield f"sample {index} is accepted and has no row"
            return
        if line.outcome != "accepted":
            yield f"sample {index} has a row and is not accepted"
        if line.row_id != self._spec.recording_session_id(index):
            yield f"sample {index}: id {line.row_id} does not follow from dataset, version and index"
        if line.spec_sha256 != self._content_sha256:
            yield f"sample {index}: made by spec {line.spec_sha256}, not {self._content_sha256}"
        if line.outcome is not None and not line.same_lineage:
            yield f"sample {index}: the row's lineage is not that of its outcome"
        if line.has_pairs != self._spec.pairs:
            wanted = "none are asked for" if line.has_pairs else "they are asked for and missing"
            yield f"sample {index}: time differences: {wanted}"

    async def _object_names(self, found: "_Found") -> Check:
        stored = set(await self._store.list_samples(self._dataset.id))
        wanted = {
            object_name(self._dataset.id, index, rx_id) for index, rx_ids in found.saved.items() for rx_id in rx_ids
        }
        findings = _Findings(name="objects", checked=len(stored))
        findings.problems += [f"{name} is missing" for name in sorted(wanted - stored)]
        kept = {f"synthetic/{self._dataset.id}/{i}/" for i in await samples_with_iq(self._pool, self._dataset.id)}
        for name in sorted(stored - wanted):
            if name[: name.rindex("/") + 1] not in kept:
                findings.problems.append(f"{name} belongs to no sample whose IQ is kept")
        return findings.check()

    async def _object_contents(self, found: "_Found") -> Check:
        findings, synthesised = _Findings(name="objects equal to their frames"), 0
        for index in found.saved:
            stored = await self._sample(index)
            if stored is None:
                continue
            proved = await self._prove(stored[0])
            synthesised += len(proved.synthesized)
            findings.problems += [f"sample {index}: {problem}" for problem in proved.missing.values()]
            for rx_id, frame in proved.frames.items():
                findings.checked += 1
                try:
                    samples = await self._store.get_iq(self._dataset.id, index, rx_id)
                except FileNotFoundError:
                    continue  # the check before says so
                except ValueError as error:
                    findings.problems.append(f"sample {index}, {rx_id}: the object is not an array: {error}")
                    continue
                if samples.dtype != np.complex64 or not np.array_equal(samples, frame.samples()):
                    findings.problems.append(f"sample {index}, {rx_id}: the object is not the frame of its lineage")
        findings.note = _made_again(synthesised)
        return findings.check()

    async def _recomputed(self, found: "_Found") -> Check:
        findings, synthesised, others = _Findings(name="samples made again"), 0, 0
        for index in found.chosen:
            stored = await self._sample(index)
            if stored is None:
                continue
            outcome, row = stored
            # a sample without a row does not say by which version: then it is that of all rows, or not known
            made_by = found.extractors if row is None else {row.columns["extraction_metadata"].get("extractor_version")}
            if made_by - {EXTRACTOR_VERSION}:
                others += 1
                continue
            proved = await self._prove(outcome)
            synthesised += len(proved.synthesized)
            findings.problems += [f"sample {index}: {problem}" for problem in proved.missing.values()]
            if not proved.missing:
                findings.checked += 1
                made = recomputed(self._spec, outcome, proved.frames)
                differing = differences(self._spec, self._content_sha256, outcome, row, made)
                findings.problems += [f"sample {index} {difference}" for difference in differing]
        notes = [_made_again(synthesised)]
        if others:
            notes.append(f"{others} were extracted by another version than {EXTRACTOR_VERSION} and cannot be compared")
        findings.note = "; ".join(note for note in notes if note)
        return findings.check()

    async def _sample(self, index: int) -> tuple[StoredOutcome, StoredRow | None] | None:
        """None where the sample is gone since its line was read: the dataset was deleted."""
        return await stored_sample(self._pool, self._dataset.id, self._dataset.version, index)

    async def _prove(self, outcome: StoredOutcome) -> Recordings:
        sample = RecordedSample(
            key=SampleKey(self._dataset.id, self._dataset.version, outcome.sample_idx),
            spec=self._spec,
            lineage=outcome.lineage,
        )
        return await look_for_recordings(self._frames, self._synthesize, sample)


class _Found:
    """What is kept of the lines of a version, of which there may be millions: counts, problems, and a few samples."""

    def __init__(self, places: Collection[int]) -> None:
        """`places`: of the samples to make again, among those that can be."""
        self._places = places
        self._possible = 0
        self._outcomes: Counter[str] = Counter()
        self._outside: list[str] = []
        self.rows = _Findings(name="rows of accepted samples")
        self.saved: dict[int, tuple[str, ...]] = {}
        """Samples whose IQ is kept, with the receivers."""
        self.chosen: list[int] = []
        """Samples to make again."""
        self.extractors: set[str | None] = set()
        """The versions that the rows were made by."""

    def add(self, line: StoredLine, dataset: Dataset) -> None:
        """A line, in the order of samples."""
        if line.row_id is not None:
            self.rows.checked += 1
            self.extractors.add(line.extractor)
        if line.outcome is None:
            return
        self._outcomes[line.outcome] += 1
        if line.sample_idx not in dataset.samples:
            self._outside.append(f"sample {line.sample_idx} is not one of {dataset.samples}, which this version holds")
        if line.iq_saved:
            self.saved[line.sample_idx] = line.rx_ids
        if line.outcome != "failed":
            if self._possible in self._places:
                self.chosen.append(line.sample_idx)
            self._possible += 1

    def counts_of(self, dataset: Dataset) -> Check:
        """The dataset's counters against the lines."""
        findings = _Findings(name="counts", checked=self._outcomes.total())
        for verdict in VERDICTS:
            if getattr(dataset, verdict) != self._outcomes[verdict]:
                findings.problems.append(
                    f"the dataset counts {getattr(dataset, verdict)} {verdict}, there are {self._outcomes[verdict]} "
                    "outcomes"
                )
        if dataset.status == "complete" and findings.checked != dataset.requested:
            findings.problems.append(
                f"{findings.checked} outcomes for {dataset.requested} samples of a complete dataset"
            )
        if len(self.saved) != dataset.iq_samples_saved:
            findings.problems.append(
                f"the dataset counts IQ of {dataset.iq_samples_saved} samples, {len(self.saved)} are marked"
            )
        findings.problems += self._outside
        return findings.check()


def _made_again(synthesised: int) -> str:
    if not synthesised:
        return ""
    return f"{synthesised} recordings, of which Kafka has no frames, were synthesised again by {GENERATOR_VERSION}"
