"""How many extractors hold a rate, and that the YAML is what Kubernetes reads."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest

from iqstream.ops.lag.advise import (
    UTILISATION,
    Cost,
    advice_comment,
    advise,
    cost_by_metrics,
    cost_by_velocity,
    hpa_yaml,
    keda_yaml,
)
from iqstream.ops.lag.figures import Ends, GroupLag, TopicLag, Trend, partition_lag
from iqstream.ops.lag.velocity import Velocity
from iqstream.runtime.metrics import Metrics
from iqstream.runtime.topics import EXTRACTOR_GROUP, FRAMES
from tests.strategies import SEEDED

COST = Cost(seconds=0.01, source="a measurement")


@SEEDED
@given(st.floats(0.1, 1e4), st.integers(1, 64), st.floats(1e-4, 1.0))
def test_the_extractors_hold_the_rate_and_one_less_would_not(rate, receivers, seconds):
    found = advise(rate, receivers, Cost(seconds=seconds, source=""), 12).extractors
    load = rate * receivers * seconds
    assert load <= found * UTILISATION * (1 + 1e-12)
    assert found == 1 or load > (found - 1) * UTILISATION * (1 - 1e-12)


def test_the_cost_is_compute_seconds_over_recordings_of_all_extractors():
    pages = []
    for seconds, recordings in ((3.0, 100), (1.0, 100)):
        metrics = Metrics("extractor")
        metrics.put("iqstream_compute_seconds", seconds)
        metrics.count("iqstream_records", recordings, result="done")
        metrics.count("iqstream_records", 50, result="skipped")
        pages.append(generate_latest(metrics.registry).decode())
    assert cost_by_metrics(pages).seconds == pytest.approx(4.0 / 200)


def test_metrics_of_other_stages_or_of_no_work_say_nothing():
    metrics = Metrics("producer")
    metrics.put("iqstream_compute_seconds", 1.0)
    metrics.count("iqstream_records", 5, result="done")
    assert cost_by_metrics([generate_latest(metrics.registry).decode()]) is None
    assert cost_by_metrics([]) is None


def extractors(*, backlog, consumed_per_s):
    trend = Trend(status="OK", commits=9, velocity=Velocity(consumed_per_s=consumed_per_s, produced_per_s=1.0))
    ends = Ends(log_start=0, end=backlog, high_watermark=backlog)
    partition = partition_lag(0, committed=0, ends=ends, unread=None, now_ms=0, trend=trend)
    topic = TopicLag(topic=FRAMES, exists=True, partitions=(partition,), values=())
    return GroupLag(group=EXTRACTOR_GROUP, exists=True, topics=(topic,))


def test_velocity_is_a_cost_only_while_there_is_a_backlog_and_somebody_reads():
    assert cost_by_velocity(extractors(backlog=100, consumed_per_s=50.0), 2).seconds == pytest.approx(0.04)
    assert cost_by_velocity(extractors(backlog=0, consumed_per_s=50.0), 2) is None
    assert cost_by_velocity(extractors(backlog=100, consumed_per_s=0.0), 2) is None
    assert cost_by_velocity(extractors(backlog=100, consumed_per_s=50.0), 0) is None


def test_both_scalers_are_yaml_with_the_threshold_of_one_extractor_and_no_more_replicas_than_partitions():
    advice = advise(20.0, 7, COST, 12)
    keda = yaml.safe_load(advice_comment(advice) + keda_yaml(advice, 'kafka"1:9092'))
    trigger = keda["spec"]["triggers"][0]
    assert (keda["kind"], keda["spec"]["maxReplicaCount"], trigger["type"]) == ("ScaledObject", 12, "kafka")
    assert trigger["metadata"]["lagThreshold"] == "3000"
    assert trigger["metadata"]["bootstrapServers"] == 'kafka"1:9092'
    hpa = yaml.safe_load(hpa_yaml(advice))
    assert (hpa["apiVersion"], hpa["spec"]["maxReplicas"]) == ("autoscaling/v2", 12)
    assert hpa["spec"]["metrics"][0]["external"]["target"]["averageValue"] == "3000"


def test_more_extractors_than_partitions_are_advised_against():
    assert "more extractors than that" in advice_comment(advise(1000.0, 7, COST, 12))
    assert "more extractors than that" not in advice_comment(advise(1.0, 7, COST, 12))
