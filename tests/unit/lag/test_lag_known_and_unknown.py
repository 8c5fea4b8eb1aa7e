"""Status, exit code, exported figures and words agree for every combination of what is known, unknown and absent."""

from dataclasses import replace

import pytest
from aiokafka import TopicPartition

from iqstream.cli.lag_table import lag_line
from iqstream.lag.assemble import GroupSnapshot, Snapshot, lag_of
from iqstream.lag.document import lag_document
from iqstream.lag.figures import CLOCK_SKEW_MS, Unread
from iqstream.lag.history import Commit
from iqstream.lag.members import NOT_KNOWN, Membership
from iqstream.lag.metrics import STATUS_CODES, measured
from iqstream.lag.retention import Retention
from iqstream.lag.status import EXIT_CODES
from iqstream.lag.trend import Followed
from iqstream.lag.verdict import exit_code
from iqstream.runtime.offsets import Ends
from iqstream.runtime.topics import EXTRACTOR_GROUP, FRAMES

NOW_S = 1_800_000_000.0
NOW_MS = int(NOW_S * 1000)
HERE = TopicPartition("orders", 0)
GROUP = "theirs"
UNLIMITED = Retention(size_bytes=None, age_ms=None)
SOMEBODY, NOBODY = Membership(members=2, topics=frozenset({"orders"})), Membership(members=0, topics=None)


def commits(*offsets, ago_s=5, every_s=5):
    """Commits at equal distances, the last one so long ago."""
    last = NOW_MS - ago_s * 1000
    return [
        Commit(at_ms=last - (len(offsets) - 1 - n) * every_s * 1000, offset=offset) for n, offset in enumerate(offsets)
    ]


def reading(
    *,
    committed=100,
    end=578,
    high_watermark=578,
    ends=True,
    age_s=600.0,
    history=(),
    history_from_s=None,
    members=SOMEBODY,
    exists=True,
    topic_exists=True,
    transaction_age_s=None,
    retention=UNLIMITED,
    trouble=None,
    topic_trouble=None,
    ended=None,
    where=HERE,
    name=GROUP,
):
    """A reading of one group on one partition; None is unknown."""
    known = Ends(log_start=0, end=end, high_watermark=high_watermark) if ends and topic_exists else None
    backlog = None if known is None or committed is None else max(0, end - committed)
    unread = {}
    if backlog and age_s is not None:
        first = int(NOW_MS - age_s * 1000)
        unread[where] = Unread(records=1, first_timestamp_ms=first, contents=None, size_bytes=10, to_the_end=False)
    followed = {}
    if backlog is not None:
        followed[where] = Followed(
            commits=list(history),
            enough=True,
            committed=committed,
            end=end,
            backlog=backlog,
            first_unread_ms=unread[where].first_timestamp_ms if where in unread else None,
            history_from_ms=None if history_from_s is None else NOW_MS - history_from_s * 1000,
            members=members.members,
        )
    if ended is None:
        ended = {(where, commit.at_ms): end for commit in history}
    group = GroupSnapshot(
        exists=exists,
        membership=members,
        trouble=trouble,
        topics=() if trouble else (where.topic,),
        committed={} if committed is None else {where: committed},
        unread=unread,
        followed=followed,
    )
    snapshot = Snapshot(
        now_s=NOW_S,
        groups={name: group},
        partitions={where.topic: frozenset({where.partition})} if topic_exists and topic_trouble is None else {},
        trouble={} if topic_trouble is None else {where.topic: topic_trouble},
        ends={} if known is None else {where: known},
        transaction_ages_s={} if transaction_age_s is None else {where: transaction_age_s},
        ended=ended,
        retentions={} if retention is None else {where.topic: retention},
        mean_record_bytes={},
    )
    return lag_of(snapshot, 2)


