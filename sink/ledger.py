"""What was decided of each sample, and what a batch of new decisions changes about it."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from iqstream.catalogue.ledger import Counts, Entry
from schemas import DatasetKey, SampleKey, Verdict
from sink.verdict import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What the database has to do about one sample."""

    outcome: Outcome
    first_verdict: Verdict
    """The sample's first decision ever, which chooses whose IQ is kept; used where the line is new."""
    row: Literal["write", "delete", "leave"]
    """What becomes of its row of features."""


class Ledger:
    """The lines of some samples, with decisions added one by one.

    A later decision replaces an earlier one, except that a failed replay of a sample that was accepted or
    rejected only raises its generation: the old result stands.
    """

    def __init__(self, stored: Mapping[SampleKey, Entry]) -> None:
        self._stored = stored
        self._now = dict(stored)
        self._first: dict[SampleKey, Verdict] = {}
        self._decided: dict[SampleKey, Outcome] = {}
        self._raised: dict[SampleKey, int] = {}
        self._made: defaultdict[SampleKey, list[Outcome]] = defaultdict(list)

    def generation(self, sample: SampleKey) -> int | None:
        """The generation in which the sample was last decided; None if it never was."""
        entry = self._now.get(sample)
        return None if entry is None else entry.generation

    def decide(self, outcome: Outcome) -> None:
        """Adds a decision; one of a generation that is not above the sample's last changes nothing."""
        self._made[outcome.sample].append(outcome)
        before = self._now.get(outcome.sample)
        if before is not None and outcome.generation <= before.generation:
            return
        if before is not None and outcome.verdict == "failed" and before.verdict != "failed":
            self._now[outcome.sample] = Entry(before.verdict, outcome.generation)
            self._raised[outcome.sample] = outcome.generation
            return
        self._now[outcome.sample] = Entry(outcome.verdict, outcome.generation)
        self._first.setdefault(outcome.sample, outcome.verdict if before is None else before.verdict)
        self._decided[outcome.sample] = outcome
        self._raised.pop(outcome.sample, None)

    def changes(self) -> list[Change]:
        """The lines to write, by sample."""
        return [
            Change(outcome=outcome, first_verdict=self._first[sample], row=self._row(sample, outcome))
            for sample, outcome in sorted(self._decided.items())
        ]

    def raised_generations(self) -> Sequence[tuple[SampleKey, int]]:
        """Samples whose last replay failed: only their generation moves."""
        return sorted(self._raised.items())

    def by_sample(self) -> Iterator[tuple[SampleKey, "Ledger"]]:
        """The samples that a decision was made of, each with a ledger of its own."""
        for sample, outcomes in sorted(self._made.items()):
            part = self._before(sample)
            for outcome in outcomes:
                part.decide(outcome)
            yield sample, part

    def instead(self, outcome: Outcome) -> "Ledger":
        """What is stored of the outcome's sample, with that outcome for the decisions that were made of it."""
        ledger = self._before(outcome.sample)
        ledger.decide(outcome)
        return ledger

    def _before(self, sample: SampleKey) -> "Ledger":
        return Ledger({sample: self._stored[sample]} if sample in self._stored else {})

    def count_changes(self) -> dict[DatasetKey, Counts]:
        """By how much each dataset's counters move; datasets whose counters stay are left out."""
        moved: dict[DatasetKey, Counts] = {}
        for sample, entry in self._now.items():
            before = self._stored.get(sample)
            if before is not None and before.verdict == entry.verdict:
                continue
            counts = moved.setdefault(sample.dataset, Counter())
            counts[entry.verdict] += 1
            if before is not None:
                counts[before.verdict] -= 1
        return moved

    def _row(self, sample: SampleKey, outcome: Outcome) -> Literal["write", "delete", "leave"]:
        if outcome.verdict == "accepted":
            return "write"
        before = self._stored.get(sample)
        return "delete" if before is not None and before.verdict == "accepted" else "leave"
