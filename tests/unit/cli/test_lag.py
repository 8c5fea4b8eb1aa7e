"""The arithmetic of consumer lag, and how it is shown."""

import io
import json
import math
import re
from dataclasses import replace

import pytest
from aiokafka import ConsumerRecord
from aiokafka.errors import GroupLoadInProgressError
from aiokafka.protocol.commit import OffsetFetchResponse_v3
from aiokafka.protocol.metadata import MetadataRequest_v5, MetadataResponse_v5
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from iqstream.cli.console import Console
from iqstream.cli.lag import lag
from iqstream.cli.lag_table import lag_line, lag_summary, lag_tables, lag_view
from iqstream.client.asynchronous import AsyncClient
from iqstream.lag.contents import NOTHING, Contents
from iqstream.lag.document import lag_document
from iqstream.lag.figures import ClusterLag, GroupLag, TopicLag, Trend, Unread, partition_lag, total
from iqstream.lag.metrics import LAG_METRICS, measured
from iqstream.lag.probe import Span, _Reading
from iqstream.lag.read import choose_topics
from iqstream.lag.status import EXIT_CODES
from iqstream.lag.value import ReadOn, topic_values
from iqstream.lag.velocity import Velocity
from iqstream.lag.verdict import exit_code
from iqstream.runtime.errors import UserError
from iqstream.runtime.kafka_protocol import partition_leaders
from iqstream.runtime.offsets import Ends, committed_offsets
from iqstream.runtime.topics import EXTRACTOR_GROUP, FEATURES, FRAMES, JOBS, PRODUCER_GROUP
from tests.strategies import SEEDED

OFFSETS = st.integers(0, 2**63 - 1)
NOW_MS = 1_800_000_000_000.0


@st.composite
def ends(draw: st.DrawFn) -> Ends:
    log_start, end, high_watermark = sorted(draw(st.lists(OFFSETS, min_size=3, max_size=3)))
    return Ends(log_start=log_start, end=end, high_watermark=high_watermark)


UNREAD = st.builds(
    Unread,
    records=st.integers(0, 5_000),
    first_timestamp_ms=st.none() | st.integers(0, 2**63 - 1),
    contents=st.none()
    | st.builds(Contents, samples=st.floats(0, 1e6), recordings=st.integers(0, 2_000_000), iq_s=st.floats(0, 1e9)),
    size_bytes=st.integers(0, 10**12),
    to_the_end=st.booleans(),
)
RATES = st.builds(Velocity, consumed_per_s=st.floats(0, 1e9), produced_per_s=st.floats(0, 1e9))
TRENDS = st.builds(
    Trend, status=st.sampled_from(list(EXIT_CODES)), commits=st.integers(0, 10), velocity=st.none() | RATES
)
PARTITIONS = st.builds(
    partition_lag,
    st.integers(0, 100),
    committed=st.none() | OFFSETS,
    ends=st.none() | ends(),
    unread=st.none() | UNREAD,
    now_ms=st.floats(0, 4e12),
    first_unread_ms=st.none() | st.floats(0, 4e12),
    trend=TRENDS,
    retention_share=st.none() | st.floats(0, 1e6),
)
TOPICS = st.sampled_from([JOBS, FRAMES, FEATURES, "other"])


@st.composite
def topics(draw: st.DrawFn) -> TopicLag:
    partitions = tuple(draw(st.lists(PARTITIONS, max_size=4)))
    name, unread = draw(TOPICS), draw(UNREAD)
    read = ReadOn(
        records=unread.records,
        contents=unread.contents,
        size_bytes=unread.size_bytes,
        everything=unread.to_the_end,
    )
    backlog = sum(p.backlog or 0 for p in partitions)
    values = topic_values(name, backlog, read, draw(st.none() | st.floats(0, 1e9)))
    return TopicLag(topic=name, exists=draw(st.booleans()), partitions=partitions, values=values)


READINGS = st.builds(
    ClusterLag,
    read_at_s=st.floats(0, 4e9),
    groups=st.lists(
        st.builds(
            GroupLag,
            group=st.sampled_from([PRODUCER_GROUP, EXTRACTOR_GROUP, "theirs [1/2]"]),
            exists=st.booleans(),
            topics=st.lists(topics(), max_size=2).map(tuple),
        ),
        max_size=2,
    ).map(tuple),
)


