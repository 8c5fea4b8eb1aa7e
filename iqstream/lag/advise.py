"""How many workers of a stage hold a rate, by what a recording costs them, and the autoscaling that follows. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import yaml
from prometheus_client.parser import text_string_to_metric_families

from iqstream.runtime.readable import Readable
from iqstream.runtime.stages import EXTRACTOR, STAGES, Stage
from iqstream.runtime.topics import FEATURES, FRAMES

UTILISATION = 0.8
"""Share of its time that a worker is to be busy: the rest catches up after a restart."""
CLOSE_WITHIN_S = 30
"""Autoscaling adds a worker when those there would take longer than this to read the backlog."""


ADVISED_STAGES = tuple(STAGES.values())
"""Their metrics tell what a recording costs."""
_RECORDINGS = (FRAMES, FEATURES)
"""Topics of which a record is a recording."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one recording costs one worker."""

    seconds: float
    source: str
    """What it was measured from, in words."""
    recordings_per_record: float = 1.0
    """Of the stage's input: those of a shard's samples, of the producer's."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Advice(Readable):
    """Workers of a stage for a rate."""

    SHOWN: ClassVar = ("stage_name", "samples_per_s", "workers", "partitions", "lag_threshold")

    stage: Stage
    samples_per_s: float
    recordings_per_sample: int
    cost: Cost
    workers: int
    partitions: int
    """Of the stage's input: no more workers than these get work."""

    @property
    def stage_name(self) -> str:
        """Whose workers."""
        return self.stage.name

    @property
    def recordings_per_s(self) -> float:
        """The rate in recordings."""
        return self.samples_per_s * self.recordings_per_sample

    @property
    def lag_threshold(self) -> int:
        """Recordings of backlog per worker: what one does in half a minute."""
        return max(1, round(CLOSE_WITHIN_S / self.cost.seconds))

    @property
    def lag_threshold_records(self) -> int:
        """The same in records of the input, which is what lag is counted in."""
        return max(1, round(CLOSE_WITHIN_S / (self.cost.seconds * self.cost.recordings_per_record)))

    @property
    def enough_partitions(self) -> bool:
        """Whether every one of them would have a partition."""
        return self.workers <= self.partitions


