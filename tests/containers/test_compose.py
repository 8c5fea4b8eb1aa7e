"""The compose file as a person uses it: up, scaled, a dataset by the command line, and every service killed in turn."""

import json
import time

import asyncpg
import httpx2
import pytest

from iqstream.runtime.stages import STAGES
from schemas import Capture
from tests.containers.compose import SERVERS
from tests.containers.prometheus import Prometheus
from tests.integration.pipeline import digest, is_complete, small_spec, stored_objects, submit_dataset, wait_for_dataset
from tests.promql import EXPORTER_METRICS, dashboard_expressions, metric_names, rule_expressions

pytestmark = [pytest.mark.containers, pytest.mark.timeout(900)]
SAMPLES = 300
RARE = frozenset({"iqstream_lag_seconds_to_close"})
"""Exposed only while a backlog shrinks."""


def test_every_service_is_healthy_and_hardened(stack, engine):
    for service, replicas in {
        **dict.fromkeys((*SERVERS, *STAGES, "dashboard", "prometheus"), 1),
        "extractor": 3,
    }.items():
        found = [engine.containers.get(container["ID"]) for container in stack.containers(service)]
        assert [c.attrs["State"]["Health"]["Status"] for c in found] == ["healthy"] * replicas
        for host in (c.attrs["HostConfig"] for c in found):
            assert host["CapDrop"] == ["ALL"]
            assert "no-new-privileges:true" in host["SecurityOpt"]
            assert host["Memory"] > 0
            assert host["RestartPolicy"]["Name"] == "unless-stopped"
            published = [place for places in (host["PortBindings"] or {}).values() for place in places]
            assert {place["HostIp"] for place in published} <= {"127.0.0.1"}
            assert host["ReadonlyRootfs"] == (service != "kafka")
    stage = engine.containers.get(stack.containers("sink")[0]["ID"])
    assert stage.exec_run("id -u").output.strip() == b"10001"


def test_no_secret_stands_in_a_container_s_environment_or_log(stack, engine):
    secrets = [path.read_text() for path in stack.secrets.iterdir()]
    for service in (*SERVERS, *STAGES, "dashboard", "init"):
        for container in stack.containers(service):
            attributes = engine.containers.get(container["ID"]).attrs
            told = json.dumps(attributes["Config"]) + engine.containers.get(container["ID"]).logs().decode()
            assert not [secret for secret in secrets if secret in told]


async def test_a_dataset_that_the_cli_submits_becomes_rows_and_objects(stack):
    told = stack.run(
        "run", "--rm", "cli", "generate", "--name", "compose", "--samples", "60", "--frequency", "144MHz",
        "--max-gdop", "50", "--iq-samples", "10", "--capture-ms", "200", "--watch",
    )  # fmt: skip
    assert "10 IQ samples saved to MinIO" in told
    shown = json.loads(stack.run("run", "--rm", "cli", "datasets", "show", "compose", "--json"))
    assert (shown["status"], shown["failed"]) == ("complete", 0)
    assert shown["accepted"] + shown["rejected"] == 60
    connection = await asyncpg.connect(stack.settings().postgres_dsn)
    try:
        rows = await connection.fetchval(
            "SELECT count(*) FROM heimdall.measurement_features WHERE dataset_id = $1::uuid", shown["id"]
        )
    finally:
        await connection.close()
    assert rows == shown["accepted"]
    spec = small_spec(60, dataset_id=shown["id"])
    assert len(await stored_objects(stack.settings(), spec)) == 70


def test_the_dashboard_lets_nobody_look_without_its_token_and_makes_a_dataset_with_it(stack):
    with httpx2.Client(base_url=f"http://127.0.0.1:{stack.ports['DASHBOARD']}/api/v1", timeout=60) as client:
        assert client.get("/datasets").status_code == 401
        client.headers["authorization"] = f"Bearer {stack.secret('dashboard_token')}"
        made = client.post("/datasets", json={"name": "by the dashboard", "samples": 1, "iq_samples": 0})
        assert made.status_code == 201, made.text
        with client.stream("GET", f"/datasets/{made.json()['id']}/events") as stream:
            *_, last = (line for line in stream.iter_lines() if line.startswith("event: "))
        assert last == "event: end"
        assert client.delete(f"/datasets/{made.json()['id']}").status_code == 200


