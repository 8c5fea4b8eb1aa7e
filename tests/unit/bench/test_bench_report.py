"""A fault that was over too late is named; faults at the same time add up."""

from iqstream.bench.ground import Recovery
from iqstream.bench.report import BOUND_S, late


def recovery(seconds):
    return Recovery(kind="sink worker frozen", down_s=0.0, recovery_s=seconds)


def test_the_bound_of_faults_at_the_same_time_is_the_sum_of_theirs():
    in_time = [[recovery(BOUND_S)], [recovery(2 * BOUND_S), recovery(0.0)]]
    assert late(in_time) == []
    too_late = [[recovery(BOUND_S + 0.1)], [recovery(2 * BOUND_S + 0.1), recovery(0.0)]]
    assert late(too_late) == [
        "sink worker frozen: on again after 15.1 s, bound 15 s",
        "sink worker frozen: on again after 30.1 s, bound 30 s",
    ]