def lag_of(committed, log_start, end, high_watermark=None, unread=None, partition=0):
    found = Ends(log_start=log_start, end=end, high_watermark=end if high_watermark is None else high_watermark)
    return partition_lag(partition, committed=committed, ends=found, unread=unread, now_ms=NOW_MS)


def seen(records, *, to_the_end=True, age_s=0.0):
    at = int(NOW_MS - age_s * 1000) if records else None
    return Unread(records=records, first_timestamp_ms=at, contents=None, size_bytes=0, to_the_end=to_the_end)


def numbers_in(value: object) -> list[float]:
    if isinstance(value, dict):
        return [n for part in value.values() for n in numbers_in(part)]
    if isinstance(value, list):
        return [n for part in value for n in numbers_in(part)]
    return [value] if isinstance(value, int | float) else []


@SEEDED
@given(READINGS)
def test_no_figure_is_negative_or_not_a_number(reading):
    document = json.loads(json.dumps(lag_document(reading), allow_nan=False))
    exported = [figure.value for figure in measured(reading)]
    assert all(math.isfinite(n) and n >= 0 for n in [*numbers_in(document), *exported])


@SEEDED
@given(READINGS)
def test_every_exported_figure_is_in_the_table_with_its_labels(reading):
    labels = {spec.name: spec.labels for spec in LAG_METRICS}
    assert all(len(figure.labels) == len(labels[figure.name]) for figure in measured(reading))


@SEEDED
@given(READINGS)
def test_the_exit_code_is_that_of_the_worst_group(reading):
    alone = [exit_code(replace(reading, groups=(group,))) for group in reading.groups]
    assert exit_code(reading) == max(alone, key=[0, 3, 1, 2].index, default=3)


@SEEDED
@given(PARTITIONS)
def test_a_partition_has_a_backlog_exactly_where_it_is_known_and_is_not_ok_without(found):
    assert (found.backlog is None) == (found.state in {"no offset", "ahead", "unreadable"})
    assert (found.state == "behind") == bool(found.backlog)
    assert found.backlog is not None or found.status == "UNKNOWN"


@SEEDED
@given(PARTITIONS)
def test_time_lag_is_0_where_nothing_is_unread_and_unknown_where_the_backlog_is(found):
    if found.backlog == 0:
        assert found.time_lag_s == 0.0
    if found.backlog is None:
        assert found.time_lag_s is None


@SEEDED
@given(st.lists(PARTITIONS, max_size=8))
def test_a_total_is_the_sum_of_what_is_known_and_counts_what_is_not(partitions):
    found = total(partitions)
    known = [p.backlog for p in partitions if p.backlog is not None]
    assert found.backlog_at_least == sum(known)
    assert found.backlog == (sum(known) if known and len(known) == len(partitions) else None)
    assert found.unknown_partitions == sum(p.backlog is None for p in partitions)


@pytest.mark.parametrize(
    ("committed", "log_start", "end", "high_watermark", "backlog", "expired", "state"),
    [
        (10, 0, 25, 25, 15, 0, "behind"),
        (10, 20, 25, 25, 5, 10, "behind"),
        (25, 0, 25, 40, 0, 0, "held back"),
        (30, 0, 25, 40, 0, 0, "held back"),
        (40, 0, 25, 40, 0, 0, "drained"),
        (41, 0, 25, 40, None, 0, "ahead"),
        (7, 7, 7, 7, 0, 0, "empty"),
        (3, 7, 7, 7, 0, 4, "empty"),
        (None, 0, 25, 25, None, None, "no offset"),
        (None, 7, 7, 7, 0, 0, "empty"),
    ],
)
def test_backlog_is_the_stable_end_minus_the_position_or_the_log_start(
    committed, log_start, end, high_watermark, backlog, expired, state
):
    found = lag_of(committed, log_start, end, high_watermark)
    assert (found.backlog, found.expired, found.state) == (backlog, expired, state)


def test_nothing_visible_up_to_the_end_is_no_backlog_but_not_looking_is_no_proof():
    assert lag_of(10, 0, 25, unread=seen(0)).backlog == 0
    assert lag_of(10, 0, 25, unread=seen(0, to_the_end=False)).backlog == 15
    assert lag_of(10, 0, 25).backlog == 15