CASES = {
    # nobody in the group, and something waits
    "nobody, one commit long ago": ({"members": NOBODY, "history": commits(100, ago_s=600)}, "STOP"),
    "nobody, one commit just now": ({"members": NOBODY, "history": commits(100, ago_s=9), "age_s": 5}, "UNKNOWN"),
    "nobody, no commit, a long history": ({"members": NOBODY, "history_from_s": 60}, "STOP"),
    "nobody, no commit, a short history": ({"members": NOBODY, "history_from_s": 2}, "UNKNOWN"),
    "nobody, no commit, no history": ({"members": NOBODY}, "UNKNOWN"),
    "nobody, drained": ({"members": NOBODY, "committed": 578}, "OK"),
    "nobody, within the allowance": ({"members": NOBODY, "committed": 576}, "OK"),
    # somebody is there
    "too few commits": ({"history": commits(50, 100)}, "UNKNOWN"),
    "too few commits, members not known": ({"history": commits(50, 100), "members": NOT_KNOWN}, "UNKNOWN"),
    "one commit, silent for longer than Kafka lets a consumer be": ({"history": commits(100, ago_s=301)}, "STOP"),
    "moves": ({"history": commits(20, 50, 100), "ended": {}}, "UNKNOWN"),
    "stands still": ({"history": commits(100, 100, 100)}, "STALL"),
    "stands still, ends then not known": ({"history": commits(100, 100, 100), "ended": {}}, "STALL"),
    "stopped": ({"history": commits(20, 50, 100, ago_s=600)}, "STOP"),
    "stopped, the record's age not known": ({"history": commits(20, 50, 100, ago_s=600), "age_s": None}, "STOP"),
    "stopped, the record stamped in the future": ({"history": commits(20, 50, 100, ago_s=600), "age_s": -3600}, "STOP"),
    "stands still, stamped in the future": ({"history": commits(100, 100, 100), "age_s": -3600, "ended": {}}, "STALL"),
    "a clock that is a little ahead": (
        {"history": commits(20, 50, 100, ago_s=600), "age_s": -9, "ended": {}},
        "UNKNOWN",
    ),
    # transactions
    "held back by a young transaction": ({"committed": 474, "end": 474, "transaction_age_s": 1.0}, "OK"),
    "held back by a slow transaction": ({"committed": 474, "end": 474, "transaction_age_s": 6.0}, "WARN"),
    "held back by a hanging transaction": ({"committed": 474, "end": 474, "transaction_age_s": 31.0}, "STALL"),
    "held back, age not known": ({"committed": 474, "end": 474}, "UNKNOWN"),
    "behind before a hanging transaction": (
        {"committed": 473, "end": 474, "transaction_age_s": 31.0, "history": commits(100, 200, 473)},
        "STALL",
    ),
    "reads uncommitted records": ({"committed": 578, "end": 474, "transaction_age_s": 31.0}, "OK"),
    # figures that are absent
    "end not known": ({"ends": False}, "UNKNOWN"),
    "no offset": ({"committed": None}, "UNKNOWN"),
    "no offset, end not known": ({"committed": None, "ends": False}, "UNKNOWN"),
    "no offset, nothing there": ({"committed": None, "end": 0, "high_watermark": 0}, "OK"),
    "past the end": ({"committed": 600}, "UNKNOWN"),
    "past the end of an empty topic": ({"committed": 600, "end": 0, "high_watermark": 0}, "UNKNOWN"),
    "group does not exist": ({"exists": False, "committed": None, "members": NOBODY}, "UNKNOWN"),
    "group does not exist, nothing there": (
        {"exists": False, "committed": None, "members": NOBODY, "end": 0, "high_watermark": 0},
        "UNKNOWN",
    ),
    "topic does not exist": ({"committed": None, "topic_exists": False}, "UNKNOWN"),
    "topic does not exist, an offset is left": ({"topic_exists": False}, "UNKNOWN"),
    "group may not be read": ({"trouble": "may not be read"}, "UNKNOWN"),
    "topic may not be read": ({"topic_trouble": "may not be read", "ends": False}, "UNKNOWN"),
    # a topic that the group has left
    "not read": (
        {"members": Membership(members=1, topics=frozenset({"other"})), "history": commits(100, ago_s=600)},
        "OK",
    ),
    "a stage's own topic": (
        {
            "members": Membership(members=1, topics=frozenset({"other"})),
            "history": commits(100, ago_s=301),
            "where": TopicPartition(FRAMES, 0),
            "name": EXTRACTOR_GROUP,
        },
        "STOP",
    ),
    "consumers that do not say what they read": (
        {"members": Membership(members=1, topics=None), "history": commits(100, ago_s=600)},
        "STOP",
    ),
}


