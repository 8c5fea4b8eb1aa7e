"""Proves a dataset against its lineage: counts, rows, objects, and a choice of samples made again from their frames."""

import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from extractor.version import EXTRACTOR_VERSION
from iqstream.ops.datasets.recompute import differences, recomputed
from iqstream.ops.datasets.stored import (
    RowIdentity,
    StoredOutcome,
    row_identities,
    samples_with_iq,
    stored_outcomes,
    stored_row,
)
from iqstream.runtime.errors import Failed
from producer.version import GENERATOR_VERSION
from sink.datasets import Dataset, find_dataset
from sink.frames import FrameReader
from sink.join import SampleKey
from sink.objects import ObjectStore, object_name
from sink.postgres import Pool
from sink.recordings import RecordedSample, Recordings, Synthesize, look_for_recordings
from sink.verdict import VERDICTS


@dataclass(slots=True, kw_only=True)
class Check:
    """One thing that was proved, or not."""

    name: str
    checked: int = 0
    """How many things were looked at."""
    note: str = ""
    problems: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether nothing differs."""
        return not self.problems


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
            outcomes = await stored_outcomes(connection, dataset.id, dataset.version)
            rows = await row_identities(connection, dataset.id, dataset.version)
        yield _counts(now, outcomes)
        yield self._rows(outcomes, rows)
        yield await self._object_names(outcomes)
        yield await self._object_contents(outcomes)
        extractors = {index: extractor for index, _, _, extractor, _ in rows}
        yield await self._recomputed(outcomes, extractors, recompute)

    def _rows(self, outcomes: Mapping[int, StoredOutcome], rows: Sequence[RowIdentity]) -> Check:
        check = Check(name="rows of accepted samples", checked=len(rows))
        accepted = {index for index, one in outcomes.items() if one.outcome == "accepted"}
        with_row = {index for index, *_ in rows}
        check.problems += [f"sample {index} is accepted and has no row" for index in sorted(accepted - with_row)]
        check.problems += [f"sample {index} has a row and is not accepted" for index in sorted(with_row - accepted)]
        for index, row_id, spec_sha256, _extractor, lineage in rows:
            if row_id != self._spec.recording_session_id(index):
                check.problems.append(f"sample {index}: id {row_id} does not follow from dataset, version and index")
            if spec_sha256 != self._content_sha256:
                check.problems.append(f"sample {index}: made by spec {spec_sha256}, not {self._content_sha256}")
            if index in outcomes and lineage != outcomes[index].lineage:
                check.problems.append(f"sample {index}: the row's lineage is not that of its outcome")
        return check

    async def _object_names(self, outcomes: Mapping[int, StoredOutcome]) -> Check:
        stored = set(await self._store.list_samples(self._dataset.id))
        wanted = {object_name(self._dataset.id, index, rx_id) for index, rx_id in _saved(outcomes)}
        check = Check(name="objects", checked=len(stored))
        check.problems += [f"{name} is missing" for name in sorted(wanted - stored)]
        kept = {f"synthetic/{self._dataset.id}/{i}/" for i in await samples_with_iq(self._pool, self._dataset.id)}
        for name in sorted(stored - wanted):
            if name[: name.rindex("/") + 1] not in kept:
                check.problems.append(f"{name} belongs to no sample whose IQ is kept")
        return check

    async def _object_contents(self, outcomes: Mapping[int, StoredOutcome]) -> Check:
        check, synthesised = Check(name="objects equal to their frames"), 0
        for index, outcome in outcomes.items():
            if not outcome.iq_saved:
                continue
            proved = await self._prove(outcome)
            synthesised += len(proved.synthesized)
            check.problems += [f"sample {index}: {problem}" for problem in proved.missing.values()]
            for rx_id, frame in proved.frames.items():
                check.checked += 1
                try:
                    samples = await self._store.get_iq(self._dataset.id, index, rx_id)
                except FileNotFoundError:
                    continue  # the check before says so
                except ValueError as error:
                    check.problems.append(f"sample {index}, {rx_id}: the object is no array: {error}")
                    continue
                if samples.dtype != np.complex64 or not np.array_equal(samples, frame.samples()):
                    check.problems.append(f"sample {index}, {rx_id}: the object is not the frame of its lineage")
        check.note = _made_again(synthesised)
        return check

    async def _recomputed(
        self, outcomes: Mapping[int, StoredOutcome], extractors: Mapping[int, str], wanted: int
    ) -> Check:
        check, synthesised, others = Check(name="samples made again"), 0, 0
        chosen = _choose(list(outcomes.values()), wanted, seed=self._dataset.id)
        for outcome in chosen:
            index = outcome.sample_idx
            # a sample without a row does not say by which version: then it is that of all rows, or not known
            made_by = {extractors[index]} if index in extractors else set(extractors.values())
            if made_by - {EXTRACTOR_VERSION}:
                others += 1
                continue
            row = await stored_row(self._pool, self._dataset.id, self._dataset.version, index)
            proved = await self._prove(outcome)
            synthesised += len(proved.synthesized)
            check.problems += [f"sample {index}: {problem}" for problem in proved.missing.values()]
            if not proved.missing:
                check.checked += 1
                made = recomputed(self._spec, outcome, proved.frames, recorded=self._dataset.recorded)
                found = differences(self._spec, self._content_sha256, outcome, row, made)
                check.problems += [f"sample {index} {difference}" for difference in found]
        notes = [_made_again(synthesised)]
        if others:
            notes.append(f"{others} were extracted by another version than {EXTRACTOR_VERSION} and cannot be compared")
        check.note = "; ".join(note for note in notes if note)
        return check

    async def _prove(self, outcome: StoredOutcome) -> Recordings:
        sample = RecordedSample(
            key=SampleKey(self._dataset.id, self._dataset.version, outcome.sample_idx),
            spec=self._spec,
            recorded=self._dataset.recorded,
            lineage=outcome.lineage,
        )
        return await look_for_recordings(self._frames, self._synthesize, sample)


def _counts(dataset: Dataset, outcomes: Mapping[int, StoredOutcome]) -> Check:
    found = Counter(one.outcome for one in outcomes.values())
    check = Check(name="counts", checked=len(outcomes))
    for verdict in VERDICTS:
        if getattr(dataset, verdict) != found[verdict]:
            check.problems.append(
                f"the dataset counts {getattr(dataset, verdict)} {verdict}, there are {found[verdict]} outcomes"
            )
    if dataset.status == "complete" and len(outcomes) != dataset.requested:
        check.problems.append(f"{len(outcomes)} outcomes for {dataset.requested} samples of a complete dataset")
    saved = sum(one.iq_saved for one in outcomes.values())
    if saved != dataset.iq_samples_saved:
        check.problems.append(f"the dataset counts IQ of {dataset.iq_samples_saved} samples, {saved} are marked")
    outside = [index for index in outcomes if index >= dataset.requested]
    check.problems += [f"sample {index} is none of the {dataset.requested}" for index in outside]
    return check


def _saved(outcomes: Mapping[int, StoredOutcome]) -> Iterator[tuple[int, str]]:
    """Sample and receiver of every recording whose IQ is kept."""
    for index, outcome in outcomes.items():
        if outcome.iq_saved:
            yield from ((index, rx_id) for rx_id in outcome.lineage)


def _choose(outcomes: Sequence[StoredOutcome], wanted: int, *, seed: str) -> list[StoredOutcome]:
    """Which decided samples to make again: the same ones each time. Failed ones have no frames to go by."""
    possible = [one for one in outcomes if one.outcome != "failed"]
    chosen = random.Random(seed).sample(possible, min(wanted, len(possible)))  # noqa: S311  # no secret
    return sorted(chosen, key=lambda one: one.sample_idx)


def _made_again(synthesised: int) -> str:
    if not synthesised:
        return ""
    return f"{synthesised} frames had expired and were synthesised again by {GENERATOR_VERSION}"