def test_time_lag_is_the_age_of_the_first_unread_record_and_unknown_without_it():
    assert lag_of(10, 0, 25, unread=seen(3, age_s=61.5)).time_lag_s == 61.5
    assert lag_of(10, 0, 25, unread=seen(3, age_s=-5)).time_lag_s == 0.0  # a clock that runs ahead of ours
    assert lag_of(10, 0, 25).time_lag_s is None


def test_the_time_lag_of_a_topic_is_its_longest_and_unknown_where_one_is():
    known = [lag_of(10, 0, 25, unread=seen(3, age_s=age)) for age in (5.0, 60.0)]
    assert total([*known, lag_of(25, 0, 25)]).time_lag_s == 60.0
    assert total([*known, lag_of(10, 0, 25)]).time_lag_s is None
    assert total([]).time_lag_s is None


def test_open_transactions_are_what_lies_behind_the_stable_end():
    assert lag_of(10, 0, 25, 40).in_open_transactions == 15


async def test_looking_at_a_topic_never_makes_it():
    asked = []

    class Client:
        def get_random_node(self):
            return 0

        async def send(self, _node, request):
            asked.append(request.build(MetadataRequest_v5))
            return MetadataResponse_v5(0, [], "cluster", 0, [(3, "gone", False, [])])

    assert await partition_leaders(Client(), ["gone"]) == {}
    assert [request.to_object()["allow_auto_topic_creation"] for request in asked] == [False]


async def test_a_coordinator_that_is_still_loading_is_an_error_and_no_group_without_offsets():
    class Admin:
        async def find_coordinator(self, group):
            return 0

        @property
        def _client(self):
            return self

        async def send(self, node, request):
            return OffsetFetchResponse_v3(0, [], GroupLoadInProgressError.errno)

    with pytest.raises(GroupLoadInProgressError):
        await committed_offsets(Admin(), "theirs")


def record(offset, *, timestamp=1_000, value=b"12", headers=()):
    return ConsumerRecord("t", 0, offset, timestamp, 0, b"key", value, None, 0, 0, headers)


def test_a_reading_looks_only_at_its_span():
    reading = _Reading(Span(start=5, end=8), to_the_end=True)
    for offset in (3, 5, 7, 9):
        reading.add(record(offset, timestamp=offset, headers=[("ab", b"2")]))
    assert reading.done
    expected = Unread(records=2, first_timestamp_ms=5, contents=None, size_bytes=2 * (3 + 2 + 3), to_the_end=True)
    assert reading.unread() == expected


def test_a_reading_that_meets_only_later_records_saw_nothing():
    reading = _Reading(Span(start=5, end=8), to_the_end=False)
    reading.add(record(8))
    assert reading.done
    assert (reading.unread().records, reading.unread().contents, reading.unread().to_the_end) == (0, NOTHING, True)


def test_topics_of_a_group_are_those_with_offsets_and_that_of_the_stage():
    chosen = choose_topics({PRODUCER_GROUP: set(), "theirs": {"b", "a"}}, asked_topics=[], by_name=True)
    assert chosen == {PRODUCER_GROUP: [JOBS], "theirs": ["a", "b"]}


def test_an_asked_topic_goes_to_the_stage_that_reads_it_or_to_every_named_group():
    stages = {PRODUCER_GROUP: set(), EXTRACTOR_GROUP: set()}
    assert choose_topics(stages, asked_topics=[FRAMES], by_name=False) == {EXTRACTOR_GROUP: [FRAMES]}
    assert choose_topics({"theirs": set()}, asked_topics=["x"], by_name=True) == {"theirs": ["x"]}
    with pytest.raises(UserError, match="--group GROUP --topic x"):
        choose_topics(stages, asked_topics=[FRAMES, "x"], by_name=False)


def printed(renderable, width: int) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(renderable)
    return console.file.getvalue()


def reading_of(*partitions, group=EXTRACTOR_GROUP, topic=FRAMES, exists=True) -> ClusterLag:
    backlog = sum(p.backlog or 0 for p in partitions)
    read = ReadOn(records=0, contents=NOTHING, size_bytes=0, everything=False)
    values = topic_values(topic, backlog, read, None)
    lag = TopicLag(topic=topic, exists=exists, partitions=partitions, values=values)
    return ClusterLag(read_at_s=0.0, groups=(GroupLag(group=group, exists=True, topics=(lag,)),))