async def test_every_extractor_replica_does_a_share(stack, engine):
    spec = small_spec(SAMPLES)
    await submit_dataset(stack.settings(), spec)
    await wait_for_dataset(stack.settings(), spec, is_complete, deadline_s=240)
    done = []
    for container in stack.containers("extractor"):
        metrics = engine.containers.get(container["ID"]).exec_run(
            [
                "python3",
                "-c",
                "import urllib.request as r; print(r.urlopen('http://127.0.0.1:9400/metrics').read().decode())",
            ]
        )
        lines = metrics.output.decode().splitlines()
        done.append(next(float(line.split()[-1]) for line in lines if 'iqstream_records_total{result="done"' in line))
    assert len(done) == 3
    assert min(done) > 0


def test_prometheus_finds_every_replica_and_answers_every_expression(stack):
    prometheus = Prometheus(stack.ports["PROMETHEUS"])
    prometheus.wait_for('count(up{job="iqstream"} == 1) == 5')
    prometheus.wait_for("sum(rate(iqstream_samples_total[1m])) > 0")
    if stack.containers("lag"):
        prometheus.wait_for("kafka_consumergroup_group_lag")
        assert {row["metric"]["__name__"] for row in prometheus.query('{job="lag"}')} >= EXPORTER_METRICS - RARE
    panels = [expression for shown in dashboard_expressions().values() for expression in shown]
    known = {row["metric"]["__name__"] for row in prometheus.query('{__name__=~".+"}')}
    answered = {expression: prometheus.query(expression) for expression in (*panels, *rule_expressions().values())}
    assert not [e for e in panels if metric_names(e) <= known - RARE and not answered[e]]
    firing = prometheus.query('ALERTS{alertstate="firing"}')
    assert firing == []
    assert len([e for e, rows in answered.items() if rows]) > 20


async def test_a_kill_of_each_service_in_turn_changes_no_row(stack, engine):
    settings = stack.settings()
    undisturbed, disturbed = (small_spec(SAMPLES, iq_samples=20, capture=Capture(capture_ms=1000)) for _ in "ud")
    await submit_dataset(settings, undisturbed)
    await wait_for_dataset(settings, undisturbed, is_complete, deadline_s=240)
    victims = {s: engine.containers.get(stack.containers(s)[0]["ID"]) for s in (*STAGES, "minio", "kafka", "postgres")}
    await submit_dataset(settings, disturbed)
    for number, (service, container) in enumerate(victims.items()):
        enough = (number + 1) * SAMPLES // 10
        row = await wait_for_dataset(settings, disturbed, lambda row, n=enough: decided(row) >= n, deadline_s=240)
        assert decided(row) < SAMPLES, f"nothing was left to disturb when it came to {service}"
        container.kill()  # SIGKILL: what was not written is lost
        container.start()
        wait_until(container, "running")
    wait_until(victims["postgres"], "healthy")  # the figures come from it
    await wait_for_dataset(settings, disturbed, is_complete, deadline_s=240)
    assert await digest(settings, disturbed) == await digest(settings, undisturbed)
    for container in victims.values():
        wait_until(container, "healthy")


def decided(row):
    return row["accepted"] + row["rejected"] + row["failed"]


def wait_until(container, state, *, deadline_s=120):
    ends_at = time.monotonic() + deadline_s
    while True:
        container.reload()
        now = container.attrs["State"]
        if state in {now["Status"], now["Health"]["Status"]}:
            return
        assert time.monotonic() < ends_at, (container.name, now, container.logs(tail=30).decode())
        time.sleep(0.2)