@pytest.mark.parametrize(("given", "status"), CASES.values(), ids=CASES)
def test_every_way_of_telling_says_the_same(given, status):
    lag = reading(**given)
    group = lag.groups[0]
    assert (group.total.status, lag.status) == (status, status)
    assert exit_code(lag) == EXIT_CODES[status]
    exported = {figure.name: figure.value for figure in measured(lag)}
    assert exported["iqstream_lag_group_status"] == STATUS_CODES[status]
    document = lag_document(lag)
    assert document["status"] == document["groups"][0]["status"] == status
    assert f": {status}" in lag_line(lag)


@pytest.mark.parametrize(("given", "status"), CASES.values(), ids=CASES)
def test_what_is_not_known_is_never_0_and_never_ok(given, status):
    lag = reading(**given)
    exported = {figure.name for figure in measured(lag)}
    total, partitions = lag.groups[0].total, [p for t in lag.groups[0].topics for p in t.partitions]
    unknown = not partitions or any(p.backlog is None for p in partitions)
    sums = {"kafka_consumergroup_group_sum_lag", "kafka_consumergroup_group_max_lag_seconds"}
    if unknown:
        assert (total.backlog, total.time_lag_s, total.retention_share) == (None, None, None)
        assert not exported & {*sums, "kafka_consumergroup_group_topic_sum_lag", "kafka_consumergroup_group_lag"}
        assert status != "OK"
        assert "drained" not in lag_line(lag)


@pytest.mark.parametrize("limits", [None, Retention(size_bytes=1_000, age_ms=None)])
def test_a_retention_risk_that_is_not_known_is_not_told_as_none(limits):
    fine = {"history": commits(20, 50, 570), "committed": 570, "ended": {}}
    lag = reading(**fine, retention=limits)
    assert exit_code(lag) == 3
    assert "iqstream_lag_retention_risk" not in {figure.name for figure in measured(lag)}
    assert "retention risk unknown" in lag_line(lag)
    assert lag_document(lag)["groups"][0]["retention_risk"] == "unknown"


def test_a_topic_that_a_group_has_left_is_told_with_the_way_out_and_counts_in_no_sum():
    given, _ = CASES["not read"]
    lag = reading(**given)
    assert "--delete-offsets --group theirs --topic orders" in lag_line(lag)
    exported = {figure.name: figure.value for figure in measured(lag)}
    assert exported["kafka_consumergroup_group_lag"] == 478
    assert "kafka_consumergroup_group_sum_lag" not in exported
    assert lag_document(lag)["groups"][0]["topics"][0]["is_read"] is False


def test_one_partition_that_is_not_known_takes_the_sum_and_the_ok_from_all():
    whole = reading(committed=578)
    topic = whole.groups[0].topics[0]
    lost = reading(ends=False).groups[0].topics[0].partitions[0]
    group = replace(whole.groups[0], topics=(replace(topic, partitions=(*topic.partitions, lost)),))
    lag = replace(whole, groups=(group,))
    assert exit_code(lag) == 3
    assert (group.total.backlog, group.total.backlog_at_least, group.total.unknown_partitions) == (None, 0, 1)
    assert "at least 0 behind" in lag_line(lag)


def test_a_time_that_is_yet_to_come_is_no_age():
    ahead_s = CLOCK_SKEW_MS / 1000
    partition = reading(age_s=-ahead_s - 1).groups[0].topics[0].partitions[0]
    assert (partition.time_lag_s, partition.stamped_ahead) == (None, True)
    assert "stamped in the future" in lag_line(reading(age_s=-ahead_s - 1))
    partition = reading(age_s=-ahead_s).groups[0].topics[0].partitions[0]
    assert (partition.time_lag_s, partition.stamped_ahead) == (0.0, False)
