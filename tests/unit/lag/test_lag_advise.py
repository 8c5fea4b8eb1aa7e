"""How many workers hold a rate, by what a recording costs them, and that the YAML is what Kubernetes reads."""

import math
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest

from iqstream.cli.lag import lag
from iqstream.lag.advise import (
    UTILISATION,
    Cost,
    advice_comment,
    advise,
    cost_by_metrics,
    hpa_scaler,
    keda_scaler,
    scaler_yaml,
    worker_figures,
)
from iqstream.lag.measure import _fetch, advised_stages
from iqstream.runtime.errors import Unreachable, UserError
from iqstream.runtime.metrics import Metrics
from iqstream.runtime.stages import EXTRACTOR, PRODUCER, SINK
from tests.strategies import SEEDED

COST = Cost(seconds=0.01, source="a measurement")


@SEEDED
@given(st.floats(0.1, 1e4), st.integers(1, 64), st.floats(1e-4, 1.0))
def test_the_extractors_hold_the_rate_and_one_less_would_not(rate, receivers, seconds):
    found = advise(rate, receivers, Cost(seconds=seconds, source=""), 12).workers
    load = rate * receivers * seconds
    assert load <= found * UTILISATION * (1 + 1e-12)
    assert found == 1 or load > (found - 1) * UTILISATION * (1 - 1e-12)


def page(stage, *, cpu_s, idle_s=0.0, done=0, compute_s=0.0, emitted=()):
    """What a worker serves, with the process's CPU time as given."""
    metrics = Metrics(stage)
    metrics.put("iqstream_compute_seconds", compute_s)
    metrics.count("iqstream_records", done, result="done")
    metrics.count("iqstream_records", 50, result="skipped")
    for topic, records in emitted:
        metrics.count("iqstream_emitted_records", records, topic=topic)
    values = {"process_cpu_seconds_total": cpu_s, f'iqstream_idle_cpu_seconds_total{{stage="{stage}"}}': idle_s}
    lines = [line.rsplit(" ", 1) for line in generate_latest(metrics.registry).decode().splitlines()]
    return "".join(f"{name} {values.get(name, value)}\n" for name, value in lines)


def test_the_cost_is_the_processes_cpu_over_recordings_without_waiting_start_and_idle_time():
    """Compute times are ten times as long where batches wait for each other; the CPU is what work takes."""
    pages = [
        page("extractor", cpu_s=5.0, idle_s=2.0, done=100, compute_s=30.0),
        page("extractor", cpu_s=1.5, idle_s=0.5, done=100, compute_s=10.0),
        page("sink", cpu_s=0.5, idle_s=0.4, done=200),
    ]
    figures = [worker_figures(one) for one in pages]
    assert cost_by_metrics(figures).seconds == pytest.approx((3.0 + 1.0) / 200)
    assert cost_by_metrics(figures, SINK).seconds == pytest.approx(0.1 / 200)


@pytest.mark.parametrize(("topic", "recordings"), [("iq.frames", 14), ("iq.features", 56)])
def test_a_producer_costs_by_the_recordings_that_it_makes_and_scales_by_the_shards_that_it_reads(topic, recordings):
    emitted = ((topic, recordings * 100), ("iq.dead-letter", 9))
    cost = cost_by_metrics([worker_figures(page("producer", cpu_s=7.0, done=100, emitted=emitted))], PRODUCER)
    assert cost.seconds == pytest.approx(7.0 / (recordings * 100))
    advice = advise(20.0, 7, cost, 12, PRODUCER)
    shard_s = 0.07
    assert advice.lag_threshold_records == round(30 / shard_s)
    assert keda_scaler(advice, "k:1")["spec"]["triggers"][0]["metadata"]["lagThreshold"] == str(round(30 / shard_s))
    assert advice.workers == math.ceil(20 * 7 / recordings * shard_s / UTILISATION)
    assert f"A record of iq.jobs is {recordings} recordings." in advice_comment(advice)


def test_what_a_process_uses_with_a_batch_in_hand_is_its_works_and_all_else_is_idle():
    def burn(seconds):
        until = time.process_time() + seconds
        while time.process_time() < until:
            pass

    def served():
        return worker_figures(generate_latest(metrics.registry).decode()).busy_cpu_s

    metrics = Metrics("sink")
    burn(0.1)
    assert served() == pytest.approx(0.0, abs=0.03)  # the system counts in steps of 10 ms
    with metrics.batch():
        burn(0.1)
        with metrics.batch():  # two partitions at once
            burn(0.1)
        burn(0.1)
        assert served() == pytest.approx(0.3, abs=0.03)
    burn(0.1)
    assert served() == pytest.approx(0.3, abs=0.03)


