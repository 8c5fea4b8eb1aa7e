"""Consumer lag for people: as tables, as one row per topic, as one line."""

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from iqstream.cli.console import Console
from iqstream.cli.duration import duration
from iqstream.lag.figures import ClusterLag, GroupLag, PartitionLag, TopicLag, Total
from iqstream.lag.retention import risk
from iqstream.lag.status import MIN_COMMITS
from iqstream.lag.value import Value
from iqstream.runtime.stages import GROUP_OF_TOPIC
from iqstream.runtime.terminal import shown

WIDE = 110
"""Columns of a terminal from which on every offset is shown."""
MEDIUM = 70
"""From which on the position and the end are."""

STATE_WORDS = {
    "held back": "waits for open transactions",
    "no offset": "no committed offset",
    "no group": "group does not exist",
    "not read": "not read by any consumer of the group",
    "ahead": "position is past the end: was the topic recreated?",
    "unreadable": "its leader does not answer",
}
PRECISION_WORDS = {"exact": "", "at_most": "at most ", "estimated": "about "}


def lag_tables(lag: ClusterLag, width: int) -> RenderableType:
    """Every partition, under a line for its group and topic; fewer columns where `width` is small."""
    parts: list[RenderableType] = []
    for group in lag.groups:
        if not group.topics:
            parts.append(_line(group.group, group_words(group)))
        for topic in group.topics:
            parts.append(_line(f"{group.group}  {topic.topic}", topic_words(group, topic)))
            if topic.partitions:
                parts.append(_partition_table(topic, width))
            parts.append(Text())
        if len(group.topics) > 1:
            parts.append(_line(f"{group.group}  all topics", group_words(group)))
    return Group(*parts)


def lag_summary(lag: ClusterLag) -> RenderableType:
    """A line for every group and topic."""
    rows: list[RenderableType] = []
    for group in lag.groups:
        if len(group.topics) != 1:
            rows.append(_line(group.group, group_words(group)))
        rows.extend(_line(f"{group.group}  {topic.topic}", topic_words(group, topic)) for topic in group.topics)
    return Group(*rows)


def lag_view(lag: ClusterLag, console: Console) -> RenderableType:
    """All partitions where they fit on the screen, else the summary; with the time of the reading."""
    read_at = Text(f"read at {_local_time(lag.read_at_s)}; Ctrl-C ends", style="dim")
    view = Group(lag_tables(lag, console.width), read_at)
    lines = console.render_lines(view, console.options.update(height=None))
    return view if len(lines) < console.height else Group(lag_summary(lag), read_at)


def lag_line(lag: ClusterLag) -> str:
    """The whole reading in one line, for a log."""
    parts = [
        f"{group.group} {topic.topic}: {topic_words(group, topic)}" for group in lag.groups for topic in group.topics
    ]
    parts += [f"{group.group}: {group_words(group)}" for group in lag.groups if not group.topics]
    at = datetime.fromtimestamp(lag.read_at_s, UTC).isoformat(timespec="seconds")
    return f"{at} {' | '.join(parts)}"


def group_words(group: GroupLag) -> str:
    """All topics of a group together, or why there are none."""
    if group.trouble is not None:
        return f"UNKNOWN: this group {group.trouble}"
    if not group.exists:
        return "UNKNOWN: this group does not exist"
    return ", ".join(_total_words(group.total, ())) if group.topics else "UNKNOWN: this group has no committed offsets"


def topic_words(group: GroupLag, topic: TopicLag) -> str:
    """What a topic's partitions come to, or why they come to nothing."""
    if (why := _unknown_words(group, topic)) is not None:
        return f"UNKNOWN: {why}"
    total = topic.total
    if not topic.is_read:
        return (
            f"OK, not read: no consumer of the group reads this topic, {total.backlog_at_least} offsets are left over. "
            f"If that is meant: `kafka-consumer-groups.sh --delete-offsets --group {group.group} --topic {topic.topic}`"
        )
    return ", ".join([*_total_words(total, topic.values), *_member_words(group, total), *_history_words(topic)])


def _unknown_words(group: GroupLag, topic: TopicLag) -> str | None:
    """Why nothing is known of a topic; None where something is."""
    if topic.trouble is not None:
        return f"this topic {topic.trouble}"
    if not topic.exists:
        return f"this topic does not exist{_init_hint(group, topic)}"
    if not topic.partitions:
        return "this topic has no partitions"
    if not group.exists:
        return f"this group does not exist, nothing is committed{_init_hint(group, topic)}"
    if all(p.state == "no offset" for p in topic.partitions):
        return f"no committed offset{_init_hint(group, topic)}"
    return None


def _init_hint(group: GroupLag, topic: TopicLag) -> str:
    """Our own topics and first offsets are made by a command."""
    return ": run `iqstream init`" if GROUP_OF_TOPIC.get(topic.topic) == group.group else ""


