"""How many extractors hold a given rate, by what a recording costs them, and the autoscaling that follows. Pure."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from iqstream.ops.lag.figures import GroupLag
from iqstream.runtime.topics import EXTRACTOR_GROUP, FRAMES

UTILISATION = 0.8
"""Share of its time that an extractor is to be busy: the rest catches up after a restart."""
DEPLOYMENT = "extractor"
"""Name of the extractors' deployment in `deploy/k8s`."""
CLOSE_WITHIN_S = 30
"""Autoscaling adds an extractor when those there would take longer than this to read the backlog."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one recording costs one extractor."""

    seconds: float
    source: str
    """What it was measured from, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """Extractors for a rate."""

    samples_per_s: float
    recordings_per_sample: int
    cost: Cost
    extractors: int
    partitions: int
    """Of `iq.frames`: no more extractors than these get work."""

    @property
    def lag_threshold(self) -> int:
        """Recordings of backlog per extractor: what one reads in half a minute."""
        return max(1, round(CLOSE_WITHIN_S / self.cost.seconds))

    @property
    def enough_partitions(self) -> bool:
        """Whether every one of them would have a partition."""
        return self.extractors <= self.partitions


def advise(samples_per_s: float, recordings_per_sample: int, cost: Cost, partitions: int) -> Advice:
    """N = ceil(rate * recordings per sample * seconds per recording / utilisation), at least 1."""
    busy = samples_per_s * recordings_per_sample * cost.seconds
    return Advice(
        samples_per_s=samples_per_s,
        recordings_per_sample=recordings_per_sample,
        cost=cost,
        extractors=max(1, math.ceil(busy / UTILISATION)),
        partitions=partitions,
    )


def cost_by_metrics(pages: Iterable[str]) -> Cost | None:
    """Compute seconds over recordings, from the `/metrics` pages of extractors; None where they did nothing yet."""
    seconds, recordings = 0.0, 0.0
    for page in pages:
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                if sample.labels.get("stage") != "extractor":
                    continue
                if sample.name == "iqstream_compute_seconds_sum":
                    seconds += sample.value
                elif sample.name == "iqstream_records_total" and sample.labels.get("result") == "done":
                    recordings += sample.value
    if not recordings or not seconds:
        return None
    return Cost(
        seconds=seconds / recordings, source=f"compute time of {recordings:.0f} recordings in the stage's metrics"
    )


def cost_by_velocity(group: GroupLag, members: int) -> Cost | None:
    """Workers over recordings per second, while they have a backlog; None where that says nothing of what they can."""
    total = group.total
    if group.group != EXTRACTOR_GROUP or not members or not total.backlog or total.velocity is None:
        return None
    if not total.velocity.consumed_per_s:
        return None
    return Cost(
        seconds=members / total.velocity.consumed_per_s,
        source=f"{total.velocity.consumed_per_s:.1f} recordings/s read by {members} extractors with a backlog",
    )


def advice_comment(advice: Advice) -> str:
    """The advice in words, as comments that YAML may follow."""
    recordings_per_s = advice.samples_per_s * advice.recordings_per_sample
    rate = f"{advice.samples_per_s:g} samples/s ({recordings_per_s:g} recordings/s)"
    lines = [
        f"{advice.extractors} extractors hold {rate} at {UTILISATION:.0%} load.",
        f"A recording costs {advice.cost.seconds * 1000:.2f} ms of an extractor: {advice.cost.source}.",
    ]
    if not advice.enough_partitions:
        lines.append(
            f"{FRAMES} has {advice.partitions} partitions: more extractors than that have nothing to read. "
            "Give it more (IQSTREAM_PARTITIONS, before `iqstream init`)."
        )
    return "".join(f"# {line}\n" for line in lines)


def keda_yaml(advice: Advice, bootstrap: str) -> str:
    """A KEDA ScaledObject that scales the extractor's deployment on the group's lag."""
    return _yaml(
        {
            "apiVersion": "keda.sh/v1alpha1",
            "kind": "ScaledObject",
            "metadata": {"name": DEPLOYMENT},
            "spec": {
                "scaleTargetRef": {"name": DEPLOYMENT},
                "minReplicaCount": 1,
                "maxReplicaCount": advice.partitions,
                "triggers": [
                    {
                        "type": "kafka",
                        "metadata": {
                            "bootstrapServers": bootstrap,
                            "consumerGroup": EXTRACTOR_GROUP,
                            "topic": FRAMES,
                            "lagThreshold": str(advice.lag_threshold),
                            "offsetResetPolicy": "earliest",
                        },
                    }
                ],
            },
        }
    )


def hpa_yaml(advice: Advice) -> str:
    """A HorizontalPodAutoscaler on the exporter's lag, for a cluster with a Prometheus adapter."""
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": DEPLOYMENT}
    return _yaml(
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": DEPLOYMENT},
            "spec": {
                "scaleTargetRef": target,
                "minReplicas": 1,
                "maxReplicas": advice.partitions,
                "metrics": [
                    {
                        "type": "External",
                        "external": {
                            "metric": {
                                "name": "kafka_consumergroup_group_topic_sum_lag",
                                "selector": {"matchLabels": {"group": EXTRACTOR_GROUP, "topic": FRAMES}},
                            },
                            "target": {"type": "AverageValue", "averageValue": str(advice.lag_threshold)},
                        },
                    }
                ],
            },
        }
    )


def _yaml(value: Mapping[str, object]) -> str:
    """YAML of maps, lists, numbers and plain text, quoted where it must be."""
    return "\n".join(_lines(value, 0)) + "\n"


def _lines(value: object, depth: int) -> Iterable[str]:
    indent = "  " * depth
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if isinstance(inner, Mapping | list):
                yield f"{indent}{key}:"
                yield from _lines(inner, depth + 1)
            else:
                yield f"{indent}{key}: {_scalar(inner)}"
    elif isinstance(value, list):
        for inner in value:
            first, *rest = _lines(inner, depth + 1)
            yield f"{indent}- {first.lstrip()}"
            yield from rest


def _scalar(value: object) -> str:
    if isinstance(value, int):
        return str(value)
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
