"""How far the stages are behind, now and over the last hour."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response

from iqstream.lag.figures import ClusterLag, GroupLag, Total
from iqstream.runtime.stages import STAGES
from iqstream.web.charts import history_line
from iqstream.web.lag_history import INTERVAL_S, LagHistory
from iqstream.web.markup import Child, el
from iqstream.web.page import duration, page, table

WORDS = {
    "OK": "keeps up",
    "WARN": "falls behind: its lag has not fallen",
    "STALL": "commits, and gets nowhere",
    "STOP": "has stopped committing while more arrives",
    "REWIND": "went back, and has not caught up",
    "UNKNOWN": "not known yet",
}


async def lag_page(request: Request) -> Response:
    history: LagHistory = request.app.state.lag_history
    latest = history.latest()
    when = datetime.fromtimestamp(latest.read_at_s, UTC).strftime("%H:%M:%S UTC")
    return page(
        request,
        "Lag",
        el(
            "div",
            el("p", f"Read at {when}; every {INTERVAL_S:g} s."),
            [_group(group, history.readings) for group in latest.groups],
            id="lag",
            data_live=True,
        ),
        refresh_s=INTERVAL_S,
    )


def _backlogs(readings: Sequence[ClusterLag], group: str, topic: str | None = None) -> list[tuple[float, int]]:
    """The backlog of a group, or of one of its topics, by time."""
    found = []
    for reading in readings:
        for one in (one for one in reading.groups if one.group == group):
            totals = [one.total] if topic is None else [of.total for of in one.topics if of.topic == topic]
            found += [(reading.read_at_s, total.backlog) for total in totals if total.backlog is not None]
    return found


def _group(group: GroupLag, readings: Sequence[ClusterLag]) -> Child:
    total = group.total
    members = "–" if group.members is None else group.members
    facts: list[tuple[str, Child]] = [
        ("Status", el("strong", f"{total.status}: {WORDS[total.status]}", class_=f"status {total.status}")),
        ("Consumers", f"{members}: {', '.join(group.member_names)}" if group.member_names else members),
        ("Backlog", _number(total.backlog)),
        ("Behind by", duration(total.time_lag_s)),
        ("Time to close", duration(total.eta_s)),
    ]  # fmt: skip
    rows: list[list[Child]] = []
    for topic in group.topics:
        rows.append(
            [
                f"{topic.topic} (all)",
                *_cells(topic.total),
                ", ".join(f"{_number(value.amount)} {value.unit}" for value in topic.values),
            ]
        )
        rows += [
            [
                f"{topic.topic}-{one.partition}", one.status, _number(one.backlog), duration(one.time_lag_s),
                _velocity(one.velocity), "",
            ]
            for one in topic.partitions
        ]  # fmt: skip
    stage = next((one.name for one in STAGES.values() if one.group == group.group), None)
    return el(
        "section",
        el("h2", group.group),
        el("p", group.trouble, class_="problem") if group.trouble else None,
        el("dl", [[el("dt", name), el("dd", value)] for name, value in facts]),
        history_line(_backlogs(readings, group.group), group.group),
        el("p", el("a", "Move it to another position…", href=f"/stages/{stage}/move")) if stage else None,
        el(
            "details",
            el("summary", "Topics and partitions"),
            [history_line(_backlogs(readings, group.group, topic.topic), topic.topic) for topic in group.topics],
            table(
                ["Partition", "Status", "Backlog", "Behind by", "Consumed per s", "In units of value"],
                rows,
                caption=f"Partitions of {group.group}",
                empty="It reads no topic.",
            ),
        ),
    )


def _cells(total: Total) -> list[Child]:
    return [total.status, _number(total.backlog), duration(total.time_lag_s), _velocity(total.velocity)]


def _velocity(velocity: object) -> str:
    consumed = getattr(velocity, "consumed_per_s", None)
    return "–" if consumed is None else f"{consumed:.1f}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"