def _total_words(total: Total, values: Sequence[Value]) -> list[str]:
    words = [f"{total.status} {_backlog_words(total)}"]
    if total.backlog_at_least:
        words += [value_words(value) for value in values]
        words.append(f"time lag {time_lag_words(total.time_lag_s)}")
        words += _velocity_words(total)
    if total.held_back:
        age = "" if total.transaction_age_s is None else f" for {duration(total.transaction_age_s)}"
        words.append(f"{total.held_back} in open transactions{age}")
    level = risk(total.retention_share, total.expired)
    if level in {"high", "losing", "unknown"}:
        words.append(f"retention risk {level}" + (f": {total.expired} expired unread" if total.expired else ""))
    if total.unknown_partitions:
        words.append(f"{total.unknown_partitions} partitions unknown")
    return words


def _backlog_words(total: Total) -> str:
    if total.backlog is None:
        return f"at least {total.backlog_at_least} behind"
    if total.backlog:
        return f"{total.backlog} behind"
    return "drained" if total.held_back == 0 else "nothing readable is left"


def _member_words(group: GroupLag, total: Total) -> list[str]:
    return ["no consumer in the group"] if group.members == 0 and total.backlog != 0 else []


def value_words(value: Value) -> str:
    """`at most 15 recordings`, `about 12.3 MB`."""
    amount, unit = f"{value.amount:g}" if value.unit == "IQ-seconds" else str(round(value.amount)), value.unit
    if unit == "bytes" and value.amount >= 1e6:
        amount, unit = f"{value.amount / 1e6:.1f}", "MB"
    return f"{PRECISION_WORDS[value.precision]}{amount} {unit}"


def _velocity_words(total: Total) -> list[str]:
    """When the backlog is read; while it grows, how fast instead."""
    if total.velocity is None:
        return []
    if total.eta_s is not None:
        return [f"{total.velocity.consumed_per_s:.1f}/s read", f"time to drain {duration(total.eta_s)}"]
    growth = -total.velocity.net_per_s
    return [f"grows by {growth:.1f}/s" if growth > 0 else "idle"]


def _history_words(topic: TopicLag) -> list[str]:
    """Why a status is not known, where a group has hardly begun to commit; and that a time is not to be believed."""
    behind = [p for p in topic.partitions if p.state == "behind"]
    young = [p for p in behind if p.status == "UNKNOWN" and p.commits < MIN_COMMITS]
    words = [f"{len(young)} partitions with too few commits to judge"] if young else []
    ahead = [p for p in behind if p.stamped_ahead]
    return words + ([f"{len(ahead)} partitions whose next record is stamped in the future"] if ahead else [])


def time_lag_words(seconds: float | None) -> str:
    """`0 s`, `3 min 05 s`, or that it is not known."""
    return "unknown" if seconds is None else duration(seconds)


def partition_words(topic: TopicLag, partition: PartitionLag) -> str:
    """A partition's state, and what is the matter with it."""
    state = STATE_WORDS.get(partition.state, partition.state) if topic.exists else "topic does not exist"
    if topic.trouble is not None:
        state = "topic could not be read"
    words = [f"{partition.status} {state}"]
    if partition.expired:
        words.append(f"{partition.expired} expired unread")
    if partition.held_back:
        words.append(f"{partition.held_back} in open transactions")
    if partition.stamped_ahead:
        words.append("next record is stamped in the future")
    return ", ".join(words)


def _partition_table(topic: TopicLag, width: int) -> Table:
    table = Table(box=None, padding=(0, 1), pad_edge=False)
    for name in ("partition" if width >= MEDIUM else "p", "backlog", "time lag"):
        table.add_column(name, justify="right", overflow="fold")
    offsets = ("committed", "end", "high watermark", "log start")
    shown = offsets if width >= WIDE else offsets[:2] if width >= MEDIUM else ()
    for name in shown:
        table.add_column(name, justify="right", overflow="fold")
    table.add_column("status", overflow="fold")
    for p in topic.partitions:
        ends = (None, None, None) if p.ends is None else (p.ends.end, p.ends.high_watermark, p.ends.log_start)
        figures = dict(zip(offsets, (p.committed, *ends), strict=True))
        table.add_row(
            str(p.partition),
            _figure(p.backlog),
            "-" if p.backlog is None else time_lag_words(p.time_lag_s),
            *(_figure(figures[name]) for name in shown),
            partition_words(topic, p),
        )
    return table


def _figure(count: int | None) -> str:
    return "-" if count is None else str(count)


def _line(name: str, words: str) -> Text:
    return Text.assemble((shown(name), "bold"), "  ", shown(words), overflow="fold")


def _local_time(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).astimezone().strftime("%H:%M:%S")
