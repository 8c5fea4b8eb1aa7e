"""The join against a model that remembers everything, and its rules one by one."""

import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from schemas import DatasetKey, FeatureRecord, PairRecord
from sink.join import Join, sample_of
from tests.sink_samples import failure_record, feature_record, make_spec, pair_record, whole_sample
from tests.strategies import SEEDED

RECEIVERS = 3
SAMPLES = 6


def feed(join, records, first_offset=0, *, decided=None):
    """The samples that some records complete."""
    joined = [join.add(first_offset + n, record, decided_generation=decided) for n, record in enumerate(records)]
    return [sample for sample in joined if sample is not None]


class JoinAgainstModel(RuleBasedStateMachine):
    """Records in any order, repeated, failed, replayed, with restarts; every sample decided once a generation.

    Time differences may come before the recordings or after them, and again.
    """

    def __init__(self):
        super().__init__()
        self.spec = make_spec(samples=SAMPLES, receivers=RECEIVERS, publish="features", pairs=True)
        self.log = []
        """The partition: all records ever written."""
        self.read = 0
        self.stored = 0
        self.ledger = {}
        self.decided = []
        self.join = Join()

    @rule(
        sample=st.integers(0, SAMPLES - 1),
        receiver=st.integers(0, RECEIVERS - 1),
        generation=st.integers(0, 2),
        failed=st.sampled_from([False] * 9 + [True]),
    )
    def write(self, sample, receiver, generation, failed):
        make = failure_record if failed else feature_record
        self.log.append(make(self.spec, sample, receiver, generation=generation))

    @rule(sample=st.integers(0, SAMPLES - 1), generation=st.integers(0, 2))
    def write_pairs(self, sample, generation):
        self.log.append(pair_record(self.spec, sample, generation=generation))

    @precondition(lambda self: self.read < len(self.log))
    @rule(count=st.integers(1, 12))
    def handle(self, count):
        for offset in range(self.read, min(self.read + count, len(self.log))):
            record = self.log[offset]
            key = sample_of(record)
            sample = self.join.add(offset, record, decided_generation=self.ledger.get(key))
            if sample is not None:
                assert sample.generation > self.ledger.get(key, -1)
                self.ledger[key] = sample.generation
                self.decided.append(sample)
        self.read = min(self.read + count, len(self.log))
        self.stored = self.join.restart_offset(self.read)

    @rule()
    def restart(self):
        """A new owner knows the ledger and the stored offset, nothing else."""
        self.join, self.read = Join(), self.stored

    @invariant()
    def nothing_is_decided_twice_in_a_generation(self):
        decided = [(sample.key, sample.generation) for sample in self.decided]
        assert len(decided) == len(set(decided))

    @invariant()
    def what_is_decided_was_whole_or_failed(self):
        for sample in self.decided:
            assert len({record.receiver.rx_id for record in sample.records}) == len(sample.records)
            assert sample.failures or (len(sample.records) == RECEIVERS and sample.missing == 0 and sample.pairs)
            assert all(record.generation == sample.generation for record in sample.records)

    @invariant()
    def no_complete_sample_is_left_waiting(self):
        """Of what was read: the highest generation that is complete is decided, or a higher one is."""
        heard = {}
        for record in self.log[: self.read]:
            said = {FeatureRecord: lambda one: one.receiver.rx_id, PairRecord: lambda _: "pairs"}
            spoken = said.get(type(record), lambda _: "failed")(record)
            heard.setdefault((sample_of(record), record.generation), set()).add(spoken)
        for (key, generation), spoken in heard.items():
            if "failed" in spoken or len(spoken) == RECEIVERS + 1:
                assert self.ledger.get(key, -1) >= generation

    @invariant()
    def the_restart_offset_passes_over_nothing_undecided(self):
        for record in self.log[: self.stored]:
            assert self.ledger.get(sample_of(record), -1) >= record.generation


@pytest.mark.thorough
class TestJoinAgainstModel(JoinAgainstModel.TestCase):
    settings = hypothesis.settings(SEEDED, max_examples=300)


def test_a_sample_is_joined_with_its_last_receiver_and_ordered_by_receiver():
    spec = make_spec(receivers=3)
    records = whole_sample(spec, 0)
    join = Join()
    assert feed(join, records[:0:-1]) == []
    (sample,) = feed(join, records[:1], 2)
    assert sample.records == tuple(records)
    assert join.restart_offset(3) == 3


def test_a_repeated_receiver_is_dropped():
    spec = make_spec(receivers=3)
    join = Join()
    first = feature_record(spec, 0, 0)
    feed(join, [first, feature_record(spec, 0, 0, snr_db=-5.0)])
    (sample,) = feed(join, [feature_record(spec, 0, 1), feature_record(spec, 0, 2)], 2)
    assert sample.records[0] is first
    assert join.dropped["duplicate"] == 1


def test_a_sample_that_expects_no_time_differences_does_not_wait_for_them():
    spec = make_spec(receivers=3)
    (sample,) = feed(Join(), whole_sample(spec, 0))
    assert (sample.pairs, sample.pairs_missing) == (None, False)


def test_a_failure_decides_a_sample_at_once():
    spec = make_spec(receivers=3)
    (sample,) = feed(Join(), [feature_record(spec, 0, 0), failure_record(spec, 0, 1)])
    assert [failure.rx_id for failure in sample.failures] == ["rx1"]


def test_memory_is_bounded_by_giving_up_on_the_oldest():
    spec = make_spec(samples=100, receivers=3)
    join = Join(max_open_records=10)
    feed(join, [feature_record(spec, n, 0) for n in range(30)])
    given_up = [sample.key.sample_idx for sample in join.close_overflow()]
    assert given_up == list(range(20))
    assert join.restart_offset(30) == 20


def test_a_withdrawn_dataset_holds_nothing_back():
    spec, other = make_spec(), make_spec()
    join = Join()
    feed(join, [feature_record(spec, 0, 0), feature_record(other, 0, 0)])
    join.drop_datasets([DatasetKey(spec.dataset_id, 1)])
    assert join.restart_offset(2) == 1
    assert join.dropped["cancelled"] == 1