def advise(
    samples_per_s: float, recordings_per_sample: int, cost: Cost, partitions: int, stage: Stage = EXTRACTOR
) -> Advice:
    """N = ceil(rate * recordings per sample * seconds per recording / utilisation), at least 1."""
    busy = samples_per_s * recordings_per_sample * cost.seconds
    return Advice(
        stage=stage,
        samples_per_s=samples_per_s,
        recordings_per_sample=recordings_per_sample,
        cost=cost,
        workers=max(1, math.ceil(busy / UTILISATION)),
        partitions=partitions,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerFigures:
    """What a worker's `/metrics` page says of its work."""

    stage: str
    busy_cpu_s: float
    """CPU time of its process, all threads, with a batch in hand."""
    records: float
    """Of its input."""
    recordings: float
    """That it has made of shards, or read."""


def worker_figures(page: str) -> WorkerFigures | None:
    """The figures of a page; None where it is not a page of a stage's worker, or has no CPU time (as on macOS).

    Raises:
        ValueError: it is not a metrics page.
    """
    stage, cpu_s, idle_s, records, made = None, None, 0.0, 0.0, 0.0
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if sample.name == "process_cpu_seconds_total":
                cpu_s = sample.value
            elif sample.name == "iqstream_idle_cpu_seconds_total":
                idle_s = sample.value
            elif sample.name == "iqstream_records_total" and sample.labels.get("result") == "done":
                stage, records = sample.labels.get("stage"), sample.value
            elif sample.name == "iqstream_emitted_records_total" and sample.labels.get("topic") in _RECORDINGS:
                made += sample.value
    if stage is None or cpu_s is None or not all(map(math.isfinite, (cpu_s, idle_s, records, made))):
        return None
    reads_shards = stage in STAGES and STAGES[stage].reads == "shards"
    recordings = made if reads_shards else records
    return WorkerFigures(stage=stage, busy_cpu_s=max(0.0, cpu_s - idle_s), records=records, recordings=recordings)


def cost_by_metrics(workers: Sequence[WorkerFigures], stage: Stage = EXTRACTOR) -> Cost | None:
    """CPU time of a stage's processes over recordings; None where they have done nothing yet."""
    of_stage = [worker for worker in workers if worker.stage == stage.name]
    busy_s, recordings = sum(w.busy_cpu_s for w in of_stage), sum(w.recordings for w in of_stage)
    records = sum(w.records for w in of_stage)
    if not recordings or not records or not busy_s:
        return None
    return Cost(
        seconds=busy_s / recordings,
        source=f"process CPU of {recordings:.0f} recordings",
        recordings_per_record=recordings / records,
    )


def advice_comment(advice: Advice) -> str:
    """The advice in words, as comments that YAML may follow."""
    stage = advice.stage.name
    rate = f"{advice.samples_per_s:g} samples/s ({advice.recordings_per_s:g} recordings/s)"
    hold = "worker holds" if advice.workers == 1 else "workers hold"
    lines = [
        f"{advice.workers} {stage} {hold} {rate} at {UTILISATION:.0%} load.",
        f"A recording costs {advice.cost.seconds * 1000:.2f} ms of a worker: {advice.cost.source}.",
    ]
    if advice.cost.recordings_per_record != 1:
        lines.append(f"A record of {advice.stage.topic} is {advice.cost.recordings_per_record:.3g} recordings.")
    if not advice.enough_partitions:
        lines.append(
            f"{advice.stage.topic} has {advice.partitions} partitions: more workers than that have nothing to read. "
            "Give it more (IQSTREAM_PARTITIONS, before `iqstream init`)."
        )
    return "".join(f"# {line}\n" for line in lines)


def advice_document(advice: Advice, scaler: Mapping[str, object]) -> dict[str, object]:
    """The advice for programs: JSON values whose keys carry their units and do not change."""
    return {
        "stage": advice.stage.name,
        "group": advice.stage.group,
        "topic": advice.stage.topic,
        "samples_per_second": advice.samples_per_s,
        "recordings_per_second": advice.recordings_per_s,
        "seconds_per_recording": advice.cost.seconds,
        "measured_from": advice.cost.source,
        "workers": advice.workers,
        "partitions": advice.partitions,
        "enough_partitions": advice.enough_partitions,
        "lag_threshold_recordings": advice.lag_threshold,
        "lag_threshold_records": advice.lag_threshold_records,
        "scaler": scaler,
    }


def keda_scaler(advice: Advice, bootstrap: str) -> Mapping[str, object]:
    """A KEDA ScaledObject that scales the stage's deployment on its group's lag."""
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": advice.stage.name},
        "spec": {
            "scaleTargetRef": {"name": advice.stage.name},
            "minReplicaCount": 1,
            "maxReplicaCount": advice.partitions,
            "triggers": [
                {
                    "type": "kafka",
                    "metadata": {
                        "bootstrapServers": bootstrap,
                        "consumerGroup": advice.stage.group,
                        "topic": advice.stage.topic,
                        "lagThreshold": str(advice.lag_threshold_records),
                        "offsetResetPolicy": "earliest",
                    },
                }
            ],
        },
    }


def hpa_scaler(advice: Advice) -> Mapping[str, object]:
    """A HorizontalPodAutoscaler on the exporter's lag, for a cluster with a Prometheus adapter."""
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": advice.stage.name}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": advice.stage.name},
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
                            "selector": {"matchLabels": {"group": advice.stage.group, "topic": advice.stage.topic}},
                        },
                        "target": {"type": "AverageValue", "averageValue": str(advice.lag_threshold_records)},
                    },
                }
            ],
        },
    }


def scaler_yaml(value: Mapping[str, object]) -> str:
    """Returns a scaler as YAML, its keys in the order of Kubernetes' own examples."""
    text: str = yaml.safe_dump(value, sort_keys=False)
    return text
