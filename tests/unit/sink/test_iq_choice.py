"""Whose IQ is kept does not depend on the order in which samples are decided."""

from hypothesis import given
from hypothesis import strategies as st

from sink.iq_choice import choose
from tests.strategies import SEEDED


@SEEDED
@given(
    accepted=st.lists(st.booleans(), min_size=1, max_size=40),
    quota=st.integers(0, 12),
    data=st.data(),
)
def test_under_any_order_of_decisions_exactly_the_first_n_accepted_are_chosen(accepted, quota, data):
    order = data.draw(st.permutations(range(len(accepted))))
    decided, chosen, frontier = {}, [], 0
    for idx in order:
        decided[idx] = accepted[idx]
        seen = [(i, a) for i, a in sorted(decided.items()) if i >= frontier]
        limit = data.draw(st.integers(1, 10))
        while len(chosen) < quota:
            step = choose(frontier, quota - len(chosen), [pair for pair in seen if pair[0] >= frontier][:limit])
            frontier, chosen = step.frontier, chosen + list(step.chosen)
            if step.stuck or not step.chosen:
                break
        # what is chosen is certain: no decision still to come can change it
        for one in chosen:
            assert all(i in decided for i in range(one))
    if len(chosen) < quota:
        step = choose(frontier, quota - len(chosen), [(i, accepted[i]) for i in range(frontier, len(accepted))])
        chosen += step.chosen
    assert chosen == [i for i, a in enumerate(accepted) if a][:quota]


def test_an_undecided_sample_holds_up_the_choice():
    step = choose(0, 5, [(0, True), (2, True)])
    assert (step.chosen, step.frontier, step.stuck) == ((0,), 1, True)


def test_a_full_quota_ends_the_choice():
    step = choose(3, 1, [(3, False), (4, True), (5, True)])
    assert (step.chosen, step.frontier, step.stuck) == ((4,), 5, True)