def test_metrics_of_other_stages_or_of_no_work_say_nothing():
    assert cost_by_metrics([worker_figures(page("producer", cpu_s=9.0, done=5))]) is None
    assert cost_by_metrics([worker_figures(page("extractor", cpu_s=9.0))]) is None
    assert cost_by_metrics([]) is None
    assert worker_figures("up 1\n") is None
    assert worker_figures(page("extractor", cpu_s="NaN", done=5)) is None


def test_both_scalers_are_yaml_with_the_threshold_of_one_worker_and_no_more_replicas_than_partitions():
    advice = advise(20.0, 7, COST, 12)
    keda = yaml.safe_load(advice_comment(advice) + scaler_yaml(keda_scaler(advice, 'kafka"1:9092')))
    trigger = keda["spec"]["triggers"][0]
    assert (keda["kind"], keda["spec"]["maxReplicaCount"], trigger["type"]) == ("ScaledObject", 12, "kafka")
    assert trigger["metadata"]["lagThreshold"] == "3000"
    assert trigger["metadata"]["bootstrapServers"] == 'kafka"1:9092'
    hpa = yaml.safe_load(scaler_yaml(hpa_scaler(advice)))
    assert (hpa["apiVersion"], hpa["spec"]["maxReplicas"]) == ("autoscaling/v2", 12)
    assert hpa["spec"]["metrics"][0]["external"]["target"]["averageValue"] == "3000"


def test_more_extractors_than_partitions_are_advised_against():
    assert "more workers than that" in advice_comment(advise(1000.0, 7, COST, 12))
    assert "more workers than that" not in advice_comment(advise(1.0, 7, COST, 12))


def test_the_groups_asked_for_choose_the_stages_else_the_pages_do_and_what_fits_neither_is_refused():
    assert advised_stages([SINK.group, EXTRACTOR.group], []) == [SINK, EXTRACTOR]
    assert advised_stages([], ["sink"]) == [SINK]
    assert advised_stages([], ["sink", "producer", "extractor"]) == [PRODUCER, EXTRACTOR, SINK]
    for groups, measured in (
        (["theirs"], []),
        ([], ["theirs"]),
        ([SINK.group], ["extractor"]),
    ):
        with pytest.raises(UserError):
            advised_stages(groups, measured)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--advise", "20", "--watch"],
        ["--advise", "20", "--serve", "0"],
        ["--advise", "20", "--interval", "3"],
        ["--advise", "20", "--topic", "iq.frames"],
        ["--advise", "20", "--allow", "2"],
        ["--metrics", "http://127.0.0.1:1/metrics"],
        ["--scaler", "keda"],
    ],
)
def test_an_option_that_would_do_nothing_is_refused(arguments):
    result = CliRunner().invoke(lag, arguments)
    assert isinstance(result.exception, UserError)
    assert arguments[-2 if arguments[-1][0] != "-" else -1] in str(result.exception)


def test_advice_without_anything_measured_is_refused_with_what_to_give():
    result = CliRunner().invoke(lag, ["--advise", "20"])
    assert isinstance(result.exception, UserError)
    assert "needs --metrics" in str(result.exception)


@pytest.mark.parametrize(
    "address",
    [
        "file:///dev/null",
        "http://[::1/metrics",
        "http://127.0.0.1:99999/metrics",
        "http://127.0.0.1:0/metrics",
        "http://127.0.0.1:1/\nx",
        "http://127.0.0.1:1/a b",
        "http://two..dots/",
        "http://",
    ],
)
def test_an_address_that_cannot_be_asked_is_wrong_usage_and_no_outage(address):
    with pytest.raises(UserError, match="metrics at"):
        _fetch(address)


@pytest.mark.parametrize(("status", "told"), [(403, UserError), (404, UserError), (503, Unreachable)])
def test_a_server_that_has_no_such_page_is_another_one_and_one_that_is_not_ready_is_waited_for(status, told):
    class Refusing(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_error(status)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        with pytest.raises(told, match=str(status)):
            _fetch(f"http://127.0.0.1:{server.server_port}/metrics")
