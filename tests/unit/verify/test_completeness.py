"""What is lost or doubled is found, wherever it happened."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iqstream.verify.completeness import Completeness, RecordingCount
from tests.sink_samples import failure_record, feature_record, make_spec, pair_record, whole_sample

SPEC = make_spec(samples=4, receivers=3)


COMPARED = make_spec(samples=4, receivers=3, publish="features", pairs=True)


def count(records, spec=SPEC) -> RecordingCount:
    counted = RecordingCount(spec)
    for record in records:
        counted.add(record)
    return counted


def everything():
    return [record for sample_idx in range(SPEC.samples) for record in whole_sample(SPEC, sample_idx)]


@given(st.sets(st.integers(0, 11)), st.lists(st.integers(0, 11), max_size=20))
def test_every_missing_and_every_extra_record_is_counted(missing, extra):
    records = everything()
    present = [record for place, record in enumerate(records) if place not in missing]
    again = [records[place] for place in extra if place not in missing]
    counted = count(present + again)
    assert (counted.lost, counted.doubled) == (len(missing), len(again))


def test_a_failure_stands_for_its_recording_and_that_of_a_sample_for_all_of_them():
    records = [feature_record(SPEC, 0, 0), feature_record(SPEC, 0, 1), failure_record(SPEC, 0, 2)]
    records += [failure_record(SPEC, sample_idx, None) for sample_idx in range(1, 4)]
    counted = count(records)
    assert (counted.lost, counted.doubled) == (0, 0)


@pytest.mark.parametrize(("records", "lost", "doubled"), [(0, 1, 0), (1, 0, 0), (3, 0, 2)])
def test_every_sample_that_is_to_have_time_differences_has_them_once_unless_it_failed(records, lost, doubled):
    made = [record for index in range(3) for record in (*whole_sample(COMPARED, index), pair_record(COMPARED, index))]
    failed = [*whole_sample(COMPARED, 3)[:2], failure_record(COMPARED, 3, 2)]
    counted = count([*made[:-1], *[made[-1]] * records, *failed], COMPARED)
    assert (counted.lost, counted.doubled) == (lost, doubled)


WHOLE = {
    "requested": 4,
    "outcomes": 4,
    "accepted": 3,
    "rows": 3,
    "recordings_lost": 0,
    "recordings_doubled": 0,
}


def test_a_dataset_that_is_there_exactly_once_has_no_problems():
    found = Completeness(**WHOLE)
    assert (found.lost, found.doubled, found.problems()) == (0, 0, [])


@pytest.mark.parametrize(
    ("change", "lost", "doubled", "words"),
    [
        ({"recordings_lost": 2}, 2, 0, "2 recordings have no committed feature record"),
        ({"recordings_doubled": 2}, 0, 2, "2 feature records are doubles"),
        ({"outcomes": 3}, 1, 0, "3 outcomes for 4 samples"),
        ({"outcomes": 5}, 0, 1, "5 outcomes for 4 samples"),
        ({"rows": 2}, 1, 0, "2 rows for 3 accepted samples"),
        ({"rows": 4}, 0, 1, "4 rows for 3 accepted samples"),
    ],
)
def test_each_thing_that_does_not_agree_is_a_problem(change, lost, doubled, words):
    found = Completeness(**WHOLE | change)
    assert (found.lost, found.doubled, found.problems()) == (lost, doubled, [words])
