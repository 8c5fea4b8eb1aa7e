"""The PromQL of the dashboard and of the rules, and which metrics an expression asks for."""

import json
import re
from pathlib import Path

import yaml

EXPORTER_METRICS = frozenset(
    {
        "kafka_consumergroup_group_lag",
        "kafka_consumergroup_group_lag_seconds",
        "kafka_partition_latest_offset",
        "iqstream_lag_value",
        "iqstream_lag_seconds_to_close",
        "iqstream_lag_group_status",
        "iqstream_lag_expired_offsets",
        "iqstream_lag_group_up",
        "iqstream_lag_topic_up",
        "iqstream_lag_retention_risk",
        "iqstream_lag_up",
    }
)
"""Names of the lag exporter; the first three are those that other people's dashboards know too."""


def dashboard_expressions() -> dict[str, list[str]]:
    """The expressions of every panel, by its title; with an interval in the place of Grafana's variable."""
    dashboard = json.loads(Path("deploy/grafana/dashboards/iqstream.json").read_text(encoding="utf-8"))
    return {
        panel["title"]: [target["expr"].replace("$__rate_interval", "1m") for target in panel["targets"]]
        for panel in dashboard["panels"]
    }


def rule_expressions() -> dict[str, str]:
    """The expression of every rule, by the name of its alert or recording."""
    groups = yaml.safe_load(Path("deploy/prometheus/rules.yml").read_text(encoding="utf-8"))["groups"]
    return {rule.get("alert") or rule["record"]: rule["expr"] for group in groups for rule in group["rules"]}


_NOT_A_NAME = re.compile(
    r'"(?:[^"\\]|\\.)*"'  # strings
    r"|\b(?:by|on|without|ignoring|group_left|group_right)\s*\([^)]*\)"  # lists of labels
    r"|\[[^\]]*\]"  # ranges
)
_MATCHER = re.compile(r"\{[^}]*\}")
_NAME = re.compile(r"\b[a-zA-Z_:][a-zA-Z0-9_:]*\b(?!\s*\()")
_WORDS = frozenset({"and", "or", "unless", "by", "on", "without", "ignoring", "offset", "bool"})


def metric_names(expression: str) -> set[str]:
    """The metrics that an expression reads."""
    bare = _MATCHER.sub(" ", _NOT_A_NAME.sub(" ", expression))
    return {name for name in _NAME.findall(bare) if name not in _WORDS}
