"""Units of value, velocity, time to drain, retention risk and the interpolated time lag."""

import pytest
from aiokafka import ConsumerRecord, TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from iqstream.lag.contents import NOTHING, Contents, contents_of
from iqstream.lag.figures import Unread
from iqstream.lag.history import Commit
from iqstream.lag.mean_size import MeanSizes
from iqstream.lag.retention import Retention, risk
from iqstream.lag.trend import Followed, first_unread_ms, times_to_ask, trend
from iqstream.lag.value import ReadOn, topic_values
from iqstream.lag.velocity import Velocity, seconds_to_close, together, velocity
from iqstream.runtime.topics import FEATURES, FRAMES, JOBS
from schemas import GenerationShard, encode
from tests.integration.pipeline import small_spec
from tests.sink_samples import make_spec, pair_record
from tests.strategies import SEEDED

HERE = TopicPartition("t", 0)
NOW_MS = 1_000_000.0


def read_on(records, contents, *, size_bytes=0, everything=False):
    return ReadOn(records=records, contents=contents, size_bytes=size_bytes, everything=everything)


def as_dict(values):
    return {value.unit: (value.amount, value.precision) for value in values}


def test_a_shard_is_its_samples_its_recordings_and_their_length():
    spec = small_spec(5)  # 50 ms, 7 receivers
    value = encode(GenerationShard(spec=spec, first_idx=0, count=3))
    record = ConsumerRecord(JOBS, 0, 0, 0, 0, None, value, None, 0, 0, ())
    assert contents_of(record) == Contents(samples=3.0, recordings=21, iq_s=pytest.approx(21 * 0.05))


def test_time_differences_are_no_recording_beside_those_that_they_are_of():
    spec = make_spec(publish="features", pairs=True)
    record = ConsumerRecord(FEATURES, 0, 0, 0, 0, None, encode(pair_record(spec, 0)), None, 0, 0, ())
    assert contents_of(record) == NOTHING


@pytest.mark.parametrize("value", [None, b"", b"\x93\x01\x02\x03"])
def test_a_record_that_is_none_of_ours_says_nothing(value):
    assert contents_of(ConsumerRecord(JOBS, 0, 0, 0, 0, None, value, None, 0, 0, ())) is None


def test_what_was_read_whole_is_exact():
    found = topic_values(JOBS, 4, read_on(3, Contents(samples=6, recordings=42, iq_s=2.1), size_bytes=900,
                                          everything=True), None)  # fmt: skip
    assert as_dict(found) == {
        "samples": (6, "exact"),
        "recordings": (42, "exact"),
        "IQ-seconds": (2.1, "exact"),
        "bytes": (900, "exact"),
    }


def test_what_was_read_in_part_is_estimated_by_its_mean_and_recordings_are_at_most_the_offsets():
    one = Contents(samples=1 / 7, recordings=1, iq_s=1.0)
    found = topic_values(FRAMES, 70, read_on(1, one), 800_000.0)
    assert as_dict(found) == {
        "recordings": (70, "at_most"),
        "IQ-seconds": (70.0, "estimated"),
        "bytes": (56_000_000, "estimated"),
        "samples": (10, "estimated"),
    }


def test_a_drained_topic_is_exactly_0_in_every_unit():
    assert set(as_dict(topic_values(FRAMES, 0, read_on(0, NOTHING), None)).values()) == {(0, "exact")}


def test_units_that_the_records_do_not_tell_are_left_out():
    assert as_dict(topic_values(FRAMES, 70, read_on(1, None), None)) == {"recordings": (70, "at_most")}
    assert topic_values("other", 70, read_on(0, None), None) == ()


def test_the_mean_size_of_a_topic_follows_its_records():
    sizes = MeanSizes()
    small = Unread(records=2_000, first_timestamp_ms=None, contents=None, size_bytes=2_000 * 10, to_the_end=False)
    sizes.add({HERE: small})
    assert sizes.means() == {"t": 10.0}
    for _ in range(20):
        sizes.add({HERE: Unread(records=2_000, first_timestamp_ms=None, contents=None, size_bytes=2_000 * 90,
                                to_the_end=False)})  # fmt: skip
    assert sizes.means()["t"] == pytest.approx(90, rel=0.01)


def test_a_rate_is_the_way_over_the_time_and_there_is_none_over_too_short_a_one():
    rates = velocity(position_then=10, position_now=70, end_then=100, end_now=130, elapsed_s=30.0)
    assert (rates.consumed_per_s, rates.produced_per_s, rates.net_per_s) == (2.0, 1.0, 1.0)
    assert velocity(position_then=10, position_now=70, end_then=100, end_now=130, elapsed_s=0.5) is None


def test_the_time_to_close_is_hidden_while_the_backlog_does_not_shrink():
    assert seconds_to_close(60, Velocity(consumed_per_s=3.0, produced_per_s=1.0)) == 30.0
    assert seconds_to_close(60, Velocity(consumed_per_s=1.0, produced_per_s=1.0)) is None
    assert seconds_to_close(60, Velocity(consumed_per_s=1.0, produced_per_s=3.0)) is None
    assert seconds_to_close(60, None) is None
    assert seconds_to_close(0, None) == 0.0


RATES = st.builds(Velocity, consumed_per_s=st.floats(0, 1e9), produced_per_s=st.floats(0, 1e9))


@SEEDED
@given(st.lists(st.none() | RATES))
def test_rates_together_are_their_sum_and_unknown_only_where_all_are(rates):
    known = [one for one in rates if one is not None]
    found = together(rates)
    assert (found is None) == (not known)
    if found is not None:
        assert found.consumed_per_s == pytest.approx(sum(one.consumed_per_s for one in known))