@SEEDED
@given(READINGS, st.integers(20, 200))
def test_every_width_takes_every_reading_with_no_line_too_long_and_nothing_cut_off(reading, width):
    for renderable in (lag_tables(reading, width), lag_summary(reading)):
        text = printed(renderable, width)
        assert all(len(line) <= width for line in text.splitlines())
        assert "\x1b" not in text
        assert "…" not in text  # a figure that is cut off is a wrong figure
    assert "\n" not in lag_line(reading)
    assert not re.search(r"\bnan\b|-\d", lag_line(reading).partition(" ")[2])


@pytest.mark.parametrize("width", [40, 80, 120])
def test_no_digit_of_a_backlog_is_lost_on_a_narrow_terminal(width):
    reading = reading_of(lag_of(0, 0, 123_456_789, unread=seen(1, age_s=7_200)))
    rows = printed(lag_tables(reading, width), width).splitlines()
    assert any(re.match(r"\s*0\s+123456789\s+2 h 00 min\b", row) for row in rows)


def test_a_topic_or_offset_that_is_missing_is_said_with_its_remedy_where_it_is_ours():
    missing = reading_of(exists=False)
    assert "does not exist: run `iqstream init`" in lag_line(missing)
    assert "no committed offset: run `iqstream init`" in lag_line(reading_of(lag_of(None, 0, 5)))
    assert "init" not in lag_line(reading_of(lag_of(None, 0, 5), group="theirs"))


def test_figures_that_are_not_exact_say_so():
    assert "15 behind, at most 15 recordings" in lag_line(reading_of(lag_of(0, 0, 15)))


def test_where_hardly_any_commit_is_known_it_says_so():
    few, many = Trend(status="UNKNOWN", commits=1, velocity=None), Trend(status="OK", commits=3, velocity=None)
    behind = Ends(log_start=0, end=15, high_watermark=15)
    partitions = [
        partition_lag(n, committed=0, ends=behind, unread=None, now_ms=NOW_MS, trend=trend)
        for n, trend in enumerate((few, many))
    ]
    assert "1 partitions with too few commits to judge" in lag_line(reading_of(*partitions))
    assert "too few" not in lag_line(reading_of(partitions[1]))


def test_a_group_with_several_topics_has_a_line_for_all_of_them():
    one = reading_of(lag_of(0, 0, 15)).groups[0]
    group = replace(one, topics=(one.topics[0], replace(one.topics[0], topic="other")))
    both = ClusterLag(read_at_s=0.0, groups=(group,))
    assert "30 behind" in printed(lag_tables(both, 100), 100)
    assert "30 behind" in printed(lag_summary(both), 100)
    assert "30 behind" not in printed(lag_summary(ClusterLag(read_at_s=0.0, groups=(one,))), 100)


def test_a_screen_too_low_for_all_partitions_gets_the_summary():
    reading = reading_of(*(replace(lag_of(0, 0, 5), partition=n) for n in range(12)))

    def lines(height: int) -> int:
        console = Console(file=io.StringIO(), width=100, height=height)
        console.print(lag_view(reading, console))
        return len(console.file.getvalue().splitlines())

    assert lines(40) > 12
    assert lines(10) < 10


@pytest.mark.parametrize("columns", ["20", "80", "200"])
def test_into_a_pipe_every_line_is_whole_and_no_column_is_left_out(columns, monkeypatch):
    reading = reading_of(*(lag_of(0, 0, 10**15, partition=n, unread=seen(1, age_s=7_200)) for n in range(12)))

    async def read(*_arguments, **_named):
        return reading

    monkeypatch.setattr(AsyncClient, "lag", read)
    monkeypatch.setattr("iqstream.cli.lag.load_settings", object)
    lines = CliRunner(env={"COLUMNS": columns}).invoke(lag, []).output.splitlines()
    assert lines[0].startswith(f"{EXTRACTOR_GROUP}  {FRAMES}  UNKNOWN {12 * 10**15} behind")
    assert lines[0].endswith("retention risk unknown, 12 partitions with too few commits to judge")
    words = ["partition", "backlog", "time lag", "committed", "end", "high watermark", "log start", "status"]
    assert re.split(r"\s\s+", lines[1]) == words
    assert all("2 h 00 min" in line and line.endswith("UNKNOWN behind") for line in lines[2:14])
