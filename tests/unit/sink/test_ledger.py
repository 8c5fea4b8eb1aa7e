"""Counters move by what the ledger changes, and by nothing else."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from iqstream.catalogue.ledger import Entry
from schemas import SampleKey
from sink.join import JoinedSample
from sink.ledger import Ledger
from sink.verdict import Outcome
from tests.strategies import SEEDED

DATASET = "0f8fad5b-d9cb-469f-a165-70867728950e"
decisions = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 3), st.sampled_from(["accepted", "rejected", "failed"])),
    max_size=30,
)


def outcome(idx, generation, verdict):
    joined = JoinedSample(key=SampleKey(DATASET, 1, idx), generation=generation, records=(), failures=(), missing=0)
    return Outcome(joined=joined, verdict=verdict, reason=None, quality=None)


def apply(stored, batch):
    """A batch as the database would take it: the new table, and by how much the counters move."""
    ledger = Ledger(stored)
    for decision in batch:
        ledger.decide(outcome(*decision))
    table = dict(stored)
    for change in ledger.changes():
        table[change.outcome.sample] = Entry(change.outcome.verdict, change.outcome.generation)
    for sample, generation in ledger.raised_generations():
        table[sample] = Entry(table[sample].verdict, generation)
    return table, sum(ledger.count_changes().values(), Counter()), ledger


@SEEDED
@given(batches=st.lists(decisions, max_size=5))
def test_counters_always_equal_the_table(batches):
    table, counters = {}, Counter()
    for batch in batches:
        before = Counter(entry.verdict for entry in table.values())
        table, _positive, ledger = apply(table, batch)
        for counts in ledger.count_changes().values():
            counters.update(counts)
        after = Counter(entry.verdict for entry in table.values())
        assert {k: v for k, v in counters.items() if v} == dict(after)
        assert sum(after.values()) >= sum(before.values())


@SEEDED
@given(batch=decisions)
def test_the_same_batch_again_changes_nothing(batch):
    table, _, _ = apply({}, batch)
    again, moved, ledger = apply(table, batch)
    assert again == table
    assert not moved
    assert ledger.changes() == []


@SEEDED
@given(batch=decisions, cut=st.integers(0, 30))
def test_how_decisions_are_batched_does_not_matter(batch, cut):
    whole, _, _ = apply({}, batch)
    first, _, _ = apply({}, batch[:cut])
    assert apply(first, batch[cut:])[0] == whole


def test_a_failed_replay_leaves_the_old_result_and_counts_as_that_generation():
    stored = {SampleKey(DATASET, 1, 0): Entry("accepted", 0)}
    table, moved, ledger = apply(stored, [(0, 1, "failed"), (0, 1, "rejected")])
    assert table == {SampleKey(DATASET, 1, 0): Entry("accepted", 1)}
    assert not moved
    assert ledger.changes() == []


def test_the_first_verdict_of_a_sample_survives_a_replay_in_the_same_batch():
    _, _, ledger = apply({}, [(0, 0, "accepted"), (0, 1, "rejected")])
    (change,) = ledger.changes()
    assert (change.first_verdict, change.outcome.verdict, change.row) == ("accepted", "rejected", "leave")


def test_the_row_of_a_sample_that_a_replay_rejects_is_deleted():
    _, _, ledger = apply({SampleKey(DATASET, 1, 0): Entry("accepted", 0)}, [(0, 1, "rejected")])
    assert [change.row for change in ledger.changes()] == ["delete"]
