"""Stores the decisions of a batch. What the database refuses is found sample by sample, and stops no other.

Everything happens in the caller's transaction: a savepoint is what a refusal is taken back to.
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from iqstream.catalogue.iq_saves import choose_iq, read_decided_from, store_choice
from iqstream.catalogue.ledger import Line, move_counters, raise_generations, write_outcomes
from iqstream.catalogue.locked import Completed, DatasetState, complete_if_done
from iqstream.catalogue.postgres import Connection, savepoint
from iqstream.catalogue.refusals import is_refusal
from iqstream.catalogue.rows import delete_rows, write_pair_rows, write_rows
from iqstream.runtime.stages import SINK
from schemas import DatasetKey, MeasurementRow, PairRow, SampleKey
from sink.iq_choice import choose
from sink.ledger import Change, Ledger
from sink.rows import json_text
from sink.verdict import figures, lineage, refusals

log = logging.getLogger(__name__)

_CHOICE_STEP = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What is stored of an accepted sample."""

    features: MeasurementRow
    pairs: PairRow | None
    """None: its dataset asks for no time differences."""


@dataclass(slots=True, kw_only=True)
class Stored:
    """What stands once the caller's transaction is committed."""

    changes: list[Change] = field(default_factory=list)
    decided: Counter[DatasetKey] = field(default_factory=Counter)
    """Samples that were not before, by dataset."""
    refused: dict[SampleKey, Exception] = field(default_factory=dict)
    """Samples that could not be stored as they were judged: they have failed instead."""
    chosen: int = 0
    """Samples whose IQ is now to be saved."""
    completed: list[Completed] = field(default_factory=list)

    def add(self, ledger: Ledger) -> None:
        """Its decisions are written."""
        self.changes += ledger.changes()
        self.decided.update({dataset: counts.total() for dataset, counts in ledger.count_changes().items()})


async def store(
    connection: Connection,
    ledger: Ledger,
    rows: Mapping[SampleKey, Rows],
    datasets: Mapping[DatasetKey, DatasetState],
) -> Stored:
    """Writes outcomes, counters and rows, and what follows for the datasets; these are locked.

    Args:
        connection: in a transaction.
        ledger: with the batch's decisions.
        rows: of accepted samples.
        datasets: of the samples.
    """
    stored = Stored()
    try:
        async with savepoint(connection):
            await _write(connection, ledger, rows)
            stored.add(ledger)
            for dataset in _moved(stored.changes, datasets):
                await _follow(connection, dataset, stored)
    except Exception as error:
        if not is_refusal(error):
            raise
        log.warning(
            "storing a batch sample by sample, because PostgreSQL rejected it: %s: %s", type(error).__name__, error
        )
        return await _store_one_by_one(connection, ledger, rows, datasets)
    return stored


async def _store_one_by_one(
    connection: Connection,
    ledger: Ledger,
    rows: Mapping[SampleKey, Rows],
    datasets: Mapping[DatasetKey, DatasetState],
) -> Stored:
    stored = Stored()
    for sample, part in ledger.by_sample():
        refused = await _refusal(connection, part, rows)
        if refused is None:
            stored.add(part)
            continue
        stored.refused[sample] = refused
        for change in part.changes():
            for outcome in refusals(change.outcome.joined, refused, stage=SINK.name):
                instead = part.instead(outcome)
                if await _refusal(connection, instead, rows) is None:
                    stored.add(instead)
                    break
            else:
                log.error("sample %d of dataset %s cannot be recorded as failed either: %s: %s", sample.sample_idx,
                          sample.dataset_id, type(refused).__name__, refused)  # fmt: skip
    for dataset in _moved(stored.changes, datasets):
        followed = Stored(decided=stored.decided)
        try:
            async with connection.transaction():
                await _follow(connection, dataset, followed)
        except Exception as error:
            if not is_refusal(error):
                raise
            log.exception("what follows for dataset %s version %d is refused", *dataset.key)
            continue
        stored.chosen += followed.chosen
        stored.completed += followed.completed
    return stored


async def _refusal(connection: Connection, part: Ledger, rows: Mapping[SampleKey, Rows]) -> Exception | None:
    """Writes one sample; why it is refused, or None where it stands."""
    try:
        async with connection.transaction():
            await _write(connection, part, rows)
    except Exception as error:
        if not is_refusal(error):
            raise
        return error
    return None


async def _write(connection: Connection, ledger: Ledger, rows: Mapping[SampleKey, Rows]) -> None:
    """Writes decisions, moves the counters by what they change, and writes or deletes the rows."""
    changes = ledger.changes()
    await write_outcomes(connection, [_line(change) for change in changes])
    await raise_generations(connection, ledger.raised_generations())
    await delete_rows(connection, [change.outcome.sample for change in changes if change.row == "delete"])
    await move_counters(connection, ledger.count_changes())
    written = [rows[change.outcome.sample] for change in changes if change.row == "write"]
    await write_rows(connection, [row.features for row in written])
    await write_pair_rows(connection, [row.pairs for row in written if row.pairs is not None])


def _line(change: Change) -> Line:
    outcome = change.outcome
    return Line(
        sample=outcome.sample,
        verdict=outcome.verdict,
        reason=outcome.reason,
        figures=json_text(figures(outcome)),
        generation=outcome.generation,
        first_verdict=change.first_verdict,
        lineage=json_text(lineage(outcome.joined)),
    )


def _moved(changes: Sequence[Change], datasets: Mapping[DatasetKey, DatasetState]) -> list[DatasetState]:
    return [datasets[key] for key in sorted({change.outcome.sample.dataset for change in changes})]


async def _follow(connection: Connection, dataset: DatasetState, stored: Stored) -> None:
    """With new decisions, whose IQ is kept is surer, and the dataset may be complete."""
    stored.chosen += await _choose(connection, dataset)
    if dataset.undecided > stored.decided[dataset.key]:
        return
    done = await complete_if_done(connection, dataset.key)
    if done is not None:
        stored.completed.append(done)


async def _choose(connection: Connection, dataset: DatasetState) -> int:
    """Chooses the samples whose IQ will certainly be kept; returns how many more there are. The dataset is locked."""
    frontier, wanted = dataset.iq_frontier, dataset.iq_samples - dataset.iq_chosen
    chosen: list[int] = []
    stuck = wanted == 0
    while not stuck:
        decided = await read_decided_from(connection, dataset.key, frontier, _CHOICE_STEP)
        step = choose(frontier, wanted - len(chosen), decided)
        frontier = step.frontier
        chosen += step.chosen
        stuck = step.stuck or len(decided) < _CHOICE_STEP
    await choose_iq(connection, dataset.key, chosen)
    if frontier != dataset.iq_frontier:
        await store_choice(connection, dataset.key, frontier=frontier, chosen=len(chosen))
    return len(chosen)