def test_the_share_of_retention_is_the_larger_of_bytes_and_age():
    both = Retention(size_bytes=1_000, age_ms=100_000)
    assert both.unread_share(backlog=5, mean_record_bytes=100.0, time_lag_s=80.0) == 0.8
    assert both.unread_share(backlog=9, mean_record_bytes=100.0, time_lag_s=80.0) == 0.9
    assert both.unread_share(backlog=9, mean_record_bytes=None, time_lag_s=None) is None
    assert (
        both.unread_share(backlog=9, mean_record_bytes=None, time_lag_s=49.0) is None
    )  # of the bytes nothing is known
    assert both.unread_share(backlog=9, mean_record_bytes=None, time_lag_s=50.0) == 0.5
    unlimited = Retention(size_bytes=None, age_ms=None)
    assert unlimited.unread_share(backlog=9, mean_record_bytes=None, time_lag_s=None) == 0.0


@pytest.mark.parametrize(
    ("share", "expired", "level"),
    [
        (None, 0, "unknown"),
        (0.1, None, "unknown"),
        (0.0, 0, "none"),
        (0.49, 0, "low"),
        (0.5, 0, "high"),
        (0.9, 0, "losing"),
        (None, 3, "losing"),
    ],
)
def test_the_risk_follows_the_share_and_is_certain_where_records_are_gone(share, expired, level):
    assert risk(share, expired) == level


def followed(**changes):
    given_ = {
        "commits": [Commit(at_ms=int(NOW_MS) - 40_000, offset=100), Commit(at_ms=int(NOW_MS) - 20_000, offset=150)],
        "enough": True, "committed": 150, "end": 250, "backlog": 100, "first_unread_ms": None,
    } | changes  # fmt: skip
    return Followed(**given_)


def test_the_first_unread_record_speaks_for_itself():
    assert first_unread_ms(HERE, followed(first_unread_ms=5), {}, NOW_MS) == 5


def test_where_it_cannot_be_read_its_time_lies_on_a_line_between_the_known_ends():
    start = int(NOW_MS) - 40_000
    ended = {(HERE, start): 130, (HERE, start + 20_000): 170}
    assert first_unread_ms(HERE, followed(), ended, NOW_MS) == start + 20_000 * (150 - 130) / (170 - 130)
    assert first_unread_ms(HERE, followed(), {(HERE, start): 140}, NOW_MS) == start + 40_000 * (150 - 140) / (250 - 140)


def test_where_the_end_was_never_known_to_be_behind_the_position_there_is_no_time():
    assert first_unread_ms(HERE, followed(), {(HERE, int(NOW_MS) - 40_000): 151}, NOW_MS) is None
    assert first_unread_ms(HERE, followed(), {}, NOW_MS) is None


@SEEDED
@given(st.lists(st.tuples(st.integers(0, int(NOW_MS)), st.integers(0, 300)), max_size=6), st.integers(0, 300))
def test_an_interpolated_time_is_never_in_the_future(known, committed):
    ends = sorted(end for _, end in known)
    ended = {(HERE, at): end for (at, _), end in zip(sorted(known), ends, strict=True)}
    found = first_unread_ms(HERE, followed(committed=committed, end=301), ended, NOW_MS)
    assert found is None or 0 <= found <= NOW_MS


def test_ends_are_asked_for_as_seldom_as_the_figures_allow():
    start = int(NOW_MS) - 40_000
    assert set(times_to_ask(followed(), NOW_MS, 2)) == {start, start + 20_000}
    assert times_to_ask(followed(backlog=1), NOW_MS, 2) == [start]
    assert times_to_ask(followed(commits=[]), NOW_MS, 2) == []
    assert times_to_ask(followed(backlog=1), NOW_MS + 600_000, 2) == [int(NOW_MS) + 540_000]


def test_rates_are_of_the_last_seconds_where_a_group_commits_often():
    """It read nothing for a minute, then everything in ten seconds: it is not as slow as the mean of both."""
    now = int(NOW_MS)
    often = [Commit(at_ms=now - 300_000, offset=0)] + [
        Commit(at_ms=now - 10_000 + n * 2_000, offset=n * 100) for n in range(5)
    ]
    one = followed(commits=often, committed=400, end=1_000)
    assert min(times_to_ask(one, NOW_MS, 10_000)) == now - 15_000
    rates = trend(HERE, one, {(HERE, now - 15_000): 1_000}, NOW_MS, 2).velocity
    assert (rates.consumed_per_s, rates.produced_per_s) == (400 / 15, 0.0)


def test_rates_are_means_since_the_start_of_the_window():
    ended = {(HERE, int(NOW_MS) - 40_000): 200, (HERE, int(NOW_MS) - 20_000): 220}
    rates = trend(HERE, followed(), ended, NOW_MS, 2).velocity
    assert (rates.consumed_per_s, rates.produced_per_s) == (50 / 40, 50 / 40)


def test_a_group_that_stopped_an_hour_ago_reads_at_rate_0_and_not_at_its_last_one():
    later = NOW_MS + 3_600_000
    rates = trend(HERE, followed(end=850), {(HERE, int(later) - 60_000): 250}, later, 2).velocity
    assert (rates.consumed_per_s, rates.produced_per_s) == (0.0, 10.0)


def test_too_few_polled_looks_are_unknown_and_not_ok():
    assert trend(HERE, followed(enough=False), {}, NOW_MS, 2).status == "UNKNOWN"
    three = [Commit(at_ms=int(NOW_MS) - at, offset=150 - at) for at in (30, 20, 10)]
    ended = {(HERE, commit.at_ms): 150 + n for n, commit in enumerate(three)}
    assert trend(HERE, followed(commits=three), ended, NOW_MS, 2).status == "OK"
