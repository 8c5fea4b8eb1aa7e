"""Status from commits: each rule in its order, and the cases in which others were wrong."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iqstream.lag.history import MIN_DISTANCE_MS, WINDOW_COMMITS, Commit, CommitWindow, PolledWindow, position_at
from iqstream.lag.status import Observation, judge, worst
from tests.strategies import SEEDED

MINUTE_MS = 60_000
NOW_MS = 100 * MINUTE_MS


def commits(offsets, backlogs, *, every_ms=MINUTE_MS, last_ms=NOW_MS):
    """Observations at equal distances, the last one at `last_ms`."""
    first_ms = last_ms - every_ms * (len(offsets) - 1)
    return [
        Observation(at_ms=first_ms + every_ms * n, offset=offset, backlog=backlog)
        for n, (offset, backlog) in enumerate(zip(offsets, backlogs, strict=True))
    ]


def status_of(observed, *, backlog=1_000, first_unread_ms=0.0, now_ms=NOW_MS, **more):
    return judge(observed, backlog=backlog, first_unread_ms=first_unread_ms, now_ms=now_ms, **more)


MOVING = [100, 200, 300, 400]


def test_too_little_history_is_unknown_until_nobody_can_be_about_to_commit():
    young = commits([1, 1], [9, 9])
    assert status_of(young, now_ms=NOW_MS + 299_999, members=1) == "UNKNOWN"
    assert status_of(young, now_ms=NOW_MS + 300_001, members=1) == "STOP"
    assert status_of(young, now_ms=NOW_MS + 29_999, members=0) == "UNKNOWN"
    assert status_of(young, now_ms=NOW_MS + 30_001, members=0) == "STOP"
    assert status_of(young, backlog=2, now_ms=NOW_MS * 2) == "OK"


def test_a_group_whose_commits_were_pushed_out_of_the_history_stays_stopped():
    """Others committed so much that none of its own is left: it has been silent for as long as the history reaches."""
    assert status_of([], history_from_ms=NOW_MS - 30_001, members=0) == "STOP"
    assert status_of([], history_from_ms=NOW_MS - 29_999, members=0) == "UNKNOWN"
    assert status_of([], history_from_ms=NOW_MS - 30_001, members=1) == "UNKNOWN"
    assert status_of([], history_from_ms=None, members=0) == "UNKNOWN"


def test_where_nobody_is_in_the_group_its_rare_commits_are_no_comfort():
    hourly = commits(MOVING, [50, 40, 30, 20])
    assert status_of(hourly, now_ms=NOW_MS + 2 * MINUTE_MS, members=0) == "OK"
    assert status_of(hourly, now_ms=NOW_MS + 2 * MINUTE_MS + 1, members=0) == "WARN"
    assert status_of(hourly, now_ms=NOW_MS + 2 * MINUTE_MS + 1, members=1) == "OK"


def test_where_the_ends_at_the_commits_are_not_known_a_standing_group_stalls_and_a_moving_one_is_unknown():
    assert status_of(commits([7, 7, 7, 7], [None] * 4)) == "STALL"
    assert status_of(commits(MOVING, [None] * 4)) == "UNKNOWN"
    assert status_of(commits(MOVING, [None, None, 1, None])) == "OK"


def test_what_is_unread_of_unknown_age_counts_as_old():
    assert status_of(commits(MOVING, [0, 0, 0, 0]), first_unread_ms=None, now_ms=NOW_MS + 4 * MINUTE_MS) == "STOP"


def test_a_backlog_within_the_allowance_is_ok_whatever_the_commits_say():
    stuck = commits([7, 7, 7, 7], [20, 20, 20, 20])
    assert status_of(stuck, backlog=20, allowed_backlog=20) == "OK"
    assert status_of(stuck, backlog=21, allowed_backlog=19) == "STALL"


def test_no_commit_for_longer_than_the_window_spans_is_stop():
    observed = commits(MOVING, [50, 60, 70, 80])
    assert status_of(observed, now_ms=NOW_MS + 3 * MINUTE_MS) != "STOP"
    assert status_of(observed, now_ms=NOW_MS + 3 * MINUTE_MS + 1) == "STOP"


def test_stop_comes_before_everything_else_that_is_wrong():
    assert status_of(commits([5, 4, 3, 2], [50, 60, 70, 80]), now_ms=NOW_MS * 2) == "STOP"


def test_a_position_that_went_back_is_rewind_until_it_has_recovered():
    assert status_of(commits([100, 200, 50, 120], [9, 9, 9, 9])) == "REWIND"
    assert status_of(commits([100, 200, 50, 200], [9, 8, 9, 9])) == "OK"


def test_a_backlog_that_was_within_the_allowance_at_any_commit_is_ok():
    assert status_of(commits(MOVING, [50, 0, 70, 80])) == "OK"


def test_equal_offsets_are_stall():
    assert status_of(commits([7, 7, 7, 7], [50, 60, 70, 80])) == "STALL"


def test_a_backlog_that_never_fell_is_warn_and_one_fall_is_ok():
    assert status_of(commits(MOVING, [50, 60, 60, 80])) == "WARN"
    assert status_of(commits(MOVING, [50, 60, 59, 80])) == "OK"


def test_a_topic_with_a_record_now_and_then_does_not_look_stopped_when_one_arrives():
    """The consumer was idle for hours because there was nothing to read; ten records came a moment ago."""
    hours_ago = commits(MOVING, [0, 0, 0, 0], last_ms=NOW_MS - 90 * MINUTE_MS)
    assert status_of(hours_ago, backlog=10, first_unread_ms=NOW_MS - 500) == "OK"
    assert status_of(hours_ago, backlog=10, first_unread_ms=NOW_MS - 10 * MINUTE_MS) == "STOP"


def test_a_consumer_that_died_with_no_backlog_is_found_although_its_last_commits_show_none():
    """Lag as of the last commit is frozen at 0; what is judged is the lag now."""
    died = commits(MOVING, [0, 0, 0, 0], every_ms=5_000, last_ms=NOW_MS - 5 * MINUTE_MS)
    assert status_of(died, backlog=5_000, first_unread_ms=NOW_MS - 5 * MINUTE_MS) == "STOP"


def test_a_pause_between_commits_does_not_put_off_a_stop():
    """The first offsets were set an hour before the group began to work; then it died."""
    set_up = commits([0], [0], last_ms=NOW_MS - 60 * MINUTE_MS)
    observed = [*set_up, *commits([40, 80], [60, 20], every_ms=1_000, last_ms=NOW_MS)]
    assert status_of(observed, now_ms=NOW_MS + 29_999) == "OK"
    assert status_of(observed, now_ms=NOW_MS + 30_001) == "STOP"


def test_a_consumer_that_restarts_and_catches_up_is_ok_at_every_moment():
    """Commits every second, 20 s of restart, then larger steps: the gap and the spike of lag are no trouble."""
    before = commits([100, 110, 120, 130], [0, 0, 0, 0], every_ms=1_000, last_ms=NOW_MS)
    assert status_of(before, backlog=200, first_unread_ms=NOW_MS, now_ms=NOW_MS + 20_000) == "OK"
    after = commits([180, 230, 280], [150, 110, 70], every_ms=1_000, last_ms=NOW_MS + 23_000)
    assert status_of([*before, *after], backlog=70, first_unread_ms=NOW_MS + 20_000, now_ms=NOW_MS + 23_500) == "OK"


def test_commits_in_quick_succession_do_not_make_a_short_pause_a_stop():
    observed = commits(MOVING, [50, 40, 30, 20], every_ms=1_000, last_ms=NOW_MS)
    assert status_of(observed, now_ms=NOW_MS + 29_999) == "OK"
    assert status_of(observed, now_ms=NOW_MS + 30_001) == "STOP"


OBSERVED = st.lists(
    st.builds(Observation, at_ms=st.integers(0, NOW_MS), offset=st.integers(0, 50), backlog=st.integers(0, 50)),
    max_size=10,
).map(lambda found: sorted(found, key=lambda one: one.at_ms))


@SEEDED
@given(OBSERVED, st.integers(0, 50))
def test_where_nothing_is_unread_no_history_is_trouble(observed, allowed):
    assert status_of(observed, backlog=0, allowed_backlog=allowed) == "OK"


@SEEDED
@given(OBSERVED)
def test_what_has_just_arrived_stops_nobody(observed):
    assert status_of(observed, first_unread_ms=NOW_MS - 1_000) != "STOP"


@SEEDED
@given(st.lists(st.sampled_from(["OK", "UNKNOWN", "WARN", "REWIND", "STALL", "STOP"])))
def test_the_status_of_several_is_the_worst(statuses):
    order = ["OK", "UNKNOWN", "WARN", "REWIND", "STALL", "STOP"]
    assert worst(statuses) == order[max((order.index(one) for one in statuses), default=1)]


TIMED = st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 100)), min_size=1, max_size=60)


@SEEDED
@given(TIMED)
def test_a_window_keeps_the_newest_commit_and_the_others_a_second_apart(steps):
    window, at_ms = CommitWindow(), 0
    for wait_ms, offset in steps:
        at_ms += wait_ms
        window.add(Commit(at_ms=at_ms, offset=offset))
    kept = window.commits
    assert kept[-1] == Commit(at_ms=at_ms, offset=steps[-1][1])
    assert len(kept) <= WINDOW_COMMITS
    gaps = [after.at_ms - before.at_ms for before, after in pairwise(kept[:-1])]
    assert all(gap >= MIN_DISTANCE_MS for gap in gaps)


def test_a_clock_that_goes_back_does_not_turn_the_window_around():
    window = CommitWindow()
    for at_ms in (5_000, 3_000, 9_000):
        window.add(Commit(at_ms=at_ms, offset=at_ms))
    assert [commit.at_ms for commit in window.commits] == [5_000, 9_000]


def test_polled_looks_are_six_seconds_apart_and_enough_only_when_there_are_ten():
    window = PolledWindow()
    for second in range(60):
        assert not window.enough or second >= 54
        window.look(second * 1_000, second)
    assert window.enough
    assert [commit.at_ms for commit in window.commits] == [n * 6_000 for n in range(10)]


@pytest.mark.parametrize(("at_ms", "position"), [(9, None), (10, 1), (19, 1), (20, 2), (99, 2)])
def test_the_position_at_a_time_is_that_of_the_last_commit_before(at_ms, position):
    assert position_at([Commit(at_ms=10, offset=1), Commit(at_ms=20, offset=2)], at_ms) == position
