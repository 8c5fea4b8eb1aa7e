"""Join and ledger together against a model: batches that are committed or lost, and owners that begin again."""

from collections import Counter

import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from iqstream.catalogue.ledger import Entry
from schemas import FeatureRecord
from sink.join import Join, sample_of
from sink.ledger import Ledger
from sink.verdict import judge
from tests.sink_samples import failure_record, feature_record, make_spec
from tests.strategies import SEEDED

pytestmark = pytest.mark.thorough

RECEIVERS = 3
SAMPLES = 5


class Sink(RuleBasedStateMachine):
    """One partition as `SinkPartition` serves it, with dictionaries for the database."""

    def __init__(self):
        super().__init__()
        self.spec = make_spec(samples=SAMPLES, receivers=RECEIVERS)
        self.log = []
        self.table, self.counters, self.rows, self.stored = {}, Counter(), set(), 0
        self.begin_again()
        for _ in range(SAMPLES):
            self.write_a_whole_sample_twice()

    @rule(
        sample=st.integers(0, SAMPLES - 1),
        receiver=st.integers(0, RECEIVERS - 1),
        generation=st.sampled_from([0, 0, 0, 1, 2]),
        failed=st.sampled_from([False] * 9 + [True]),
    )
    def write(self, sample, receiver, generation, failed):
        make = failure_record if failed else feature_record
        self.log.append(make(self.spec, sample, receiver, generation=generation))

    @rule()
    def write_a_whole_sample_twice(self):
        records = [feature_record(self.spec, len(self.log) % SAMPLES, receiver) for receiver in range(RECEIVERS)]
        self.log += records + records

    @rule()
    def begin_again(self):
        """A new owner knows what is stored, nothing else."""
        self.join, self.read = Join(), self.stored

    @rule(count=st.integers(1, 12), committed=st.sampled_from([True, True, True, False]))
    def handle(self, count, committed):
        batch = list(enumerate(self.log))[self.read : self.read + count]
        samples = self.join.open_samples() | {sample_of(record) for _, record in batch}
        ledger = Ledger({sample: self.table[sample] for sample in samples & self.table.keys()})
        for offset, record in batch:
            decided = ledger.generation(sample_of(record))
            joined = self.join.add(offset, record, decided_generation=decided)
            if joined is not None:
                ledger.decide(judge(joined, self.spec.limits))
        if not committed:
            self.begin_again()
            return
        for change in ledger.changes():
            sample = change.outcome.sample
            self.table[sample] = Entry(change.outcome.verdict, change.outcome.generation)
            if change.row == "write":
                self.rows.add(sample)
            elif change.row == "delete":
                self.rows.discard(sample)
        for sample, generation in ledger.raised_generations():
            self.table[sample] = Entry(self.table[sample].verdict, generation)
        for counts in ledger.count_changes().values():
            self.counters.update(counts)
        self.read += len(batch)
        restart = self.join.restart_offset(self.read)
        assert restart >= self.stored, "the stored offset moved back"
        self.stored = restart

    @invariant()
    def counters_and_rows_are_those_of_the_ledger(self):
        assert {verdict: n for verdict, n in self.counters.items() if n} == dict(
            Counter(entry.verdict for entry in self.table.values())
        )
        assert self.rows == {sample for sample, entry in self.table.items() if entry.verdict == "accepted"}

    @invariant()
    def what_is_complete_below_the_stored_offset_is_decided(self):
        heard = {}
        for record in self.log[: self.stored]:
            who = record.receiver.rx_id if isinstance(record, FeatureRecord) else "failed"
            heard.setdefault((sample_of(record), record.generation), set()).add(who)
        for (sample, generation), spoken in heard.items():
            if "failed" in spoken or len(spoken) == RECEIVERS:
                assert self.table[sample].generation >= generation


class TestSink(Sink.TestCase):
    settings = hypothesis.settings(SEEDED, max_examples=120, stateful_step_count=40)
