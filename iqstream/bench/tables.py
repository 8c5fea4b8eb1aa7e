"""Figures of the benches as text and as tables. Pure."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from iqstream.lag.advise import UTILISATION, Cost, advise
from iqstream.runtime.stages import STAGES, Stage

SPEED, FEATURES_SPEED, SCALING = "pipeline", "pipeline: features only", "pipeline: scaling"
"""The names of the tables between a page's marks."""
SCALING_RATES = (10, 100, 1000)
_RECEIVERS = 7
_FEATURES_MB, _ROW_MB = 0.0153, 0.0085
"""Of a sample: its feature records (ADR 72), and its row with indexes."""
_MOST_PARTITIONS = 10_000
RATE = "samples/s over the kernels'"
CPU = "kernels' CPU over all CPU"
PER_MB = "broker_cpu_ms_per_mb"
BROKER_MS = "broker, CPU ms per MB"
PRODUCED = "producer, MB/s"
CONSUMED = "consumer, MB/s"
_PARTS = {
    "producer": "producer",
    "extractor": "extractor",
    "kafka": "Kafka",
    "sink": "sink",
    "postgres": "PostgreSQL",
    "s3": "S3 server",
    "services": "supervisors",
    "all": "**all**",
    "kernels": "kernels alone",
}


def figures(document: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    """Yields a line for every figure of a document."""
    for name, value in document.items():
        if isinstance(value, Mapping):
            yield f"{indent}{name}"
            yield from figures(value, indent + "  ")
        else:
            yield f"{indent}{name:{48 - len(indent)}} {value}"


def speed_table(document: Mapping[str, Any]) -> str:
    """Returns the table of a run of the pipeline, its ratios first."""
    ratios, cost, rates = document["ratios"], document["cpu_ms_per_sample"], document["samples_per_s"]
    limits = ", ".join(f"{name.rpartition(', ')[0]} {value:g} {name.rpartition(', ')[2]}"
                       for name, value in document["limits"].items())  # fmt: skip
    tools = document["broker_by_its_tools"]
    kernels = "its kernels" if document["kernels_of"] == "here" else f"the kernels of {document['kernels_of']}"
    others = cost["others"] / (cost["all"] + cost["bench"] + cost["others"])
    what = "full-size samples" if document["publish"] == "frames" else "features of full-size samples, no frames"
    workers = ", ".join(f"{count} {stage}" for stage, count in document["workers"].items())
    per_mb = f"{document[PER_MB]:.1f}, {tools[BROKER_MS]:.1f}" if PER_MB in document else ""
    broker = [f"| broker, CPU ms per MB: pipeline, Kafka's own tools | {per_mb} |"] if per_mb else []
    return "\n".join(
        [
            f"| {what}, exactly once, everything on one machine, beside {kernels} on all cores | |",
            "|---|---:|",
            f"| samples/s over those of the kernels | {ratios[RATE]:.2f} |",
            f"| CPU of the kernels over all CPU | {ratios[CPU]:.2f} |",
            f"| samples/s, pipeline and kernels | {rates['pipeline']:.1f}, {rates['kernels']:.1f} |",
            *(f"| CPU ms a sample: {shown} | {cost[part]:.1f} |" for part, shown in _PARTS.items() if part in cost),
            *broker,
            "",
            (
                f"Medians of rounds of {document['samples']:,} samples with {workers}; {document['cpu']}, commit "
                f"{document['commit']}, {document['date']}; other work took {others:.0%} of "
                f"the machine's CPU. In the same run: {limits}; Kafka's tools "
                f"{tools[PRODUCED]:.0f} MB/s in, {tools[CONSUMED]:.0f} MB/s out."
            ),
        ]
    )


def scaling_table(document: Mapping[str, Any]) -> str:
    """Returns what rates need, by the costs of a run and the rule of `lag --advise`."""
    ms = document["cpu_ms_per_sample"]
    rows: dict[str, list[str]] = {}

    def add(name: str, *values: str) -> None:
        rows.setdefault(name, []).extend(values)

    for rate in SCALING_RATES:
        workers = [_advised(stage, rate, ms) for stage in STAGES.values()]
        frames_mb = rate * document["mb_per_sample"]
        add("workers: producer, extractor, sink", ", ".join(map(str, workers)))
        add("`IQSTREAM_PARTITIONS`, at least", str(max(12, *workers)))
        add("cores of the brokers, one copy", f"{rate * ms['kafka'] / 1000 / UTILISATION:.1f}")
        add("cores of PostgreSQL", f"{rate * ms['postgres'] / 1000 / UTILISATION:.1f}")
        add("frames, MB/s into and out of the brokers", f"{frames_mb:,.0f} and {frames_mb:,.0f}")
        add("without frames: producers", str(math.ceil(rate * ms["kernels"] / 1000 / UTILISATION)))
        add("without frames, MB/s", f"{rate * _FEATURES_MB:.2f}")
        add(
            "written to keep, GB a day: feature records, rows",
            f"{rate * 86.4 * _FEATURES_MB:,.0f}, {rate * 86.4 * _ROW_MB:,.0f}",
        )
    head = "| samples/s | " + " | ".join(f"{rate:,}" for rate in SCALING_RATES) + " |"
    lines = [f"| {name} | {' | '.join(values)} |" for name, values in rows.items()]
    return "\n".join([head, "|---" + "|---:" * len(SCALING_RATES) + "|", *lines])


def _advised(stage: Stage, rate: float, ms: Mapping[str, float]) -> int:
    """Workers of a stage, as `lag --advise` counts them."""
    cost = Cost(seconds=ms[stage.name] / 1000 / _RECEIVERS, source="a run")
    return advise(rate, _RECEIVERS, cost, _MOST_PARTITIONS, stage).workers
