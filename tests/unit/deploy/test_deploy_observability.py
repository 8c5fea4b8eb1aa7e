"""Dashboard and alert rules speak of metrics that exist, and of nothing else."""

import json
import re
from pathlib import Path

import pytest
import yaml

from iqstream.runtime.metrics import METRICS
from tests.promql import EXPORTER_METRICS, dashboard_expressions, metric_names, rule_expressions

PANELS = dashboard_expressions()
RULES = rule_expressions()


def exposed():
    """The names of our table, as they are scraped."""
    for spec in METRICS:
        if spec.kind == "histogram":
            yield from (f"{spec.name}_{part}" for part in ("bucket", "sum", "count"))
        else:
            yield spec.name + ("_total" if spec.kind == "counter" else "")


KNOWN = {*exposed(), *EXPORTER_METRICS, "up", "ALERTS", "process_resident_memory_bytes", "process_cpu_seconds_total"}
RECORDED = {name for name in RULES if ":" in name}


@pytest.mark.parametrize("title", PANELS)
def test_every_panel_asks_for_metrics_that_exist(title):
    for expression in PANELS[title]:
        assert metric_names(expression)
        assert metric_names(expression) <= KNOWN


@pytest.mark.parametrize("name", RULES)
def test_every_rule_asks_for_metrics_that_exist(name):
    assert metric_names(RULES[name])
    assert metric_names(RULES[name]) <= KNOWN | RECORDED


def test_every_metric_of_ours_is_on_the_dashboard():
    shown = set().union(*(metric_names(e) for expressions in PANELS.values() for e in expressions))
    base = {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in shown}
    assert {spec.name for spec in METRICS} <= base


def test_every_alert_says_what_is_wrong_and_has_a_test():
    groups = yaml.safe_load(Path("deploy/prometheus/rules.yml").read_text())["groups"]
    alerts = {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}
    tests = yaml.safe_load(Path("deploy/prometheus/rules_test.yml").read_text())["tests"]
    fired = {a["alertname"] for t in tests for a in t["alert_rule_test"] if a["exp_alerts"]}
    silent = {a["alertname"] for t in tests for a in t["alert_rule_test"] if not a["exp_alerts"]}
    assert set(alerts) == fired == silent
    for rule in alerts.values():
        assert rule["labels"]["severity"] in {"info", "warning", "critical"}
        assert rule["annotations"].keys() == {"summary", "description"}


def test_the_dashboard_is_provisioned_from_where_compose_mounts_it():
    services = yaml.safe_load(Path("docker-compose.grafana.yml").read_text())["services"]
    mounts = dict(volume.split(":")[:2] for volume in services["grafana"]["volumes"])
    provider = yaml.safe_load(Path("deploy/grafana/provisioning/dashboards/iqstream.yml").read_text())["providers"][0]
    assert mounts["./deploy/grafana/dashboards"] == provider["options"]["path"]
    assert mounts["./deploy/grafana/provisioning"] == "/etc/grafana/provisioning"
    dashboard = json.loads(Path("deploy/grafana/dashboards/iqstream.json").read_text())
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in dashboard["panels"]]
    assert len(set(places)) == len(places)
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(places)
